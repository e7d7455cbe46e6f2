/* SPDX-License-Identifier: Apache-2.0 */
#include "xds/publisher_uses.h"

#include "base/map.h"
#include "base/table.h"
#include "xds/translate_endpoint.h"
#include "xds/translate_secret.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

/* A Service of which some cluster has endpoints. */
struct service_use {
        struct endpoints_use *endpoints; /* one a port name */
        const char *name;
        char namespace[];
};

/* One ClusterLoadAssignment. */
struct endpoints_use {
        struct endpoints_use *next;                    /* of the Service */
        struct endpoints_use *noted_next, *noted_prev; /* while noted */
        struct service_use *service;
        uint32_t users; /* clusters */
        bool noted;     /* to be read from the store */
        const char *port_name;
        char name[];
};

struct cluster_use {
        struct endpoints_use *endpoints; /* NULL: found by DNS */
        uint32_t users;                  /* hosts */
        char name[];
};

/* A certificate and key, or a CA bundle. */
struct secret_use {
        struct secret_use *noted_next, *noted_prev; /* while noted */
        uint32_t users;                             /* hosts */
        bool noted, ca;
        const char *namespace, *secret;
        char name[];
};

struct host_uses {
        size_t cluster_count, secret_count;
        void *items[]; /* clusters, then Secrets */
};

struct uses {
        const struct store *store;
        struct cache *cache;
        struct table clusters, endpoints, services, secrets;
        struct endpoints_use *noted_endpoints;
        struct secret_use *noted_secrets;
};

/* ---- tables ---- */

struct service_key {
        const char *namespace, *name;
};

static uint64_t hash_text(const char *text)
{
        return map_hash(text, strlen(text));
}

static uint64_t hash_key(const struct service_key *k)
{
        const uint64_t both[] = {hash_text(k->namespace), hash_text(k->name)};
        return map_hash(both, sizeof(both));
}

static uint64_t hash_cluster(const void *entry)
{
        return hash_text(((const struct cluster_use *)entry)->name);
}

static uint64_t hash_endpoints(const void *entry)
{
        return hash_text(((const struct endpoints_use *)entry)->name);
}

static uint64_t hash_secret(const void *entry)
{
        return hash_text(((const struct secret_use *)entry)->name);
}

static uint64_t hash_service(const void *entry)
{
        const struct service_use *s = entry;
        return hash_key(&(struct service_key){s->namespace, s->name});
}

static bool matches_cluster(const void *entry, const void *name)
{
        return str_equal(((const struct cluster_use *)entry)->name, name);
}

static bool matches_endpoints(const void *entry, const void *name)
{
        return str_equal(((const struct endpoints_use *)entry)->name, name);
}

static bool matches_secret(const void *entry, const void *name)
{
        return str_equal(((const struct secret_use *)entry)->name, name);
}

static bool matches_service(const void *entry, const void *key)
{
        const struct service_use *s = entry;
        const struct service_key *k = key;
        return str_equal(s->name, k->name) && str_equal(s->namespace, k->namespace);
}

static void *find(const struct table *t, const char *name)
{
        return table_find(t, hash_text(name), name);
}

struct uses *uses_new(const struct store *store, struct cache *cache)
{
        static const struct table_ops cluster_ops = {hash_cluster, matches_cluster};
        static const struct table_ops endpoints_ops = {hash_endpoints, matches_endpoints};
        static const struct table_ops secret_ops = {hash_secret, matches_secret};
        static const struct table_ops service_ops = {hash_service, matches_service};
        struct uses *u = mem_zalloc(sizeof(*u));
        u->store = store;
        u->cache = cache;
        table_init(&u->clusters, &cluster_ops);
        table_init(&u->endpoints, &endpoints_ops);
        table_init(&u->secrets, &secret_ops);
        table_init(&u->services, &service_ops);
        return u;
}

static void free_all(struct table *t)
{
        for (size_t i = 0; i < t->room; i++)
                mem_free(t->slots[i]);
        table_done(t);
}

void uses_free(struct uses *u)
{
        if (!u)
                return;
        free_all(&u->clusters);
        free_all(&u->endpoints);
        free_all(&u->secrets);
        free_all(&u->services);
        mem_free(u);
}

/* ---- endpoints ---- */

static struct service_use *service_get(struct uses *u, const char *namespace, const char *name)
{
        const struct service_key key = {namespace, name};
        struct service_use *s = table_find(&u->services, hash_key(&key), &key);
        if (s)
                return s;
        size_t first = strlen(namespace) + 1, second = strlen(name) + 1;
        s = mem_zalloc(sizeof(*s) + first + second);
        memcpy(s->namespace, namespace, first);
        s->name = memcpy(s->namespace + first, name, second);
        table_add(&u->services, s);
        return s;
}

static void service_leave(struct uses *u, struct service_use *s, struct endpoints_use *e)
{
        LL_DELETE(s->endpoints, e);
        if (s->endpoints)
                return;
        table_remove(&u->services, s);
        mem_free(s);
}

static void note_endpoints(struct uses *u, struct endpoints_use *e)
{
        if (e->noted)
                return;
        e->noted = true;
        DL_APPEND2(u->noted_endpoints, e, noted_prev, noted_next);
}

static void endpoints_forget(struct uses *u, struct endpoints_use *e)
{
        e->noted = false;
        DL_DELETE2(u->noted_endpoints, e, noted_prev, noted_next);
}

static struct endpoints_use *endpoints_add(struct uses *u, const struct translated_cluster *c)
{
        size_t first = strlen(c->endpoints) + 1, second = strlen(c->port_name) + 1;
        struct endpoints_use *e = mem_zalloc(sizeof(*e) + first + second);
        memcpy(e->name, c->endpoints, first);
        e->port_name = memcpy(e->name + first, c->port_name, second);
        e->service = service_get(u, c->namespace, c->service);
        LL_PREPEND(e->service->endpoints, e);
        table_add(&u->endpoints, e);
        note_endpoints(u, e);
        return e;
}

static struct endpoints_use *endpoints_take(struct uses *u, const struct translated_cluster *c)
{
        if (!c->endpoints)
                return NULL;
        struct endpoints_use *e = find(&u->endpoints, c->endpoints);
        if (!e)
                e = endpoints_add(u, c);
        e->users++;
        return e;
}

static void endpoints_drop(struct uses *u, struct endpoints_use *e)
{
        if (!e || --e->users)
                return;
        if (e->noted)
                endpoints_forget(u, e);
        cache_remove(u->cache, RESOURCE_CLUSTER_LOAD_ASSIGNMENT, e->name);
        service_leave(u, e->service, e);
        table_remove(&u->endpoints, e);
        mem_free(e);
}

bool uses_has_endpoints(const struct uses *u)
{
        return u->noted_endpoints != NULL;
}

bool uses_stage_endpoints(struct uses *u)
{
        const struct view v = {.store = u->store};
        const bool any = u->noted_endpoints;
        for (struct endpoints_use *e; (e = u->noted_endpoints);) {
                endpoints_forget(u, e);
                struct resource *r = translate_endpoints(&v, e->service->namespace, e->service->name, e->port_name);
                assert(str_equal(r->name, e->name));
                cache_set(u->cache, r, NULL);
                resource_unref(r);
        }
        return any;
}

/* ---- clusters ---- */

static struct cluster_use *cluster_take(struct uses *u, const struct translated_cluster *c)
{
        struct cluster_use *use = find(&u->clusters, c->resource->name);
        if (!use) {
                size_t n = strlen(c->resource->name) + 1;
                use = mem_zalloc(sizeof(*use) + n);
                memcpy(use->name, c->resource->name, n);
                table_add(&u->clusters, use);
        }
        use->users++;
        struct endpoints_use *had = use->endpoints;
        use->endpoints = endpoints_take(u, c);
        endpoints_drop(u, had);
        cache_set(u->cache, c->resource, c->endpoints);
        return use;
}

static void cluster_drop(struct uses *u, struct cluster_use *use)
{
        if (--use->users)
                return;
        cache_remove(u->cache, RESOURCE_CLUSTER, use->name);
        endpoints_drop(u, use->endpoints);
        table_remove(&u->clusters, use);
        mem_free(use);
}

/* ---- Secrets ---- */

static void note_secret(struct uses *u, struct secret_use *s)
{
        if (s->noted)
                return;
        s->noted = true;
        DL_APPEND2(u->noted_secrets, s, noted_prev, noted_next);
}

static void secret_forget(struct uses *u, struct secret_use *s)
{
        s->noted = false;
        DL_DELETE2(u->noted_secrets, s, noted_prev, noted_next);
}

static struct secret_use *secret_add(struct uses *u, const struct translated_secret *t)
{
        size_t first = strlen(t->name) + 1, second = strlen(t->namespace) + 1, third = strlen(t->secret) + 1;
        struct secret_use *s = mem_zalloc(sizeof(*s) + first + second + third);
        memcpy(s->name, t->name, first);
        s->namespace = memcpy(s->name + first, t->namespace, second);
        s->secret = memcpy(s->name + first + second, t->secret, third);
        s->ca = t->ca;
        table_add(&u->secrets, s);
        note_secret(u, s);
        return s;
}

static struct secret_use *secret_take(struct uses *u, const struct translated_secret *t)
{
        struct secret_use *s = find(&u->secrets, t->name);
        if (!s)
                s = secret_add(u, t);
        s->users++;
        return s;
}

static void secret_drop(struct uses *u, struct secret_use *s)
{
        if (--s->users)
                return;
        if (s->noted)
                secret_forget(u, s);
        cache_remove(u->cache, RESOURCE_SECRET, s->name);
        table_remove(&u->secrets, s);
        mem_free(s);
}

bool uses_stage_secrets(struct uses *u)
{
        const struct view v = {.store = u->store};
        const bool any = u->noted_secrets;
        for (struct secret_use *s; (s = u->noted_secrets);) {
                secret_forget(u, s);
                const struct object *o = view_get(&v, KIND_SECRET, s->namespace, s->secret);
                struct resource *r = s->ca ? translate_ca(o) : translate_pair(o);
                if (!r && !s->ca)
                        r = translate_pair(view_last_good(&v, s->namespace, s->secret));
                if (r)
                        cache_set(u->cache, r, NULL);
                else
                        cache_remove(u->cache, RESOURCE_SECRET, s->name);
                resource_unref(r);
        }
        return any;
}

/* ---- a host ---- */

struct host_uses *uses_take(struct uses *u, const struct translation *t)
{
        const size_t n = t->cluster_count + t->secret_count;
        if (!n)
                return NULL;
        struct host_uses *h = mem_zalloc(sizeof(*h) + n * sizeof(void *));
        for (size_t i = 0; i < t->cluster_count; i++)
                h->items[h->cluster_count++] = cluster_take(u, &t->clusters[i]);
        for (size_t i = 0; i < t->secret_count; i++)
                h->items[h->cluster_count + h->secret_count++] = secret_take(u, &t->secrets[i]);
        return h;
}

void uses_drop(struct uses *u, struct host_uses *h)
{
        if (!h)
                return;
        for (size_t i = 0; i < h->cluster_count; i++)
                cluster_drop(u, h->items[i]);
        for (size_t i = 0; i < h->secret_count; i++)
                secret_drop(u, h->items[h->cluster_count + i]);
        mem_free(h);
}

/* ---- changes of the store ---- */

static void note_service(struct uses *u, const char *namespace, const char *name)
{
        const struct service_key key = {namespace, name};
        const struct service_use *s = table_find(&u->services, hash_key(&key), &key);
        for (struct endpoints_use *e = s ? s->endpoints : NULL; e; e = e->next)
                note_endpoints(u, e);
}

static void note_secret_named(struct uses *u, const char *name)
{
        struct secret_use *s = find(&u->secrets, name);
        if (s)
                note_secret(u, s);
}

void uses_note(struct uses *u, const struct object *o)
{
        if ((o->kind == KIND_ENDPOINTSLICE || o->kind == KIND_ENDPOINTS) && o->endpoint_set->service)
                note_service(u, o->namespace, o->endpoint_set->service);
        if (o->kind != KIND_SECRET || !u->secrets.count)
                return;
        AUTO(arena) *a = arena_new(256);
        note_secret_named(u, pair_name(a, o->namespace, o->name));
        note_secret_named(u, ca_name(a, o->namespace, o->name));
}
