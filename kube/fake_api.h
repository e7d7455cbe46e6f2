/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_api - an API server for unit tests: every byte of its answers is the test's.
 *
 * It listens on a free loopback port in the test's own loop and hands whole requests to one handler, which answers now,
 * later, in pieces, wrongly or never. Included by tests only.
 */
#pragma once

#include "base/buf.h"
#include "base/time.h"
#include "kube/client.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <openssl/ssl.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { FAKE_BODY_MAX = 64 * 1024 * 1024, FAKE_PATIENCE_SECONDS = 60 };

struct fake_api;

/* One request; valid during the handler, from (the connection) until it closes. */
struct fake_request {
        char method[16];
        char target[4096];
        char *head; /* request line and headers */
        char *body;
        struct bufferevent *from;
};
typedef void fake_handler_fn(struct fake_api *api, const struct fake_request *request);

struct fake_api {
        struct event_base *base;
        struct evconnlistener *listener;
        SSL_CTX *tls; /* NULL: plain HTTP */
        int port;
        fake_handler_fn *handler;
        void *arg; /* the test's */
        size_t requests, connections;
        struct bufferevent *open[64]; /* connections; closed ones NULL */
};

static inline void fake_close(struct fake_api *api, struct bufferevent *b)
{
        for (size_t i = 0; i < COUNT_OF(api->open); i++) {
                if (api->open[i] == b)
                        api->open[i] = NULL;
        }
        bufferevent_free(b);
}

/* Reads one whole request out of in; false while it is not complete. */
static inline bool fake_parse(struct evbuffer *in, struct fake_request *r)
{
        struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
        if (end.pos < 0)
                return false;
        char *head = mem_zalloc((size_t)end.pos + 5);
        evbuffer_copyout(in, head, (size_t)end.pos + 4);
        const char *length = strcasestr(head, "content-length:");
        size_t body = length ? strtoul(length + 15, NULL, 10) : 0;
        if (evbuffer_get_length(in) < (size_t)end.pos + 4 + body) {
                mem_free(head);
                return false;
        }
        evbuffer_drain(in, (size_t)end.pos + 4);
        r->head = head;
        r->body = mem_zalloc(body + 1);
        evbuffer_remove(in, r->body, body);
        assert_int_equal(sscanf(head, "%15s %4095s", r->method, r->target), 2);
        return true;
}

static inline void fake_on_read(struct bufferevent *b, void *arg)
{
        struct fake_api *api = arg;
        struct fake_request r = {.from = b};
        if (!fake_parse(bufferevent_get_input(b), &r))
                return;
        api->requests++;
        api->handler(api, &r);
        mem_free(r.head);
        mem_free(r.body);
}

static inline void fake_on_event(struct bufferevent *b, short what, void *arg)
{
        if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
                fake_close(arg, b);
}

static inline void fake_on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *from, int size,
                                  void *arg)
{
        (void)l;
        (void)from;
        (void)size;
        struct fake_api *api = arg;
        struct bufferevent *b =
                api->tls ? bufferevent_openssl_socket_new(api->base, fd, SSL_new(api->tls), BUFFEREVENT_SSL_ACCEPTING,
                                                          BEV_OPT_CLOSE_ON_FREE)
                         : bufferevent_socket_new(api->base, fd, BEV_OPT_CLOSE_ON_FREE);
        size_t i = 0;
        while (api->open[i])
                i++;
        assert_true(i < COUNT_OF(api->open));
        api->open[i] = b;
        api->connections++;
        bufferevent_setcb(b, fake_on_read, NULL, fake_on_event, api);
        bufferevent_enable(b, EV_READ | EV_WRITE);
}

static inline void fake_listen(struct fake_api *api)
{
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)api->port)};
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        api->listener =
                evconnlistener_new_bind(api->base, fake_on_accept, api, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, -1,
                                        (struct sockaddr *)&a, sizeof(a));
        assert_non_null(api->listener);
        socklen_t n = sizeof(a);
        assert_int_equal(getsockname(evconnlistener_get_fd(api->listener), (struct sockaddr *)&a, &n), 0);
        api->port = ntohs(a.sin_port);
}

static inline void fake_init(struct fake_api *api, struct event_base *base, fake_handler_fn *handler, void *arg)
{
        *api = (struct fake_api){.base = base, .handler = handler, .arg = arg};
        fake_listen(api);
}

/* Closes every connection. */
static inline void fake_hang_up(struct fake_api *api)
{
        for (size_t i = 0; i < COUNT_OF(api->open); i++) {
                if (api->open[i])
                        fake_close(api, api->open[i]);
        }
}

static inline void fake_done(struct fake_api *api)
{
        fake_hang_up(api);
        if (api->listener)
                evconnlistener_free(api->listener);
        SSL_CTX_free(api->tls);
}

/* ---- answers ---- */

static inline void fake_send(struct bufferevent *to, const char *text)
{
        bufferevent_write(to, text, strlen(text));
}

/* headers is "" or "Name: value\r\n"... */
static inline void fake_answer(const struct fake_request *r, int code, const char *headers, const char *body)
{
        AUTO_STR *head =
                mem_printf("HTTP/1.1 %d Whatever\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n%s\r\n",
                           code, strlen(body), headers);
        fake_send(r->from, head);
        fake_send(r->from, body);
}

static inline void fake_begin_stream(const struct fake_request *r)
{
        fake_send(r->from, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
}

static inline void fake_chunk(struct bufferevent *to, const char *text)
{
        AUTO_STR *size = mem_printf("%zx\r\n", strlen(text));
        fake_send(to, size);
        fake_send(to, text);
        fake_send(to, "\r\n");
}

static inline void fake_end_stream(struct bufferevent *to)
{
        fake_send(to, "0\r\n\r\n");
}

static inline void fake_on_written(struct bufferevent *b, void *arg)
{
        fake_close(arg, b);
}

/* Closes the connection once what was sent is out. */
static inline void fake_break(struct fake_api *api, struct bufferevent *b)
{
        bufferevent_setcb(b, NULL, fake_on_written, fake_on_event, api);
}

/* ---- the test's side ---- */

/* A client of api, as token "secret". */
static inline struct client *fake_client(struct fake_api *api)
{
        struct kubeconfig *config = mem_zalloc(sizeof(*config));
        config->server = mem_printf("http://127.0.0.1:%d", api->port);
        config->token.bytes = buf_new(64);
        buf_append_str(config->token.bytes, "secret");
        struct err e = {0};
        struct client *c = client_new(api->base, config, &e);
        if (!c)
                fail_msg("%s", e.text);
        return c;
}

/* Turns the loop until *condition; fails when that takes too long. */
static inline void fake_wait(struct event_base *base, const bool *condition, const char *what)
{
        int64_t end = time_monotonic() + FAKE_PATIENCE_SECONDS * DURATION_SECOND;
        while (!*condition) {
                if (time_monotonic() > end)
                        fail_msg("waited in vain: %s", what);
                struct timeval slice = {0, 20 * 1000};
                event_base_loopexit(base, &slice);
                event_base_loop(base, EVLOOP_ONCE);
        }
}
