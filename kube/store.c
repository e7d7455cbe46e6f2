/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/store.h"

#include "base/map.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASH_FUNCTION(key, len, hash) ((hash) = (unsigned)map_hash((key), (len)))
#define uthash_fatal(message) abort()
#include <uthash.h>

enum {
        TERM_COUNT = TERM_ENDPOINTS + 1,
        TABLE_COUNT = KIND_COUNT + TERM_COUNT, /* one for each kind's keys, then one for each term's names */
        KEY_MAX = 512,                         /* longer ones name nothing: see object_terms.c */
};

/* Who has read a node: the reader, and which of its links this is. */
struct backlink {
        struct store_reader *reader;
        uint32_t link;
};

/*
 * A key or a term: what it leads to, and who has read it. Lives while it has an object, members or readers, so that
 * what was looked for and not found is remembered. Arrays grow when their count is a power of two.
 */
struct node {
        UT_hash_handle hh;
        struct object *object;         /* of a key; NULL: not there */
        const struct object **members; /* of a term */
        struct backlink *readers;
        uint32_t member_count, reader_count;
        uint32_t epoch; /* of the sweep that saw the object last */
        uint8_t table;
        uint8_t source;
        bool idle; /* on the store's list of idle nodes */
        char key[];
};

struct store_link {
        struct node *node;
        uint32_t slot; /* in node->readers */
};

struct store {
        struct node *tables[TABLE_COUNT];
        size_t counts[KIND_COUNT];
        uint32_t epochs[KIND_COUNT][STORE_SOURCES];
        uint64_t generation;
        struct store_reader **dirty; /* of the change under way */
        uint32_t dirty_count;
        struct node **idle; /* may be nobody's any more; freed by the next change, for reads may still name them */
        uint32_t idle_count;
};

/* ---- nodes ---- */

static void *push(void *items, uint32_t *count, size_t size)
{
        uint32_t n = (*count)++;
        return (n & (n - 1)) == 0 ? mem_resize(items, n ? (size_t)n * 2 : 1, size) : items;
}

static struct node *node_find(const struct store *s, size_t table, const char *key, size_t n)
{
        struct node *node;
        HASH_FIND(hh, s->tables[table], key, n, node);
        return node;
}

static struct node *node_get(struct store *s, size_t table, const char *key)
{
        size_t n = strlen(key);
        struct node *node = node_find(s, table, key, n);
        if (node)
                return node;
        node = mem_resize(NULL, 1, sizeof(*node) + n + 1);
        memset(node, 0, sizeof(*node));
        node->table = (uint8_t)table;
        memcpy(node->key, key, n + 1);
        HASH_ADD_KEYPTR(hh, s->tables[table], node->key, n, node);
        return node;
}

static void node_free(struct node *node)
{
        mem_free((void *)node->members);
        mem_free(node->readers);
        mem_free(node);
}

static bool node_is_used(const struct node *node)
{
        return node->object || node->member_count || node->reader_count;
}

static void node_check_idle(struct store *s, struct node *node)
{
        if (node_is_used(node) || node->idle)
                return;
        node->idle = true;
        s->idle = push(s->idle, &s->idle_count, sizeof(struct node *));
        s->idle[s->idle_count - 1] = node;
}

/* At the begin of a change: from here on what was read before does not count. */
static void free_idle_nodes(struct store *s)
{
        for (uint32_t i = 0; i < s->idle_count; i++) {
                struct node *node = s->idle[i];
                node->idle = false;
                if (node_is_used(node))
                        continue;
                HASH_DEL(s->tables[node->table], node);
                node_free(node);
        }
        s->idle_count = 0;
}

/* "namespace/name", or "name" for kinds without namespaces; false when it is too long to name anything. */
static bool key_text(char key[KEY_MAX], size_t *n, const char *namespace, const char *name)
{
        size_t a = strlen(namespace);
        size_t b = strlen(name);
        if (a + b + 2 > KEY_MAX)
                return false;
        memcpy(key, namespace, a);
        if (a)
                key[a++] = '/';
        memcpy(key + a, name, b + 1);
        *n = a + b;
        return true;
}

/* ---- the terms of one object ---- */

struct term_name {
        enum term term;
        const char *name;
};

struct term_list {
        struct arena *arena;
        struct term_name *items;
        size_t count;
};

static void collect_term(enum term term, const char *name, void *arg)
{
        struct term_list *list = arg;
        struct term_name *t = arena_push(list->arena, &list->items, &list->count);
        *t = (struct term_name){term, arena_strdup(list->arena, name)};
}

static int by_term(const void *x, const void *y)
{
        const struct term_name *a = x;
        const struct term_name *b = y;
        return a->term != b->term ? (int)a->term - (int)b->term : strcmp(a->name, b->name);
}

/* Every term once. */
static void terms_of(const struct object *o, struct term_list *list)
{
        object_terms(o, collect_term, list);
        if (list->count < 2)
                return;
        qsort(list->items, list->count, sizeof(*list->items), by_term);
        size_t kept = 1;
        for (size_t i = 1; i < list->count; i++) {
                if (by_term(&list->items[i], &list->items[kept - 1]))
                        list->items[kept++] = list->items[i];
        }
        list->count = kept;
}

/* ---- changes ---- */

static void mark_readers(struct store *s, const struct node *node)
{
        for (uint32_t i = 0; i < node->reader_count; i++) {
                struct store_reader *reader = node->readers[i].reader;
                if (reader->dirty)
                        continue;
                reader->dirty = true;
                s->dirty = push(s->dirty, &s->dirty_count, sizeof(struct store_reader *));
                s->dirty[s->dirty_count - 1] = reader;
        }
}

static void tell_dirty(struct store *s, const struct store_hooks *hooks)
{
        for (uint32_t i = 0; i < s->dirty_count; i++) {
                s->dirty[i]->dirty = false;
                if (hooks && hooks->on_dirty)
                        hooks->on_dirty(s->dirty[i], hooks->arg);
        }
        s->dirty_count = 0;
}

static void leave_terms(struct store *s, const struct object *o, struct arena *a)
{
        struct term_list terms = {.arena = a};
        terms_of(o, &terms);
        for (size_t i = 0; i < terms.count; i++) {
                struct node *node = node_get(s, KIND_COUNT + (size_t)terms.items[i].term, terms.items[i].name);
                uint32_t at = 0;
                while (at < node->member_count && node->members[at] != o)
                        at++;
                assert(at < node->member_count);
                node->members[at] = node->members[--node->member_count];
                mark_readers(s, node);
                node_check_idle(s, node);
        }
}

static void enter_terms(struct store *s, const struct object *o, struct arena *a)
{
        struct term_list terms = {.arena = a};
        terms_of(o, &terms);
        for (size_t i = 0; i < terms.count; i++) {
                struct node *node = node_get(s, KIND_COUNT + (size_t)terms.items[i].term, terms.items[i].name);
                node->members = push((void *)node->members, &node->member_count, sizeof(*node->members));
                node->members[node->member_count - 1] = o;
                mark_readers(s, node);
        }
}

static void finish_change(struct store *s, struct object *old, const struct object *new,
                          const struct store_hooks *hooks)
{
        s->generation++;
        if (hooks && hooks->on_change)
                hooks->on_change(old, new, hooks->arg);
        tell_dirty(s, hooks);
        object_free(old);
}

static bool is_same_version(const struct object *a, const struct object *b)
{
        return a->resource_version[0] && str_equal(a->resource_version, b->resource_version) &&
               str_equal(a->uid, b->uid);
}

bool store_put(struct store *s, struct object *o, unsigned source, const struct store_hooks *hooks)
{
        char key[KEY_MAX];
        size_t n;
        assert(source < STORE_SOURCES);
        if (!key_text(key, &n, o->namespace, o->name)) {
                object_free(o);
                return false;
        }
        free_idle_nodes(s);
        struct node *node = node_get(s, o->kind, key);
        node->source = (uint8_t)source;
        node->epoch = s->epochs[o->kind][source];
        struct object *old = node->object;
        if (old && is_same_version(old, o)) {
                object_free(o);
                return false;
        }
        AUTO(arena) *scratch = arena_new(512);
        if (old)
                leave_terms(s, old, scratch);
        else
                s->counts[o->kind]++;
        node->object = o;
        enter_terms(s, o, scratch);
        mark_readers(s, node);
        finish_change(s, old, o, hooks);
        return true;
}

static void remove_node(struct store *s, struct node *node, const struct store_hooks *hooks)
{
        struct object *old = node->object;
        AUTO(arena) *scratch = arena_new(512);
        free_idle_nodes(s);
        leave_terms(s, old, scratch);
        s->counts[old->kind]--;
        node->object = NULL;
        mark_readers(s, node);
        node_check_idle(s, node);
        finish_change(s, old, NULL, hooks);
}

bool store_remove(struct store *s, enum kind kind, const char *namespace, const char *name, unsigned source,
                  const struct store_hooks *hooks)
{
        char key[KEY_MAX];
        size_t n;
        struct node *node = key_text(key, &n, namespace, name) ? node_find(s, kind, key, n) : NULL;
        if (!node || !node->object || node->source != source)
                return false;
        remove_node(s, node, hooks);
        return true;
}

void store_sweep_begin(struct store *s, enum kind kind, unsigned source)
{
        assert(source < STORE_SOURCES);
        s->epochs[kind][source]++;
}

void store_sweep_end(struct store *s, enum kind kind, unsigned source, const struct store_hooks *hooks)
{
        struct node **gone = NULL;
        uint32_t n = 0;
        for (struct node *node = s->tables[kind]; node; node = node->hh.next) {
                if (node->object && node->source == source && node->epoch != s->epochs[kind][source]) {
                        gone = push(gone, &n, sizeof(struct node *));
                        gone[n - 1] = node;
                }
        }
        for (uint32_t i = 0; i < n; i++)
                remove_node(s, gone[i], hooks);
        mem_free(gone);
}

/* ---- readers ---- */

/* What was read: a node, or the key of one that was not there. */
struct read_item {
        struct node *node;
        size_t table;
        const char *key;
};

struct reads {
        struct arena *arena;
        struct read_item *items;
        size_t count;
};

struct reads *reads_new(void)
{
        struct reads *r = mem_zalloc(sizeof(*r));
        r->arena = arena_new(1024);
        return r;
}

void reads_free(struct reads *r)
{
        if (!r)
                return;
        arena_free(r->arena);
        mem_free(r);
}

void reads_clear(struct reads *r)
{
        arena_reset(r->arena);
        r->items = NULL;
        r->count = 0;
}

static void record(struct reads *r, struct node *node, size_t table, const char *key, size_t n)
{
        /* A route after a route names the same Service. */
        if (node && r->count && r->items[r->count - 1].node == node)
                return;
        struct read_item *item = arena_push(r->arena, &r->items, &r->count);
        *item = (struct read_item){.node = node, .table = table};
        if (!node)
                item->key = arena_strndup(r->arena, key, n);
}

static int by_address(const void *x, const void *y)
{
        const struct node *const *a = x;
        const struct node *const *b = y;
        return ((uintptr_t)*a > (uintptr_t)*b) - ((uintptr_t)*a < (uintptr_t)*b);
}

/* The nodes read, each once, by address; those that are not there yet are made. For mem_free(). */
static struct node **nodes_of(struct store *s, const struct reads *r, uint32_t *count)
{
        struct node **nodes = mem_calloc(r->count, sizeof(*nodes));
        for (size_t i = 0; i < r->count; i++)
                nodes[i] = r->items[i].node ? r->items[i].node : node_get(s, r->items[i].table, r->items[i].key);
        if (r->count > 1)
                qsort(nodes, r->count, sizeof(*nodes), by_address);
        uint32_t kept = 0;
        for (size_t i = 0; i < r->count; i++) {
                if (!kept || nodes[kept - 1] != nodes[i])
                        nodes[kept++] = nodes[i];
        }
        *count = kept;
        return nodes;
}

static bool has_links_to(const struct store_reader *reader, struct node *const *nodes, uint32_t n)
{
        if (reader->link_count != n)
                return false;
        for (uint32_t i = 0; i < n; i++) {
                if (reader->links[i].node != nodes[i])
                        return false;
        }
        return true;
}

static void unlink_all(struct store *s, struct store_link *links, uint32_t n)
{
        for (uint32_t i = 0; i < n; i++) {
                struct node *node = links[i].node;
                struct backlink last = node->readers[--node->reader_count];
                node->readers[links[i].slot] = last;
                last.reader->links[last.link].slot = links[i].slot;
        }
        for (uint32_t i = 0; i < n; i++)
                node_check_idle(s, links[i].node);
}

static struct store_link *link_all(struct store_reader *reader, struct node *const *nodes, uint32_t n)
{
        struct store_link *links = n ? mem_calloc(n, sizeof(*links)) : NULL;
        for (uint32_t i = 0; i < n; i++) {
                struct node *node = nodes[i];
                node->readers = push(node->readers, &node->reader_count, sizeof(*node->readers));
                node->readers[node->reader_count - 1] = (struct backlink){reader, i};
                links[i] = (struct store_link){node, node->reader_count - 1};
        }
        return links;
}

void store_reader_set(struct store *s, struct store_reader *reader, const struct reads *r)
{
        uint32_t n = 0;
        struct node **nodes = r ? nodes_of(s, r, &n) : NULL;
        if (!has_links_to(reader, nodes, n)) {
                /* Old links first: a backlink names its reader's link by index. Nodes in use again must outlive that.
                 */
                for (uint32_t i = 0; i < n; i++)
                        nodes[i]->member_count++;
                struct store_link *old = reader->links;
                unlink_all(s, old, reader->link_count);
                mem_free(old);
                for (uint32_t i = 0; i < n; i++)
                        nodes[i]->member_count--;
                reader->links = link_all(reader, nodes, n);
                reader->link_count = n;
        }
        mem_free(nodes);
}

void store_readers(const struct store *s, enum kind kind, const char *namespace, const char *name, store_dirty_fn *each,
                   void *arg)
{
        char key[KEY_MAX];
        size_t n;
        const struct node *node = key_text(key, &n, namespace, name) ? node_find(s, kind, key, n) : NULL;
        for (uint32_t i = 0; node && i < node->reader_count; i++)
                each(node->readers[i].reader, arg);
}

/* ---- looking ---- */

static bool has_key(const struct object *o, enum kind kind, const char *namespace, const char *name)
{
        return o && o->kind == kind && str_equal(o->name, name) && str_equal(o->namespace, namespace);
}

const struct object *view_get(const struct view *v, enum kind kind, const char *namespace, const char *name)
{
        if (has_key(v->candidate, kind, namespace, name))
                return v->candidate_gone ? NULL : v->candidate;
        char key[KEY_MAX];
        size_t n;
        if (!key_text(key, &n, namespace, name))
                return NULL;
        struct node *node = node_find(v->store, kind, key, n);
        if (v->reads)
                record(v->reads, node, kind, key, n);
        return node ? node->object : NULL;
}

struct asked {
        enum term term;
        const char *name;
        bool found;
};

static void compare_term(enum term term, const char *name, void *arg)
{
        struct asked *asked = arg;
        asked->found = asked->found || (term == asked->term && strcmp(name, asked->name) == 0);
}

static bool candidate_has_term(const struct view *v, enum term term, const char *name)
{
        struct asked asked = {.term = term, .name = name};
        if (v->candidate && !v->candidate_gone)
                object_terms(v->candidate, compare_term, &asked);
        return asked.found;
}

static int by_key(const void *x, const void *y)
{
        const struct object *const *a = x;
        const struct object *const *b = y;
        if ((*a)->kind != (*b)->kind)
                return (*a)->kind < (*b)->kind ? -1 : 1;
        int order = strcmp((*a)->namespace, (*b)->namespace);
        return order ? order : strcmp((*a)->name, (*b)->name);
}

size_t view_list_unread(const struct view *v, struct arena *a, enum term term, const char *name,
                        const struct object *const **out)
{
        const struct node *node = node_find(v->store, KIND_COUNT + (size_t)term, name, strlen(name));
        uint32_t stored = node ? node->member_count : 0;
        const struct object **all = arena_calloc(a, (size_t)stored + 1, sizeof(*all));
        const struct object *c = v->candidate;
        size_t n = 0;
        for (uint32_t i = 0; i < stored; i++) {
                if (!c || !has_key(node->members[i], c->kind, c->namespace, c->name))
                        all[n++] = node->members[i];
        }
        if (candidate_has_term(v, term, name))
                all[n++] = c;
        if (n > 1)
                qsort(all, n, sizeof(*all), by_key);
        *out = all;
        return n;
}

size_t view_list(const struct view *v, struct arena *a, enum term term, const char *name,
                 const struct object *const **out)
{
        if (v->reads) {
                size_t table = KIND_COUNT + (size_t)term;
                size_t n = strlen(name);
                record(v->reads, node_find(v->store, table, name, n), table, name, n);
        }
        return view_list_unread(v, a, term, name, out);
}

void store_each(const struct store *s, enum kind kind, void (*each)(const struct object *o, void *arg), void *arg)
{
        for (const struct node *node = s->tables[kind]; node; node = node->hh.next) {
                if (node->object)
                        each(node->object, arg);
        }
}

size_t store_count(const struct store *s, enum kind kind)
{
        return s->counts[kind];
}

uint64_t store_generation(const struct store *s)
{
        return s->generation;
}

/* ---- the store ---- */

struct store *store_new(void)
{
        return mem_zalloc(sizeof(struct store));
}

void store_free(struct store *s)
{
        if (!s)
                return;
        for (size_t table = 0; table < TABLE_COUNT; table++) {
                struct node *node, *next;
                HASH_ITER (hh, s->tables[table], node, next) {
                        HASH_DEL(s->tables[table], node);
                        object_free(node->object);
                        node_free(node);
                }
        }
        mem_free(s->dirty);
        mem_free(s->idle);
        mem_free(s);
}
