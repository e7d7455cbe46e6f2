/* SPDX-License-Identifier: Apache-2.0 */
/* pipeline_index - which hosts and objects there are, and which of them a change concerns. */
#include "controller/pipeline_internal.h"

#include "base/map.h"
#include "base/time.h"

#include <stddef.h>
#include <string.h>

/* ---- tables ---- */

static uint64_t hash_host(const void *entry)
{
        const struct host_entry *e = entry;
        return map_hash(e->name, strlen(e->name));
}

static bool matches_host(const void *entry, const void *key)
{
        return strcmp(((const struct host_entry *)entry)->name, key) == 0;
}

static uint64_t hash_key(const char *namespace, const char *name)
{
        uint64_t both[2] = {map_hash(namespace, strlen(namespace)), map_hash(name, strlen(name))};
        return map_hash(both, sizeof(both));
}

static uint64_t hash_object(const void *entry)
{
        const struct object_entry *e = entry;
        return hash_key(e->object->namespace, e->object->name);
}

struct object_key {
        const char *namespace, *name;
};

static bool matches_object(const void *entry, const void *key)
{
        const struct object *o = ((const struct object_entry *)entry)->object;
        const struct object_key *k = key;
        return strcmp(o->name, k->name) == 0 && strcmp(o->namespace, k->namespace) == 0;
}

void pipeline_index_init(struct pipeline *p)
{
        static const struct table_ops host_ops = {hash_host, matches_host};
        static const struct table_ops object_ops = {hash_object, matches_object};
        table_init(&p->hosts, &host_ops);
        table_init(&p->objects, &object_ops);
}

static void free_findings(struct findings *f)
{
        if (f)
                arena_free(f->arena);
}

static void free_node(struct node *node)
{
        if (node->type == NODE_HOST)
                host_unref(((struct host_entry *)(void *)node)->host);
        else
                free_findings(((struct object_entry *)(void *)node)->own);
        mem_free(node);
}

void pipeline_release(struct node *node)
{
        if (node->gone && !node->dirty && !node->changed)
                free_node(node);
}

/* Entries that are gone are still on a list; the others are in a table. */
static void free_gone(struct pipeline *p)
{
        for (struct node *n = p->dirty_first, *next; n; n = next) {
                next = n->next_dirty;
                n->dirty = false;
                pipeline_release(n);
        }
        for (struct object_entry *e = p->changed_first, *next; e; e = next) {
                next = e->next_changed;
                e->node.changed = false;
                pipeline_release(&e->node);
        }
}

static void free_table(struct pipeline *p, struct table *t)
{
        for (size_t i = 0; i < t->room; i++) {
                struct node *node = t->slots[i];
                if (!node)
                        continue;
                store_reader_set(p->options.store, &node->reader, NULL);
                free_node(node);
        }
        table_done(t);
}

void pipeline_index_done(struct pipeline *p)
{
        for (struct node *n = p->dirty_first; n; n = n->next_dirty) {
                if (n->gone)
                        store_reader_set(p->options.store, &n->reader, NULL);
        }
        free_gone(p);
        free_table(p, &p->hosts);
        free_table(p, &p->objects);
}

/* ---- hosts ---- */

struct host_entry *pipeline_find_host_entry(const struct pipeline *p, const char *name)
{
        return table_find(&p->hosts, map_hash(name, strlen(name)), name);
}

static struct host_entry *ensure_host(struct pipeline *p, const char *name)
{
        struct host_entry *entry = pipeline_find_host_entry(p, name);
        if (entry)
                return entry;
        size_t size = strlen(name) + 1;
        entry = mem_zalloc(sizeof(*entry) + size);
        entry->node.type = NODE_HOST;
        memcpy(entry->name, name, size);
        table_add(&p->hosts, entry);
        return entry;
}

/* The entry is on no list: it has just been compiled. */
void pipeline_drop_host(struct pipeline *p, struct host_entry *entry)
{
        table_remove(&p->hosts, entry);
        p->refused_count -= entry->refused;
        heap_remove(&p->rechecks, &entry->recheck);
        pthread_rwlock_wrlock(p->options.lock);
        store_reader_set(p->options.store, &entry->node.reader, NULL);
        pthread_rwlock_unlock(p->options.lock);
        entry->node.gone = true;
        pipeline_release(&entry->node);
}

const struct host *pipeline_find_host(const struct pipeline *p, const char *name)
{
        const struct host_entry *entry = pipeline_find_host_entry(p, name);
        return entry ? entry->host : NULL;
}

void pipeline_each_host(const struct pipeline *p, void (*each)(const struct host *h, void *arg), void *arg)
{
        for (size_t i = 0; i < p->hosts.room; i++) {
                const struct host_entry *entry = p->hosts.slots[i];
                if (entry && entry->host)
                        each(entry->host, arg);
        }
}

size_t pipeline_host_count(const struct pipeline *p)
{
        return p->hosts.count;
}

/* ---- objects ---- */

struct object_entry *pipeline_find_object(const struct pipeline *p, const char *namespace, const char *name)
{
        struct object_key key = {namespace, name};
        return table_find(&p->objects, hash_key(namespace, name), &key);
}

bool pipeline_each_object(const struct pipeline *p, struct pipeline_cursor *cursor, int64_t deadline,
                          void (*each)(const struct object *o, void *arg), void *arg)
{
        while (cursor->slot < p->objects.room) {
                const struct object_entry *entry = p->objects.slots[cursor->slot++];
                if (entry)
                        each(entry->object, arg);
                if (cursor->slot % 64 == 0 && p->options.monotonic() >= deadline)
                        return false;
        }
        return true;
}

void pipeline_mark_changed(struct pipeline *p, struct object_entry *entry)
{
        if (entry->node.changed)
                return;
        entry->node.changed = true;
        entry->next_changed = NULL;
        *p->changed_last = entry;
        p->changed_last = &entry->next_changed;
}

static struct object_entry *ensure_object(struct pipeline *p, const struct object *o)
{
        struct object_entry *entry = pipeline_find_object(p, o->namespace, o->name);
        if (!entry) {
                entry = mem_zalloc(sizeof(*entry));
                entry->node.type = NODE_OBJECT;
                entry->object = o;
                table_add(&p->objects, entry);
        }
        entry->object = o;
        return entry;
}

static void tell_gone(struct pipeline *p, const struct object *o)
{
        for (size_t i = 0; i < p->reader_count; i++) {
                if (p->readers[i].object_gone)
                        p->readers[i].object_gone(o->namespace, o->name, p->readers[i].arg);
        }
}

/* The readers of an entry can be changed only later: it stays on the dirty list until then. */
static void drop_object(struct pipeline *p, const struct object *old)
{
        struct object_entry *entry = pipeline_find_object(p, old->namespace, old->name);
        if (!entry)
                return;
        table_remove(&p->objects, entry);
        entry->object = NULL;
        entry->node.gone = true;
        pipeline_mark_dirty(p, &entry->node);
        tell_gone(p, old);
}

/* ---- what a change concerns ---- */

static void mark_host_of_term(enum term term, const char *name, void *arg)
{
        struct pipeline *p = arg;
        if (term == TERM_FQDN)
                pipeline_mark_dirty(p, &ensure_host(p, name)->node);
}

static void mark_delegate_of_term(enum term term, const char *name, void *arg)
{
        struct pipeline *p = arg;
        const char *slash = strchr(name, '/');
        if (term != TERM_DELEGATOR || !slash)
                return;
        AUTO_STR *namespace = mem_strndup(name, (size_t)(slash - name));
        struct object_entry *entry = pipeline_find_object(p, namespace, slash + 1);
        if (entry)
                pipeline_mark_changed(p, entry);
}

/* An orphan's status names what its delegators lack. */
void pipeline_mark_delegates(struct pipeline *p, const struct object *o)
{
        object_terms(o, mark_delegate_of_term, p);
}

void pipeline_on_dirty(struct store_reader *reader, void *arg)
{
        pipeline_mark_dirty(arg, (struct node *)(void *)((char *)reader - offsetof(struct node, reader)));
}

static void note_object(const struct object *o, void *arg)
{
        struct pipeline *p = arg;
        object_terms(o, mark_host_of_term, p);
        if (o->kind == KIND_INGRESSROUTE)
                pipeline_mark_dirty(p, &ensure_object(p, o)->node);
}

static void tell_stored(struct pipeline *p, const struct object *old, const struct object *new)
{
        for (size_t i = 0; i < p->reader_count; i++) {
                if (p->readers[i].stored)
                        p->readers[i].stored(old, new, p->readers[i].arg);
        }
}

void pipeline_on_change(const struct object *old, const struct object *new, void *arg)
{
        struct pipeline *p = arg;
        tell_stored(p, old, new);
        const struct object *any = new ? new : old;
        if (!p->started || (any->kind != KIND_INGRESSROUTE && any->kind != KIND_INGRESS))
                return;
        if (new)
                note_object(new, p);
        else if (old->kind == KIND_INGRESSROUTE)
                drop_object(p, old);
        if (old)
                object_terms(old, mark_host_of_term, p);
        if (any->kind == KIND_INGRESSROUTE && old)
                pipeline_mark_delegates(p, old);
        if (any->kind == KIND_INGRESSROUTE && new)
                pipeline_mark_delegates(p, new);
}

void pipeline_index_all(struct pipeline *p)
{
        store_each(p->options.store, KIND_INGRESSROUTE, note_object, p);
        store_each(p->options.store, KIND_INGRESS, note_object, p);
}
