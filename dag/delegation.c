/* SPDX-License-Identifier: Apache-2.0 */
#include "dag/delegation.h"

#include "base/map.h"
#include "dag/compile.h"
#include "dag/grant.h"
#include "dag/syntax.h"

#include <stdlib.h>
#include <string.h>

static void add_not_found(const struct check *c, struct place at, const struct ir_delegate *d, const char *why)
{
        if (c->list)
                check_add(c, RULE_DelegateNotFound, at, "delegate",
                          arena_printf(c->scratch, "%s/%s", d->namespace, d->name),
                          "Not found: IngressRoute %s in namespace %s%s", check_quote(c, d->name),
                          check_quote(c, d->namespace), why);
}

const struct object *delegation_target(const struct check *c, struct place at, const struct ir_delegate *d)
{
        if (!d->name || !*d->name) {
                check_add(c, RULE_FieldInvalid, at, "delegate.name", "delegate.name",
                          "Required value: an IngressRoute");
                return NULL;
        }
        const struct object *target = view_get(c->view, KIND_INGRESSROUTE, d->namespace, d->name);
        if (!target) {
                add_not_found(c, at, d, "");
                return NULL;
        }
        if (!judge_is_ours(c->view, c->policy, target)) {
                add_not_found(c, at, d, ": the one that is there is of another ingress class");
                return NULL;
        }
        if (target->ingressroute->is_root) {
                if (c->list)
                        check_add(c, RULE_DelegateIsRoot, at, "delegate",
                                  arena_printf(c->scratch, "%s/%s", d->namespace, d->name),
                                  "Invalid value: IngressRoute %s/%s is a root itself: remove its virtualhost, or "
                                  "delegate to another object",
                                  d->namespace, d->name);
                return NULL;
        }
        if (!grant_delegation(c->policy, target, c->about)) {
                if (c->list)
                        check_add(c, RULE_DelegationNotGranted, at, "delegate",
                                  arena_printf(c->scratch, "%s/%s", d->namespace, d->name),
                                  "Forbidden: IngressRoute %s/%s does not accept delegations from %s/%s (its "
                                  "annotation contour.heptio.com/delegated-from)",
                                  d->namespace, d->name, c->about->namespace, c->about->name);
                return NULL;
        }
        return target;
}

bool delegation_is_to(const struct ir_delegate *d, const struct object *o)
{
        return d && str_equal(d->name, o->name) && str_equal(d->namespace, o->namespace);
}

/* ---- who owns which prefix ---- */

static int by_prefix(const void *x, const void *y)
{
        const struct delegated *a = x;
        const struct delegated *b = y;
        return strcmp(a->prefix, b->prefix);
}

struct delegations delegations_of(struct arena *a, const struct object *o, const struct planned_route *plan)
{
        const struct ingressroute *ir = o->ingressroute;
        size_t n = 0;
        for (size_t i = 0; i < ir->route_count; i++)
                n += plan[i].kind == ROUTE_DELEGATES;
        struct delegated *items = arena_calloc(a, n, sizeof(*items));
        size_t count = 0;
        for (size_t i = 0; i < ir->route_count; i++) {
                if (plan[i].kind == ROUTE_DELEGATES)
                        items[count++] = (struct delegated){plan[i].match, ir->routes[i].delegate, i};
        }
        if (n > 1)
                qsort(items, n, sizeof(*items), by_prefix);
        return (struct delegations){items, n};
}

/* The first n bytes of a path, looked for among prefixes. */
struct prefix_key {
        const char *p;
        size_t n;
};

static int compare_key(const void *x, const void *y)
{
        const struct prefix_key *key = x;
        const struct delegated *d = y;
        int order = strncmp(key->p, d->prefix, key->n);
        return order ? order : d->prefix[key->n] ? -1 : 0;
}

const struct delegated *delegations_find(const struct delegations *all, const char *match)
{
        if (all->count == 0)
                return NULL;
        for (size_t n = strlen(match); n > 0; n--) {
                bool boundary = n == 1 || !match[n] || match[n] == '/';
                if (!boundary || (n == 1 && match[0] != '/'))
                        continue;
                struct prefix_key key = {match, n};
                const struct delegated *found = bsearch(&key, all->items, all->count, sizeof(*all->items), compare_key);
                if (found)
                        return found;
        }
        return NULL;
}

/* ---- a cycle through the candidate ---- */

struct search {
        const struct check *c;
        const struct object *goal;
        struct map *ways; /* "namespace/name" -> "b/y -> a/x", the way from there to the goal; "" for none (yet) */
};

static const char *object_text(const struct search *s, const struct object *o)
{
        return arena_printf(s->c->scratch, "%s/%s", o->namespace, o->name);
}

static const char *search_way(struct search *s, const struct object *from, size_t depth);

/* The way from one delegation of from on, or NULL. */
static const char *follow(struct search *s, const struct object *from, struct place at, const struct ir_delegate *d,
                          size_t depth)
{
        struct check c = *s->c;
        c.about = from;
        c.list = NULL;
        const struct object *target = d ? delegation_target(&c, at, d) : NULL;
        if (!target)
                return NULL;
        return target == s->goal ? object_text(s, s->goal) : search_way(s, target, depth + 1);
}

/* Each object is searched once, whatever the number of ways to it. */
static const char *search_way(struct search *s, const struct object *from, size_t depth)
{
        static char none[] = "";
        const char *key = object_text(s, from);
        const char *known = map_get(s->ways, key);
        if (known)
                return *known ? known : NULL;
        if (depth > DELEGATION_DEPTH_MAX || map_count(s->ways) >= DELEGATION_OBJECTS_MAX)
                return NULL;
        map_set(s->ways, key, none);
        const struct ingressroute *ir = from->ingressroute;
        const char *way = NULL;
        for (size_t i = 0; i < ir->route_count && !way; i++)
                way = follow(s, from, place_route(i), ir->routes[i].delegate, depth);
        if (!way && ir->tcpproxy)
                way = follow(s, from, place_tcpproxy(), ir->tcpproxy->delegate, depth);
        if (!way)
                return NULL;
        char *whole = arena_printf(s->c->scratch, "%s -> %s", key, way);
        map_set(s->ways, key, whole);
        return whole;
}

void delegation_add_cycle(const struct check *c, struct place at, const struct ir_delegate *d, const char *chain)
{
        if (c->list)
                check_add(c, RULE_DelegationCycle, at, "delegate",
                          arena_printf(c->scratch, "%s/%s", d->namespace, d->name),
                          "Invalid value: the delegation leads back: %s", chain);
}

static void judge_cycle_at(const struct check *c, struct search *s, struct place at, const struct ir_delegate *d)
{
        const char *way = follow(s, c->about, at, d, 0);
        if (way)
                delegation_add_cycle(c, at, d,
                                     arena_printf(c->scratch, "%s/%s -> %s", c->about->namespace, c->about->name, way));
}

static void judge_cycles(const struct check *c)
{
        const struct ingressroute *ir = c->about->ingressroute;
        AUTO(map) *ways = map_new();
        struct search s = {.c = c, .goal = c->about, .ways = ways};
        for (size_t i = 0; i < ir->route_count; i++)
                judge_cycle_at(c, &s, place_route(i), ir->routes[i].delegate);
        if (ir->tcpproxy)
                judge_cycle_at(c, &s, place_tcpproxy(), ir->tcpproxy->delegate);
}

/* ---- routes that no delegator lets in ---- */

/* One accepted delegator and what it hands on. */
struct delegator {
        const struct object *object;
        struct delegations delegations;
};

/* A review stays short: beyond this many delegators only the hosts' judgement counts. */
enum { DELEGATORS_JUDGED_MAX = 64 };

static bool any_is_to(const struct delegations *all, const struct object *o)
{
        for (size_t i = 0; i < all->count; i++) {
                if (delegation_is_to(all->items[i].to, o))
                        return true;
        }
        return false;
}

/* Those that the candidate accepts, in out; none when there are too many. */
static size_t accepted_delegators(const struct check *c, struct delegator out[DELEGATORS_JUDGED_MAX])
{
        const struct object *child = c->about;
        const struct object *const *all;
        const char *name = arena_printf(c->scratch, "%s/%s", child->namespace, child->name);
        size_t n = view_list(c->view, c->scratch, TERM_DELEGATOR, name, &all);
        size_t count = 0;
        for (size_t i = 0; i < n; i++) {
                if (!judge_is_ours(c->view, c->policy, all[i]) || !grant_delegation(c->policy, child, all[i]))
                        continue;
                if (count == DELEGATORS_JUDGED_MAX)
                        return 0;
                struct check of_delegator = *c;
                of_delegator.about = all[i];
                of_delegator.list = NULL;
                struct delegations d = delegations_of(c->scratch, all[i], route_plan(&of_delegator));
                if (any_is_to(&d, child)) /* else it hands on its tcpproxy alone, and says nothing about paths */
                        out[count++] = (struct delegator){all[i], d};
        }
        return count;
}

static bool any_lets_in(const struct delegator *delegators, size_t n, const struct object *child, const char *match)
{
        for (size_t i = 0; i < n; i++) {
                const struct delegated *best = delegations_find(&delegators[i].delegations, match);
                if (best && delegation_is_to(best->to, child))
                        return true;
        }
        return false;
}

static void judge_outside(const struct check *c)
{
        struct delegator *delegators = arena_calloc(c->scratch, DELEGATORS_JUDGED_MAX, sizeof(*delegators));
        size_t n = accepted_delegators(c, delegators);
        if (n == 0)
                return;
        struct check quiet = *c;
        quiet.list = NULL;
        const struct planned_route *plan = route_plan(&quiet);
        for (size_t i = 0; i < c->about->ingressroute->route_count; i++) {
                if (!plan[i].match || any_lets_in(delegators, n, c->about, plan[i].match))
                        continue;
                const struct object *first = delegators[0].object;
                check_add(c, RULE_PathOutsideDelegation, place_route(i), "match", plan[i].match,
                          "Invalid value: %s lies outside of what IngressRoute %s/%s delegates to this object (to be "
                          "rid of a stranger's delegation, name those that you accept in the annotation "
                          "contour.heptio.com/delegated-from)",
                          check_quote(c, plan[i].match), first->namespace, first->name);
        }
}

void delegation_judge_candidate(const struct check *c)
{
        judge_cycles(c);
        if (!c->about->ingressroute->is_root)
                judge_outside(c);
}
