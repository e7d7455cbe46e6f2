/* SPDX-License-Identifier: Apache-2.0 */
/* candidate - the judgement of an object that is not stored yet. */
#include "dag/compile.h"

#include "base/map.h"
#include "dag/delegation.h"
#include "dag/grant.h"

#include <stdlib.h>
#include <string.h>

/* A host that the candidate touches, and what decides in which order they are judged. */
struct touched {
        const char *name;
        bool own_namespace;
        int64_t created;
};

struct reach {
        const struct view *view;
        const struct policy *policy;
        struct arena *a;
        struct map *seen; /* "namespace/name" of objects on the way up, and names of hosts */
        const struct object **queue;
        size_t queued;
        struct touched *hosts;
        size_t host_count;
        const char *namespace;
        const struct object *from; /* whose names are being collected */
};

static void add_host(enum term term, const char *name, void *arg)
{
        struct reach *r = arg;
        if (term != TERM_FQDN || map_set(r->seen, name, r))
                return;
        struct touched *t = arena_push(r->a, &r->hosts, &r->host_count);
        *t = (struct touched){
                .name = arena_strdup(r->a, name),
                .own_namespace = str_equal(r->from->namespace, r->namespace),
                .created = r->from->created,
        };
}

static void queue_object(struct reach *r, const struct object *o)
{
        const char *key = arena_printf(r->a, "%s/%s", o->namespace, o->name);
        if (r->queued < DELEGATION_OBJECTS_MAX && !map_set(r->seen, key, r))
                *arena_push(r->a, &r->queue, &r->queued) = o;
}

/* Upwards from the candidate along delegations that it and those above it accept. */
static void find_roots(struct reach *r)
{
        for (size_t i = 0; i < r->queued; i++) {
                const struct object *o = r->queue[i];
                if (o->kind == KIND_INGRESS || o->ingressroute->is_root) {
                        r->from = o;
                        object_terms(o, add_host, r);
                        continue;
                }
                const struct object *const *delegators;
                const char *name = arena_printf(r->a, "%s/%s", o->namespace, o->name);
                size_t n = view_list_unread(r->view, r->a, TERM_DELEGATOR, name, &delegators);
                for (size_t k = 0; k < n; k++) {
                        if (grant_delegation(r->policy, o, delegators[k]))
                                queue_object(r, delegators[k]);
                }
        }
}

static int by_order_of_judging(const void *x, const void *y)
{
        const struct touched *a = x;
        const struct touched *b = y;
        if (a->own_namespace != b->own_namespace)
                return b->own_namespace - a->own_namespace;
        if (a->created != b->created)
                return a->created < b->created ? -1 : 1;
        return strcmp(a->name, b->name);
}

/* ---- the hosts compiled for this review ---- */

struct compiled {
        const struct host *all[ADMISSION_HOSTS_MAX];
        const struct host *found[ADMISSION_HOSTS_MAX];
        size_t count;
};

static size_t compiled_hosts_of(const struct object_ref *ref, const struct host *const **hosts, void *arg)
{
        struct compiled *c = arg;
        size_t n = 0;
        for (size_t i = 0; i < c->count; i++) {
                if (host_find_object(c->all[i], ref))
                        c->found[n++] = c->all[i];
        }
        *hosts = c->found;
        return n;
}

static void add_truncated(const struct object *o, struct findings *list, size_t hosts, size_t judged)
{
        struct finding f = {
                .rule = RULE_ReviewTruncated,
                .about = {o->kind, o->namespace, o->name},
                .field = "spec",
                .subject = "",
                .message = arena_printf(list->arena,
                                        "the object belongs to %zu hosts, of which %zu were judged now; its status "
                                        "will tell the rest",
                                        hosts, judged),
        };
        findings_add(list, &f);
}

static void judge_with_hosts(const struct view *v, const struct policy *policy, int64_t now, struct findings *list)
{
        AUTO(arena) *a = arena_new(16 * 1024);
        AUTO(map) *seen = map_new();
        const struct object *o = v->candidate;
        struct reach reach = {.view = v, .policy = policy, .a = a, .seen = seen, .namespace = o->namespace};
        queue_object(&reach, o);
        find_roots(&reach);
        if (reach.host_count)
                qsort(reach.hosts, reach.host_count, sizeof(*reach.hosts), by_order_of_judging);

        struct compiled compiled = {0};
        size_t work = 0;
        for (size_t i = 0; i < reach.host_count && i < ADMISSION_HOSTS_MAX && work < ADMISSION_WORK_MAX; i++) {
                const struct host *h = host_compile(v, policy, reach.hosts[i].name, now);
                compiled.all[compiled.count++] = h;
                work += h->work;
        }

        struct findings own = {.arena = a};
        struct object_state state;
        judge_object(v, policy, o, &own);
        object_state(a, v, policy, o, &own, compiled_hosts_of, &compiled, &state);
        for (size_t i = 0; i < state.finding_count; i++)
                findings_add(list, &state.findings[i]);
        if (state.ours && reach.host_count > compiled.count)
                add_truncated(o, list, reach.host_count, compiled.count);
        for (size_t i = 0; i < compiled.count; i++)
                host_unref(compiled.all[i]);
}

void judge_candidate(const struct view *v, const struct policy *policy, int64_t now, struct findings *list)
{
        const struct object *o = v->candidate;
        if (o->kind == KIND_INGRESSROUTE || o->kind == KIND_INGRESS)
                judge_with_hosts(v, policy, now, list);
        else
                judge_object(v, policy, o, list);
        findings_sort(list);
}
