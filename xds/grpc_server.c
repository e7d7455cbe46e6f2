/* SPDX-License-Identifier: Apache-2.0 */
#include "xds/grpc_internal.h"

#include "base/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

enum { DRAIN_TICK_MICROS = 50000 };

static bool is_loopback(const struct sockaddr *address)
{
        if (address->sa_family == AF_INET6)
                return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
        return ntohl(in->sin_addr.s_addr) >> 24 == 127;
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address, int length,
                      void *arg)
{
        (void)listener;
        (void)length;
        struct grpc_server *s = arg;
        struct err e = {0};
        SSL_CTX *tls = s->keypair ? grpc_tls_context(s, &e) : NULL;
        if (s->counts.connections >= GRPC_CONNECTIONS_MAX || (s->keypair && !tls)) {
                s->counts.refused++;
                evutil_closesocket(fd);
                return;
        }
        grpc_connection_new(s, fd, address, tls);
}

/* Out of descriptors: the kernel's queue keeps the connection; the next tick listens again. */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
        (void)arg;
        log_warn("xDS: a connection cannot be accepted", "error", strerror(errno), NULL);
        evconnlistener_disable(listener);
}

static void set_tick(struct grpc_server *s, bool draining)
{
        const struct timeval slow = {GRPC_TICK / DURATION_SECOND, 0}, fast = {0, DRAIN_TICK_MICROS};
        event_add(s->tick, draining ? &fast : &slow);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
        (void)fd;
        (void)what;
        grpc_server_tick(arg);
}

/* A thousand connections may have something to send at once: others take their turns in between. */
static void on_flush(evutil_socket_t fd, short what, void *arg)
{
        (void)fd;
        (void)what;
        struct grpc_server *s = arg;
        int64_t until = s->clock() + GRPC_FLUSH_MAX;
        do {
                struct grpc_connection *k = s->dirty;
                if (!k)
                        return;
                DL_DELETE2(s->dirty, k, dirty_prev, dirty_next);
                k->dirty = false;
                grpc_connection_pump(k);
        } while (s->clock() < until);
        if (s->dirty)
                grpc_server_flush_soon(s);
}

/* A timer, even for now: what is active at once would keep sockets waiting. */
void grpc_server_flush_soon(struct grpc_server *s)
{
        event_add(s->flush, &(struct timeval){0});
}

static in_port_t *port_of(struct sockaddr *address)
{
        if (address->sa_family == AF_INET6)
                return &((struct sockaddr_in6 *)(void *)address)->sin6_port;
        return &((struct sockaddr_in *)(void *)address)->sin_port;
}

static bool listen_at(struct grpc_server *s, const struct grpc_options *options, struct err *e)
{
        const char *text = options->address;
        struct sockaddr_storage address = {0};
        int length = sizeof(address);
        struct sockaddr *sa = (struct sockaddr *)&address;
        if (evutil_parse_sockaddr_port(text, sa, &length) != 0)
                return err_set(e, "xDS: %s is not an IP address", text);
        if (!s->keypair && !is_loopback(sa))
                return err_set(e, "xDS: plain HTTP/2 is for a developer's machine: %s is not a loopback address", text);
        *port_of(sa) = htons(options->port);
        s->listener = evconnlistener_new_bind(s->base, on_accept, s, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE,
                                              GRPC_BACKLOG, sa, length);
        if (!s->listener)
                return err_set_errno(e, "xDS: cannot listen at %s, port %u", text, options->port);
        evconnlistener_set_error_cb(s->listener, on_accept_error);
        socklen_t bound = sizeof(address);
        if (getsockname(evconnlistener_get_fd(s->listener), sa, &bound) != 0)
                return err_set_errno(e, "xDS: cannot see where it listens");
        s->port = ntohs(*port_of(sa));
        return true;
}

struct grpc_server *grpc_server_new(const struct grpc_options *options, struct err *e)
{
        AUTO(grpc_server) *s = mem_zalloc(sizeof(*s));
        s->base = options->base;
        s->keypair = options->keypair;
        s->clock = options->clock ? options->clock : time_monotonic;
        s->names = mem_calloc(options->client_name_count + 1, sizeof(*s->names));
        for (; s->name_count < options->client_name_count; s->name_count++)
                s->names[s->name_count] = mem_strdup(options->client_names[s->name_count]);
        grpc_session_prepare(s);
        s->tick = event_new(s->base, -1, EV_PERSIST, on_tick, s);
        s->flush = event_new(s->base, -1, 0, on_flush, s);
        if (!s->tick || !s->flush)
                return err_set(e, "xDS: no event from libevent"), NULL;
        if ((s->keypair && !grpc_tls_context(s, e)) || !listen_at(s, options, e))
                return NULL;
        set_tick(s, false);
        return mem_take(&s);
}

void grpc_server_free(struct grpc_server *s)
{
        if (!s)
                return;
        while (s->connections)
                grpc_connection_free(s->connections);
        if (s->listener)
                evconnlistener_free(s->listener);
        if (s->tick)
                event_free(s->tick);
        if (s->flush)
                event_free(s->flush);
        nghttp2_session_callbacks_del(s->callbacks);
        nghttp2_option_del(s->option);
        SSL_CTX_free(s->tls);
        pair_unref(s->pair);
        for (size_t i = 0; i < s->name_count; i++)
                mem_free(s->names[i]);
        mem_free(s->names);
        mem_free(s->services);
        mem_free(s);
}

void grpc_server_add(struct grpc_server *s, const struct grpc_service *service)
{
        s->services = mem_resize(s->services, s->service_count + 1, sizeof(*s->services));
        s->services[s->service_count++] = service;
}

uint16_t grpc_server_port(const struct grpc_server *s)
{
        return s->port;
}

struct grpc_counts grpc_server_counts(const struct grpc_server *s)
{
        return s->counts;
}

const char *grpc_close_name(enum grpc_close reason)
{
        switch (reason) {
        case GRPC_CLOSE_ENDED:
                return "ended";
        case GRPC_CLOSE_CANCELLED:
                return "cancelled by the client";
        case GRPC_CLOSE_STALLED:
                return "stalled";
        case GRPC_CLOSE_CONNECTION:
                return "connection lost";
        }
        return "";
}

/* ---- the graceful end ---- */

static void plan_end(struct grpc_connection *k, int64_t now)
{
        struct grpc_call *c = NULL;
        DL_FOREACH (k->calls, c) {
                uint32_t random = 0;
                evutil_secure_rng_get_bytes(&random, sizeof(random));
                c->end_at = now + GRPC_DRAIN_NOTICE + random % (GRPC_DRAIN_SPREAD - GRPC_DRAIN_NOTICE);
        }
}

void grpc_server_drain(struct grpc_server *s, void (*done)(void *arg), void *arg)
{
        if (s->drain_since)
                return;
        s->drain_since = s->clock();
        s->drained = done;
        s->drained_arg = arg;
        evconnlistener_free(s->listener);
        s->listener = NULL;
        struct grpc_connection *k = NULL, *next = NULL;
        DL_FOREACH_SAFE(s->connections, k, next)
        {
                if (!k->session) {
                        grpc_connection_free(k);
                        continue;
                }
                nghttp2_submit_shutdown_notice(k->session);
                plan_end(k, s->drain_since);
                grpc_connection_touch(k);
        }
        set_tick(s, true);
}

/* The second GOAWAY names the last stream: what came between the two is served as well (RFC 9113, 6.8). */
static void drain_step(struct grpc_server *s, int64_t now)
{
        if (!s->goaway_sent && now - s->drain_since >= GRPC_DRAIN_NOTICE) {
                s->goaway_sent = true;
                struct grpc_connection *k = NULL;
                DL_FOREACH (s->connections, k) {
                        int32_t last = nghttp2_session_get_last_proc_stream_id(k->session);
                        nghttp2_submit_goaway(k->session, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, NULL, 0);
                        plan_end(k, s->drain_since);
                        grpc_connection_touch(k);
                }
        }
        if (!s->connections && s->drained) {
                void (*drained)(void *arg) = mem_take(&s->drained);
                drained(s->drained_arg);
        }
}

void grpc_server_tick(struct grpc_server *s)
{
        int64_t now = s->clock();
        struct grpc_connection *k = NULL, *next = NULL;
        DL_FOREACH_SAFE(s->connections, k, next)
        {
                grpc_connection_tick(k, now);
        }
        if (s->listener)
                evconnlistener_enable(s->listener);
        if (s->drain_since)
                drain_step(s, now);
}
