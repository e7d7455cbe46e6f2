/* SPDX-License-Identifier: Apache-2.0 */
/*
 * publisher_testing - a publisher between a store in memory and a cache, for the tests that need one.
 *
 * Objects are written in the shorthand of dag/fixture_test.h, with ' for ". Every host is compiled from scratch each
 * time; the publisher is told only of those that changed, as controller/pipeline would. Each test includes it once.
 */
#pragma once

#include "dag/fixture_test.h"

#include "xds/publisher.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka needs those before it */
#include <cmocka.h>

struct world {
        struct store *store;
        struct policy policy;
        struct cache *cache;
        struct publisher *publisher;
        struct map *hosts;   /* name -> struct host: what the publisher knows of */
        struct map *refused; /* as options.refused() has told */
        struct map *found;   /* during world_settle(): name -> struct host */
        int64_t now;
};

FIXTURE_FN void world_refused(const char *host, bool refused, void *arg)
{
        struct world *w = arg;
        void *was = refused ? map_set(w->refused, host, w) : map_remove(w->refused, host);
        assert_int_equal(was != NULL, !refused);
}

FIXTURE_FN void world_init(struct world *w)
{
        *w = (struct world){.store = store_new(), .cache = cache_new(), .hosts = map_new(), .refused = map_new()};
        w->publisher = publisher_new(&(struct publisher_options){
                .store = w->store,
                .cache = w->cache,
                .options = &xds_options_default,
                .refused = world_refused,
                .arg = w,
        });
}

FIXTURE_FN void world_unref_host(const char *name, void *host, void *arg)
{
        (void)name, (void)arg;
        host_unref(host);
}

FIXTURE_FN void world_done(struct world *w)
{
        publisher_free(w->publisher);
        cache_free(w->cache);
        map_each(w->hosts, world_unref_host, NULL);
        map_free(w->hosts);
        map_free(w->refused);
        store_free(w->store);
}

/* ---- objects ---- */

FIXTURE_FN void world_stored(const struct object *old, const struct object *new, void *arg)
{
        struct world *w = arg;
        publisher_stored(w->publisher, old, new);
}

/* Takes full. */
FIXTURE_FN void world_put_json(struct world *w, enum kind kind, json_t *full)
{
        static const struct object_inspector inspector = {fixture_pair, fixture_ca};
        const struct object_options options = {.inspector = &inspector, .keep_keys = true};
        struct err e = {0};
        struct object *o = object_decode(kind, full, &options, &e);
        if (!o)
                fail_msg("%s", e.text);
        json_decref(full);
        store_put(w->store, o, 0, &(struct store_hooks){.on_change = world_stored, .arg = w});
}

FIXTURE_FN void world_put(struct world *w, const char *shorthand)
{
        AUTO_STR *text = mem_strdup(shorthand);
        for (char *c = text; (c = strchr(c, '\'')) != NULL;)
                *c = '"';
        json_error_t why;
        json_t *json = json_loads(text, 0, &why);
        if (!json)
                fail_msg("%s: %s", text, why.text);
        enum kind kind;
        json_t *full = fixture_expand(json, &kind);
        json_decref(json);
        world_put_json(w, kind, full);
}

/* A slice of the Service with that one endpoint. */
FIXTURE_FN void world_put_slice(struct world *w, const char *namespace, const char *name, const char *service,
                                const char *address)
{
        world_put_json(w, KIND_ENDPOINTSLICE,
                       json_pack("{s:{s:s, s:s, s:{s:s}}, s:s, s:[{s:i}], s:[{s:[s]}]}", "metadata", "namespace",
                                 namespace, "name", name, "labels", "kubernetes.io/service-name", service,
                                 "addressType", "IPv4", "ports", "port", 8080, "endpoints", "addresses", address));
}

FIXTURE_FN void world_remove(struct world *w, enum kind kind, const char *namespace, const char *name)
{
        store_remove(w->store, kind, namespace, name, 0, &(struct store_hooks){.on_change = world_stored, .arg = w});
}

/* ---- hosts ---- */

FIXTURE_FN void world_compile(enum term term, const char *name, void *arg)
{
        struct world *w = arg;
        if (term != TERM_FQDN || map_get(w->found, name))
                return;
        struct view v = {.store = w->store};
        map_set(w->found, name, host_compile(&v, &w->policy, name, fixture_micros(1000)));
}

FIXTURE_FN void world_compile_all_of(const struct object *o, void *arg)
{
        object_terms(o, world_compile, arg);
}

FIXTURE_FN void world_tell_new(const char *name, void *host, void *arg)
{
        struct world *w = arg;
        const struct host *old = map_get(w->hosts, name);
        if (!old || !host_equal(old, host))
                publisher_host_changed(w->publisher, old, host);
}

FIXTURE_FN void world_tell_gone(const char *name, void *host, void *arg)
{
        struct world *w = arg;
        if (!map_get(w->found, name))
                publisher_host_changed(w->publisher, host, NULL);
}

/* Compiles, and tells what has changed. */
FIXTURE_FN void world_tell(struct world *w)
{
        w->found = map_new();
        store_each(w->store, KIND_INGRESSROUTE, world_compile_all_of, w);
        store_each(w->store, KIND_INGRESS, world_compile_all_of, w);
        map_each(w->found, world_tell_new, w);
        map_each(w->hosts, world_tell_gone, w);
        map_each(w->hosts, world_unref_host, NULL);
        map_free(w->hosts);
        w->hosts = mem_take(&w->found);
}

/* And opens or flushes; the number of resources that changed. */
FIXTURE_FN size_t world_settle(struct world *w)
{
        world_tell(w);
        return publisher_open(w->publisher, ++w->now);
}

/* ---- what is in the cache ---- */

FIXTURE_FN bool world_has(const struct world *w, enum resource_type type, const char *name)
{
        return cache_find(w->cache, type, name) != NULL;
}

/* Whether the resource's bytes hold the text: enough to tell who is in it. */
FIXTURE_FN bool world_shows(const struct world *w, enum resource_type type, const char *name, const char *text)
{
        const struct resource *r = cache_find(w->cache, type, name);
        return r && memmem(r->bytes, r->size, text, strlen(text));
}

FIXTURE_FN size_t world_answer(struct world *w, enum resource_type type, const char *name, enum stream_reply reply)
{
        const struct resource *r = cache_find(w->cache, type, name);
        assert_non_null(r);
        const struct stream_outcome outcome = {.reply = reply, .tracked = cache_mark(r->version)};
        return publisher_answered(w->publisher, type, &outcome, ++w->now);
}
