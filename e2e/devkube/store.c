/* SPDX-License-Identifier: Apache-2.0 */
#include "e2e/devkube/store.h"
#include "e2e/devkube/selector.h"

#include "base/time.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

/* kube-apiserver keeps 5 minutes of history; pages are read within that. */
enum { KEPT_LISTINGS_MAX = 32 };

struct collection {
        struct object **objects; /* by key */
        size_t count, capacity;
};

static struct {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        uint64_t rv;
        uint64_t forgotten; /* changes up to and including this revision are not known any more */
        struct event *ring;
        size_t ring_size;
        uint64_t first, next; /* sequence numbers of the events in the ring: [first, next) */
        uint64_t wakes;
        struct listing *kept[KEPT_LISTINGS_MAX];
        uint64_t kept_id[KEPT_LISTINGS_MAX], last_kept;
} store = {.lock = PTHREAD_MUTEX_INITIALIZER};

void store_init(size_t history)
{
        store.ring_size = history;
        /* Beyond what an earlier process gave out: whoever watched that one is told 410, and not left waiting. */
        store.rv = store.forgotten = (uint64_t)time_now_micros();
        store.ring = mem_calloc(history, sizeof(*store.ring));
        pthread_condattr_t attr;
        pthread_condattr_init(&attr);
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        pthread_cond_init(&store.changed, &attr);
        pthread_condattr_destroy(&attr);
}

uint64_t store_rv(void)
{
        pthread_mutex_lock(&store.lock);
        uint64_t rv = store.rv;
        pthread_mutex_unlock(&store.lock);
        return rv;
}

struct collection *collection_new(void)
{
        return mem_zalloc(sizeof(struct collection));
}

/* The index of key, or of where it would stand. */
static size_t lower_bound(const struct collection *c, const char *key, bool *found)
{
        size_t low = 0, high = c->count;
        *found = false;
        while (low < high) {
                size_t middle = low + (high - low) / 2;
                int order = strcmp(c->objects[middle]->key, key);
                *found |= order == 0;
                if (order < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static char *key_of(const char *ns, const char *name)
{
        return ns ? mem_printf("%s/%s", ns, name) : mem_strdup(name);
}

struct object *store_get(const struct resource *r, const char *ns, const char *name)
{
        AUTO_STR *key = key_of(ns, name);
        bool found;
        pthread_mutex_lock(&store.lock);
        size_t i = lower_bound(r->objects, key, &found);
        struct object *o = found ? object_ref(r->objects->objects[i]) : NULL;
        pthread_mutex_unlock(&store.lock);
        return o;
}

/* ---- changes ---- */

void event_done(struct event *e)
{
        object_unref(e->object);
        object_unref(e->before);
        *e = (struct event){0};
}

/* Takes over the references. */
static void remember(const struct resource *r, enum change change, uint64_t rv, struct object *o, struct object *before)
{
        if (store.next - store.first == store.ring_size) {
                struct event *oldest = &store.ring[store.first++ % store.ring_size];
                store.forgotten = oldest->rv;
                event_done(oldest);
        }
        store.ring[store.next++ % store.ring_size] =
                (struct event){.change = change, .rv = rv, .collection = r->objects, .object = o, .before = before};
        pthread_cond_broadcast(&store.changed);
}

static void insert(struct collection *c, size_t i, struct object *o)
{
        if (c->count == c->capacity) {
                c->capacity = c->capacity ? 2 * c->capacity : 16;
                c->objects = mem_resize(c->objects, c->capacity, sizeof(struct object *));
        }
        memmove(c->objects + i + 1, c->objects + i, (c->count - i) * sizeof(struct object *));
        c->objects[i] = o;
        c->count++;
}

bool store_put(const struct resource *r, struct object *o, const struct object *expected, struct object **stored)
{
        struct collection *c = r->objects;
        bool found;
        pthread_mutex_lock(&store.lock);
        size_t i = lower_bound(c, o->key, &found);
        struct object *current = found ? c->objects[i] : NULL;
        bool fits = current == expected;
        if (fits) {
                o->rv = ++store.rv;
                if (current)
                        c->objects[i] = o; /* the collection's reference to current goes to the event */
                else
                        insert(c, i, o);
                remember(r, current ? CHANGE_MODIFIED : CHANGE_ADDED, o->rv, object_ref(o), current);
                if (stored)
                        *stored = object_ref(o);
        }
        pthread_mutex_unlock(&store.lock);
        if (!fits)
                object_unref(o);
        return fits;
}

bool store_remove(const struct resource *r, const struct object *expected, uint64_t *rv)
{
        struct collection *c = r->objects;
        bool found;
        pthread_mutex_lock(&store.lock);
        size_t i = lower_bound(c, expected->key, &found);
        bool fits = found && c->objects[i] == expected;
        if (fits) {
                struct object *o = c->objects[i];
                memmove(c->objects + i, c->objects + i + 1, (c->count - i - 1) * sizeof(struct object *));
                c->count--;
                *rv = ++store.rv;
                remember(r, CHANGE_DELETED, *rv, o, NULL);
        }
        pthread_mutex_unlock(&store.lock);
        return fits;
}

static int by_key(const void *a, const void *b)
{
        return strcmp((*(struct object *const *)a)->key, (*(struct object *const *)b)->key);
}

/* One sort and one merge: loading 100,000 objects must not be quadratic. */
void store_load(const struct resource *r, struct object **objects, size_t n)
{
        qsort(objects, n, sizeof(struct object *), by_key);
        struct collection *c = r->objects;
        pthread_mutex_lock(&store.lock);
        struct object **all = mem_calloc(c->count + n + 1, sizeof(struct object *));
        size_t count = 0, old = 0;
        for (size_t i = 0; i < n; i++) {
                while (old < c->count && strcmp(c->objects[old]->key, objects[i]->key) < 0)
                        all[count++] = c->objects[old++];
                struct object *before = NULL;
                if (old < c->count && str_equal(c->objects[old]->key, objects[i]->key))
                        before = c->objects[old++];
                else if (count && str_equal(all[count - 1]->key, objects[i]->key))
                        before = all[--count]; /* twice in what is loaded */
                objects[i]->rv = ++store.rv;
                all[count++] = objects[i];
                remember(r, before ? CHANGE_MODIFIED : CHANGE_ADDED, store.rv, object_ref(objects[i]), before);
        }
        while (old < c->count)
                all[count++] = c->objects[old++];
        mem_free(c->objects);
        c->objects = all;
        c->capacity = c->count + n + 1;
        c->count = count;
        pthread_mutex_unlock(&store.lock);
}

bool query_matches(const struct query *q, const struct object *o)
{
        if (q->ns) {
                size_t n = strlen(q->ns);
                if (strncmp(o->key, q->ns, n) != 0 || o->key[n] != '/')
                        return false;
        }
        return (!q->name || str_equal(o->name, q->name)) && (!q->labels || selector_matches(q->labels, o->labels)) &&
               (!q->fields || selector_matches(q->fields, o->fields));
}

bool store_remembers(uint64_t rv)
{
        pthread_mutex_lock(&store.lock);
        bool known = rv >= store.forgotten;
        pthread_mutex_unlock(&store.lock);
        return known;
}

void store_wake(void)
{
        pthread_mutex_lock(&store.lock);
        store.wakes++;
        pthread_cond_broadcast(&store.changed);
        pthread_mutex_unlock(&store.lock);
}

void store_forget(uint64_t jump)
{
        pthread_mutex_lock(&store.lock);
        while (store.first < store.next)
                event_done(&store.ring[store.first++ % store.ring_size]);
        store.rv += jump;
        store.forgotten = store.rv;
        for (size_t i = 0; i < KEPT_LISTINGS_MAX; i++) {
                listing_free(store.kept[i]);
                store.kept[i] = NULL;
        }
        pthread_mutex_unlock(&store.lock);
}

/* The first event after rv: events stand in order of their revisions. */
static uint64_t first_after(uint64_t rv)
{
        uint64_t low = store.first, high = store.next;
        while (low < high) {
                uint64_t middle = low + (high - low) / 2;
                if (store.ring[middle % store.ring_size].rv <= rv)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static int take_events(const struct resource *r, uint64_t *seen, struct event *events, int max)
{
        int n = 0;
        for (uint64_t i = first_after(*seen); i < store.next && n < max; i++) {
                const struct event *e = &store.ring[i % store.ring_size];
                *seen = e->rv;
                if (e->collection != r->objects)
                        continue;
                events[n] = *e;
                object_ref(e->object);
                if (e->before)
                        object_ref(e->before);
                n++;
        }
        return n;
}

int store_wait(const struct resource *r, uint64_t *seen, struct event *events, int max, int64_t deadline)
{
        struct timespec until = {.tv_sec = deadline / DURATION_SECOND, .tv_nsec = deadline % DURATION_SECOND};
        pthread_mutex_lock(&store.lock);
        uint64_t wakes = store.wakes;
        int n = 0;
        for (;;) {
                n = *seen < store.forgotten ? -1 : take_events(r, seen, events, max);
                if (n || wakes != store.wakes || pthread_cond_timedwait(&store.changed, &store.lock, &until))
                        break;
        }
        pthread_mutex_unlock(&store.lock);
        return n;
}

/* ---- lists ---- */

struct listing *listing_new(const struct resource *r, const struct query *q)
{
        struct listing *l = mem_zalloc(sizeof(*l));
        atomic_init(&l->refs, 1);
        struct collection *c = r->objects;
        bool found;
        pthread_mutex_lock(&store.lock);
        AUTO_STR *prefix = q->ns ? mem_printf("%s/", q->ns) : mem_strdup("");
        size_t from = lower_bound(c, prefix, &found);
        l->objects = mem_calloc(c->count - from + 1, sizeof(struct object *));
        l->rv = store.rv;
        for (size_t i = from; i < c->count && str_has_prefix(c->objects[i]->key, prefix); i++) {
                if (query_matches(q, c->objects[i]))
                        l->objects[l->count++] = object_ref(c->objects[i]);
        }
        pthread_mutex_unlock(&store.lock);
        return l;
}

void listing_free(struct listing *l)
{
        if (!l || atomic_fetch_sub(&l->refs, 1) != 1)
                return;
        for (size_t i = 0; i < l->count; i++)
                object_unref(l->objects[i]);
        mem_free(l->objects);
        mem_free(l);
}

uint64_t listing_keep(struct listing *l)
{
        atomic_fetch_add(&l->refs, 1);
        pthread_mutex_lock(&store.lock);
        uint64_t id = ++store.last_kept;
        size_t slot = id % KEPT_LISTINGS_MAX;
        struct listing *forgotten = store.kept[slot];
        store.kept[slot] = l;
        store.kept_id[slot] = id;
        pthread_mutex_unlock(&store.lock);
        listing_free(forgotten);
        return id;
}

struct listing *listing_find(uint64_t id)
{
        size_t slot = id % KEPT_LISTINGS_MAX;
        pthread_mutex_lock(&store.lock);
        struct listing *l = store.kept_id[slot] == id ? store.kept[slot] : NULL;
        if (l)
                atomic_fetch_add(&l->refs, 1);
        pthread_mutex_unlock(&store.lock);
        return l;
}
