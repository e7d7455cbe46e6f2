/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define HASH_FUNCTION(key, len, hash) ((hash) = (unsigned)map_hash((key), (len)))
#define uthash_fatal(message) abort()
#include <uthash.h>

struct entry {
        UT_hash_handle hh;
        void *value;
        char key[];
};

struct map {
        struct entry *entries;
};

static uint64_t seed;

static void draw_seed(void)
{
        if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
                abort();
}

uint64_t map_hash(const void *p, size_t n)
{
        static pthread_once_t once = PTHREAD_ONCE_INIT;
        pthread_once(&once, draw_seed);
        return XXH3_64bits_withSeed(p, n, seed);
}

struct map *map_new(void)
{
        return mem_zalloc(sizeof(struct map));
}

static struct entry *find(const struct map *m, const char *key)
{
        struct entry *e;
        HASH_FIND_STR(m->entries, key, e);
        return e;
}

void *map_get(const struct map *m, const char *key)
{
        struct entry *e = find(m, key);
        return e ? e->value : NULL;
}

void *map_set(struct map *m, const char *key, void *value)
{
        assert(value);
        struct entry *e = find(m, key);
        if (e) {
                void *old = e->value;
                e->value = value;
                return old;
        }
        size_t n = strlen(key);
        e = mem_resize(NULL, 1, sizeof(*e) + n + 1);
        memset(e, 0, sizeof(*e));
        memcpy(e->key, key, n + 1);
        e->value = value;
        HASH_ADD_KEYPTR(hh, m->entries, e->key, n, e);
        return NULL;
}

static void *drop(struct map *m, struct entry *e)
{
        void *value = e->value;
        HASH_DEL(m->entries, e);
        mem_free(e);
        return value;
}

void *map_remove(struct map *m, const char *key)
{
        struct entry *e = find(m, key);
        return e ? drop(m, e) : NULL;
}

void map_free(struct map *m)
{
        if (!m)
                return;
        struct entry *e, *next;
        HASH_ITER (hh, m->entries, e, next)
                drop(m, e);
        mem_free(m);
}

size_t map_count(const struct map *m)
{
        return HASH_COUNT(m->entries);
}

void map_each(const struct map *m, void (*each)(const char *key, void *value, void *arg), void *arg)
{
        struct entry *e, *next;
        HASH_ITER (hh, m->entries, e, next)
                each(e->key, e->value, arg);
}

static int by_key(const void *a, const void *b)
{
        const struct map_entry *x = a;
        const struct map_entry *y = b;
        return strcmp(x->key, y->key);
}

struct map_entry *map_sorted(const struct map *m)
{
        size_t n = map_count(m);
        struct map_entry *all = mem_calloc(n, sizeof(*all));
        size_t i = 0;
        for (struct entry *e = m->entries; e; e = e->hh.next)
                all[i++] = (struct map_entry){.key = e->key, .value = e->value};
        qsort(all, n, sizeof(*all), by_key);
        return all;
}
