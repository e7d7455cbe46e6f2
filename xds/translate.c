/* SPDX-License-Identifier: Apache-2.0 */
#include "xds/translate.h"

#include "xds/translate_cluster.h"
#include "xds/translate_endpoint.h"
#include "xds/translate_listener.h"
#include "xds/translate_route.h"
#include "xds/translate_secret.h"

#include <stdlib.h>
#include <string.h>

/* ---- which clusters ---- */

struct named {
        const char *name;
        const struct cluster *cluster;
        enum cluster_use use;
};

struct list {
        struct named *items;
        size_t count;
};

static void add_all(struct arena *a, struct list *list, const struct cluster *clusters, size_t n, enum cluster_use use)
{
        for (size_t i = 0; i < n; i++) {
                if (!clusters[i].missing)
                        *arena_push(a, &list->items, &list->count) =
                                (struct named){cluster_name(a, &clusters[i], use), &clusters[i], use};
        }
}

static int by_name(const void *x, const void *y)
{
        const struct named *a = x;
        const struct named *b = y;
        return strcmp(a->name, b->name);
}

/* Equal names mean equal clusters: the rest of what a cluster says is the Service's. */
static size_t unique(struct named *items, size_t n)
{
        size_t kept = n ? 1 : 0;
        for (size_t i = 1; i < n; i++) {
                if (!str_equal(items[i].name, items[kept - 1].name))
                        items[kept++] = items[i];
        }
        return kept;
}

static struct list clusters_of(struct arena *a, const struct host *h)
{
        struct list list = {0};
        for (size_t i = 0; i < h->route_count; i++)
                add_all(a, &list, h->routes[i].clusters, h->routes[i].cluster_count, USE_PROTOCOL);
        if (h->tcpproxy)
                add_all(a, &list, h->tcpproxy->clusters, h->tcpproxy->cluster_count,
                        h->tls && h->tls->passthrough ? USE_PASSTHROUGH : USE_PROTOCOL);
        if (list.count)
                qsort(list.items, list.count, sizeof(*list.items), by_name);
        list.count = unique(list.items, list.count);
        return list;
}

/* ---- what they need ---- */

static void add_secret(struct translation *t, bool ca, const char *namespace, const char *name)
{
        const char *full = ca ? ca_name(t->arena, namespace, name) : pair_name(t->arena, namespace, name);
        for (size_t i = 0; i < t->secret_count; i++) {
                if (str_equal(t->secrets[i].name, full))
                        return;
        }
        *arena_push(t->arena, &t->secrets, &t->secret_count) = (struct translated_secret){
                .name = full,
                .ca = ca,
                .namespace = arena_strdup(t->arena, namespace),
                .secret = arena_strdup(t->arena, name),
        };
}

static int by_secret_name(const void *x, const void *y)
{
        const struct translated_secret *a = x;
        const struct translated_secret *b = y;
        return strcmp(a->name, b->name);
}

static struct translated_cluster translate_named(struct arena *a, const struct named *named,
                                                 const struct xds_options *options)
{
        const struct cluster *c = named->cluster;
        struct translated_cluster out = {.resource = translate_cluster(c, named->use, options)};
        if (c->external_name)
                return out;
        out.endpoints = endpoints_name(a, c->namespace, c->service, c->port_name);
        out.namespace = arena_strdup(a, c->namespace);
        out.service = arena_strdup(a, c->service);
        out.port_name = *c->port_name ? arena_strdup(a, c->port_name) : "";
        return out;
}

static bool is_verified(const struct cluster *c, enum cluster_use use)
{
        return use == USE_PROTOCOL && c->validation && (c->protocol == PROTOCOL_TLS || c->protocol == PROTOCOL_H2);
}

struct translation *translate_host(const struct host *h, const struct xds_options *options)
{
        AUTO(arena) *scratch = arena_new(1024);
        struct arena *a = arena_new(512);
        struct translation *t = arena_alloc(a, sizeof(*t));
        *t = (struct translation){.arena = a};
        t->virtual_host = translate_virtual_host(h);
        if (!t->virtual_host)
                return t;
        t->https_routes = translate_https_routes(h);
        t->filter_chain = translate_filter_chain(h, options);
        struct list list = clusters_of(scratch, h);
        t->clusters = arena_calloc(a, list.count, sizeof(*t->clusters));
        for (size_t i = 0; list.items && i < list.count; i++) {
                const struct cluster *c = list.items[i].cluster;
                t->clusters[t->cluster_count++] = translate_named(a, &list.items[i], options);
                if (is_verified(c, list.items[i].use))
                        add_secret(t, true, c->validation->ca_namespace, c->validation->ca_secret);
        }
        if (t->filter_chain && h->tls->secret_name)
                add_secret(t, false, h->tls->secret_namespace, h->tls->secret_name);
        if (t->secret_count)
                qsort(t->secrets, t->secret_count, sizeof(*t->secrets), by_secret_name);
        return t;
}

void translation_free(struct translation *t)
{
        if (!t)
                return;
        resource_unref(t->virtual_host);
        resource_unref(t->https_routes);
        resource_unref(t->filter_chain);
        for (size_t i = 0; i < t->cluster_count; i++)
                resource_unref(t->clusters[i].resource);
        arena_free(t->arena);
}
