/* SPDX-License-Identifier: Apache-2.0 */
#include "xds/grpc_internal.h"

#include "base/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum {
        BATCH = 16384,         /* one TLS record */
        READ_HIGH = 64 << 10,  /* bytes that wait to be looked at */
        COMPLAINTS_BURST = 20, /* lines of log about peers that did not show who they are */
        COMPLAINTS_RATE = 1,
        KEEPALIVE_IDLE = 60, /* seconds: a peer that vanished is noticed in two minutes */
        KEEPALIVE_STEP = 20,
        KEEPALIVE_COUNT = 3,
};

static void complain(struct grpc_connection *k, const char *why)
{
        struct grpc_server *s = k->server;
        s->counts.refused++;
        if (grpc_rate_take(&s->complaints, COMPLAINTS_BURST, COMPLAINTS_RATE, s->clock()))
                log_warn("xDS: a connection is refused", "peer", k->peer, "why", why, NULL);
}

static void on_output(struct evbuffer *out, const struct evbuffer_cb_info *info, void *arg)
{
        (void)out;
        struct grpc_connection *k = arg;
        if (info->n_deleted > 0)
                k->progress_at = k->server->clock();
}

void grpc_connection_free(struct grpc_connection *k)
{
        struct grpc_server *s = k->server;
        while (k->calls)
                grpc_call_close(k->calls, GRPC_CLOSE_CONNECTION);
        nghttp2_session_del(k->session);
        if (k->dirty)
                DL_DELETE2(s->dirty, k, dirty_prev, dirty_next);
        DL_DELETE(s->connections, k);
        s->counts.connections--;
        SSL *ssl = bufferevent_openssl_get_ssl(k->bev);
        if (ssl && SSL_is_init_finished(ssl)) {
                /* Says close_notify and does not wait for the peer's. */
                SSL_set_shutdown(ssl, SSL_RECEIVED_SHUTDOWN);
                SSL_shutdown(ssl);
        }
        ERR_clear_error();
        /* The bufferevent may outlive this: one that fails within a write tells us, and drains its output after that.
         */
        evbuffer_remove_cb(bufferevent_get_output(k->bev), on_output, k);
        bufferevent_free(k->bev);
        mem_free(k);
}

void grpc_connection_touch(struct grpc_connection *k)
{
        if (k->dirty)
                return;
        k->dirty = true;
        if (!k->server->dirty)
                grpc_server_flush_soon(k->server);
        DL_APPEND2(k->server->dirty, k, dirty_prev, dirty_next);
}

void grpc_connection_refuse(struct grpc_connection *k, uint32_t code, const char *why)
{
        if (k->dead)
                return;
        k->dead = true;
        complain(k, why);
        nghttp2_session_terminate_session(k->session, code);
        grpc_connection_touch(k);
}

/* One batch into the output; false when there is nothing more, with *failed when the session is over. */
static bool send_batch(struct grpc_connection *k, struct evbuffer *out, bool *failed)
{
        uint8_t batch[BATCH];
        size_t n = 0;
        while (n < sizeof(batch)) {
                const uint8_t *p = NULL;
                ssize_t got = nghttp2_session_mem_send(k->session, &p);
                *failed = got < 0;
                if (got <= 0)
                        break;
                if ((size_t)got > sizeof(batch) - n) {
                        evbuffer_add(out, batch, n);
                        evbuffer_add(out, p, (size_t)got);
                        return true;
                }
                memcpy(batch + n, p, (size_t)got);
                n += (size_t)got;
        }
        evbuffer_add(out, batch, n);
        return n == sizeof(batch);
}

void grpc_connection_pump(struct grpc_connection *k)
{
        if (!k->session)
                return;
        struct evbuffer *out = bufferevent_get_output(k->bev);
        bool failed = false;
        if (evbuffer_get_length(out) == 0)
                k->progress_at = k->server->clock();
        while (evbuffer_get_length(out) < GRPC_OUTPUT_HIGH && send_batch(k, out, &failed)) {
        }
        bool over = !nghttp2_session_want_read(k->session) && !nghttp2_session_want_write(k->session);
        if (failed || (over && evbuffer_get_length(out) == 0))
                grpc_connection_free(k);
}

static void on_read(struct bufferevent *bev, void *arg)
{
        struct grpc_connection *k = arg;
        struct evbuffer *in = bufferevent_get_input(bev);
        for (size_t n; k->session && (n = evbuffer_get_contiguous_space(in)) > 0;) {
                ssize_t took = nghttp2_session_mem_recv(k->session, evbuffer_pullup(in, (ev_ssize_t)n), n);
                if (took < 0) {
                        complain(k, nghttp2_strerror((int)took));
                        grpc_connection_free(k);
                        return;
                }
                evbuffer_drain(in, n);
        }
        grpc_connection_touch(k);
}

/* The output is below GRPC_OUTPUT_LOW. */
static void on_write(struct bufferevent *bev, void *arg)
{
        (void)bev;
        grpc_connection_pump(arg);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
        struct grpc_connection *k = arg;
        if (what & BEV_EVENT_CONNECTED) {
                if (!grpc_tls_is_h2(bev)) {
                        complain(k, "the client does not offer HTTP/2 (ALPN h2)");
                        grpc_connection_free(k);
                        return;
                }
                grpc_session_open(k);
                grpc_connection_pump(k);
                return;
        }
        if (!k->session) {
                unsigned long code = bufferevent_get_openssl_error(bev);
                SSL *ssl = bufferevent_openssl_get_ssl(bev);
                long verdict = ssl ? SSL_get_verify_result(ssl) : X509_V_OK;
                const char *reason = ERR_reason_error_string(code);
                complain(k, verdict != X509_V_OK ? X509_verify_cert_error_string(verdict)
                            : reason             ? reason
                                                 : "it ended before the handshake did");
        }
        grpc_connection_free(k);
}

static void set_keepalive(evutil_socket_t fd)
{
        const int on = 1, idle = KEEPALIVE_IDLE, step = KEEPALIVE_STEP, count = KEEPALIVE_COUNT;
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &step, sizeof(step));
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static void describe_peer(const struct sockaddr *address, char text[64])
{
        char host[INET6_ADDRSTRLEN] = "?";
        if (address->sa_family == AF_INET6) {
                const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;
                inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
                snprintf(text, 64, "[%s]:%u", host, ntohs(in6->sin6_port));
        } else {
                const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
                inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
                snprintf(text, 64, "%s:%u", host, ntohs(in->sin_port));
        }
}

static struct bufferevent *make_bufferevent(struct grpc_server *s, evutil_socket_t fd, SSL_CTX *tls)
{
        if (!tls)
                return bufferevent_socket_new(s->base, fd, BEV_OPT_CLOSE_ON_FREE);
        SSL *ssl = SSL_new(tls);
        if (!ssl)
                return NULL;
        struct bufferevent *bev =
                bufferevent_openssl_socket_new(s->base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
        if (!bev)
                SSL_free(ssl);
        return bev;
}

void grpc_connection_new(struct grpc_server *s, evutil_socket_t fd, const struct sockaddr *address, SSL_CTX *tls)
{
        set_keepalive(fd);
        struct bufferevent *bev = make_bufferevent(s, fd, tls);
        if (!bev) {
                evutil_closesocket(fd);
                return;
        }
        struct grpc_connection *k = mem_zalloc(sizeof(*k));
        k->server = s;
        k->bev = bev;
        k->since = k->progress_at = s->clock();
        describe_peer(address, k->peer);
        DL_APPEND(s->connections, k);
        s->counts.connections++;
        bufferevent_setcb(bev, on_read, on_write, on_event, k);
        bufferevent_setwatermark(bev, EV_READ, 0, READ_HIGH);
        bufferevent_setwatermark(bev, EV_WRITE, GRPC_OUTPUT_LOW, 0);
        evbuffer_add_cb(bufferevent_get_output(bev), on_output, k);
        if (!tls)
                grpc_session_open(k);
        bufferevent_enable(bev, EV_READ | EV_WRITE);
        grpc_connection_pump(k);
}

static void end_slow_messages(struct grpc_connection *k, int64_t now)
{
        while (k->reading && now - k->reading->message_since >= GRPC_MESSAGE_WAIT)
                grpc_call_end(k->reading, GRPC_RESOURCE_EXHAUSTED, "the message took more than 30 s to arrive");
}

static void end_drained(struct grpc_connection *k, int64_t now)
{
        struct grpc_call *c = NULL;
        DL_FOREACH (k->calls, c) {
                if (c->end_at && now >= c->end_at)
                        grpc_call_end(c, GRPC_UNAVAILABLE, "the server is going away: ask another one");
        }
}

void grpc_connection_tick(struct grpc_connection *k, int64_t now)
{
        if (!k->prefaced && now - k->since >= GRPC_HANDSHAKE_WAIT) {
                complain(k, "no handshake and preface within 10 s");
                grpc_connection_free(k);
                return;
        }
        if (evbuffer_get_length(bufferevent_get_output(k->bev)) > 0 && now - k->progress_at >= GRPC_STALL_WAIT) {
                k->server->counts.stalled++;
                log_warn("xDS: a client takes nothing for 60 s and is cut", "peer", k->peer, NULL);
                grpc_connection_free(k);
                return;
        }
        end_slow_messages(k, now);
        while (k->sending && now - k->sending->sent_at >= GRPC_STALL_WAIT)
                grpc_call_reset_stalled(k->sending);
        if (k->server->drain_since)
                end_drained(k, now);
}
