/* SPDX-License-Identifier: Apache-2.0 */
#include "xds/publisher.h"

#include "base/coalesce.h"
#include "base/crash.h"
#include "base/map.h"
#include "base/table.h"
#include "xds/holdout.h"
#include "xds/publisher_uses.h"
#include "xds/translate_cluster.h"
#include "xds/translate_listener.h"
#include "xds/translate_route.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

enum { CLAIMS_MAX = 16 }; /* versions that clients say to have, from before the cache is open */

/* One host that is published, or is about to be. */
struct published {
        struct published *next, *prev; /* while noted */
        struct translation *noted;     /* what it is to be; NULL: gone */
        struct host_uses *uses;
        uint64_t https_routes; /* mark of their version; 0: none */
        uint64_t refused;      /* the mark of those that an Envoy has refused; 0: none */
        bool is_noted;
        char name[];
};

/* A resource that is assembled from parts of all hosts. */
struct shared {
        enum resource_type type;
        const char *name;
        struct resource *(*assemble)(const struct publisher *p, const struct resource *const *parts, size_t n);
        struct resource *(*closed_part)(const char *host); /* of a host that serves nothing */
        struct holdout *holdout;
        bool changed; /* to be assembled again */
        uint64_t claims[CLAIMS_MAX];
        size_t claim_count;
};
enum { SHARED_ROUTES, SHARED_HTTPS, SHARED_COUNT };

struct publisher {
        struct publisher_options options;
        struct table hosts;
        struct published *noted;
        struct uses *uses;
        struct shared shared[SHARED_COUNT];
        struct map *refused;  /* hosts that options.refused() was told of */
        struct map *suspects; /* hosts of which the status of a root says that they were refused */
        struct coalesce endpoints;
        bool endpoints_held; /* some have changed and wait for their time */
};

/* ---- life ---- */

static uint64_t hash_name(const char *name)
{
        return map_hash(name, strlen(name));
}

static uint64_t hash_published(const void *entry)
{
        return hash_name(((const struct published *)entry)->name);
}

static bool matches_published(const void *entry, const void *name)
{
        return str_equal(((const struct published *)entry)->name, name);
}

static struct resource *assemble_routes(const struct publisher *p, const struct resource *const *parts, size_t n)
{
        (void)p;
        return translate_http_routes(parts, n);
}

static struct resource *assemble_https(const struct publisher *p, const struct resource *const *parts, size_t n)
{
        return translate_https_listener(p->options.options, parts, n);
}

static void set(const struct publisher *p, struct resource *r)
{
        if (r)
                cache_set(p->options.cache, r, NULL);
        resource_unref(r);
}

/* As of a root that serves nothing: 503 on port 80, and connections of TLS are closed. */
static struct host closed_host(const char *name)
{
        static const struct object_ref somebody;
        static const struct host_tls broken = {.broken = true};
        return (struct host){.name = name, .owner = &somebody, .tls = &broken};
}

static struct resource *closed_virtual_host(const char *name)
{
        const struct host h = closed_host(name);
        return translate_virtual_host(&h);
}

static struct resource *closed_filter_chain(const char *name)
{
        const struct host h = closed_host(name);
        return translate_filter_chain(&h, &xds_options_default);
}

struct publisher *publisher_new(const struct publisher_options *options)
{
        static const struct table_ops ops = {hash_published, matches_published};
        struct publisher *p = mem_zalloc(sizeof(*p));
        p->options = *options;
        table_init(&p->hosts, &ops);
        p->uses = uses_new(options->store, options->cache);
        p->refused = map_new();
        p->suspects = map_new();
        p->endpoints = COALESCE_INIT;
        p->shared[SHARED_ROUTES] = (struct shared){.type = RESOURCE_ROUTE_CONFIGURATION,
                                                   .name = HTTP_ROUTES_NAME,
                                                   .assemble = assemble_routes,
                                                   .closed_part = closed_virtual_host};
        p->shared[SHARED_HTTPS] = (struct shared){.type = RESOURCE_LISTENER,
                                                  .name = HTTPS_LISTENER_NAME,
                                                  .assemble = assemble_https,
                                                  .closed_part = closed_filter_chain};
        for (size_t i = 0; i < SHARED_COUNT; i++) {
                struct shared *s = &p->shared[i];
                s->holdout = holdout_new(s->closed_part);
                s->changed = true;
                cache_track(options->cache, s->type, s->name);
        }
        set(p, translate_http_listener(options->options));
        set(p, translate_stats_listener(options->options));
        set(p, translate_tracing_cluster(options->options));
        return p;
}

static void published_free(struct published *h)
{
        translation_free(h->noted);
        mem_free(h->uses);
        mem_free(h);
}

void publisher_free(struct publisher *p)
{
        if (!p)
                return;
        for (size_t i = 0; i < p->hosts.room; i++)
                if (p->hosts.slots[i])
                        published_free(p->hosts.slots[i]);
        table_done(&p->hosts);
        uses_free(p->uses);
        for (size_t i = 0; i < SHARED_COUNT; i++)
                holdout_free(p->shared[i].holdout);
        map_free(p->refused);
        map_free(p->suspects);
        mem_free(p);
}

/* ---- hosts ---- */

static void offer(struct publisher *p, struct shared *s, const char *host, const struct resource *part)
{
        s->changed |= holdout_offer(s->holdout, host, part);
        if (part && map_get(p->suspects, host))
                holdout_suspect(s->holdout, host);
}

static void stage_https_routes(struct publisher *p, struct published *h, const struct resource *routes)
{
        if (routes) {
                cache_set(p->options.cache, routes, NULL);
        } else if (h->https_routes) {
                AUTO(arena) *a = arena_new(512);
                cache_remove(p->options.cache, RESOURCE_ROUTE_CONFIGURATION, https_routes_name(a, h->name));
        }
        h->https_routes = routes ? cache_mark(routes->version) : 0;
}

/* Stages what h is to be; NULL: nothing, and h is freed. */
static void stage(struct publisher *p, struct published *h, const struct translation *t)
{
        offer(p, &p->shared[SHARED_ROUTES], h->name, t ? t->virtual_host : NULL);
        offer(p, &p->shared[SHARED_HTTPS], h->name, t ? t->filter_chain : NULL);
        stage_https_routes(p, h, t ? t->https_routes : NULL);
        struct host_uses *had = h->uses;
        h->uses = t ? uses_take(p->uses, t) : NULL;
        uses_drop(p->uses, had);
        if (t)
                return;
        map_remove(p->suspects, h->name);
        table_remove(&p->hosts, h);
        published_free(h);
}

static struct published *published_find(const struct publisher *p, const char *name)
{
        return table_find(&p->hosts, hash_name(name), name);
}

static struct published *published_get(struct publisher *p, const char *name)
{
        struct published *h = published_find(p, name);
        if (h)
                return h;
        size_t n = strlen(name) + 1;
        h = mem_zalloc(sizeof(*h) + n);
        memcpy(h->name, name, n);
        table_add(&p->hosts, h);
        return h;
}

void publisher_host_changed(struct publisher *p, const struct host *old, const struct host *new)
{
        const char *name = new ? new->name : old->name;
        crash_working_on("translating host", name);
        AUTO(translation) *t = new ? translate_host(new, p->options.options) : NULL;
        crash_idle();
        struct published *h = published_get(p, name);
        /* In the first build nobody sees what is staged: nothing is kept twice. */
        if (!cache_is_open(p->options.cache)) {
                stage(p, h, t);
                return;
        }
        translation_free(h->noted);
        h->noted = mem_take(&t);
        if (!h->is_noted)
                DL_APPEND(p->noted, h);
        h->is_noted = true;
}

static void stage_hosts(struct publisher *p)
{
        for (struct published *h; (h = p->noted);) {
                DL_DELETE(p->noted, h);
                h->is_noted = false;
                AUTO(translation) *t = mem_take(&h->noted);
                stage(p, h, t);
        }
}

/* ---- what all hosts share ---- */

/* What clients said to have before there was anything to compare it with. */
static void accept_claims(struct shared *s)
{
        for (size_t i = 0; i < s->claim_count; i++)
                s->changed |= holdout_accepted(s->holdout, s->claims[i]);
        s->claim_count = 0;
}

static void assemble(struct publisher *p, struct shared *s)
{
        size_t n;
        const struct resource *const *parts = holdout_parts(s->holdout, &n);
        struct resource *r = s->assemble(p, parts, n);
        uint64_t mark = r ? cache_mark(r->version) : cache_mark("");
        const bool known = holdout_published(s->holdout, mark);
        s->changed = false;
        /* Nothing is sent, so nobody answers: what was held back until something is accepted has its turn. */
        if (!r || known)
                s->changed = holdout_accepted(s->holdout, mark);
        if (r)
                cache_set(p->options.cache, r, NULL);
        else
                cache_remove(p->options.cache, s->type, s->name);
        resource_unref(r);
}

static bool stage_shared(struct publisher *p)
{
        bool any = false;
        for (size_t i = 0; i < SHARED_COUNT; i++) {
                for (struct shared *s = &p->shared[i]; s->changed; any = true) {
                        assemble(p, s);
                        accept_claims(s);
                }
        }
        return any;
}

static struct shared *find_shared(struct publisher *p, enum resource_type type)
{
        for (size_t i = 0; i < SHARED_COUNT; i++)
                if (p->shared[i].type == type)
                        return &p->shared[i];
        return NULL;
}

/* ---- rule EnvoyRejected ---- */

static void tell_refused(const char *host, void *arg)
{
        struct publisher *p = arg;
        if (map_get(p->refused, host))
                return;
        map_set(p->refused, host, p);
        if (p->options.refused)
                p->options.refused(host, true, p->options.arg);
}

/* Routes on TLS are the host's own: an Envoy that refuses them goes on with what it last accepted. */
static bool has_refused_routes(const struct publisher *p, const char *host)
{
        const struct published *h = published_find(p, host);
        return h && h->refused && h->refused == h->https_routes;
}

static void note_refused_routes(struct publisher *p, const struct cache_name *name)
{
        struct published *h = str_has_prefix(name->text, HTTPS_ROUTES_PREFIX)
                                      ? published_find(p, name->text + strlen(HTTPS_ROUTES_PREFIX))
                                      : NULL;
        if (!h || name->type != RESOURCE_ROUTE_CONFIGURATION || name->mark != h->https_routes)
                return;
        h->refused = name->mark;
        tell_refused(h->name, p);
}

static void tell_not_refused(const char *host, void *value, void *arg)
{
        (void)value;
        struct publisher *p = arg;
        for (size_t i = 0; i < SHARED_COUNT; i++)
                if (holdout_is_refused(p->shared[i].holdout, host))
                        return;
        if (has_refused_routes(p, host))
                return;
        if (p->options.refused)
                p->options.refused(host, false, p->options.arg);
        map_remove(p->refused, host);
}

/* Few are, mostly none. */
static void tell_about_refused(struct publisher *p)
{
        if (map_count(p->refused))
                map_each(p->refused, tell_not_refused, p);
        for (size_t i = 0; i < SHARED_COUNT; i++)
                holdout_each_refused(p->shared[i].holdout, tell_refused, p);
}

/* ---- changes of the world ---- */

/*
 * Rule EnvoyRejected in the status of a root, by us before a restart or by another replica. There it may soon be gone
 * (the status is written anew); the host stays suspect until an Envoy accepts it, or it goes.
 */
static void note_suspect(struct publisher *p, const struct object *o)
{
        const char *host = o->kind == KIND_INGRESSROUTE ? o->ingressroute->fqdn_host : NULL;
        if (!host)
                return;
        const struct ir_status *status = o->ingressroute->status;
        if (!status || !status->condition_message || !strstr(status->condition_message, "[EnvoyRejected]"))
                return;
        map_set(p->suspects, host, p);
        for (size_t i = 0; i < SHARED_COUNT; i++)
                holdout_suspect(p->shared[i].holdout, host);
}

void publisher_stored(struct publisher *p, const struct object *old, const struct object *new)
{
        if (new)
                note_suspect(p, new);
        if (old)
                uses_note(p->uses, old);
        if (new)
                uses_note(p->uses, new);
}

static bool tell_holdout(struct shared *s, const struct stream_outcome *outcome)
{
        switch (outcome->reply) {
        case STREAM_ASKS:
        case STREAM_ACKS:
                return holdout_accepted(s->holdout, outcome->tracked);
        case STREAM_NACKS:
                return holdout_refused(s->holdout, outcome->tracked);
        case STREAM_STALE:
                return false;
        }
        __builtin_unreachable();
}

size_t publisher_answered(struct publisher *p, enum resource_type type, const struct stream_outcome *outcome,
                          int64_t now)
{
        struct shared *s = find_shared(p, type);
        if (outcome->culprit)
                note_refused_routes(p, outcome->culprit);
        if (!s || !outcome->tracked)
                return 0;
        if (!cache_is_open(p->options.cache)) {
                if (outcome->reply == STREAM_ASKS && s->claim_count < CLAIMS_MAX)
                        s->claims[s->claim_count++] = outcome->tracked;
                return 0;
        }
        s->changed |= tell_holdout(s, outcome);
        size_t changed = stage_shared(p) ? cache_commit(p->options.cache, now) : 0;
        tell_about_refused(p);
        return changed;
}

/* ---- making it visible ---- */

size_t publisher_flush(struct publisher *p, int64_t now)
{
        bool any = p->noted;
        stage_hosts(p);
        any |= uses_stage_endpoints(p->uses);
        p->endpoints_held = false;
        any |= uses_stage_secrets(p->uses);
        any |= stage_shared(p);
        if (!any)
                return 0;
        size_t changed = cache_commit(p->options.cache, now);
        tell_about_refused(p);
        return changed;
}

static bool endpoints_wait(const struct publisher *p)
{
        return cache_is_open(p->options.cache) && uses_has_endpoints(p->uses);
}

size_t publisher_store_changed(struct publisher *p, int64_t now)
{
        if (!endpoints_wait(p))
                return 0;
        coalesce_note(&p->endpoints, now, !p->endpoints_held);
        p->endpoints_held = coalesce_due(&p->endpoints) > now;
        return p->endpoints_held ? 0 : publisher_flush_endpoints(p, now);
}

int64_t publisher_due(const struct publisher *p)
{
        return endpoints_wait(p) ? coalesce_due(&p->endpoints) : INT64_MAX;
}

size_t publisher_flush_endpoints(struct publisher *p, int64_t now)
{
        if (!endpoints_wait(p))
                return 0;
        uses_stage_endpoints(p->uses);
        p->endpoints_held = false;
        return cache_commit(p->options.cache, now);
}

size_t publisher_open(struct publisher *p, int64_t now)
{
        size_t changed = publisher_flush(p, now);
        cache_open(p->options.cache, now);
        return changed;
}

/* ---- for people ---- */

size_t publisher_held(const struct publisher *p)
{
        size_t n = 0;
        for (size_t i = 0; i < SHARED_COUNT; i++)
                n += holdout_held(p->shared[i].holdout);
        return n;
}
