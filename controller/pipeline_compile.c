/* SPDX-License-Identifier: Apache-2.0 */
/* pipeline_compile - compiles what is dirty, in batches: outside the lock, then one hold for what each has read. */
#include "controller/pipeline_internal.h"

#include "base/crash.h"
#include "base/time.h"

#include <assert.h>
#include <stddef.h>

struct work {
        struct node *node;
        struct host *host;     /* of a host */
        struct findings found; /* of an object: arena NULL when there are none */
};

static struct host_entry *host_of(struct node *node)
{
        assert(node->type == NODE_HOST);
        return (struct host_entry *)(void *)node;
}

static struct object_entry *object_of(struct node *node)
{
        assert(node->type == NODE_OBJECT);
        return (struct object_entry *)(void *)node;
}

static struct node *take_dirty(struct pipeline *p)
{
        struct node *node = p->dirty_first;
        if (!node)
                return NULL;
        p->dirty_first = node->next_dirty;
        if (!p->dirty_first)
                p->dirty_last = &p->dirty_first;
        node->dirty = false;
        return node;
}

static struct findings judge(struct pipeline *p, const struct view *v, const struct object *o)
{
        /* Nearly all objects have nothing to say: the arena lives only for those that have. */
        struct findings list = {.arena = arena_new(256)};
        judge_object(v, p->options.policy, o, &list);
        if (list.count)
                return list;
        arena_free(list.arena);
        return (struct findings){0};
}

static void compute(struct pipeline *p, struct work *w, struct reads *reads)
{
        reads_clear(reads);
        if (w->node->gone)
                return;
        struct view v = {.store = p->options.store, .reads = reads};
        if (w->node->type == NODE_HOST) {
                const char *name = host_of(w->node)->name;
                crash_working_on("compiling host", name);
                w->host = host_compile(&v, p->options.policy, name, p->options.wall());
                return;
        }
        const struct object *o = object_of(w->node)->object;
        crash_working_on_object("judging", kind_info(o->kind)->name, o->namespace, o->name);
        w->found = judge(p, &v, o);
}

/* ---- results ---- */

static void tell_host(struct pipeline *p, const struct host *old, const struct host *new)
{
        for (size_t i = 0; i < p->reader_count; i++) {
                if (p->readers[i].host_changed)
                        p->readers[i].host_changed(old, new, p->readers[i].arg);
        }
}

static void mark_object_at(struct pipeline *p, const struct object_ref *ref)
{
        struct object_entry *entry =
                ref->kind == KIND_INGRESSROUTE ? pipeline_find_object(p, ref->namespace, ref->name) : NULL;
        if (entry)
                pipeline_mark_changed(p, entry);
}

/* Who delegated routes that are not let in may be blamed, depending on what other hosts let in. */
static void mark_blamed(struct pipeline *p, const struct object_ref *child)
{
        const struct host *const *hosts;
        size_t n = pipeline_hosts_of(child, &hosts, p);
        for (size_t i = 0; i < n; i++) {
                const struct host_object *o = hosts[i]->has_outside ? host_find_object(hosts[i], child) : NULL;
                for (size_t k = 0; o && k < o->outside_count; k++)
                        mark_object_at(p, &o->outside[k].parent);
        }
}

/* Whose state may be another one because the host is. */
static void mark_objects_of(struct pipeline *p, const struct host *h)
{
        for (size_t i = 0; h && i < h->object_count; i++) {
                const struct object_ref *ref = &h->objects[i].ref;
                struct object_entry *entry =
                        ref->kind == KIND_INGRESSROUTE ? pipeline_find_object(p, ref->namespace, ref->name) : NULL;
                if (!entry)
                        continue;
                pipeline_mark_changed(p, entry);
                pipeline_mark_delegates(p, entry->object);
                if (!h->objects[i].owner)
                        mark_blamed(p, ref);
        }
}

static bool is_wanted(const struct pipeline *p, const struct host *h)
{
        if (h->object_count)
                return true;
        /* Nobody may have the name now, but who asks for it may be granted it. */
        AUTO(arena) *a = arena_new(64);
        const struct object *const *found;
        return view_list_unread(&(struct view){.store = p->options.store}, a, TERM_FQDN, h->name, &found) > 0;
}

static void finish_host(struct pipeline *p, struct host_entry *entry, struct host *new)
{
        const struct host *old = entry->host;
        assert(new); /* compute() has made it: the entry is not gone */
        if (new->recheck_at == INT64_MAX)
                heap_remove(&p->rechecks, &entry->recheck);
        else
                heap_set(&p->rechecks, &entry->recheck, new->recheck_at);
        bool wanted = is_wanted(p, new);
        if (wanted && old && host_equal(old, new)) {
                host_unref(new);
                return;
        }
        entry->host = new;
        /* In the first build every object is told of anyway. */
        if (p->built) {
                mark_objects_of(p, old);
                mark_objects_of(p, new);
        }
        if (old || wanted)
                tell_host(p, old, wanted ? new : NULL);
        host_unref(old);
        if (!wanted)
                pipeline_drop_host(p, entry);
}

static void finish_object(struct pipeline *p, struct object_entry *entry, const struct findings *found)
{
        if (entry->own)
                arena_free(entry->own->arena);
        entry->own = NULL;
        if (found->count) {
                entry->own = arena_alloc(found->arena, sizeof(*found));
                *entry->own = *found;
        }
        pipeline_mark_changed(p, entry);
}

static void finish(struct pipeline *p, struct work *w)
{
        if (w->node->gone)
                pipeline_release(w->node);
        else if (w->node->type == NODE_HOST)
                finish_host(p, host_of(w->node), w->host);
        else
                finish_object(p, object_of(w->node), &w->found);
}

static void set_readers(struct pipeline *p, const struct work *works, size_t n)
{
        for (size_t i = 0; i < n;) {
                pthread_rwlock_wrlock(p->options.lock);
                int64_t until = p->options.monotonic() + HOLD_MAX;
                do {
                        struct node *node = works[i].node;
                        store_reader_set(p->options.store, &node->reader, node->gone ? NULL : p->reads[i]);
                        i++;
                } while (i < n && (i % EVENTS_BETWEEN_LOOKS || p->options.monotonic() < until));
                pthread_rwlock_unlock(p->options.lock);
        }
}

bool pipeline_compile(struct pipeline *p, int64_t deadline)
{
        int64_t begin = p->options.monotonic();
        do {
                struct work works[BATCH_MAX] = {0};
                size_t n = 0;
                while (n < BATCH_MAX && (works[n].node = take_dirty(p)) != NULL) {
                        compute(p, &works[n], p->reads[n]);
                        n++;
                }
                crash_idle();
                set_readers(p, works, n);
                for (size_t i = 0; i < n; i++)
                        finish(p, &works[i]);
        } while (p->dirty_first && p->options.monotonic() < deadline);
        p->compiled_at = p->options.wall();
        metric_observe(p->metrics.compile_duration, p->options.monotonic() - begin);
        metric_set(p->metrics.hosts, (int64_t)p->hosts.count);
        return !p->dirty_first;
}
