/* SPDX-License-Identifier: Apache-2.0 */
#include "dag/build.h"

#include <stdlib.h>
#include <string.h>

/* Finds without a map while there are only a few. */
enum { FEW_ENTRIES = 4 };

static struct build_entry *find_entry(const struct build *b, const struct object *o)
{
        for (size_t i = 0; i < b->entry_count && i < FEW_ENTRIES; i++) {
                if (b->entries[i]->object == o)
                        return b->entries[i];
        }
        if (b->entry_count <= FEW_ENTRIES)
                return NULL;
        const char *key = arena_printf(b->check.scratch, "%d/%s/%s", (int)o->kind, o->namespace, o->name);
        return map_get(b->by_object, key);
}

struct build_entry *build_entry(struct build *b, const struct object *o)
{
        struct build_entry *e = find_entry(b, o);
        if (e)
                return e;
        e = arena_alloc(b->check.scratch, sizeof(*e));
        e->object = o;
        e->ref = arena_alloc(b->arena, sizeof(*e->ref));
        *e->ref = object_ref_dup(b->arena, o);
        e->findings.arena = b->arena;
        *arena_push(b->check.scratch, &b->entries, &b->entry_count) = e;
        if (b->entry_count > FEW_ENTRIES) {
                if (!b->by_object)
                        b->by_object = map_new();
                map_set(b->by_object, arena_printf(b->check.scratch, "%d/%s/%s", (int)o->kind, o->namespace, o->name),
                        e);
        }
        return e;
}

struct check build_check(const struct build *b, struct build_entry *entry)
{
        struct check c = b->check;
        c.about = entry->object;
        c.list = &entry->findings;
        return c;
}

struct check build_quiet(const struct build *b, const struct build_entry *entry)
{
        struct check c = b->check;
        c.about = entry->object;
        c.list = NULL;
        return c;
}

void build_add_route(struct build *b, struct build_entry *entry, size_t index, const char *match,
                     const struct route *route, bool weak)
{
        size_t order = b->route_count;
        struct build_route *r = arena_push(b->check.scratch, &b->routes, &b->route_count);
        *r = (struct build_route){.route = *route,
                                  .entry = entry,
                                  .parent = b->parent,
                                  .parent_route = b->parent_route,
                                  .weak = weak,
                                  .order = order};
        r->route.match = match;
        r->route.source = entry->ref;
        r->route.index = (uint32_t)index;
}

void build_add_unavailable(struct build *b, struct build_entry *entry, size_t index, const char *match, bool insecure,
                           bool weak)
{
        struct route route = {.action = ROUTE_UNAVAILABLE, .insecure = insecure, .timeout = TIMEOUT_DEFAULT};
        build_add_route(b, entry, index, match, &route, weak);
}

/* On equal paths an IngressRoute wins over Ingresses, also over their exact paths. */
static bool takes_all(const struct build_route *r)
{
        return r->entry->object->kind == KIND_INGRESSROUTE && !r->weak;
}

/* Longest first, then by match, exact before prefix; of equal ones the one that wins first. */
static int by_precedence(const void *x, const void *y)
{
        const struct build_route *a = x;
        const struct build_route *b = y;
        size_t m = strlen(a->route.match);
        size_t n = strlen(b->route.match);
        if (m != n)
                return m > n ? -1 : 1;
        int order = strcmp(a->route.match, b->route.match);
        if (order)
                return order;
        if (takes_all(a) != takes_all(b))
                return takes_all(b) - takes_all(a);
        if (a->route.exact != b->route.exact)
                return b->route.exact - a->route.exact;
        if (a->weak != b->weak)
                return a->weak - b->weak;
        return (a->order > b->order) - (a->order < b->order);
}

static void tell_shadowed(const struct build *b, const struct check *c, const struct build_route *loser,
                          const struct build_route *winner)
{
        struct place at = place_route(loser->route.index);
        const char *leaf = "match";
        if (loser->entry->object->kind == KIND_INGRESS) {
                at = place_object;
                leaf = "spec.rules";
        }
        check_add(c, RULE_PathShadowed, at, leaf, loser->route.match,
                  "Duplicate value: %s: %s %s/%s serves it already on %s", check_quote(c, loser->route.match),
                  kind_info(winner->entry->object->kind)->name, winner->entry->object->namespace,
                  winner->entry->object->name, b->host->name);
}

/* A child's path may be served on another host: then who delegated to it here is told, and the child is not. */
static void add_shadowed_child(struct build *b, const struct build_route *loser, const struct build_route *winner)
{
        struct build_entry *e = loser->entry;
        uint32_t route = loser->route.index;
        uint64_t bit = UINT64_C(1) << (route % 64);
        if (!(e->served[route / 64] & bit))
                return; /* told already: two prefixes lead to it */
        e->served[route / 64] &= ~bit;
        struct findings child = {.arena = b->arena}, parent = {.arena = b->arena};
        struct check c = build_check(b, e);
        c.list = &child;
        tell_shadowed(b, &c, loser, winner);
        c = build_check(b, loser->parent);
        c.list = &parent;
        check_add(&c, RULE_PathShadowed, place_route(loser->parent_route), "delegate", loser->route.match,
                  "Duplicate value: %s of IngressRoute %s/%s: IngressRoute %s/%s serves it already on %s",
                  check_quote(&c, loser->route.match), e->object->namespace, e->object->name,
                  winner->entry->object->namespace, winner->entry->object->name, b->host->name);
        *arena_push(b->check.scratch, &e->outside, &e->outside_count) = (struct host_outside){
                .route = route,
                .shadowed = true,
                .parent = *loser->parent->ref,
                .finding = child.items,
                .at_parent = parent.items,
        };
}

static void add_shadowed(struct build *b, const struct build_route *loser, const struct build_route *winner)
{
        if (loser->parent) {
                add_shadowed_child(b, loser, winner);
                return;
        }
        struct check c = build_check(b, loser->entry);
        tell_shadowed(b, &c, loser, winner);
}

static void finish_routes(struct build *b)
{
        if (b->route_count == 0)
                return;
        if (b->route_count > 1)
                qsort(b->routes, b->route_count, sizeof(*b->routes), by_precedence);
        struct route *out = arena_calloc(b->arena, b->route_count, sizeof(*out));
        const struct build_route *winner = NULL;
        size_t n = 0;
        for (size_t i = 0; i < b->route_count; i++) {
                const struct build_route *r = &b->routes[i];
                bool same = winner && strcmp(r->route.match, winner->route.match) == 0 &&
                            (r->route.exact == winner->route.exact || takes_all(winner));
                if (!same) {
                        winner = r;
                        out[n] = r->route;
                        out[n++].match = arena_strdup(b->arena, r->route.match);
                } else if (!r->weak && r->entry != winner->entry) {
                        add_shadowed(b, r, winner);
                }
        }
        b->host->routes = out;
        b->host->route_count = n;
}

static int by_ref(const void *x, const void *y)
{
        const struct host_object *a = x;
        const struct host_object *b = y;
        return object_ref_compare(&a->ref, &b->ref);
}

static size_t route_words(const struct object *o)
{
        return (o->ingressroute->route_count + 63) / 64;
}

static void finish_objects(struct build *b)
{
        if (b->entry_count == 0)
                return;
        struct host_object *out = arena_calloc(b->arena, b->entry_count, sizeof(*out));
        for (size_t i = 0; i < b->entry_count; i++) {
                struct build_entry *e = b->entries[i];
                findings_sort(&e->findings);
                out[i] = (struct host_object){
                        .ref = *e->ref,
                        .reached = e->reached,
                        .owner = e->owner,
                        .served = e->served,
                        .served_words = e->served ? route_words(e->object) : 0,
                        .findings = e->findings.items,
                        .finding_count = e->findings.count,
                        .outside_count = e->outside_count,
                        .claim_since = e->claim_since,
                };
                if (e->outside_count) {
                        b->host->has_outside = true;
                        out[i].outside = arena_memdup(b->arena, e->outside, e->outside_count * sizeof(*e->outside));
                }
        }
        if (b->entry_count > 1)
                qsort(out, b->entry_count, sizeof(*out), by_ref);
        b->host->objects = out;
        b->host->object_count = b->entry_count;
}

void build_finish(struct build *b)
{
        finish_routes(b);
        finish_objects(b);
}
