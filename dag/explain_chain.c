/* SPDX-License-Identifier: Apache-2.0 */
/* explain_chain - the objects on the way to the one that answers, and what was found about them. */
#include "dag/explain_internal.h"

#include "dag/delegation.h"
#include "dag/route.h"

#include <string.h>

static const struct object *get(const struct explain_work *w, const struct object_ref *ref)
{
        return view_get(w->in->view, ref->kind, ref->namespace, ref->name);
}

static struct explain_step *add_step(struct explain_work *w, const struct object *o, const char *prefix)
{
        struct explain_step *step = arena_push(w->a, &w->out->chain, &w->out->chain_count);
        *step = (struct explain_step){.object = object_ref_of(o), .prefix = prefix, .field = ""};
        return step;
}

static struct check quiet_check(const struct explain_work *w, const struct object *o)
{
        return (struct check){.view = w->in->view, .policy = w->in->policy, .about = o, .scratch = w->a};
}

/* ---- routes ---- */

/* The delegation of o that has the match, as the walk decides it. */
static const struct delegated *find_delegated(const struct explain_work *w, const struct object *o, const char *match)
{
        struct check c = quiet_check(w, o);
        struct delegations all = delegations_of(w->a, o, route_plan(&c));
        return delegations_find(&all, match);
}

/* Each object hands the match to one other at most, so the way is found without searching. */
static void follow_routes(struct explain_work *w, const struct object *o, const struct route *r)
{
        const char *prefix = NULL;
        for (int depth = 0; depth <= DELEGATION_DEPTH_MAX; depth++) {
                struct explain_step *step = add_step(w, o, prefix);
                struct object_ref ref = object_ref_of(o);
                if (object_ref_equal(&ref, r->source)) {
                        step->field = place_field(w->a, place_route(r->index), NULL);
                        return;
                }
                const struct delegated *d = find_delegated(w, o, r->match);
                if (!d)
                        return;
                step->field = place_field(w->a, place_route(d->route), NULL);
                struct check c = quiet_check(w, o);
                prefix = d->prefix;
                o = delegation_target(&c, place_route(d->route), d->to);
                if (!o)
                        return;
        }
}

/* ---- tcpproxy ---- */

static void follow_tcpproxy(struct explain_work *w, const struct object *o)
{
        for (int depth = 0; o && depth <= DELEGATION_DEPTH_MAX; depth++) {
                add_step(w, o, NULL)->field = "spec.tcpproxy";
                const struct ir_tcpproxy *t = o->ingressroute->tcpproxy;
                if (!t || !t->delegate)
                        return;
                struct check c = quiet_check(w, o);
                o = delegation_target(&c, place_tcpproxy(), t->delegate);
        }
}

void explain_chain(struct explain_work *w)
{
        const struct route *r = w->out->route;
        const struct host *h = w->out->host;
        const struct object *owner = get(w, h->owner);
        const struct object *source = r ? get(w, r->source) : NULL;
        if (source && (source->kind == KIND_INGRESS || !owner || owner->kind != KIND_INGRESSROUTE))
                add_step(w, source, NULL);
        else if (owner && r)
                follow_routes(w, owner, r);
        else if (owner && owner->kind == KIND_INGRESSROUTE && h->tcpproxy && w->tls)
                follow_tcpproxy(w, owner);
        else if (owner)
                add_step(w, owner, NULL);
}

/* ---- findings ---- */

bool explain_field_matters(const char *field, const char *place, bool tcpproxy)
{
        if (str_has_prefix(field, "spec.tcpproxy"))
                return tcpproxy;
        if (!str_has_prefix(field, "spec.routes["))
                return true;
        size_t n = strlen(place);
        return n > 0 && strncmp(field, place, n) == 0;
}

static void add_if_it_matters(struct explain_work *w, const struct finding *f, const char *place)
{
        bool tcpproxy = str_equal(place, "spec.tcpproxy");
        if (w->out->findings.count < EXPLAIN_FINDINGS_MAX && explain_field_matters(f->field, place, tcpproxy))
                findings_add(&w->out->findings, f);
}

static void add_findings_of(struct explain_work *w, const struct explain_step *step)
{
        const struct object *o = get(w, &step->object);
        if (!o)
                return;
        struct findings own = {.arena = w->a};
        judge_object(w->in->view, w->in->policy, o, &own);
        for (size_t i = 0; i < own.count; i++)
                add_if_it_matters(w, &own.items[i], step->field);
        const struct host_object *entry = host_find_object(w->out->host, &step->object);
        for (size_t i = 0; entry && i < entry->finding_count; i++)
                add_if_it_matters(w, &entry->findings[i], step->field);
}

void explain_findings(struct explain_work *w)
{
        for (size_t i = 0; i < w->out->chain_count; i++)
                add_findings_of(w, &w->out->chain[i]);
        findings_sort(&w->out->findings);
}
