/* SPDX-License-Identifier: Apache-2.0 */
#include "xds/stream_state.h"

#include <assert.h>
#include <string.h>

#include <utlist.h>

/* ---- the table: linear probing, at most three quarters full, no tombstones ---- */

enum { TABLE_MIN = 8 };

static size_t table_home(const struct state *st, const struct cache_name *name)
{
        return (size_t)(((uint64_t)(uintptr_t)name >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (st->table_size - 1);
}

static void table_insert(struct state *st, struct subscription *sub)
{
        size_t i = table_home(st, sub->watch.name);
        while (st->table[i])
                i = (i + 1) & (st->table_size - 1);
        st->table[i] = sub;
}

static void table_grow(struct state *st)
{
        struct subscription **old = st->table;
        uint32_t size = st->table_size;
        st->table_size = size ? 2 * size : TABLE_MIN;
        st->table = mem_calloc(st->table_size, sizeof(struct subscription *));
        for (uint32_t i = 0; i < size; i++)
                if (old[i])
                        table_insert(st, old[i]);
        mem_free(old);
}

/* Those behind move up, so that no search ends too early (Knuth, TAOCP 6.4, algorithm R). */
static void table_remove(struct state *st, const struct subscription *sub)
{
        const size_t mask = st->table_size - 1;
        size_t hole = table_home(st, sub->watch.name);
        while (st->table[hole] != sub)
                hole = (hole + 1) & mask;
        for (size_t i = (hole + 1) & mask; st->table[i]; i = (i + 1) & mask) {
                size_t home = table_home(st, st->table[i]->watch.name);
                if (((i - home) & mask) < ((i - hole) & mask))
                        continue; /* its home lies behind the hole */
                st->table[hole] = st->table[i];
                hole = i;
        }
        st->table[hole] = NULL;
}

struct subscription *state_find(const struct state *st, const struct cache_name *name)
{
        if (!st->table_size)
                return NULL;
        size_t i = table_home(st, name);
        while (st->table[i] && st->table[i]->watch.name != name)
                i = (i + 1) & (st->table_size - 1);
        return st->table[i];
}

struct subscription *state_find_text(const struct state *st, const char *name)
{
        const struct cache_name *known = cache_name_find(st->stream->cache, st->type, name);
        return known ? state_find(st, known) : NULL;
}

struct subscription **state_collect(const struct state *st,
                                    bool (*which)(const struct state *, const struct subscription *), size_t *n)
{
        struct subscription **found = mem_calloc(st->count ? st->count : 1, sizeof(struct subscription *));
        *n = 0;
        for (uint32_t i = 0; i < st->table_size; i++)
                if (st->table[i] && which(st, st->table[i]))
                        found[(*n)++] = st->table[i];
        return found;
}

/* ---- subscriptions ---- */

struct subscription *state_subscribe_name(struct state *st, struct cache_name *name)
{
        struct subscription *sub = state_find(st, name);
        if (sub)
                return sub;
        sub = mem_zalloc(sizeof(*sub));
        sub->queue = QUEUE_NONE;
        cache_watch_add(&sub->watch, &st->watcher, name);
        if (4 * (st->count + 1) > 3 * st->table_size)
                table_grow(st);
        st->count++;
        table_insert(st, sub);
        return sub;
}

struct subscription *state_subscribe(struct state *st, const char *name)
{
        return state_subscribe_name(st, cache_name_get(st->stream->cache, st->type, name));
}

void state_set_explicit(struct state *st, struct subscription *sub, bool is_explicit)
{
        st->explicit_count += (uint32_t)is_explicit - (uint32_t)sub->is_explicit;
        sub->is_explicit = is_explicit;
}

void state_end_waits(struct state *st)
{
        if (!state_has_changes(st))
                st->changes_since = 0;
        if (!st->queues[QUEUE_REMOVALS])
                st->removals_since = 0;
}

static void enqueue(struct state *st, struct subscription *sub, enum queue queue)
{
        if (sub->queue == queue)
                return;
        if (sub->queue != QUEUE_NONE)
                DL_DELETE(st->queues[sub->queue], sub);
        if (sub->lingers)
                cache_unlinger(sub->watch.name);
        sub->lingers = false;
        sub->queue = (uint8_t)queue;
        if (queue != QUEUE_NONE)
                DL_APPEND(st->queues[queue], sub);
        if (queue == QUEUE_REMOVALS && state_is_complete(st)) {
                cache_linger(sub->watch.name);
                sub->lingers = true;
        }
        state_end_waits(st);
}

void state_set_sent(struct state *st, struct subscription *sub, uint64_t mark)
{
        if (sub->sent == mark)
                return;
        if (st->stream->variant == STREAM_SOTW && sub->sent)
                cache_sum_remove(&st->held, sub->watch.name->text, sub->sent);
        sub->sent = mark;
        if (st->stream->variant == STREAM_SOTW && mark)
                cache_sum_add(&st->held, sub->watch.name->text, mark);
}

void state_drop(struct state *st, struct subscription *sub)
{
        enqueue(st, sub, QUEUE_NONE);
        state_set_sent(st, sub, 0);
        state_set_explicit(st, sub, false);
        table_remove(st, sub);
        st->count--;
        cache_watch_remove(st->stream->cache, &sub->watch);
        mem_free(sub);
}

void state_done(struct state *st, struct subscription *sub)
{
        enqueue(st, sub, QUEUE_NONE);
        sub->forced = sub->owed = false;
        if (!sub->watch.name->resource && !sub->is_explicit)
                state_drop(st, sub);
}

static bool is_subscribed(const struct state *st, const struct subscription *sub)
{
        return sub->is_explicit || st->wildcard;
}

void state_update(struct state *st, struct subscription *sub)
{
        if (!is_subscribed(st, sub))
                return;
        sub->forced = sub->forced || sub->owed;
        const struct cache_name *name = sub->watch.name;
        const bool delta = st->stream->variant == STREAM_DELTA;
        if (name->resource) {
                enqueue(st, sub, sub->forced || sub->sent != name->mark ? QUEUE_CHANGES : QUEUE_NONE);
        } else if (sub->forced && delta) {
                enqueue(st, sub, QUEUE_CHANGES); /* the answer is that there is none */
        } else if (sub->sent && (delta || state_is_complete(st))) {
                sub->forced = false;
                enqueue(st, sub, QUEUE_REMOVALS);
        } else { /* never sent, or there is no way to tell: parents no longer refer to it */
                state_set_sent(st, sub, 0);
                state_done(st, sub);
        }
}

void state_owe_endpoints(struct state *st, struct cache_name *endpoints)
{
        struct stream *s = st->stream;
        if (s->only >= 0)
                return;
        struct state *of = state_get(s, RESOURCE_CLUSTER_LOAD_ASSIGNMENT);
        struct subscription *sub = state_find(of, endpoints);
        if (of->wildcard || (sub && sub->is_explicit)) {
                sub = state_subscribe_name(of, endpoints);
                sub->forced = true;
                state_update(of, sub);
        } else if (endpoints->resource) { /* answered when the client asks, whatever it says to have */
                state_subscribe_name(of, endpoints)->owed = true;
        }
}

/* ---- wildcards ---- */

void state_wildcard_begin(struct state *st)
{
        if (st->wildcard)
                return;
        st->wildcard = true;
        cache_wildcard_add(st->stream->cache, st->type, &st->watcher);
        size_t n;
        struct cache_name *const *all = cache_list(st->stream->cache, st->type, &n);
        for (size_t i = 0; i < n; i++)
                state_subscribe_name(st, all[i]);
}

static bool is_wildcards_own(const struct state *st, const struct subscription *sub)
{
        (void)st;
        return !sub->is_explicit;
}

void state_wildcard_end(struct state *st)
{
        if (!st->wildcard)
                return;
        st->wildcard = false;
        cache_wildcard_remove(st->stream->cache, st->type, &st->watcher);
        size_t n;
        struct subscription **own = state_collect(st, is_wildcards_own, &n);
        for (size_t i = 0; i < n; i++)
                state_drop(st, own[i]);
        mem_free(own);
}

/* ---- life ---- */

static void state_changed(struct cache_watcher *w, struct cache_name *name, struct cache_watch *watch)
{
        struct state *st = (struct state *)w;
        struct subscription *sub = watch ? (struct subscription *)watch : state_subscribe_name(st, name);
        if (!is_subscribed(st, sub)) {
                if (!name->resource) /* only owed, and gone before anybody asked */
                        state_drop(st, sub);
                return;
        }
        stream_touch(st->stream, cache_now(st->stream->cache));
        state_update(st, sub);
        cache_reader_wake(st->stream->cache, &st->stream->reader);
}

struct state *state_get(struct stream *s, enum resource_type type)
{
        struct state *st = s->states[type];
        if (st)
                return st;
        st = s->states[type] = mem_zalloc(sizeof(*st));
        st->watcher.changed = state_changed;
        st->stream = s;
        st->type = type;
        return st;
}

static bool is_any(const struct state *st, const struct subscription *sub)
{
        (void)st;
        (void)sub;
        return true;
}

void state_free(struct state *st)
{
        if (!st)
                return;
        state_wildcard_end(st);
        size_t n;
        struct subscription **all = state_collect(st, is_any, &n);
        for (size_t i = 0; i < n; i++)
                state_drop(st, all[i]);
        assert(st->count == 0 && st->explicit_count == 0);
        mem_free(all);
        mem_free(st->table);
        mem_free(st->tracked);
        mem_free(st->refused);
        mem_free(st);
}

size_t state_memory(const struct state *st)
{
        return sizeof(*st) + st->table_size * sizeof(struct subscription *) + st->count * sizeof(struct subscription) +
               (st->tracked ? STATE_TRACKED_MAX * sizeof(*st->tracked) : 0) +
               (st->refused ? strlen(st->refused) + 1 : 0);
}
