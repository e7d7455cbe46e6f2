/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/store.h"

#include "kube/store_private.h"

#include <assert.h>
#include <string.h>

struct store *store_new(void)
{
        struct store *s = mem_zalloc(sizeof(*s));
        index_init(&s->index);
        s->last_good = map_new();
        return s;
}

static void free_kept(const char *key, void *object, void *arg)
{
        (void)key;
        (void)arg;
        object_free(object);
}

void store_free(struct store *s)
{
        if (!s)
                return;
        for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
                for (struct object_node *n = s->kinds[kind].first, *next; n; n = next) {
                        next = n->next;
                        object_free(n->object);
                }
        }
        index_done(&s->index);
        map_each(s->last_good, free_kept, NULL);
        map_free(s->last_good);
        mem_free(s->dirty);
        mem_free(s);
}

/* ---- who is dirty: collected once each, told at the end ---- */

static void collect_reader(struct store *s, struct store_reader *reader)
{
        if (reader->dirty)
                return;
        reader->dirty = true;
        if (s->dirty_count == s->dirty_capacity) {
                s->dirty_capacity = s->dirty_capacity ? s->dirty_capacity * 2 : 16;
                s->dirty = mem_resize(s->dirty, s->dirty_capacity, sizeof(*s->dirty));
        }
        s->dirty[s->dirty_count++] = reader;
}

static void collect(struct store *s, const struct node *n)
{
        for (const struct store_link *l = n->readers; l; l = l->next)
                collect_reader(s, l->reader);
}

static void tell(struct store *s, const struct store_hooks *hooks, const struct object *old, const struct object *new)
{
        s->generation++;
        if (hooks && hooks->on_change)
                hooks->on_change(old, new, hooks->arg);
        for (size_t i = 0; i < s->dirty_count; i++)
                s->dirty[i]->dirty = false;
        for (size_t i = 0; hooks && hooks->on_dirty && i < s->dirty_count; i++)
                hooks->on_dirty(s->dirty[i], hooks->arg);
        s->dirty_count = 0;
}

/* ---- terms of an object ---- */

struct term_change {
        struct store *store;
        struct object_node *node;
};

static void add_to_term(enum term term, const char *name, void *arg)
{
        const struct term_change *c = arg;
        struct address a = address_of_term(term, name);
        struct term_node *t = node_term(index_need(&c->store->index, &a));
        term_add(t, c->node);
        collect(c->store, &t->node);
}

static void remove_from_term(enum term term, const char *name, void *arg)
{
        const struct term_change *c = arg;
        struct address a = address_of_term(term, name);
        struct node *n = index_find(&c->store->index, &a);
        if (!n) /* the same term a second time */
                return;
        term_remove(node_term(n), c->node);
        collect(c->store, n);
        index_drop_unused(&c->store->index, n);
}

/* ---- kinds: order of arrival, counts, sweeps ---- */

static void kind_append(struct store *s, struct object_node *n)
{
        struct kind_list *list = &s->kinds[n->node.space];
        n->previous = list->last;
        n->next = NULL;
        *(list->last ? &list->last->next : &list->first) = n;
        list->last = n;
        list->count++;
}

static void kind_unlink(struct store *s, struct object_node *n)
{
        struct kind_list *list = &s->kinds[n->node.space];
        *(n->previous ? &n->previous->next : &list->first) = n->next;
        *(n->next ? &n->next->previous : &list->last) = n->previous;
        list->count--;
}

static struct sweep *sweep_of(struct store *s, unsigned kind, unsigned source)
{
        assert(source < STORE_SOURCES);
        return &s->kinds[kind].sweeps[source];
}

/*
 * unseen counts down, so that a relist without deletions ends without a walk; and what is seen moves behind what is
 * not, so that one with deletions looks at little more than those.
 */
static void sweep_see(struct store *s, struct object_node *n)
{
        sweep_of(s, n->node.space, n->source)->unseen--;
        kind_unlink(s, n);
        kind_append(s, n);
}

static void sweep_leave(struct store *s, struct object_node *n)
{
        struct sweep *sweep = sweep_of(s, n->node.space, n->source);
        sweep->total--;
        if (n->seen != sweep->epoch)
                sweep_see(s, n);
}

static void sweep_enter(struct store *s, struct object_node *n, unsigned source)
{
        struct sweep *sweep = sweep_of(s, n->node.space, source);
        n->source = (uint16_t)source;
        n->seen = sweep->epoch;
        sweep->total++;
}

void store_sweep_begin(struct store *s, enum kind kind, unsigned source)
{
        struct sweep *sweep = sweep_of(s, kind, source);
        sweep->epoch++;
        sweep->unseen = sweep->total;
}

/* ---- the last good content of Secrets ---- */

static bool is_good(const struct object *o)
{
        return o->secret->pair && o->secret->pair->ok;
}

static void drop_last_good(struct store *s, const struct object *o)
{
        if (o->kind != KIND_SECRET || !map_count(s->last_good))
                return;
        AUTO_STR *key = mem_printf("%s/%s", o->namespace, o->name);
        object_free(map_remove(s->last_good, key));
}

void store_unread(struct store *s, struct node *n)
{
        if (n->space == KIND_SECRET && node_is_filled(n))
                drop_last_good(s, node_object(n)->object);
}

/* Frees what n held before, or keeps it as its last good content. */
static void let_go(struct store *s, const struct object_node *n, struct object *old)
{
        const struct object *new = n->object;
        if (new->kind == KIND_SECRET && is_good(new)) {
                drop_last_good(s, new);
        } else if (new->kind == KIND_SECRET && old &&is_good(old) && n->node.readers) {
                AUTO_STR *key = mem_printf("%s/%s", old->namespace, old->name);
                object_free(map_set(s->last_good, key, old));
                return;
        }
        object_free(old);
}

/* ---- changes ---- */

static bool same_version(const struct object *a, const struct object *b)
{
        return *a->resource_version && strcmp(a->resource_version, b->resource_version) == 0 &&
               strcmp(a->uid, b->uid) == 0;
}

bool store_put(struct store *s, struct object *o, unsigned source, const struct store_hooks *hooks)
{
        struct address a = address_of_key(o->kind, o->namespace, o->name);
        struct object_node *n = node_object(index_need(&s->index, &a));
        struct object *old = n->object;
        if (old)
                sweep_leave(s, n);
        sweep_enter(s, n, source);
        n->lingering = false;
        if (old && same_version(old, o)) {
                object_free(o);
                return false;
        }
        struct term_change change = {s, n};
        if (old)
                object_terms(old, remove_from_term, &change);
        object_node_fill(n, o);
        if (!old)
                kind_append(s, n);
        object_terms(o, add_to_term, &change);
        collect(s, &n->node);
        tell(s, hooks, old, o);
        let_go(s, n, old);
        return true;
}

static void remove_node(struct store *s, struct object_node *n, const struct store_hooks *hooks)
{
        struct object *old = n->object;
        struct term_change change = {s, n};
        object_terms(old, remove_from_term, &change);
        sweep_leave(s, n);
        kind_unlink(s, n);
        object_node_empty(n);
        collect(s, &n->node);
        index_drop_unused(&s->index, &n->node);
        tell(s, hooks, old, NULL);
        drop_last_good(s, old);
        object_free(old);
}

/* Whether an object that is gone stays for a while. */
static bool lingers(struct object_node *n, const struct store_hooks *hooks)
{
        n->lingering = n->lingering || (hooks && hooks->lingers && hooks->lingers(n->object, hooks->arg));
        return n->lingering;
}

static struct object_node *find_filled(struct store *s, enum kind kind, const char *namespace, const char *name)
{
        struct address a = address_of_key(kind, namespace, name);
        struct node *n = index_find(&s->index, &a);
        return n && node_is_filled(n) ? node_object(n) : NULL;
}

bool store_remove(struct store *s, enum kind kind, const char *namespace, const char *name, unsigned source,
                  const struct store_hooks *hooks)
{
        struct object_node *n = find_filled(s, kind, namespace, name);
        if (!n || n->source != source || n->lingering)
                return false;
        if (!lingers(n, hooks))
                remove_node(s, n, hooks);
        return true;
}

void store_expire(struct store *s, enum kind kind, const char *namespace, const char *name,
                  const struct store_hooks *hooks)
{
        struct object_node *n = find_filled(s, kind, namespace, name);
        if (!n || !n->lingering)
                return;
        n->lingering = false;
        remove_node(s, n, hooks);
}

bool store_sweep_end(struct store *s, enum kind kind, unsigned source, size_t max, const struct store_hooks *hooks)
{
        struct sweep *sweep = sweep_of(s, kind, source);
        for (struct object_node *n = s->kinds[kind].first, *next; n && sweep->unseen && max; n = next) {
                next = n->next;
                if (n->source != source || n->seen == sweep->epoch)
                        continue;
                max--;
                if (lingers(n, hooks)) {
                        sweep_see(s, n);
                        n->seen = sweep->epoch;
                } else {
                        remove_node(s, n, hooks);
                }
        }
        return !sweep->unseen;
}

/* ---- looking ---- */

void store_each(const struct store *s, enum kind kind, void (*each)(const struct object *o, void *arg), void *arg)
{
        for (const struct object_node *n = s->kinds[kind].first; n; n = n->next)
                each(n->object, arg);
}

size_t store_count(const struct store *s, enum kind kind)
{
        return s->kinds[kind].count;
}

uint64_t store_generation(const struct store *s)
{
        return s->generation;
}
