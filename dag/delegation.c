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

/* Paths in an order in which all that a prefix covers follows it directly: '/' comes before every other byte. */
static int path_compare(const char *a, const char *b, size_t *common)
{
        size_t n = 0;
        while (a[n] && a[n] == b[n])
                n++;
        *common = n;
        if (a[n] == b[n])
                return 0;
        int x = a[n] == '/' ? 1 : a[n] ? (unsigned char)a[n] + 1 : 0;
        int y = b[n] == '/' ? 1 : b[n] ? (unsigned char)b[n] + 1 : 0;
        return x - y;
}

static int by_prefix(const void *x, const void *y)
{
        const struct delegated *a = x;
        const struct delegated *b = y;
        size_t common;
        return path_compare(a->prefix, b->prefix, &common);
}

/* Whether a prefix of a path, n bytes long, ends where a segment does. */
static bool is_boundary(const char *path, size_t n)
{
        return n == 1 || !path[n] || path[n] == '/';
}

/* The prefix itself, or the next one around it, that is no longer than what it has in common with path. */
static const struct delegated *innermost(const struct delegated *d, const char *path, size_t common)
{
        while (d && (d->length > common || !is_boundary(path, d->length)))
                d = d->around;
        return d;
}

struct delegations delegations_of(struct arena *a, const struct object *o, const struct planned_route *plan)
{
        const struct ingressroute *ir = o->ingressroute;
        size_t n = 0;
        for (size_t i = 0; i < ir->route_count; i++)
                n += plan[i].kind == ROUTE_DELEGATES;
        if (n == 0)
                return (struct delegations){0};
        struct delegated *items = arena_calloc(a, n, sizeof(*items));
        size_t count = 0;
        for (size_t i = 0; i < ir->route_count; i++) {
                if (plan[i].kind == ROUTE_DELEGATES)
                        items[count++] = (struct delegated){.prefix = plan[i].match,
                                                            .length = strlen(plan[i].match),
                                                            .to = ir->routes[i].delegate,
                                                            .route = i};
        }
        qsort(items, n, sizeof(*items), by_prefix);
        for (size_t i = 1; i < n; i++) {
                size_t common;
                path_compare(items[i - 1].prefix, items[i].prefix, &common);
                items[i].around = innermost(&items[i - 1], items[i].prefix, common);
        }
        return (struct delegations){items, n};
}

const struct delegated *delegations_find(const struct delegations *all, const char *match)
{
        /* The last prefix that is not behind match: what covers match is that one or lies around it. */
        const struct delegated *last = NULL;
        size_t last_common = 0;
        size_t low = 0, high = all->count;
        while (low < high) {
                size_t middle = low + (high - low) / 2;
                size_t common;
                if (path_compare(all->items[middle].prefix, match, &common) <= 0) {
                        last = &all->items[middle];
                        last_common = common;
                        low = middle + 1;
                } else {
                        high = middle;
                }
        }
        return innermost(last, match, last_common);
}

/* ---- a cycle through the candidate ---- */

enum { CYCLE_ROUTES_MAX = 65536 }; /* looked at in one search: a review stays short */

/* An object from which delegations lead to the candidate. */
struct way {
        const struct object *object;
        const struct way *next; /* NULL: the candidate itself */
};

/* The search goes upwards, so it is short where few delegate. Routes and tcpproxies are chains of their own. */
struct search {
        const struct check *c;
        bool tcpproxy;
        struct map *found; /* "namespace/name" -> way */
        const struct way **queue;
        size_t queued, looked;
};

static void add_way(struct search *s, const struct object *o, const struct way *next)
{
        const char *key = arena_printf(s->c->scratch, "%s/%s", o->namespace, o->name);
        if (s->queued >= DELEGATION_OBJECTS_MAX || map_get(s->found, key))
                return;
        struct way *way = arena_alloc(s->c->scratch, sizeof(*way));
        *way = (struct way){o, next};
        map_set(s->found, key, way);
        *arena_push(s->c->scratch, &s->queue, &s->queued) = way;
}

static bool delegates_to(struct search *s, const struct object *from, const struct object *to)
{
        const struct ingressroute *ir = from->ingressroute;
        if (s->tcpproxy)
                return ir->tcpproxy && !ir->tcpproxy->service_count && delegation_is_to(ir->tcpproxy->delegate, to);
        for (size_t i = 0; i < ir->route_count && s->looked < CYCLE_ROUTES_MAX; i++, s->looked++) {
                if (!ir->routes[i].service_count && delegation_is_to(ir->routes[i].delegate, to))
                        return true;
        }
        return false;
}

static void search_up(struct search *s)
{
        const struct check *c = s->c;
        add_way(s, c->about, NULL);
        for (size_t i = 0; i < s->queued && s->looked < CYCLE_ROUTES_MAX; i++) {
                const struct object *o = s->queue[i]->object;
                if (o->ingressroute->is_root || !judge_is_ours(c->view, c->policy, o))
                        continue;
                const struct object *const *all;
                const char *name = arena_printf(c->scratch, "%s/%s", o->namespace, o->name);
                size_t n = view_list(c->view, c->scratch, TERM_DELEGATOR, name, &all);
                for (size_t k = 0; k < n; k++) {
                        if (grant_delegation(c->policy, o, all[k]) && delegates_to(s, all[k], o))
                                add_way(s, all[k], s->queue[i]);
                }
        }
}

void delegation_add_cycle(const struct check *c, struct place at, const struct ir_delegate *d, const char *chain)
{
        if (c->list)
                check_add(c, RULE_DelegationCycle, at, "delegate",
                          arena_printf(c->scratch, "%s/%s", d->namespace, d->name),
                          "Invalid value: the delegation leads back: %s", chain);
}

static void judge_cycle_at(const struct search *s, struct place at, const struct ir_delegate *d)
{
        const struct check *c = s->c;
        struct check quiet = *c;
        quiet.list = NULL;
        if (!d || !delegation_target(&quiet, at, d))
                return;
        const struct way *way = map_get(s->found, arena_printf(c->scratch, "%s/%s", d->namespace, d->name));
        if (!way)
                return;
        const char *chain = arena_printf(c->scratch, "%s/%s", c->about->namespace, c->about->name);
        for (; way; way = way->next)
                chain = arena_printf(c->scratch, "%s -> %s/%s", chain, way->object->namespace, way->object->name);
        delegation_add_cycle(c, at, d, chain);
}

static void judge_cycles(const struct check *c, bool tcpproxy)
{
        const struct ingressroute *ir = c->about->ingressroute;
        AUTO(map) *found = map_new();
        struct search s = {.c = c, .tcpproxy = tcpproxy, .found = found};
        search_up(&s);
        if (tcpproxy && ir->tcpproxy && !ir->tcpproxy->service_count)
                judge_cycle_at(&s, place_tcpproxy(), ir->tcpproxy->delegate);
        for (size_t i = 0; !tcpproxy && i < ir->route_count && i < ROUTES_PER_OBJECT_MAX; i++) {
                if (!ir->routes[i].service_count)
                        judge_cycle_at(&s, place_route(i), ir->routes[i].delegate);
        }
}

/* ---- routes that a delegator does not let in ---- */

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

static bool lets_in(const struct delegator *d, const struct object *child, const char *match)
{
        const struct delegated *best = delegations_find(&d->delegations, match);
        return best && delegation_is_to(best->to, child);
}

/* Every one of them excludes the route: denied. Some do: perhaps strangers, so only said. */
static void judge_outside_at(const struct check *c, const struct delegator *all, size_t n, size_t route,
                             const char *match)
{
        const struct object *first = NULL;
        size_t excluded = 0;
        for (size_t i = 0; i < n; i++) {
                if (lets_in(&all[i], c->about, match))
                        continue;
                first = first ? first : all[i].object;
                excluded++;
        }
        if (!first)
                return;
        size_t before = c->list->count;
        check_add(c, RULE_PathOutsideDelegation, place_route(route), "match", match,
                  "Invalid value: %s lies outside of what IngressRoute %s/%s delegates to this object (to be rid of a "
                  "stranger's delegation, name those that you accept in the annotation "
                  "contour.heptio.com/delegated-from)",
                  check_quote(c, match), first->namespace, first->name);
        if (excluded < n && c->list->count > before)
                c->list->items[before].denies = false;
}

static void judge_outside(const struct check *c)
{
        struct delegator *delegators = arena_calloc(c->scratch, DELEGATORS_JUDGED_MAX, sizeof(*delegators));
        size_t n = accepted_delegators(c, delegators);
        if (n == 0 || !c->list)
                return;
        struct check quiet = *c;
        quiet.list = NULL;
        const struct planned_route *plan = route_plan(&quiet);
        for (size_t i = 0; i < c->about->ingressroute->route_count && i < ROUTES_PER_OBJECT_MAX; i++) {
                if (plan[i].match)
                        judge_outside_at(c, delegators, n, i, plan[i].match);
        }
}

void delegation_judge_candidate(const struct check *c)
{
        if (c->about->ingressroute->is_root)
                return; /* nothing leads to a root */
        judge_cycles(c, false);
        judge_cycles(c, true);
        judge_outside(c);
}
