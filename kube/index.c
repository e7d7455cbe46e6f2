/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/index.h"

#include "base/map.h"

#include <assert.h>
#include <string.h>

enum { FIRST_BUCKETS = 64 };

/* ---- addresses ---- */

static uint32_t hash_of(uint8_t space, const char *namespace, const char *name)
{
        /* The two halves are seeded hashes: nobody outside can choose names that collide. */
        uint64_t h = map_hash(name, strlen(name)) + space * UINT64_C(0x9E3779B97F4A7C15);
        if (*namespace)
                h += map_hash(namespace, strlen(namespace)) * 31;
        return (uint32_t)(h ^ h >> 32);
}

struct address address_of_key(enum kind kind, const char *namespace, const char *name)
{
        uint8_t space = (uint8_t)kind;
        return (struct address){hash_of(space, namespace, name), space, namespace, name};
}

struct address address_of_term(enum term term, const char *name)
{
        uint8_t space = (uint8_t)(KIND_COUNT + (unsigned)term);
        return (struct address){hash_of(space, "", name), space, "", name};
}

/* ---- nodes ---- */

bool node_is_term(const struct node *n)
{
        return n->space >= KIND_COUNT;
}

struct object_node *node_object(struct node *n)
{
        assert(!node_is_term(n));
        return (struct object_node *)n;
}

struct term_node *node_term(struct node *n)
{
        assert(node_is_term(n));
        return (struct term_node *)n;
}

bool node_is_filled(const struct node *n)
{
        if (node_is_term(n))
                return ((const struct term_node *)n)->count > 0;
        return ((const struct object_node *)n)->object != NULL;
}

static bool node_matches(const struct node *n, const struct address *a)
{
        if (n->hash != a->hash || n->space != a->space)
                return false;
        if (node_is_term(n))
                return strcmp(((const struct term_node *)n)->name, a->name) == 0;
        const struct object_node *o = (const struct object_node *)n;
        if (o->object)
                return strcmp(o->object->name, a->name) == 0 && strcmp(o->object->namespace, a->namespace) == 0;
        return strcmp(o->absent, a->namespace) == 0 && strcmp(o->absent + strlen(o->absent) + 1, a->name) == 0;
}

static char *absent_key(const char *namespace, const char *name)
{
        size_t m = strlen(namespace) + 1;
        size_t n = strlen(name) + 1;
        char *key = mem_resize(NULL, m + n, 1);
        memcpy(key, namespace, m);
        memcpy(key + m, name, n);
        return key;
}

static struct node *node_new(const struct address *a)
{
        struct node *n;
        if (a->space >= KIND_COUNT) {
                size_t length = strlen(a->name) + 1;
                struct term_node *t = mem_zalloc(sizeof(*t) + length);
                memcpy(t->name, a->name, length);
                t->capacity = 1;
                n = &t->node;
        } else {
                struct object_node *o = mem_zalloc(sizeof(*o));
                o->absent = absent_key(a->namespace, a->name);
                n = &o->node;
        }
        n->hash = a->hash;
        n->space = a->space;
        return n;
}

static void node_free(struct node *n)
{
        if (node_is_term(n)) {
                struct term_node *t = node_term(n);
                if (t->capacity > 1)
                        mem_free(t->many);
        } else if (!node_object(n)->object) {
                mem_free(node_object(n)->absent);
        }
        mem_free(n);
}

void object_node_fill(struct object_node *n, struct object *o)
{
        if (!n->object) {
                mem_free(n->absent);
                n->previous = n->next = NULL;
        }
        n->object = o;
}

void object_node_empty(struct object_node *n)
{
        n->absent = absent_key(n->object->namespace, n->object->name);
        n->object = NULL;
}

/* ---- table ---- */

void index_init(struct index *ix)
{
        *ix = (struct index){.bucket_count = FIRST_BUCKETS};
        ix->buckets = mem_calloc(ix->bucket_count, sizeof(struct node *));
}

void index_done(struct index *ix)
{
        for (uint32_t i = 0; i < ix->bucket_count; i++) {
                for (struct node *n = ix->buckets[i], *next; n; n = next) {
                        assert(!n->readers);
                        next = n->chain;
                        node_free(n);
                }
        }
        mem_free(ix->buckets);
}

static struct node **bucket(const struct index *ix, uint32_t hash)
{
        return &ix->buckets[hash & (ix->bucket_count - 1)];
}

struct node *index_find(const struct index *ix, const struct address *a)
{
        struct node *n = *bucket(ix, a->hash);
        while (n && !node_matches(n, a))
                n = n->chain;
        return n;
}

static void grow(struct index *ix)
{
        struct index larger = {.bucket_count = ix->bucket_count * 2, .node_count = ix->node_count};
        larger.buckets = mem_calloc(larger.bucket_count, sizeof(struct node *));
        for (uint32_t i = 0; i < ix->bucket_count; i++) {
                for (struct node *n = ix->buckets[i], *next; n; n = next) {
                        next = n->chain;
                        n->chain = *bucket(&larger, n->hash);
                        *bucket(&larger, n->hash) = n;
                }
        }
        mem_free(ix->buckets);
        *ix = larger;
}

struct node *index_need(struct index *ix, const struct address *a)
{
        struct node *n = index_find(ix, a);
        if (n)
                return n;
        if (ix->node_count == ix->bucket_count)
                grow(ix);
        n = node_new(a);
        n->chain = *bucket(ix, n->hash);
        *bucket(ix, n->hash) = n;
        ix->node_count++;
        return n;
}

void index_drop_unused(struct index *ix, struct node *n)
{
        if (n->readers || node_is_filled(n))
                return;
        struct node **at = bucket(ix, n->hash);
        while (*at != n)
                at = &(*at)->chain;
        *at = n->chain;
        ix->node_count--;
        node_free(n);
}

/* ---- members ---- */

int object_compare(const struct object *a, const struct object *b)
{
        if (a->kind != b->kind)
                return a->kind < b->kind ? -1 : 1;
        int order = strcmp(a->namespace, b->namespace);
        return order ? order : strcmp(a->name, b->name);
}

static struct object_node **members(struct term_node *t)
{
        return t->capacity > 1 ? t->many : &t->one;
}

struct object_node *const *term_members(const struct term_node *t)
{
        return t->capacity > 1 ? t->many : &t->one;
}

/* Where member is, or belongs. */
static uint32_t place_of(const struct term_node *t, const struct object_node *member)
{
        struct object_node *const *all = term_members(t);
        uint32_t low = 0;
        uint32_t high = t->count;
        while (low < high) {
                uint32_t middle = low + (high - low) / 2;
                if (object_compare(all[middle]->object, member->object) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static void term_resize(struct term_node *t, uint32_t capacity)
{
        if (t->capacity == 1) {
                struct object_node **many = mem_calloc(capacity, sizeof(*many));
                many[0] = t->one;
                t->many = many;
        } else {
                t->many = mem_resize(t->many, capacity, sizeof(struct object_node *));
        }
        t->capacity = capacity;
}

void term_add(struct term_node *t, struct object_node *member)
{
        uint32_t at = place_of(t, member);
        if (at < t->count && term_members(t)[at] == member)
                return;
        if (t->count == t->capacity)
                term_resize(t, t->capacity * 2);
        struct object_node **all = members(t);
        memmove(all + at + 1, all + at, (t->count - at) * sizeof(*all));
        all[at] = member;
        t->count++;
}

void term_remove(struct term_node *t, const struct object_node *member)
{
        uint32_t at = place_of(t, member);
        struct object_node **all = members(t);
        if (at == t->count || all[at] != member)
                return;
        t->count--;
        memmove(all + at, all + at + 1, (t->count - at) * sizeof(*all));
        if (t->capacity == 1 || t->count > t->capacity / 4)
                return;
        if (t->count > 1) {
                term_resize(t, t->capacity / 2);
        } else {
                struct object_node *last = t->count ? all[0] : NULL;
                mem_free(t->many);
                t->one = last;
                t->capacity = 1;
        }
}
