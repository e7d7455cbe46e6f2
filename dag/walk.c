/* SPDX-License-Identifier: Apache-2.0 */
/* walk - from a root along its delegations. */
#include "dag/build.h"

#include "dag/compile.h"
#include "dag/syntax.h"

#include <assert.h>
#include <string.h>

/* One object on the way from the root, on the stack. */
struct frame {
        struct build_entry *entry;
        const struct frame *up; /* NULL: the root */
        const char *prefix;     /* what up delegates; NULL for the root */
        size_t route;           /* of up, by which it does */
        size_t depth;
};

/*
 * Why match, of the frame's object, is not let in: *owner is the more specific delegation of an ancestor that has it,
 * or NULL when it lies outside of the prefix itself.
 */
static bool lets_in(const struct frame *f, const char *match, const struct delegated **owner)
{
        *owner = NULL;
        if (!f->up)
                return true;
        /* Each delegating route is held to the prefix before it, so the last prefix lies in all of them. */
        if (!syntax_path_covers(f->prefix, match))
                return false;
        for (const struct frame *child = f; child->up; child = child->up) {
                const struct delegated *best = delegations_find(&child->up->entry->delegations, match);
                if (best && !delegation_is_to(best->to, child->entry->object)) {
                        *owner = best;
                        return false;
                }
        }
        return true;
}

static const struct finding *outside_finding(struct build *b, const struct frame *f, size_t index, const char *match,
                                             const struct delegated *owner)
{
        struct findings one = {.arena = b->arena};
        struct check c = build_check(b, f->entry);
        c.list = &one;
        const struct object *parent = f->up->entry->object;
        if (owner)
                check_add(&c, RULE_PathOutsideDelegation, place_route(index), "match", match,
                          "Invalid value: %s belongs to IngressRoute %s/%s, to which %s is delegated",
                          check_quote(&c, match), owner->to->namespace, owner->to->name,
                          check_quote(&c, owner->prefix));
        else
                check_add(&c, RULE_PathOutsideDelegation, place_route(index), "match", match,
                          "Invalid value: %s must lie below %s, which IngressRoute %s/%s delegates to this object (to "
                          "be rid of a stranger's delegation, name those that you accept in the annotation "
                          "contour.heptio.com/delegated-from)",
                          check_quote(&c, match), check_quote(&c, f->prefix), parent->namespace, parent->name);
        /* Whether admission denies depends on every delegator, not on this chain: delegation_judge_candidate(). */
        if (one.count)
                one.items->denies = false;
        return one.items;
}

static const struct finding *at_parent_finding(struct build *b, const struct frame *f)
{
        struct findings one = {.arena = b->arena};
        struct check c = build_check(b, f->up->entry);
        c.list = &one;
        const struct object *child = f->entry->object;
        check_add(&c, RULE_PathOutsideDelegation, place_route(f->route), "delegate",
                  arena_printf(b->check.scratch, "%s/%s %s", child->namespace, child->name, f->prefix),
                  "Invalid value: IngressRoute %s/%s has no route below %s", child->namespace, child->name,
                  check_quote(&c, f->prefix));
        if (one.count)
                one.items->denies = false;
        return one.items;
}

static void add_outside(struct build *b, const struct frame *f, size_t index, const char *match,
                        const struct delegated *owner)
{
        assert(f->up); /* everything is let in at the root */
        if (b->outside_count >= DELEGATION_ROUTES_MAX)
                return;
        b->outside_count++;
        struct host_outside *out = arena_push(b->check.scratch, &f->entry->outside, &f->entry->outside_count);
        out->route = (uint32_t)index;
        out->parent = *f->up->entry->ref;
        out->finding = outside_finding(b, f, index, match, owner);
}

static void visit(struct build *b, struct frame *f);

/* A host takes an object as a whole or not at all. */
static bool has_room(const struct build *b, const struct object *o)
{
        size_t n = o->ingressroute->route_count;
        return b->walk_count < DELEGATION_OBJECTS_MAX && b->route_count + n <= DELEGATION_ROUTES_MAX &&
               b->looked + n <= DELEGATION_LOOKED_MAX;
}

/* One finding is enough for one delegation, however often it is met. */
static bool mark_told(struct build *b, struct build_entry *e, size_t route)
{
        if (!e->told)
                e->told = arena_calloc(b->check.scratch, (e->object->ingressroute->route_count + 63) / 64,
                                       sizeof(uint64_t));
        bool told = e->told[route / 64] >> (route % 64) & 1;
        e->told[route / 64] |= UINT64_C(1) << (route % 64);
        return !told;
}

/* "a/x -> b/y -> a/x", from the frame's object whose delegation leads back to target. */
static const char *chain_text(struct build *b, const struct frame *f, const struct object *target)
{
        struct arena *a = b->check.scratch;
        const struct object *last = f->entry->object;
        const char *text = arena_printf(a, "%s/%s", last->namespace, last->name);
        for (const struct frame *p = f; p->entry->object != target;) {
                p = p->up;
                assert(p); /* target is on the way: is_on_the_way() */
                text = arena_printf(a, "%s/%s -> %s", p->entry->object->namespace, p->entry->object->name, text);
        }
        return arena_printf(a, "%s/%s -> %s", last->namespace, last->name, text);
}

static void add_cycle(struct build *b, const struct frame *f, const struct delegated *d, const struct object *target)
{
        struct check c = build_check(b, f->entry);
        if (mark_told(b, f->entry, d->route))
                delegation_add_cycle(&c, place_route(d->route), d->to, chain_text(b, f, target));
}

/* Blames the candidate where it is on the way, else the root: never who was fine under other roots. */
static void add_too_long(struct build *b, const struct frame *f, const struct delegated *d)
{
        const struct object *last = f->entry->object;
        size_t route = d->route;
        for (; f->up && f->entry->object != b->check.view->candidate; f = f->up)
                route = f->route;
        struct check c = build_check(b, f->entry);
        if (mark_told(b, f->entry, route))
                check_add(&c, RULE_DelegationTooLarge, place_route(route), "delegate",
                          c.about->ingressroute->routes[route].delegate->name,
                          "Too many: a chain of more than %d delegations; what IngressRoute %s/%s hands on at its end "
                          "answers 503",
                          DELEGATION_DEPTH_MAX, last->namespace, last->name);
}

static bool is_on_the_way(const struct frame *f, const struct object *target)
{
        for (; f; f = f->up) {
                if (f->entry->object == target)
                        return true;
        }
        return false;
}

/* Follows one delegation; false when the prefix is cut off. */
static bool follow(struct build *b, const struct frame *f, const struct delegated *d)
{
        struct check quiet = build_quiet(b, f->entry);
        const struct object *target = delegation_target(&quiet, place_route(d->route), d->to);
        if (!target)
                return false;
        if (is_on_the_way(f, target)) {
                add_cycle(b, f, d, target);
                return false;
        }
        /* Once per distinct prefix: no exponential diamonds. */
        const char *key = arena_printf(b->check.scratch, "%s/%s %s", target->namespace, target->name, d->prefix);
        if (b->walked && map_get(b->walked, key))
                return true;
        if (f->depth >= DELEGATION_DEPTH_MAX) {
                add_too_long(b, f, d);
                return false;
        }
        if (b->full || !has_room(b, target)) {
                b->full = true;
                return false;
        }
        if (!b->walked)
                b->walked = map_new();
        map_set(b->walked, key, b);
        struct frame next = {.entry = build_entry(b, target),
                             .up = f,
                             .prefix = d->prefix,
                             .route = d->route,
                             .depth = f->depth + 1};
        visit(b, &next);
        return true;
}

static void add_own_route(struct build *b, const struct frame *f, size_t i)
{
        const struct ir_route *written = &f->entry->object->ingressroute->routes[i];
        const struct planned_route *planned = &f->entry->plan[i];
        if (planned->kind == ROUTE_DELEGATES || b->route_count >= DELEGATION_ROUTES_MAX)
                return;
        if (planned->kind == ROUTE_CUT_OFF) {
                build_add_unavailable(b, f->entry, i, planned->match, route_is_insecure(b->check.policy, written),
                                      false);
                return;
        }
        struct check quiet = build_quiet(b, f->entry);
        struct route route;
        route_resolve(&quiet, i, b->arena, &route);
        build_add_route(b, f->entry, i, planned->match, &route, false);
}

/* Adds what the object itself serves. */
static void add_own_routes(struct build *b, const struct frame *f)
{
        struct build_entry *e = f->entry;
        b->parent = f->up ? f->up->entry : NULL;
        b->parent_route = f->route;
        const size_t outside_before = e->outside_count;
        bool any_let_in = false;
        for (size_t i = 0; i < e->object->ingressroute->route_count; i++) {
                if (e->plan[i].kind == ROUTE_DROPPED)
                        continue;
                const struct delegated *owner;
                if (!lets_in(f, e->plan[i].match, &owner)) {
                        add_outside(b, f, i, e->plan[i].match, owner);
                        continue;
                }
                any_let_in = true;
                e->served[i / 64] |= UINT64_C(1) << (i % 64);
                add_own_route(b, f, i);
        }
        if (!any_let_in && e->outside_count > outside_before)
                e->outside[outside_before].at_parent = at_parent_finding(b, f);
}

/* The candidate where the host has it below its root, else the root's largest delegation. */
static void add_too_large(struct build *b, struct build_entry *root, size_t largest)
{
        struct build_entry *blamed = root;
        for (size_t i = 0; i < b->entry_count; i++) {
                if (b->entries[i]->object == b->check.view->candidate)
                        blamed = b->entries[i];
        }
        struct check c = build_check(b, blamed);
        check_add(&c, RULE_DelegationTooLarge, blamed == root ? place_route(largest) : place_object,
                  blamed == root ? "delegate" : "spec.routes", b->host->name,
                  "Too many: %s would have more than %d objects or %d routes; the rest answers 503", b->host->name,
                  DELEGATION_OBJECTS_MAX, DELEGATION_ROUTES_MAX);
}

/* Which of the root's delegations has brought most, for DelegationTooLarge. */
struct largest {
        size_t size, route;
};

static void follow_delegations(struct build *b, const struct frame *f, struct largest *largest)
{
        const struct build_entry *e = f->entry;
        const struct ingressroute *ir = e->object->ingressroute;
        /* In the order of the object's routes: who comes first serves. */
        const struct delegated **in_order =
                arena_calloc(b->check.scratch, ir->route_count, sizeof(const struct delegated *));
        for (size_t i = 0; i < e->delegations.count; i++)
                in_order[e->delegations.items[i].route] = &e->delegations.items[i];
        for (size_t i = 0; i < ir->route_count; i++) {
                if (!in_order[i] || !(e->served[i / 64] >> (i % 64) & 1))
                        continue;
                const struct delegated *owner;
                if (!lets_in(f, in_order[i]->prefix, &owner))
                        continue; /* let in by another chain, not by this one */
                size_t before = b->walk_count + b->route_count;
                if (!follow(b, f, in_order[i]))
                        build_add_unavailable(b, f->entry, i, in_order[i]->prefix,
                                              route_is_insecure(b->check.policy, &ir->routes[i]), true);
                size_t size = b->walk_count + b->route_count - before;
                if (size > largest->size)
                        *largest = (struct largest){size, i};
        }
}

/* What does not depend on the way to the object, made once. */
static void prepare(struct build *b, struct build_entry *e)
{
        if (e->plan)
                return;
        struct check quiet = build_quiet(b, e);
        e->plan = route_plan(&quiet);
        e->delegations = delegations_of(b->check.scratch, e->object, e->plan);
        e->served = arena_calloc(b->arena, (e->object->ingressroute->route_count + 63) / 64, sizeof(uint64_t));
}

static void visit(struct build *b, struct frame *f)
{
        struct largest largest = {0};
        b->walk_count++;
        b->looked += f->entry->object->ingressroute->route_count;
        f->entry->reached = true;
        prepare(b, f->entry);
        add_own_routes(b, f);
        if (f->entry->delegations.count)
                follow_delegations(b, f, &largest);
        if (!f->up && b->full)
                add_too_large(b, f->entry, largest.route);
}

void walk_root(struct build *b, struct build_entry *root)
{
        struct frame f = {.entry = root};
        visit(b, &f);
        b->parent = NULL;
        b->host->work = b->looked;
}
