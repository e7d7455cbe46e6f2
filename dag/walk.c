/* SPDX-License-Identifier: Apache-2.0 */
/* walk - from a root along its delegations. */
#include "dag/build.h"

#include "dag/compile.h"
#include "dag/syntax.h"

#include <string.h>

/* One object on the way from the root, on the stack. */
struct frame {
        struct build_entry *entry;
        const struct frame *up; /* NULL: the root */
        const char *prefix;     /* what up delegates; NULL for the root */
        size_t depth;
        struct delegations delegations;
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
                const struct delegated *best = delegations_find(&child->up->delegations, match);
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

static const struct finding *at_parent_finding(struct build *b, const struct frame *f, const char *match)
{
        struct findings one = {.arena = b->arena};
        struct check c = build_check(b, f->up->entry);
        c.list = &one;
        const struct object *child = f->entry->object;
        check_add(&c, RULE_PathOutsideDelegation, place_object, "spec.routes", match,
                  "Invalid value: %s is delegated to IngressRoute %s/%s, whose route %s lies outside of it",
                  check_quote(&c, f->prefix), child->namespace, child->name, check_quote(&c, match));
        if (one.count)
                one.items->denies = false;
        return one.items;
}

static void add_outside(struct build *b, const struct frame *f, size_t index, const char *match,
                        const struct delegated *owner, bool first)
{
        if (b->outside_count >= DELEGATION_ROUTES_MAX)
                return;
        b->outside_count++;
        struct host_outside *out = arena_push(b->check.scratch, &f->entry->outside, &f->entry->outside_count);
        out->route = (uint32_t)index;
        out->parent = *f->up->entry->ref;
        out->finding = outside_finding(b, f, index, match, owner);
        out->at_parent = first ? at_parent_finding(b, f, match) : NULL;
}

static void visit(struct build *b, struct frame *f);

static bool has_room(const struct build *b)
{
        return b->walk_count < DELEGATION_OBJECTS_MAX && b->route_count < DELEGATION_ROUTES_MAX;
}

/* "a/x -> b/y -> a/x", from the frame's object whose delegation leads back to target. */
static const char *chain_text(struct build *b, const struct frame *f, const struct object *target)
{
        struct arena *a = b->check.scratch;
        const struct object *last = f->entry->object;
        const char *text = arena_printf(a, "%s/%s", last->namespace, last->name);
        const struct frame *p = f;
        while (p->entry->object != target) {
                p = p->up;
                text = arena_printf(a, "%s/%s -> %s", p->entry->object->namespace, p->entry->object->name, text);
        }
        return arena_printf(a, "%s/%s -> %s", last->namespace, last->name, text);
}

static bool is_on_the_way(const struct frame *f, const struct object *target)
{
        for (; f; f = f->up) {
                if (f->entry->object == target)
                        return true;
        }
        return false;
}

/* Whether target is to be walked below prefix: once per distinct prefix of a host. */
static bool mark_walked(struct build *b, const struct object *target, const char *prefix)
{
        if (!b->walked)
                b->walked = map_new();
        const char *key = arena_printf(b->check.scratch, "%s/%s %s", target->namespace, target->name, prefix);
        return !map_set(b->walked, key, b);
}

/* Follows one delegation; false when the prefix is cut off. */
static bool follow(struct build *b, const struct frame *f, const struct delegated *d)
{
        struct check c = build_check(b, f->entry);
        struct check quiet = build_quiet(b, f->entry);
        const struct object *target = delegation_target(&quiet, place_route(d->route), d->to);
        if (!target)
                return false;
        if (is_on_the_way(f, target)) {
                delegation_add_cycle(&c, place_route(d->route), d->to, chain_text(b, f, target));
                return false;
        }
        if (f->depth >= DELEGATION_DEPTH_MAX) {
                check_add(&c, RULE_DelegationTooLarge, place_route(d->route), "delegate", d->to->name,
                          "Too many: the chain from the root is longer than %d delegations", DELEGATION_DEPTH_MAX);
                return false;
        }
        if (b->full || !has_room(b)) {
                b->full = true;
                return false;
        }
        if (!mark_walked(b, target, d->prefix))
                return true;
        struct frame next = {.entry = build_entry(b, target), .up = f, .prefix = d->prefix, .depth = f->depth + 1};
        visit(b, &next);
        return !b->full;
}

/* Adds what the object itself serves. */
static void add_own_routes(struct build *b, const struct frame *f, const struct planned_route *plan)
{
        struct check quiet = build_quiet(b, f->entry);
        const struct ingressroute *ir = f->entry->object->ingressroute;
        bool first_outside = true;
        for (size_t i = 0; i < ir->route_count; i++) {
                if (plan[i].kind == ROUTE_DROPPED)
                        continue;
                const struct delegated *owner;
                if (!lets_in(f, plan[i].match, &owner)) {
                        add_outside(b, f, i, plan[i].match, owner, first_outside);
                        first_outside = false;
                        continue;
                }
                f->entry->served[i / 64] |= UINT64_C(1) << (i % 64);
                if (plan[i].kind == ROUTE_DELEGATES)
                        continue;
                if (b->route_count >= DELEGATION_ROUTES_MAX) {
                        b->full = true;
                        return;
                }
                struct route route = {
                        .action = ROUTE_UNAVAILABLE,
                        .insecure = route_is_insecure(b->check.policy, &ir->routes[i]),
                };
                if (plan[i].kind == ROUTE_SERVES)
                        route_resolve(&quiet, i, b->arena, &route);
                build_add_route(b, f->entry, i, plan[i].match, &route, false);
        }
}

/* Which of the root's delegations has brought most, for DelegationTooLarge. */
struct largest {
        size_t size, route;
};

static void follow_delegations(struct build *b, const struct frame *f, struct largest *largest)
{
        const struct ingressroute *ir = f->entry->object->ingressroute;
        struct arena *a = b->check.scratch;
        /* In the order of the object's routes: who comes first serves. */
        const struct delegated **in_order = arena_calloc(a, ir->route_count, sizeof(const struct delegated *));
        for (size_t i = 0; i < f->delegations.count; i++)
                in_order[f->delegations.items[i].route] = &f->delegations.items[i];
        for (size_t i = 0; i < ir->route_count; i++) {
                if (!in_order[i] || !(f->entry->served[i / 64] >> (i % 64) & 1))
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

static void visit(struct build *b, struct frame *f)
{
        struct check quiet = build_quiet(b, f->entry);
        const struct planned_route *plan = route_plan(&quiet);
        size_t words = (f->entry->object->ingressroute->route_count + 63) / 64;
        b->walk_count++;
        f->entry->reached = true;
        if (!f->entry->served)
                f->entry->served = arena_calloc(b->arena, words, sizeof(uint64_t));
        f->delegations = delegations_of(b->check.scratch, f->entry->object, plan);
        struct largest largest = {0};
        add_own_routes(b, f, plan);
        if (f->delegations.count)
                follow_delegations(b, f, &largest);
        if (!f->up && b->full) {
                struct check c = build_check(b, f->entry);
                check_add(&c, RULE_DelegationTooLarge, place_route(largest.route), "delegate", "host",
                          "Too many: %s would have more than %d objects or %d routes; the rest answers 503",
                          b->host->name, DELEGATION_OBJECTS_MAX, DELEGATION_ROUTES_MAX);
        }
}

void walk_root(struct build *b, struct build_entry *root)
{
        struct frame f = {.entry = root};
        visit(b, &f);
}
