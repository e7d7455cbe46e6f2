/* SPDX-License-Identifier: Apache-2.0 */
#include "xds/cache.h"

#include "base/map.h"
#include "base/table.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

/* A name with what nobody else needs to see. It is freed when nothing refers to it. */
struct entry {
        struct cache_name name;        /* first: a struct cache_name is cast back */
        const struct resource *staged; /* meaningful while is_staged */
        struct entry *staged_endpoints;
        struct cache_watch *watches;
        uint32_t refs;      /* watches, its resource, being staged, in the list, or the endpoints of a cluster */
        uint32_t lingering; /* users of name.last */
        bool is_staged, listed;
        char text[];
};

struct type {
        struct table entries;
        struct cache_watcher *wildcards;
        struct cache_name **list; /* sorted up to sorted; may hold some that are gone */
        size_t listed, sorted, room, gone;
        size_t count;
        struct cache_sum sum;
};

struct cache {
        struct type types[RESOURCE_SERVED_TYPES];
        struct entry **staged;
        size_t staged_count, staged_room;
        struct cache_reader *readers, *ready;
        int64_t now, opened;
        bool open;
};

/* ---- names ---- */

static struct entry *entry_of(struct cache_name *name)
{
        return (struct entry *)name;
}

static struct type *type_of(struct cache *c, enum resource_type type)
{
        assert((unsigned)type < RESOURCE_SERVED_TYPES);
        return &c->types[type];
}

static uint64_t hash_entry(const void *entry)
{
        const char *text = ((const struct entry *)entry)->text;
        return map_hash(text, strlen(text));
}

static bool matches_entry(const void *entry, const void *name)
{
        return str_equal(((const struct entry *)entry)->text, name);
}

static struct entry *entry_find(const struct cache *c, enum resource_type type, const char *name)
{
        assert((unsigned)type < RESOURCE_SERVED_TYPES);
        return table_find(&c->types[type].entries, map_hash(name, strlen(name)), name);
}

static struct entry *entry_get(struct cache *c, enum resource_type type, const char *name)
{
        struct entry *e = entry_find(c, type, name);
        if (e)
                return e;
        size_t n = strlen(name);
        e = mem_zalloc(sizeof(*e) + n + 1);
        memcpy(e->text, name, n + 1);
        e->name.type = type;
        e->name.text = e->text;
        table_add(&c->types[type].entries, e);
        return e;
}

static struct entry *entry_ref(struct entry *e)
{
        if (e)
                e->refs++;
        return e;
}

static void entry_unref(struct cache *c, struct entry *e)
{
        if (!e || --e->refs)
                return;
        assert(!e->watches && !e->name.resource && !e->lingering);
        resource_unref(e->name.last);
        e->name.last = NULL;
        if (e->name.tracked) /* stays, to be tracked when it comes back */
                return;
        table_remove(&c->types[e->name.type].entries, e);
        mem_free(e);
}

/* ---- life ---- */

struct cache *cache_new(void)
{
        static const struct table_ops ops = {hash_entry, matches_entry};
        struct cache *c = mem_zalloc(sizeof(*c));
        for (size_t i = 0; i < RESOURCE_SERVED_TYPES; i++)
                table_init(&c->types[i].entries, &ops);
        return c;
}

static void type_done(struct type *t)
{
        for (size_t i = 0; i < t->entries.room; i++) {
                struct entry *e = t->entries.slots[i];
                if (!e)
                        continue;
                assert(!e->watches);
                resource_unref(e->name.resource);
                resource_unref(e->name.last);
                if (e->is_staged)
                        resource_unref(e->staged);
                mem_free(e);
        }
        table_done(&t->entries);
        assert(!t->wildcards);
        mem_free(t->list);
}

void cache_free(struct cache *c)
{
        if (!c)
                return;
        assert(!c->readers);
        for (size_t i = 0; i < RESOURCE_SERVED_TYPES; i++)
                type_done(&c->types[i]);
        mem_free(c->staged);
        mem_free(c);
}

/* ---- staging ---- */

static void stage(struct cache *c, struct entry *e, const struct resource *r, struct entry *endpoints)
{
        if (!e->is_staged) {
                if (c->staged_count == c->staged_room) {
                        c->staged_room = c->staged_room ? 2 * c->staged_room : 64;
                        c->staged = mem_resize(c->staged, c->staged_room, sizeof(struct entry *));
                }
                c->staged[c->staged_count++] = entry_ref(e);
                e->is_staged = true;
        } else {
                resource_unref(e->staged);
                entry_unref(c, e->staged_endpoints);
        }
        e->staged = r;
        e->staged_endpoints = endpoints;
}

void cache_set(struct cache *c, const struct resource *r, const char *endpoints)
{
        assert(!endpoints || r->type == RESOURCE_CLUSTER);
        struct entry *of = endpoints ? entry_get(c, RESOURCE_CLUSTER_LOAD_ASSIGNMENT, endpoints) : NULL;
        stage(c, entry_get(c, r->type, r->name), resource_ref(r), entry_ref(of));
}

void cache_remove(struct cache *c, enum resource_type type, const char *name)
{
        struct entry *e = entry_find(c, type, name);
        if (e && (e->name.resource || e->is_staged))
                stage(c, e, NULL, NULL);
}

/* ---- the list of what exists ---- */

static void list_add(struct type *t, struct entry *e)
{
        if (e->listed) {
                t->gone--;
                return;
        }
        if (t->listed == t->room) {
                t->room = t->room ? 2 * t->room : 64;
                t->list = mem_resize(t->list, t->room, sizeof(struct cache_name *));
        }
        t->list[t->listed++] = &entry_ref(e)->name;
        e->listed = true;
}

static int by_text(const void *a, const void *b)
{
        const struct cache_name *const *x = a;
        const struct cache_name *const *y = b;
        return strcmp((*x)->text, (*y)->text);
}

/* Takes out what is gone; order stays. */
static void list_sweep(struct cache *c, struct type *t)
{
        size_t kept = 0, sorted = 0;
        for (size_t i = 0; i < t->listed; i++) {
                struct entry *e = entry_of(t->list[i]);
                if (e->name.resource) {
                        sorted += i < t->sorted;
                        t->list[kept++] = &e->name;
                } else {
                        e->listed = false;
                        entry_unref(c, e);
                }
        }
        t->listed = kept;
        t->sorted = sorted;
        t->gone = 0;
}

/* The new ones are sorted and merged in from behind. */
static void list_sort(struct type *t)
{
        size_t added = t->listed - t->sorted;
        if (!added)
                return;
        struct cache_name **fresh = mem_calloc(added, sizeof(struct cache_name *));
        memcpy(fresh, t->list + t->sorted, added * sizeof(struct cache_name *));
        qsort(fresh, added, sizeof(struct cache_name *), by_text);
        size_t old = t->sorted;
        for (size_t to = t->listed; added; to--) {
                bool from_old = old && strcmp(t->list[old - 1]->text, fresh[added - 1]->text) > 0;
                t->list[to - 1] = from_old ? t->list[--old] : fresh[--added];
        }
        t->sorted = t->listed;
        mem_free(fresh);
}

struct cache_name *const *cache_list(struct cache *c, enum resource_type type, size_t *n)
{
        struct type *t = type_of(c, type);
        if (t->gone)
                list_sweep(c, t);
        list_sort(t);
        *n = t->listed;
        return t->list;
}

size_t cache_count(const struct cache *c, enum resource_type type)
{
        return type_of((struct cache *)(uintptr_t)c, type)->count;
}

/* ---- commit ---- */

static void come(struct type *t, struct entry *e)
{
        entry_ref(e);
        t->count++;
        list_add(t, e);
}

static void go(struct cache *c, struct type *t, struct entry *e)
{
        t->count--;
        t->gone++;
        entry_unref(c, e);
}

static void set_last(struct entry *e, const struct resource *last)
{
        resource_unref(e->name.last);
        e->name.last = last;
}

/* Makes the staged content of e visible; whether that is a change. was_absent tells that it is new. */
static bool apply(struct cache *c, struct entry *e, bool *was_absent)
{
        struct type *t = type_of(c, e->name.type);
        const struct resource *old = e->name.resource;
        bool changed = old ? !e->staged || !str_equal(old->version, e->staged->version) : e->staged != NULL;
        *was_absent = !old;
        e->is_staged = false;
        if (!changed) {
                resource_unref(e->staged);
                entry_unref(c, e->staged_endpoints);
                return false;
        }
        if (old)
                cache_sum_remove(&t->sum, e->text, e->name.mark);
        e->name.resource = e->staged;
        e->name.mark = e->staged ? cache_mark(e->staged->version) : 0;
        struct entry *endpoints = e->name.endpoints ? entry_of(e->name.endpoints) : NULL;
        e->name.endpoints = e->staged_endpoints ? &e->staged_endpoints->name : NULL;
        entry_unref(c, endpoints);
        if (e->staged)
                cache_sum_add(&t->sum, e->text, e->name.mark);
        if (!old)
                come(t, e);
        if (e->staged || !old) {
                resource_unref(old);
        } else {
                set_last(e, old);
                go(c, t, e); /* still referred to as a staged one */
        }
        return true;
}

static void tell(struct cache *c, struct entry *e, bool was_absent)
{
        struct cache_watch *watch, *next;
        for (watch = e->watches; watch; watch = next) {
                next = watch->next;
                watch->watcher->changed(watch->watcher, &e->name, watch);
        }
        if (!was_absent)
                return; /* each wildcard has a watch on what exists */
        for (struct cache_watcher *w = c->types[e->name.type].wildcards; w; w = w->next)
                w->changed(w, &e->name, NULL);
}

size_t cache_commit(struct cache *c, int64_t now)
{
        c->now = now;
        size_t changed = 0;
        struct entry **changes = c->staged;
        bool *absent = mem_calloc(c->staged_count, sizeof(*absent));
        for (size_t i = 0; i < c->staged_count; i++) {
                bool was_absent;
                struct entry *e = changes[i];
                if (!apply(c, e, &was_absent)) {
                        entry_unref(c, e);
                        continue;
                }
                absent[changed] = was_absent;
                changes[changed++] = e;
        }
        c->staged_count = 0;
        for (size_t i = 0; i < changed; i++) {
                tell(c, changes[i], absent[i]);
                if (!changes[i]->lingering)
                        set_last(changes[i], NULL);
                entry_unref(c, changes[i]);
        }
        mem_free(absent);
        for (size_t i = 0; i < RESOURCE_SERVED_TYPES; i++)
                if (c->types[i].gone > c->types[i].count + 64) /* nobody asks for the list: keep it small */
                        list_sweep(c, &c->types[i]);
        return changed;
}

void cache_open(struct cache *c, int64_t now)
{
        if (c->open)
                return;
        c->now = c->opened = now;
        c->open = true;
        for (struct cache_reader *r = c->readers; r; r = r->next)
                cache_reader_wake(c, r);
}

bool cache_is_open(const struct cache *c)
{
        return c->open;
}

int64_t cache_opened(const struct cache *c)
{
        return c->opened;
}

int64_t cache_now(const struct cache *c)
{
        return c->now;
}

void cache_track(struct cache *c, enum resource_type type, const char *name)
{
        entry_get(c, type, name)->name.tracked = true;
}

const struct resource *cache_find(const struct cache *c, enum resource_type type, const char *name)
{
        struct entry *e = entry_find(c, type, name);
        return e ? e->name.resource : NULL;
}

/* ---- versions ---- */

uint64_t cache_mark(const char *version)
{
        uint64_t mark = XXH3_64bits(version, strlen(version));
        return mark ? mark : 1;
}

static XXH128_hash_t sum_term(const char *name, uint64_t mark)
{
        return XXH3_128bits_withSeed(name, strlen(name), mark);
}

void cache_sum_add(struct cache_sum *sum, const char *name, uint64_t mark)
{
        XXH128_hash_t term = sum_term(name, mark);
        sum->low += term.low64;
        sum->high += term.high64 + (sum->low < term.low64);
}

void cache_sum_remove(struct cache_sum *sum, const char *name, uint64_t mark)
{
        XXH128_hash_t term = sum_term(name, mark);
        sum->high -= term.high64 + (sum->low < term.low64);
        sum->low -= term.low64;
}

void cache_sum_text(const struct cache_sum *sum, char text[RESOURCE_VERSION_LENGTH + 1])
{
        snprintf(text, RESOURCE_VERSION_LENGTH + 1, "%016llx%016llx", (unsigned long long)sum->high,
                 (unsigned long long)sum->low);
}

void cache_version(const struct cache *c, enum resource_type type, char text[RESOURCE_VERSION_LENGTH + 1])
{
        cache_sum_text(&type_of((struct cache *)(uintptr_t)c, type)->sum, text);
}

/* ---- watching ---- */

struct cache_name *cache_name_find(const struct cache *c, enum resource_type type, const char *name)
{
        struct entry *e = entry_find(c, type, name);
        return e ? &e->name : NULL;
}

struct cache_name *cache_name_get(struct cache *c, enum resource_type type, const char *name)
{
        return &entry_get(c, type, name)->name;
}

void cache_watch_add(struct cache_watch *watch, struct cache_watcher *w, struct cache_name *name)
{
        watch->watcher = w;
        watch->name = name;
        DL_APPEND(entry_ref(entry_of(name))->watches, watch);
}

void cache_watch_remove(struct cache *c, struct cache_watch *watch)
{
        struct entry *e = entry_of(watch->name);
        DL_DELETE(e->watches, watch);
        entry_unref(c, e);
}

void cache_wildcard_add(struct cache *c, enum resource_type type, struct cache_watcher *w)
{
        DL_APPEND(type_of(c, type)->wildcards, w);
}

void cache_wildcard_remove(struct cache *c, enum resource_type type, struct cache_watcher *w)
{
        DL_DELETE(type_of(c, type)->wildcards, w);
}

void cache_linger(struct cache_name *name)
{
        assert(name->last);
        entry_of(name)->lingering++;
}

void cache_unlinger(struct cache_name *name)
{
        struct entry *e = entry_of(name);
        if (--e->lingering == 0)
                set_last(e, NULL);
}

void cache_reader_add(struct cache *c, struct cache_reader *r)
{
        DL_APPEND(c->readers, r);
}

void cache_reader_remove(struct cache *c, struct cache_reader *r)
{
        DL_DELETE(c->readers, r);
        if (r->ready)
                DL_DELETE2(c->ready, r, ready_prev, ready_next);
        r->ready = false;
}

void cache_reader_wake(struct cache *c, struct cache_reader *r)
{
        if (r->ready)
                return;
        r->ready = true;
        DL_APPEND2(c->ready, r, ready_prev, ready_next);
}

struct cache_reader *cache_reader_take(struct cache *c)
{
        struct cache_reader *r = c->ready;
        if (!r)
                return NULL;
        DL_DELETE2(c->ready, r, ready_prev, ready_next);
        r->ready = false;
        return r;
}
