/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grpc_testing - a gRPC server on a free port with two services, and an nghttp2 client in the same loop.
 *
 * For tests only. The server's clock is the real one plus `skew`, which a test turns. Each wait ends after PATIENCE.
 */
#pragma once

#include "base/buf.h"
#include "base/file.h"
#include "base/log.h"
#include "certs/issue.h"
#include "xds/grpc.h"
#include "xds/grpc_frame.h"
#include "xds/grpc_limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <arpa/inet.h>
#include <nghttp2/nghttp2.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TESTING_UNUSED __attribute__((unused))
#define PATIENCE (20 * DURATION_SECOND)
#define ECHO "/test.Service/Echo"
#define FLOOD "/test.Service/Flood"

static int64_t skew;

static int64_t skewed_clock(void)
{
        return time_monotonic() + skew;
}

/* ---- services ---- */

struct talk {
        struct grpc_call *call;
        struct buf *pending;
        struct iovec part;
        struct buf *out;
};

static struct {
        size_t opened, messages, bytes, closed[4], released, floods;
} seen;

static void *echo_open(struct grpc_call *c, void *arg)
{
        (void)arg;
        seen.opened++;
        struct talk *t = mem_zalloc(sizeof(*t));
        t->call = c;
        return t;
}

static void echo_message(struct grpc_call *c, void *state, const uint8_t *p, size_t n)
{
        struct talk *t = state;
        seen.messages++;
        seen.bytes += n;
        if (!t->pending)
                t->pending = buf_new(GRPC_MESSAGE_MAX);
        buf_append(t->pending, p, n);
        grpc_call_wake(c);
}

static void echo_half_close(struct grpc_call *c, void *state)
{
        struct talk *t = state;
        if (!t->pending)
                grpc_call_end(c, GRPC_OK, NULL);
}

static void echo_release(void *owner)
{
        struct talk *t = owner;
        seen.released++;
        buf_free(t->out);
        t->out = NULL;
}

/* "end" ends the call behind its echo. */
static bool echo_next(struct grpc_call *c, void *state, struct grpc_message *out)
{
        struct talk *t = state;
        if (!t->pending)
                return false;
        t->out = mem_take(&t->pending);
        t->part = (struct iovec){(void *)(uintptr_t)buf_data(t->out), buf_len(t->out)};
        *out = (struct grpc_message){&t->part, 1, echo_release, t};
        if (strcmp(buf_data(t->out), "end") == 0)
                grpc_call_end(c, GRPC_INVALID_ARGUMENT, "100% \xc3\xa4");
        return true;
}

static void echo_close(void *state, enum grpc_close reason)
{
        struct talk *t = state;
        seen.closed[reason]++;
        buf_free(t->pending);
        assert_null(t->out);
        mem_free(t);
}

static bool flood_next(struct grpc_call *c, void *state, struct grpc_message *out)
{
        (void)c;
        (void)state;
        seen.floods++;
        static uint8_t bytes[65536];
        static const struct iovec parts[] = {{bytes, 40000}, {bytes, 25536}};
        *out = (struct grpc_message){parts, 2, NULL, NULL};
        return true;
}

static const struct grpc_service echo_service = {
        .path = ECHO,
        .open = echo_open,
        .message = echo_message,
        .half_close = echo_half_close,
        .next = echo_next,
        .close = echo_close,
};
static const struct grpc_service flood_service = {
        .path = FLOOD,
        .open = echo_open,
        .message = echo_message,
        .half_close = echo_half_close,
        .next = flood_next,
        .close = echo_close,
};

/* ---- the client ---- */

struct client {
        struct bufferevent *bev;
        nghttp2_session *session;
        bool up, down, deaf; /* deaf: gives no window back */
        bool goaway;
        uint32_t goaway_code;
        size_t pongs;
};

struct stream {
        int32_t id;
        char http[8], status[8], message[64];
        struct evbuffer *out;
        size_t got;
        char text[1024];
        bool ending, closed;
        uint32_t code;
};

TESTING_UNUSED static void client_flush(struct client *c)
{
        const uint8_t *p = NULL;
        for (ssize_t n; c->session && !c->down && (n = nghttp2_session_mem_send(c->session, &p)) > 0;)
                bufferevent_write(c->bev, p, (size_t)n);
}

static int client_header(nghttp2_session *session, const nghttp2_frame *f, const uint8_t *name, size_t name_len,
                         const uint8_t *value, size_t n, uint8_t flags, void *user)
{
        (void)name_len;
        (void)flags;
        (void)user;
        struct stream *s = nghttp2_session_get_stream_user_data(session, f->hd.stream_id);
        if (!s)
                return 0;
        if (strcmp((const char *)name, ":status") == 0)
                snprintf(s->http, sizeof(s->http), "%.*s", (int)n, (const char *)value);
        if (strcmp((const char *)name, "grpc-status") == 0)
                snprintf(s->status, sizeof(s->status), "%.*s", (int)n, (const char *)value);
        if (strcmp((const char *)name, "grpc-message") == 0)
                snprintf(s->message, sizeof(s->message), "%.*s", (int)n, (const char *)value);
        return 0;
}

static int client_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *p, size_t n, void *user)
{
        (void)flags;
        struct client *c = user;
        struct stream *s = nghttp2_session_get_stream_user_data(session, id);
        for (size_t i = 0; s && i < n && s->got + i < sizeof(s->text) - 1; i++)
                s->text[s->got + i] = (char)p[i];
        if (s)
                s->got += n;
        nghttp2_session_consume_connection(session, n);
        if (!c->deaf)
                nghttp2_session_consume_stream(session, id, n);
        return 0;
}

static int client_frame(nghttp2_session *session, const nghttp2_frame *f, void *user)
{
        (void)session;
        struct client *c = user;
        if (f->hd.type == NGHTTP2_GOAWAY) {
                c->goaway = true;
                c->goaway_code = f->goaway.error_code;
        }
        c->pongs += f->hd.type == NGHTTP2_PING;
        return 0;
}

static int client_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
        (void)user;
        struct stream *s = nghttp2_session_get_stream_user_data(session, id);
        if (s) {
                s->closed = true;
                s->code = code;
        }
        return 0;
}

static void client_read(struct bufferevent *bev, void *arg)
{
        struct client *c = arg;
        struct evbuffer *in = bufferevent_get_input(bev);
        size_t n = evbuffer_get_length(in);
        if (c->session && nghttp2_session_mem_recv(c->session, evbuffer_pullup(in, -1), n) < 0)
                c->down = true;
        evbuffer_drain(in, n);
        client_flush(c);
}

static void client_event(struct bufferevent *bev, short what, void *arg)
{
        struct client *c = arg;
        client_read(bev, c);
        if (what & BEV_EVENT_CONNECTED) {
                c->up = true;
                client_flush(c);
        }
        c->down = c->down || (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR));
}

static void client_open_session(struct client *c)
{
        nghttp2_session_callbacks *callbacks = NULL;
        nghttp2_option *option = NULL;
        nghttp2_session_callbacks_new(&callbacks);
        nghttp2_option_new(&option);
        nghttp2_option_set_no_auto_window_update(option, 1);
        nghttp2_session_callbacks_set_on_header_callback(callbacks, client_header);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, client_data);
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, client_frame);
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, client_stream_close);
        nghttp2_session_client_new2(&c->session, callbacks, c, option);
        nghttp2_option_del(option);
        nghttp2_session_callbacks_del(callbacks);
        nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, NULL, 0);
}

/* Connects; tls (may be NULL) is given over. Without session it says nothing at all. */
TESTING_UNUSED static void client_start(struct client *c, struct event_base *base, uint16_t port, SSL *tls,
                                        bool session)
{
        memset(c, 0, sizeof(*c));
        c->bev = tls ? bufferevent_openssl_socket_new(base, -1, tls, BUFFEREVENT_SSL_CONNECTING, BEV_OPT_CLOSE_ON_FREE)
                     : bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (session)
                client_open_session(c);
        bufferevent_setcb(c->bev, client_read, NULL, client_event, c);
        bufferevent_enable(c->bev, EV_READ | EV_WRITE);
        assert_int_equal(bufferevent_socket_connect(c->bev, (struct sockaddr *)&to, sizeof(to)), 0);
        const int on = 1; /* else the kernel collects small frames for 40 ms */
        setsockopt(bufferevent_getfd(c->bev), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

TESTING_UNUSED static void client_done(struct client *c)
{
        nghttp2_session_del(c->session);
        if (c->bev)
                bufferevent_free(c->bev);
        memset(c, 0, sizeof(*c));
}

static ssize_t stream_fill(nghttp2_session *session, int32_t id, uint8_t *to, size_t room, uint32_t *flags,
                           nghttp2_data_source *source, void *user)
{
        (void)session;
        (void)id;
        (void)user;
        struct stream *s = source->ptr;
        int n = evbuffer_remove(s->out, to, room);
        if (n > 0)
                return n;
        if (!s->ending)
                return NGHTTP2_ERR_DEFERRED;
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        return 0;
}

#define NV(n, v)                                                                                                       \
        {                                                                                                              \
                (uint8_t *)(uintptr_t)(n), (uint8_t *)(uintptr_t)(v), strlen(n), strlen(v), NGHTTP2_NV_FLAG_NONE       \
        }

/* Opens a stream with more headers of the test's own. */
TESTING_UNUSED static void stream_start_with(struct stream *s, struct client *c, const char *method, const char *path,
                                             const char *type, const nghttp2_nv *more, size_t more_count)
{
        memset(s, 0, sizeof(*s));
        s->out = evbuffer_new();
        const nghttp2_nv usual[] = {NV(":method", method), NV(":scheme", "http"),    NV(":path", path),
                                    NV(":authority", "a"), NV("content-type", type), NV("te", "trailers")};
        nghttp2_nv *headers = mem_calloc(COUNT_OF(usual) + more_count, sizeof(*headers));
        memcpy(headers, usual, sizeof(usual));
        if (more_count > 0)
                memcpy(headers + COUNT_OF(usual), more, more_count * sizeof(*more));
        nghttp2_data_provider provider = {.source.ptr = s, .read_callback = stream_fill};
        s->id = nghttp2_submit_request(c->session, NULL, headers, COUNT_OF(usual) + more_count, &provider, s);
        mem_free(headers);
        assert_true(s->id > 0);
        client_flush(c);
}

TESTING_UNUSED static void stream_start(struct stream *s, struct client *c, const char *path)
{
        stream_start_with(s, c, "POST", path, "application/grpc", NULL, 0);
}

TESTING_UNUSED static void stream_bytes(struct stream *s, struct client *c, const void *p, size_t n)
{
        evbuffer_add(s->out, p, n);
        nghttp2_session_resume_data(c->session, s->id);
        client_flush(c);
}

TESTING_UNUSED static void stream_send(struct stream *s, struct client *c, const char *text)
{
        uint8_t head[GRPC_FRAME_HEAD];
        grpc_frame_head(head, (uint32_t)strlen(text));
        evbuffer_add(s->out, head, sizeof(head));
        stream_bytes(s, c, text, strlen(text));
}

TESTING_UNUSED static void stream_done(struct stream *s)
{
        if (s->out)
                evbuffer_free(s->out);
        memset(s, 0, sizeof(*s));
}

/* Runs the loop until the condition holds. */
#define WAIT(base, condition)                                                                                          \
        do {                                                                                                           \
                int64_t deadline_ = time_monotonic() + PATIENCE;                                                       \
                while (!(condition)) {                                                                                 \
                        assert_true(time_monotonic() < deadline_);                                                     \
                        event_base_loop(base, EVLOOP_ONCE);                                                            \
                }                                                                                                      \
        } while (0)
