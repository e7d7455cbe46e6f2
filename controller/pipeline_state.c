/* SPDX-License-Identifier: Apache-2.0 */
/* pipeline_state - an object's state, put together when it is asked for: nothing is kept for those that are fine. */
#include "controller/pipeline_internal.h"

#include <stddef.h>

struct gather {
        struct pipeline *p;
        const struct object_ref *ref;
        bool pending; /* one of the hosts is dirty */
};

static void add_host(struct gather *g, struct host_entry *entry)
{
        struct pipeline *p = g->p;
        if (entry->mark == p->mark)
                return;
        entry->mark = p->mark;
        g->pending |= entry->node.dirty;
        if (!entry->host || !host_find_object(entry->host, g->ref))
                return;
        if (p->found_count == p->found_room) {
                p->found_room = p->found_room ? p->found_room * 2 : 16;
                p->found = mem_resize(p->found, p->found_room, sizeof(struct host *));
        }
        p->found[p->found_count++] = entry->host;
}

static void add_reader(struct store_reader *reader, void *arg)
{
        struct node *node = (struct node *)(void *)((char *)reader - offsetof(struct node, reader));
        if (node->type == NODE_HOST && !node->gone)
                add_host(arg, (struct host_entry *)(void *)node);
}

static void add_term(enum term term, const char *name, void *arg)
{
        struct gather *g = arg;
        if (term != TERM_FQDN)
                return;
        struct host_entry *entry = pipeline_find_host_entry(g->p, name);
        if (entry)
                add_host(g, entry);
}

/* Hosts that met the object on their walk have read its key; those that it asks for itself it names. */
static bool gather_hosts(struct pipeline *p, const struct object_ref *ref)
{
        struct gather g = {.p = p, .ref = ref};
        p->mark++;
        p->found_count = 0;
        store_readers(p->options.store, ref->kind, ref->namespace, ref->name, add_reader, &g);
        const struct object *o =
                view_get(&(struct view){.store = p->options.store}, ref->kind, ref->namespace, ref->name);
        if (o)
                object_terms(o, add_term, &g);
        return g.pending;
}

size_t pipeline_hosts_of(const struct object_ref *ref, const struct host *const **hosts, void *arg)
{
        struct pipeline *p = arg;
        gather_hosts(p, ref);
        *hosts = p->found;
        return p->found_count;
}

/* own, and what Envoys refuse of the hosts that o owns; for that nothing is compiled anew, it is no part of a host. */
static const struct findings *with_refused(struct pipeline *p, const struct object *o, const struct findings *own,
                                           struct arena *a)
{
        const struct object_ref ref = {o->kind, o->namespace, o->name};
        struct findings *all = arena_alloc(a, sizeof(*all));
        *all = (struct findings){.arena = a};
        for (size_t i = 0; i < own->count; i++)
                findings_add(all, &own->items[i]);
        gather_hosts(p, &ref);
        for (size_t i = 0; i < p->found_count; i++) {
                const struct host *h = p->found[i];
                if (h->owner && object_ref_equal(h->owner, &ref) && pipeline_find_host_entry(p, h->name)->refused)
                        judge_refused(h, all);
        }
        return all;
}

static void compute_state(struct pipeline *p, const struct object *o, const struct findings *own, struct arena *a,
                          struct object_state *state)
{
        struct view v = {.store = p->options.store};
        if (p->refused_count)
                own = with_refused(p, o, own, a);
        object_state(a, &v, p->options.policy, o, own, pipeline_hosts_of, p, state);
}

enum pipeline_answer pipeline_state(struct pipeline *p, const char *namespace, const char *name, struct arena *a,
                                    struct object_state *state, const struct object **o)
{
        const struct object_entry *entry = pipeline_find_object(p, namespace, name);
        if (!entry)
                return PIPELINE_GONE;
        struct object_ref ref = {KIND_INGRESSROUTE, namespace, name};
        if (!p->built || entry->node.dirty || gather_hosts(p, &ref))
                return PIPELINE_PENDING;
        *o = entry->object;
        compute_state(p, entry->object, entry->own ? entry->own : &(struct findings){0}, a, state);
        return PIPELINE_READY;
}

void pipeline_findings(struct pipeline *p, const struct object *o, bool as_candidate, struct arena *a,
                       struct object_state *state)
{
        struct findings own = {.arena = a};
        struct view v = {.store = p->options.store, .candidate = as_candidate ? o : NULL};
        judge_object(&v, p->options.policy, o, &own);
        compute_state(p, o, &own, a, state);
}
