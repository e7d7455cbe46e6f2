/* SPDX-License-Identifier: Apache-2.0 */
/* serve_xds - Envoys get what the pipeline compiles: cache and xDS server, from the first build to the drain. */
#include "cmd/serve_internal.h"

#include "base/log.h"
#include "base/time.h"
#include "xds/publisher.h"
#include "xds/server.h"

/* Streams end within GRPC_DRAIN_SPREAD; a peer that does not take even that is cut. */
#define DRAIN_MAX (GRPC_DRAIN_SPREAD + 2 * DURATION_SECOND)

struct xds {
        struct server *server;
        struct cache *cache;
        struct publisher *publisher;
        struct xds_server *listener; /* NULL until the first build is done */
        struct event *endpoints;     /* those that have changed have their time */
        int64_t held_since;          /* struct server's seen of the first of them; 0: not to be measured */
        struct event *drain_end;
        void (*drained)(struct server *s);
};

/* ---- what changes ---- */

static void on_stored(const struct object *old, const struct object *new, void *arg)
{
        struct xds *x = arg;
        publisher_stored(x->publisher, old, new);
}

static void on_host_changed(const struct host *old, const struct host *new, void *arg)
{
        struct xds *x = arg;
        publisher_host_changed(x->publisher, old, new);
}

static void tell(struct xds *x, size_t changed, int64_t seen)
{
        if (changed && x->listener)
                xds_server_cache_changed(x->listener, seen);
}

static void arm_endpoints(struct xds *x, int64_t now)
{
        const int64_t due = publisher_due(x->publisher);
        if (due == INT64_MAX) { /* they went out with all else */
                event_del(x->endpoints);
                x->held_since = 0;
                return;
        }
        if (!x->held_since)
                x->held_since = x->server->seen;
        const int64_t wait = due > now ? due - now : 0;
        event_add(x->endpoints, &(struct timeval){.tv_usec = wait / DURATION_MICROSECOND});
}

static void on_store_changed(void *arg)
{
        struct xds *x = arg;
        const int64_t now = time_monotonic(), seen = x->held_since ? x->held_since : x->server->seen;
        tell(x, publisher_store_changed(x->publisher, now), seen);
        arm_endpoints(x, now);
}

static void on_endpoints(evutil_socket_t fd, short what, void *arg)
{
        (void)fd;
        (void)what;
        struct xds *x = arg;
        const int64_t seen = x->held_since;
        x->held_since = 0;
        tell(x, publisher_flush_endpoints(x->publisher, time_monotonic()), seen);
}

static void on_settled(void *arg)
{
        struct xds *x = arg;
        tell(x, publisher_open(x->publisher, time_monotonic()), x->server->seen);
        arm_endpoints(x, 0);
}

static void on_refused(const char *host, bool refused, void *arg)
{
        struct xds *x = arg;
        if (refused)
                log_warn("an Envoy refuses a host: it is held out until it changes", "host", host, NULL);
        else
                log_info("a host is no longer held out", "host", host, NULL);
        pipeline_set_refused(x->server->pipeline, host, refused);
}

/* The server looks at the cache itself when this returns. */
static void on_answered(enum resource_type type, const struct stream_outcome *outcome, int64_t now, void *arg)
{
        struct xds *x = arg;
        publisher_answered(x->publisher, type, outcome, now);
}

/* ---- the beginning ---- */

static bool load_keypair(struct server *s, struct err *e)
{
        const struct serve_options *o = &s->options->serve;
        if (o->insecure)
                return true;
        struct keypair_files files = {"xds", o->xds_cert_file, o->xds_key_file, o->xds_ca_file};
        s->xds_keypair = keypair_new(&files, time_now_micros(), e);
        return s->xds_keypair || err_wrap(e, "xDS");
}

bool serve_xds_start(struct server *s, struct err *e)
{
        const struct serve_options *o = &s->options->serve;
        if (!serve_is_enabled(s, DISABLE_XDS))
                return true;
        if (!load_keypair(s, e))
                return false;
        if (!serve_port_is_free(o->xds_address, o->xds_port, e))
                return err_wrap(e, "--xds-port");
        struct xds *x = s->xds = mem_zalloc(sizeof(*x));
        x->server = s;
        x->endpoints = evtimer_new(s->base, on_endpoints, x);
        x->cache = cache_new();
        x->publisher = publisher_new(&(struct publisher_options){
                .store = s->store,
                .cache = x->cache,
                .options = &s->options->envoy,
                .refused = on_refused,
                .arg = x,
        });
        pipeline_add_reader(s->pipeline, &(struct pipeline_reader){
                                                 .stored = on_stored,
                                                 .store_changed = on_store_changed,
                                                 .host_changed = on_host_changed,
                                                 .settled = on_settled,
                                                 .arg = x,
                                         });
        return true;
}

bool serve_xds_open(struct server *s, struct err *e)
{
        struct xds *x = s->xds;
        const struct serve_options *o = &s->options->serve;
        if (!x)
                return true;
        x->listener = xds_server_new(
                &(struct xds_server_options){
                        .base = s->base,
                        .cache = x->cache,
                        .address = o->xds_address,
                        .port = o->xds_port,
                        .keypair = s->xds_keypair,
                        .client_names = o->xds_client_names.items,
                        .client_name_count = o->xds_client_names.count,
                        .answered = on_answered,
                        .arg = x,
                },
                e);
        if (!x->listener)
                return false;
        log_info("xDS is open", "address", o->xds_address, "port", log_int(xds_server_port(x->listener)), "tls",
                 o->insecure ? "no" : "yes", NULL);
        return true;
}

/* ---- the end ---- */

static void end_drain(struct xds *x)
{
        void (*drained)(struct server *) = mem_take(&x->drained);
        event_del(x->drain_end);
        if (drained)
                drained(x->server);
}

static void on_drained(void *arg)
{
        end_drain(arg);
}

static void on_drain_end(evutil_socket_t fd, short what, void *arg)
{
        (void)fd;
        (void)what;
        struct xds *x = arg;
        log_warn("xDS: streams that have not ended are cut", "streams", log_int(xds_server_clients(x->listener)), NULL);
        end_drain(x);
}

void serve_xds_drain(struct server *s, void (*done)(struct server *s))
{
        struct xds *x = s->xds;
        if (!x || !x->listener) {
                done(s);
                return;
        }
        x->drained = done;
        x->drain_end = evtimer_new(s->base, on_drain_end, x);
        event_add(x->drain_end, &(struct timeval){.tv_sec = DRAIN_MAX / DURATION_SECOND});
        xds_server_drain(x->listener, on_drained, x);
}

void serve_xds_free(struct xds *x)
{
        if (!x)
                return;
        xds_server_free(x->listener);
        publisher_free(x->publisher);
        cache_free(x->cache);
        event_free(x->endpoints);
        if (x->drain_end)
                event_free(x->drain_end);
        mem_free(x);
}

struct xds_server *serve_xds_listener(const struct server *s)
{
        return s->xds ? s->xds->listener : NULL;
}

size_t serve_xds_held(const struct server *s)
{
        return s->xds ? publisher_held(s->xds->publisher) : 0;
}
