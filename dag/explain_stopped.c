/* SPDX-License-Identifier: Apache-2.0 */
/* explain_stopped - who asks for the host or for a path of it, and does not have it. */
#include "dag/explain_internal.h"

#include "dag/route.h"
#include "dag/syntax.h"

#include <string.h>

static struct explain_stopped *add(struct explain_work *w, const struct object_ref *ref, const char *match)
{
        if (w->out->stopped_count >= EXPLAIN_STOPPED_MAX)
                return NULL;
        struct explain_stopped *s = arena_push(w->a, &w->out->stopped, &w->out->stopped_count);
        *s = (struct explain_stopped){.object = *ref, .match = match};
        return s;
}

static void add_by_rule(struct explain_work *w, const struct object_ref *ref, const char *match,
                        const struct finding *f)
{
        struct explain_stopped *s = add(w, ref, match);
        if (s) {
                s->rule = rule_info(f->rule)->name;
                s->message = arena_strdup(w->a, f->message);
        }
}

/* ---- the host ---- */

/* Rules by which an object does not get the name that it asks for. */
static bool costs_the_name(enum rule rule)
{
        static const enum rule rules[] = {RULE_RootNamespaceForbidden, RULE_FQDNRequired, RULE_FQDNInvalid,
                                          RULE_FQDNNotGranted,         RULE_FQDNConflict, RULE_FQDNSharedWithIngress};
        for (size_t i = 0; i < COUNT_OF(rules); i++) {
                if (rules[i] == rule)
                        return true;
        }
        return false;
}

static bool add_first_that_costs(struct explain_work *w, const struct object_ref *ref, const struct finding *items,
                                 size_t n)
{
        for (size_t i = 0; i < n; i++) {
                if (costs_the_name(items[i].rule)) {
                        add_by_rule(w, ref, NULL, &items[i]);
                        return true;
                }
        }
        return false;
}

static void look_at_claimant(struct explain_work *w, const struct object *o, const struct host *h)
{
        const struct explain_input *in = w->in;
        struct object_ref ref = object_ref_of(o);
        const struct host_object *entry = h ? host_find_object(h, &ref) : NULL;
        if (!judge_is_ours(in->view, in->policy, o)) {
                struct explain_stopped *s = add(w, &ref, NULL);
                if (s)
                        s->message = "asks for the host, and is of another ingress class";
                return;
        }
        if (entry && (entry->owner || add_first_that_costs(w, &ref, entry->findings, entry->finding_count)))
                return;
        struct findings own = {.arena = w->a};
        judge_object(in->view, in->policy, o, &own);
        add_first_that_costs(w, &ref, own.items, own.count);
}

static void look_at_claimants(struct explain_work *w)
{
        const struct host *h = w->in->find_host(w->url->host, w->in->arg);
        const struct object *const *all;
        size_t n = view_list_unread(w->in->view, w->a, TERM_FQDN, w->url->host, &all);
        for (size_t i = 0; i < n && w->out->stopped_count < EXPLAIN_STOPPED_MAX; i++)
                look_at_claimant(w, all[i], h);
}

/* ---- the path ---- */

/* The match of an object's route, normalised; NULL when there is none any more. */
static const char *match_of(const struct explain_work *w, const struct object_ref *ref, size_t route)
{
        const struct object *o = view_get(w->in->view, ref->kind, ref->namespace, ref->name);
        if (!o || o->kind != KIND_INGRESSROUTE || route >= o->ingressroute->route_count)
                return NULL;
        const char *match = o->ingressroute->routes[route].match;
        return match && !syntax_path_problem(match) ? syntax_path_normalise(w->a, match) : NULL;
}

/* Routes of children that are not let in, or that another object's have taken, where they would have come first. */
static void look_at_outside(struct explain_work *w, const struct host_object *o)
{
        for (size_t i = 0; i < o->outside_count; i++) {
                const struct host_outside *x = &o->outside[i];
                const char *match = match_of(w, &o->ref, x->route);
                if (!match || !x->finding || !explain_covers(w, match, false))
                        continue;
                if (!w->out->route || strlen(match) >= strlen(w->out->route->match))
                        add_by_rule(w, &o->ref, match, x->finding);
        }
}

void explain_stopped(struct explain_work *w)
{
        look_at_claimants(w);
        const struct host *h = w->out->host;
        for (size_t i = 0; h && h->has_outside && i < h->object_count; i++)
                look_at_outside(w, &h->objects[i]);
}

/* ---- one object's side ---- */

static bool asks_for_host(const struct explain_work *w, const struct object *o)
{
        if (o->kind == KIND_INGRESSROUTE)
                return !o->ingressroute->is_root || str_equal(o->ingressroute->fqdn_host, w->url->host);
        for (size_t i = 0; i < o->ingress->rule_count; i++) {
                if (syntax_host_matches(o->ingress->rules[i].host, w->url->host))
                        return true;
        }
        return o->ingress->default_backend != NULL;
}

/* The object's route that would answer: its longest one that covers the path; SIZE_MAX: none. */
static size_t best_route(const struct explain_work *w, const struct object *o)
{
        size_t best = SIZE_MAX, longest = 0;
        for (size_t i = 0; i < o->ingressroute->route_count; i++) {
                struct object_ref ref = object_ref_of(o);
                const char *match = match_of(w, &ref, i);
                if (match && strlen(match) > longest && explain_covers(w, match, false)) {
                        best = i;
                        longest = strlen(match);
                }
        }
        return best;
}

/* The object is of the host: why another one's route comes before its own. */
static const char *reason_of_path(const struct explain_work *w, const struct object *o, const struct host_object *entry,
                                  size_t best)
{
        if (o->kind != KIND_INGRESSROUTE)
                return "another object's route matches more exactly";
        if (best == SIZE_MAX)
                return "none of its routes covers the path";
        const struct ir_route *r = &o->ingressroute->routes[best];
        for (size_t i = 0; i < entry->outside_count; i++) {
                if (entry->outside[i].route == best && entry->outside[i].finding)
                        return arena_strdup(w->a, entry->outside[i].finding->message);
        }
        if (r->delegate)
                return arena_printf(w->a, "its route %s hands the path on to IngressRoute %s/%s", r->match,
                                    r->delegate->namespace, r->delegate->name ? r->delegate->name : "");
        const struct route *winner = w->out->route;
        if (!winner)
                return "its routes do not count on this side: the host's TLS connections are not HTTP";
        return arena_printf(w->a, "%s %s/%s has the longer match %s", kind_info(winner->source->kind)->name,
                            winner->source->namespace, winner->source->name, winner->match);
}

static const char *reason_of(const struct explain_work *w, const struct object *o, size_t best, bool answers)
{
        struct object_ref ref = object_ref_of(o);
        const struct host_object *entry = w->out->host ? host_find_object(w->out->host, &ref) : NULL;
        if (!w->in->from_state->ours)
                return "it is of another ingress class";
        if (answers)
                return "it is the object that answers";
        if (!asks_for_host(w, o))
                return o->kind == KIND_INGRESSROUTE && o->ingressroute->fqdn_host
                               ? arena_printf(w->a, "its host is %s", o->ingressroute->fqdn_host)
                               : "it does not ask for the host";
        if (entry && entry->reached)
                return reason_of_path(w, o, entry, best);
        if (o->kind == KIND_INGRESSROUTE && !o->ingressroute->is_root)
                return "no root reaches it on this host";
        return "it does not have the host";
}

void explain_from(struct explain_work *w)
{
        const struct object *o = w->in->from;
        const struct explain_step *last = w->out->chain_count ? &w->out->chain[w->out->chain_count - 1] : NULL;
        struct explain_from *from = arena_alloc(w->a, sizeof(*from));
        from->object = object_ref_of(o);
        from->answers = last && object_ref_equal(&last->object, &from->object);
        from->findings.arena = w->a;
        size_t best = o->kind == KIND_INGRESSROUTE ? best_route(w, o) : SIZE_MAX;
        from->reason = reason_of(w, o, best, from->answers);
        const char *place = best == SIZE_MAX ? "" : place_field(w->a, place_route(best), NULL);
        const struct object_state *state = w->in->from_state;
        for (size_t i = 0; i < state->finding_count && from->findings.count < EXPLAIN_FINDINGS_MAX; i++) {
                if (explain_field_matters(state->findings[i].field, place, true))
                        findings_add(&from->findings, &state->findings[i]);
        }
        w->out->from = from;
}
