/* SPDX-License-Identifier: Apache-2.0 */
/* state - an object's own findings and what its hosts say, as one answer. */
#include "dag/compile.h"

#include "dag/grant.h"

#include <stdlib.h>
#include <string.h>

struct merge {
        struct arena *a;
        const struct view *view;
        const struct policy *policy;
        const struct object *object;
        struct object_ref ref;
        hosts_of_fn *hosts_of;
        void *arg;
        const struct host **hosts; /* of object, by name */
        size_t host_count;
        struct findings findings;
};

static int by_name(const void *x, const void *y)
{
        const struct host *const *a = x;
        const struct host *const *b = y;
        return strcmp((*a)->name, (*b)->name);
}

static void gather_hosts(struct merge *m)
{
        const struct host *const *hosts;
        m->host_count = m->hosts_of(&m->ref, &hosts, m->arg);
        m->hosts = arena_memdup(m->a, hosts, m->host_count * sizeof(*hosts));
        if (m->host_count > 1)
                qsort(m->hosts, m->host_count, sizeof(*m->hosts), by_name);
}

/* A bit for each route of the object that some host serves. */
static uint64_t *union_of_served(const struct merge *m, size_t words)
{
        uint64_t *served = arena_calloc(m->a, words, sizeof(*served));
        for (size_t i = 0; i < m->host_count; i++) {
                const struct host_object *o = host_find_object(m->hosts[i], &m->ref);
                for (size_t k = 0; o && k < o->served_words && k < words; k++)
                        served[k] |= o->served[k];
        }
        return served;
}

static bool serves_route(const struct host_object *o, uint32_t route)
{
        return route / 64 < o->served_words && (o->served[route / 64] >> (route % 64) & 1);
}

static bool serves_anything(const struct host_object *o)
{
        for (size_t i = 0; i < o->served_words; i++) {
                if (o->served[i])
                        return true;
        }
        return false;
}

/* Whether the child is served on some host: the route that is shadowed here, or anything where nothing is let in. */
static bool is_served_elsewhere(const struct merge *m, const struct object_ref *child, const struct host_outside *x)
{
        const struct host *const *hosts;
        size_t n = m->hosts_of(child, &hosts, m->arg);
        for (size_t i = 0; i < n; i++) {
                const struct host_object *o = host_find_object(hosts[i], child);
                if (o && (x->shadowed ? serves_route(o, x->route) : serves_anything(o)))
                        return true;
        }
        return false;
}

static bool has_finding(const struct findings *list, enum rule rule, const char *field)
{
        for (size_t i = 0; i < list->count; i++) {
                if (list->items[i].rule == rule && str_equal(list->items[i].field, field))
                        return true;
        }
        return false;
}

/* Routes of the object that no host serves; each is told once, admission's own finding first. */
static void add_outside(struct merge *m, const struct findings *own)
{
        size_t words = (m->object->ingressroute->route_count + 63) / 64;
        uint64_t *done = union_of_served(m, words);
        for (size_t i = 0; i < m->host_count; i++) {
                const struct host_object *o = host_find_object(m->hosts[i], &m->ref);
                for (size_t k = 0; o && k < o->outside_count; k++) {
                        const struct host_outside *x = &o->outside[k];
                        uint64_t bit = UINT64_C(1) << (x->route % 64);
                        if (x->route / 64 >= words || done[x->route / 64] & bit)
                                continue;
                        done[x->route / 64] |= bit;
                        if (x->finding && !has_finding(own, RULE_PathOutsideDelegation, x->finding->field))
                                findings_add(&m->findings, x->finding);
                }
        }
}

/* Delegations of the object by which a child is not served that is served elsewhere: then it is they that are bad. */
static void add_at_parent(struct merge *m, const struct host *h)
{
        if (!h->has_outside)
                return;
        for (size_t i = 0; i < h->object_count; i++) {
                const struct host_object *child = &h->objects[i];
                for (size_t k = 0; k < child->outside_count; k++) {
                        const struct host_outside *x = &child->outside[k];
                        if (x->at_parent && object_ref_equal(&x->parent, &m->ref) &&
                            is_served_elsewhere(m, &child->ref, x))
                                findings_add(&m->findings, x->at_parent);
                }
        }
}

/* Whether some host has the object below its root and nothing to say about the size of the way there. */
static bool fits_somewhere(const struct merge *m)
{
        for (size_t i = 0; i < m->host_count; i++) {
                const struct host_object *o = host_find_object(m->hosts[i], &m->ref);
                size_t k = 0;
                while (o && k < o->finding_count && o->findings[k].rule != RULE_DelegationTooLarge)
                        k++;
                if (o && o->reached && k == o->finding_count)
                        return true;
        }
        return false;
}

/* A stranger's host that is too large keeps nobody from changing an object that has a place of its own. */
static void add_from_host(struct merge *m, const struct host_object *o, const struct finding *f)
{
        findings_add(&m->findings, f);
        if (f->rule == RULE_DelegationTooLarge && !o->owner && fits_somewhere(m))
                m->findings.items[m->findings.count - 1].denies = false;
}

static void gather_findings(struct merge *m, const struct findings *own)
{
        for (size_t i = 0; i < own->count; i++)
                findings_add(&m->findings, &own->items[i]);
        for (size_t i = 0; i < m->host_count; i++) {
                const struct host_object *o = host_find_object(m->hosts[i], &m->ref);
                if (!o)
                        continue;
                for (size_t k = 0; k < o->finding_count; k++)
                        add_from_host(m, o, &o->findings[k]);
                add_at_parent(m, m->hosts[i]);
        }
        if (m->object->kind == KIND_INGRESSROUTE && m->host_count)
                add_outside(m, own);
}

/* ---- reached or orphaned ---- */

static bool is_reached(const struct merge *m, const struct object_ref *ref)
{
        const struct host *const *hosts;
        size_t n = m->hosts_of(ref, &hosts, m->arg);
        for (size_t i = 0; i < n; i++) {
                const struct host_object *o = host_find_object(hosts[i], ref);
                if (o && o->reached)
                        return true;
        }
        return false;
}

/* Why a delegator does not bring the object under a root. */
static const char *broken_link(const struct merge *m, const struct object *delegator)
{
        struct object_ref ref = {delegator->kind, delegator->namespace, delegator->name};
        if (!judge_is_ours(m->view, m->policy, delegator))
                return "is of another ingress class";
        if (!grant_delegation(m->policy, m->object, delegator))
                return "is not named by this object's annotation contour.heptio.com/delegated-from";
        if (is_reached(m, &ref))
                return "has that delegation cut off: see its status";
        return delegator->ingressroute->is_root ? "does not own its host itself: see its status"
                                                : "is not reached by a root itself";
}

/* Of those that delegate to the object the one to tell of: rather one that may than a stranger. */
static const struct object *likely_parent(const struct merge *m)
{
        const struct object *const *all;
        const char *name = arena_printf(m->a, "%s/%s", m->ref.namespace, m->ref.name);
        size_t n = view_list_unread(m->view, m->a, TERM_DELEGATOR, name, &all);
        for (size_t i = 0; i < n; i++) {
                if (judge_is_ours(m->view, m->policy, all[i]) && grant_delegation(m->policy, m->object, all[i]))
                        return all[i];
        }
        return n ? all[0] : NULL;
}

static void add_orphaned(struct merge *m)
{
        const struct object *parent = likely_parent(m);
        struct finding f = {
                .rule = RULE_Orphaned,
                .about = m->ref,
                .field = "spec",
                .subject = "",
                .message = "no root reaches this object: no IngressRoute delegates to it",
        };
        if (parent)
                f.message =
                        arena_printf(m->a, "no root reaches this object: IngressRoute %s/%s delegates to it, but %s",
                                     parent->namespace, parent->name, broken_link(m, parent));
        findings_add(&m->findings, &f);
}

static void find_virtual_hosts(struct merge *m, struct object_state *out)
{
        const char **names = arena_calloc(m->a, m->host_count, sizeof(const char *));
        for (size_t i = 0; i < m->host_count; i++) {
                const struct host_object *o = host_find_object(m->hosts[i], &m->ref);
                if (!o)
                        continue;
                if (o->reached)
                        names[out->virtual_host_count++] = arena_strdup(m->a, m->hosts[i]->name);
                if (o->claim_since) {
                        out->claim_fqdn = arena_strdup(m->a, m->hosts[i]->name);
                        out->claim_since = o->claim_since;
                }
        }
        out->virtual_hosts = names;
}

void judge_refused(const struct host *h, struct findings *list)
{
        struct finding f = {
                .rule = RULE_EnvoyRejected,
                .about = *h->owner,
                .field = h->owner->kind == KIND_INGRESSROUTE ? "spec.virtualhost.fqdn" : "spec.rules",
                .subject = h->name,
                .message = arena_printf(list->arena,
                                        "an Envoy refuses what %s is to serve: it goes on with what it last accepted",
                                        h->name),
        };
        findings_add(list, &f);
}

void object_state(struct arena *a, const struct view *v, const struct policy *policy, const struct object *o,
                  const struct findings *own, hosts_of_fn *hosts_of, void *arg, struct object_state *out)
{
        *out = (struct object_state){.ours = judge_is_ours(v, policy, o)};
        if (!out->ours)
                return;
        struct merge m = {
                .a = a,
                .view = v,
                .policy = policy,
                .object = o,
                .ref = {o->kind, o->namespace, o->name},
                .hosts_of = hosts_of,
                .arg = arg,
                .findings = {.arena = a},
        };
        gather_hosts(&m);
        gather_findings(&m, own);
        find_virtual_hosts(&m, out);
        bool is_child = o->kind == KIND_INGRESSROUTE && !o->ingressroute->is_root;
        if (is_child && out->virtual_host_count == 0)
                add_orphaned(&m);
        findings_sort(&m.findings);
        out->findings = m.findings.items;
        out->finding_count = m.findings.count;
        out->status = m.findings.count ? rule_info(m.findings.items[0].rule)->status : STATUS_NOTICE;
}
