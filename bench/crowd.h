/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crowd - many xDS clients in a process of their own, so that the server's CPU is the server's.
 *
 * Frames of HTTP/2 are cut by hand and responses are skimmed, not decoded: a client costs little more than the kernel's
 * copy. Each sends a script (whole gRPC messages) and then an ACK for each response. Asked to wait for so many more
 * resources at every client, the crowd reports when the last client has got the last byte. Include it once.
 */
#pragma once

#include "base/file.h"
#include "base/mem.h"
#include "base/time.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CROWD_READ = 256 << 10, CROWD_WINDOW = 0x7fffffff, CROWD_REFILL = 1 << 30, CROWD_SERVER_WINDOW = 65535 };
#define CROWD_PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define CROWD_SERVICE "/envoy.service.discovery.v3.AggregatedDiscoveryService/"

enum crowd_verb {
        CROWD_OPEN,  /* connect, send the script; then as WAIT, but for all resources since the start */
        CROWD_WAIT,  /* until each client has got that many more resources */
        CROWD_CLOSE, /* all connections */
};

struct crowd_wish {
        enum crowd_verb verb;
        unsigned clients, streams; /* OPEN; streams: idle ones on each connection beside the one that asks */
        bool delta;
        uint16_t port;
        uint64_t resources;
        char script[96]; /* a file */
};

/* CROWD_OPEN and CROWD_WAIT are answered twice: when the crowd is ready to see changes (at is 0), and when all came. */
struct crowd_report {
        int64_t at;                /* monotonic: the last byte */
        uint64_t bytes, responses; /* since the last report */
        uint64_t asked;            /* bytes of requests */
};

/* ---- one client ---- */

struct crowd_client {
        int fd;
        uint8_t head[9];
        uint32_t head_len, left; /* of the frame */
        uint8_t small[64];       /* payload of a control frame */
        uint32_t small_len;
        /* of the gRPC message */
        uint8_t prefix[5];
        uint32_t prefix_len, message_left;
        uint64_t number; /* a varint that is being read */
        unsigned shift, field, wire, state;
        uint64_t skip;
        char type[128], nonce[32];
        uint32_t text_len;
        uint64_t resources, coming, goal; /* coming: in the message that is being read */
        uint64_t received;                /* since windows were refilled */
        int64_t window, connection_window;
        size_t script_sent;
        char *acks; /* to be sent behind the script */
        size_t acks_len;
        uint8_t *out; /* control frames and ACKs */
        size_t out_len, out_room;
        bool blocked;
};

struct crowd {
        int commands, epoll;
        struct crowd_client *clients;
        unsigned count, waiting;
        bool delta, hoping;
        struct buf *script;
        struct crowd_report report;
};

static _Noreturn void crowd_die(const char *what)
{
        fprintf(stderr, "crowd: %s: %s\n", what, strerror(errno));
        _exit(1);
}

static void crowd_put(struct crowd_client *c, const void *p, size_t n)
{
        if (c->out_len + n > c->out_room) {
                c->out_room = (c->out_len + n) * 2;
                c->out = mem_resize(c->out, c->out_room, 1);
        }
        memcpy(c->out + c->out_len, p, n);
        c->out_len += n;
}

static void crowd_frame(struct crowd_client *c, uint8_t type, uint8_t flags, uint32_t id, const void *p, size_t n)
{
        const uint8_t head[9] = {(uint8_t)(n >> 16),  (uint8_t)(n >> 8),  (uint8_t)n, type, flags, 0,
                                 (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id};
        crowd_put(c, head, sizeof(head));
        if (n > 0)
                crowd_put(c, p, n);
}

static void crowd_window(struct crowd_client *c, uint32_t id, uint32_t by)
{
        const uint8_t p[4] = {(uint8_t)(by >> 24), (uint8_t)(by >> 16), (uint8_t)(by >> 8), (uint8_t)by};
        crowd_frame(c, 8, 0, id, p, sizeof(p));
}

/* HPACK without Huffman and without the table (RFC 7541). */
static void crowd_headers(struct crowd_client *c, uint32_t id, bool delta)
{
        char block[256];
        const char *method = delta ? "DeltaAggregatedResources" : "StreamAggregatedResources";
        int n = snprintf(block, sizeof(block),
                         "\x83\x86\x01\x01z\x04%c%s%s\x0f\x10\x10"
                         "application/grpc",
                         (int)(strlen(CROWD_SERVICE) + strlen(method)), CROWD_SERVICE, method);
        crowd_frame(c, 1, 4, id, block, (size_t)n);
}

static void crowd_flush(struct crowd *w, struct crowd_client *c)
{
        size_t sent = 0;
        while (sent < c->out_len) {
                ssize_t n = write(c->fd, c->out + sent, c->out_len - sent);
                if (n < 0 && errno == EAGAIN)
                        break;
                if (n < 0)
                        crowd_die("write");
                sent += (size_t)n;
        }
        memmove(c->out, c->out + sent, c->out_len - sent);
        c->out_len -= sent;
        bool blocked = c->out_len > 0;
        if (blocked != c->blocked) {
                struct epoll_event e = {.events = EPOLLIN | (blocked ? (uint32_t)EPOLLOUT : 0), .data.ptr = c};
                epoll_ctl(w->epoll, EPOLL_CTL_MOD, c->fd, &e);
                c->blocked = blocked;
        }
}

/* What the server's windows allow of n bytes at p; so much was taken. */
static size_t crowd_send(struct crowd *w, struct crowd_client *c, const char *p, size_t n)
{
        size_t sent = 0;
        while (sent < n && c->window > 0 && c->connection_window > 0) {
                size_t piece = n - sent < 16384 ? n - sent : 16384;
                piece = piece < (size_t)c->window ? piece : (size_t)c->window;
                piece = piece < (size_t)c->connection_window ? piece : (size_t)c->connection_window;
                crowd_frame(c, 0, 0, 1, p + sent, piece);
                sent += piece;
                c->window -= (int64_t)piece;
                c->connection_window -= (int64_t)piece;
        }
        w->report.asked += sent;
        return sent;
}

/* The script, and behind it the ACKs. */
static void crowd_say(struct crowd *w, struct crowd_client *c)
{
        size_t all = buf_len(w->script);
        c->script_sent += crowd_send(w, c, buf_data(w->script) + c->script_sent, all - c->script_sent);
        if (c->script_sent < all || c->acks_len == 0)
                return;
        size_t sent = crowd_send(w, c, c->acks, c->acks_len);
        memmove(c->acks, c->acks + sent, c->acks_len - sent);
        c->acks_len -= sent;
}

static void crowd_add_ack(struct crowd_client *c, const void *p, size_t n)
{
        c->acks = mem_resize(c->acks, c->acks_len + n, 1);
        memcpy(c->acks + c->acks_len, p, n);
        c->acks_len += n;
}

static size_t crowd_length(const char *prefix)
{
        const uint8_t *p = (const uint8_t *)prefix;
        return (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
}

/* State of the World: the first request of that type again, with the nonce behind it. */
static void crowd_ack_again(struct crowd *w, struct crowd_client *c, const uint8_t *nonce, size_t n)
{
        const char *at = buf_data(w->script), *end = at + buf_len(w->script);
        for (size_t length; at < end; at += 5 + length) {
                length = crowd_length(at);
                if (!memmem(at, 5 + length, c->type, strlen(c->type)))
                        continue;
                size_t all = length + n;
                const uint8_t prefix[5] = {0, (uint8_t)(all >> 24), (uint8_t)(all >> 16), (uint8_t)(all >> 8),
                                           (uint8_t)all};
                crowd_add_ack(c, prefix, sizeof(prefix));
                crowd_add_ack(c, at + 5, length);
                crowd_add_ack(c, nonce, n);
                return;
        }
}

static size_t crowd_field(uint8_t *to, unsigned field, const char *text)
{
        size_t n = strlen(text);
        to[0] = (uint8_t)(field << 3 | 2);
        to[1] = (uint8_t)n;
        memcpy(to + 2, text, n);
        return n + 2;
}

static void crowd_ack(struct crowd *w, struct crowd_client *c)
{
        uint8_t m[256];
        if (!w->delta) {
                crowd_ack_again(w, c, m, crowd_field(m, 5, c->nonce));
        } else {
                size_t n = 5 + crowd_field(m + 5, 2, c->type);
                n += crowd_field(m + n, 6, c->nonce);
                memcpy(m, (uint8_t[]){0, 0, 0, 0, (uint8_t)(n - 5)}, 5);
                crowd_add_ack(c, m, n);
        }
        crowd_say(w, c);
}

/* ---- responses, skimmed: both kinds have resources in field 2, the type in 4, the nonce in 5 ---- */

enum { SKIM_TAG, SKIM_LENGTH, SKIM_VARINT, SKIM_BODY };

static void crowd_note_end(struct crowd *w, struct crowd_client *c)
{
        bool hoped = c->resources < c->goal;
        c->resources += c->coming;
        c->coming = 0;
        w->waiting -= hoped && c->resources >= c->goal;
        w->report.responses++;
        crowd_ack(w, c);
}

static void crowd_begin_body(struct crowd_client *c)
{
        c->skip = c->number;
        c->text_len = 0;
        c->state = c->skip ? SKIM_BODY : SKIM_TAG;
        c->coming += c->field == 2;
}

static void crowd_varint(struct crowd_client *c, uint8_t byte)
{
        c->number |= (uint64_t)(byte & 127) << c->shift;
        c->shift += 7;
        if (byte & 128)
                return;
        if (c->state == SKIM_TAG) {
                c->field = (unsigned)(c->number >> 3);
                c->state = (c->number & 7) == 2 ? SKIM_LENGTH : SKIM_VARINT;
        } else if (c->state == SKIM_LENGTH) {
                crowd_begin_body(c);
        } else {
                c->state = SKIM_TAG;
        }
        c->number = c->shift = 0;
}

static size_t crowd_body(struct crowd_client *c, const uint8_t *p, size_t n)
{
        n = n < c->skip ? n : (size_t)c->skip;
        char *text = c->field == 4 ? c->type : c->field == 5 ? c->nonce : NULL;
        size_t room = c->field == 4 ? sizeof(c->type) : sizeof(c->nonce);
        if (text && c->text_len + n < room) {
                memcpy(text + c->text_len, p, n);
                c->text_len += (uint32_t)n;
                text[c->text_len] = '\0';
        }
        c->skip -= n;
        if (c->skip == 0)
                c->state = SKIM_TAG;
        return n;
}

static void crowd_data(struct crowd *w, struct crowd_client *c, const uint8_t *p, size_t n)
{
        while (n > 0) {
                size_t took = 1;
                if (c->prefix_len < sizeof(c->prefix)) {
                        c->prefix[c->prefix_len++] = *p;
                        if (c->prefix_len == sizeof(c->prefix))
                                c->message_left = (uint32_t)c->prefix[1] << 24 | (uint32_t)c->prefix[2] << 16 |
                                                  (uint32_t)c->prefix[3] << 8 | c->prefix[4];
                } else {
                        if (c->state == SKIM_BODY)
                                took = crowd_body(c, p, n < c->message_left ? n : c->message_left);
                        else
                                crowd_varint(c, *p);
                        c->message_left -= (uint32_t)took;
                }
                if (c->prefix_len == sizeof(c->prefix) && c->message_left == 0) {
                        c->prefix_len = 0;
                        c->state = SKIM_TAG;
                        crowd_note_end(w, c);
                }
                p += took;
                n -= took;
        }
}

/* ---- frames ---- */

static void crowd_control(struct crowd *w, struct crowd_client *c)
{
        uint32_t id = (uint32_t)c->head[7] << 8 | c->head[8];
        if (c->head[3] == 4 && !(c->head[4] & 1))
                crowd_frame(c, 4, 1, 0, "", 0);
        if (c->head[3] == 6 && !(c->head[4] & 1))
                crowd_frame(c, 6, 1, 0, c->small, 8);
        if (c->head[3] == 8) {
                int64_t by = (int64_t)c->small[0] << 24 | c->small[1] << 16 | c->small[2] << 8 | c->small[3];
                *(id ? &c->window : &c->connection_window) += by;
                crowd_say(w, c);
        }
        if (c->head[3] == 3 || c->head[3] == 7) {
                fprintf(stderr, "crowd: the server ends a %s, code %u\n", c->head[3] == 3 ? "stream" : "connection",
                        c->small[c->head[3] == 3 ? 3 : 7]);
                _exit(1);
        }
}

static void crowd_payload(struct crowd *w, struct crowd_client *c, const uint8_t *p, size_t n)
{
        if (c->head[3] == 0) {
                crowd_data(w, c, p, n);
        } else {
                for (size_t i = 0; i < n && c->small_len < sizeof(c->small); i++)
                        c->small[c->small_len++] = p[i];
        }
        c->left -= (uint32_t)n;
        if (c->left == 0) {
                if (c->head[3] != 0)
                        crowd_control(w, c);
                c->head_len = c->small_len = 0;
        }
}

static void crowd_bytes(struct crowd *w, struct crowd_client *c, const uint8_t *p, size_t n)
{
        while (n > 0) {
                size_t took = 1;
                if (c->head_len < sizeof(c->head)) {
                        c->head[c->head_len++] = *p;
                        if (c->head_len == sizeof(c->head)) {
                                c->left = (uint32_t)c->head[0] << 16 | (uint32_t)c->head[1] << 8 | c->head[2];
                                if (c->left == 0)
                                        crowd_payload(w, c, p, 0);
                        }
                } else {
                        took = n < c->left ? n : c->left;
                        crowd_payload(w, c, p, took);
                }
                p += took;
                n -= took;
        }
}

static void crowd_report(struct crowd *w)
{
        if (!w->hoping || w->waiting)
                return;
        w->hoping = false;
        w->report.at = time_monotonic();
        if (write(w->commands, &w->report, sizeof(w->report)) != sizeof(w->report))
                crowd_die("report");
        w->report = (struct crowd_report){0};
}

static void crowd_read(struct crowd *w, struct crowd_client *c)
{
        static uint8_t bytes[CROWD_READ];
        ssize_t n = read(c->fd, bytes, sizeof(bytes));
        if (n <= 0 && !(n < 0 && errno == EAGAIN))
                crowd_die("the server has closed a connection");
        if (n <= 0)
                return;
        crowd_bytes(w, c, bytes, (size_t)n);
        w->report.bytes += (uint64_t)n;
        c->received += (uint64_t)n;
        if (c->received > CROWD_REFILL) {
                crowd_window(c, 0, (uint32_t)c->received);
                crowd_window(c, 1, (uint32_t)c->received);
                c->received = 0;
        }
        crowd_flush(w, c);
        crowd_report(w);
}

/* ---- commands ---- */

static void crowd_connect(struct crowd *w, struct crowd_client *c, const struct crowd_wish *wish)
{
        static const uint8_t settings[] = {0, 4, 0x7f, 0xff, 0xff, 0xff};
        const struct sockaddr_in to = {
                .sin_family = AF_INET, .sin_port = htons(wish->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        const int on = 1;
        c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)&to, sizeof(to)) != 0)
                crowd_die("connect");
        fcntl(c->fd, F_SETFL, O_NONBLOCK);
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        c->window = c->connection_window = CROWD_SERVER_WINDOW;
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(w->epoll, EPOLL_CTL_ADD, c->fd, &e);
        crowd_put(c, CROWD_PREFACE, strlen(CROWD_PREFACE));
        crowd_frame(c, 4, 0, 0, settings, sizeof(settings));
        crowd_window(c, 0, CROWD_WINDOW - CROWD_SERVER_WINDOW);
        for (unsigned i = 0; i <= wish->streams; i++)
                crowd_headers(c, 2 * i + 1, wish->delta);
        crowd_say(w, c);
}

static void crowd_close(struct crowd *w)
{
        for (unsigned i = 0; i < w->count; i++) {
                close(w->clients[i].fd);
                mem_free(w->clients[i].out);
                mem_free(w->clients[i].acks);
        }
        mem_free(w->clients);
        buf_free(w->script);
        w->script = NULL;
        w->clients = NULL;
        w->count = 0;
}

static void crowd_obey(struct crowd *w)
{
        static const struct crowd_report ready;
        struct crowd_wish wish;
        if (read(w->commands, &wish, sizeof(wish)) != sizeof(wish))
                _exit(0);
        if (wish.verb == CROWD_CLOSE) {
                crowd_close(w);
                if (write(w->commands, &ready, sizeof(ready)) != sizeof(ready))
                        crowd_die("report");
                return;
        }
        if (wish.verb == CROWD_OPEN) {
                w->report = (struct crowd_report){0};
                struct err e = {0};
                w->script = file_read(wish.script, (size_t)1 << 30, &e);
                if (!w->script)
                        crowd_die(e.text);
                w->delta = wish.delta;
                w->count = wish.clients;
                w->clients = mem_calloc(w->count, sizeof(*w->clients));
        }
        w->waiting = 0;
        for (unsigned i = 0; i < w->count; i++) {
                struct crowd_client *c = &w->clients[i];
                c->goal = c->resources + wish.resources;
                w->waiting += c->resources < c->goal;
        }
        w->hoping = true;
        if (write(w->commands, &ready, sizeof(ready)) != sizeof(ready))
                crowd_die("report");
        for (unsigned i = 0; wish.verb == CROWD_OPEN && i < w->count; i++) {
                crowd_connect(w, &w->clients[i], &wish);
                crowd_flush(w, &w->clients[i]);
        }
        crowd_report(w);
}

static _Noreturn void crowd_live(int commands)
{
        struct crowd w = {.commands = commands, .epoll = epoll_create1(EPOLL_CLOEXEC)};
        struct epoll_event e = {.events = EPOLLIN};
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGPIPE, SIG_IGN);
        epoll_ctl(w.epoll, EPOLL_CTL_ADD, commands, &e);
        for (;;) {
                struct epoll_event events[256];
                int n = epoll_wait(w.epoll, events, COUNT_OF(events), -1);
                for (int i = 0; i < n; i++) {
                        if (!events[i].data.ptr) {
                                crowd_obey(&w);
                                break; /* clients may be gone */
                        }
                        if (events[i].events & EPOLLOUT)
                                crowd_flush(&w, events[i].data.ptr);
                        if (events[i].events & ~(uint32_t)EPOLLOUT)
                                crowd_read(&w, events[i].data.ptr);
                }
        }
}

/* ---- for the bench: a socket to write wishes to and read reports from ---- */

/* Before anything large is allocated, or the crowd's copy of it costs page faults. */
static int crowd_start(void)
{
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
                crowd_die("socketpair");
        pid_t child = fork();
        if (child < 0)
                crowd_die("fork");
        if (child == 0) {
                close(pair[0]);
                crowd_live(pair[1]);
        }
        close(pair[1]);
        return pair[0];
}
