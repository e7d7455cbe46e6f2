/* SPDX-License-Identifier: Apache-2.0 */
#include "xds/stream_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the response ---- */

static void response_reset(struct stream_response *r)
{
        for (size_t i = 0; i < r->count; i++)
                resource_unref(r->resources[i]);
        for (size_t i = 0; i < r->removed_count; i++)
                mem_free(r->removed[i]);
        r->count = r->removed_count = 0;
}

void stream_response_done(struct stream_response *r)
{
        response_reset(r);
        mem_free(r->resources);
        mem_free(r->removed);
        *r = (struct stream_response){0};
}

static void response_add(struct stream_response *r, const struct resource *resource)
{
        if (r->count == r->room) {
                r->room = r->room ? 2 * r->room : 8;
                r->resources = mem_resize(r->resources, r->room, sizeof(*r->resources));
        }
        r->resources[r->count++] = resource_ref(resource);
}

static void response_remove(struct stream_response *r, const char *name)
{
        if (r->removed_count == r->removed_room) {
                r->removed_room = r->removed_room ? 2 * r->removed_room : 8;
                r->removed = mem_resize(r->removed, r->removed_room, sizeof(*r->removed));
        }
        r->removed[r->removed_count++] = mem_strdup(name);
}

/* ---- one subscription into the response ---- */

static void track(struct state *st, uint64_t mark)
{
        if (!st->tracked)
                st->tracked = mem_calloc(STATE_TRACKED_MAX, sizeof(*st->tracked));
        size_t n = 0;
        while (n < STATE_TRACKED_MAX && st->tracked[n].nonce)
                n++;
        if (n == STATE_TRACKED_MAX) /* the oldest is replaced anyhow by what was sent since */
                memmove(st->tracked, st->tracked + 1, --n * sizeof(*st->tracked));
        st->tracked[n] = (struct state_tracked){.nonce = st->stream->nonce, .mark = mark};
}

/* Answers sub with what is there now; it may be gone afterwards. */
static void take(struct state *st, struct subscription *sub, struct stream_response *r)
{
        struct cache_name *name = sub->watch.name;
        if (!name->resource) {
                response_remove(r, name->text);
                state_set_sent(st, sub, 0);
                state_done(st, sub);
                return;
        }
        const bool is_news = sub->forced || sub->sent != name->mark;
        response_add(r, name->resource);
        state_set_sent(st, sub, name->mark);
        if (st->stream->variant == STREAM_DELTA)
                sub->round = (uint16_t)st->stream->nonce;
        state_done(st, sub);
        if (name->tracked)
                track(st, name->mark);
        if (is_news && name->endpoints)
                state_owe_endpoints(st, name->endpoints);
}

/* About what it takes in the message, with its name, its version and the type of the Any around it. */
static size_t size_of(const struct subscription *sub)
{
        const struct cache_name *name = sub->watch.name;
        return strlen(name->text) + (name->resource ? name->resource->size + 128 : 8);
}

/* What holds parts of many hosts: its refusal is to say nothing about others. Of listeners Envoy takes the good ones.
 */
static bool travels_alone(const struct state *st, const struct subscription *sub)
{
        return st->type == RESOURCE_ROUTE_CONFIGURATION && sub->watch.name->tracked;
}

static void take_queue(struct state *st, enum queue queue, struct stream_response *r)
{
        size_t size = 0;
        for (struct subscription *sub; (sub = st->queues[queue]);) {
                const size_t count = r->count + r->removed_count;
                const bool alone = travels_alone(st, sub);
                size += size_of(sub);
                if (count && (alone || size > STREAM_RESPONSE_SIZE || count == st->limit))
                        return;
                take(st, sub, r);
                if (alone)
                        return;
        }
        st->limit = 0;
}

/* ---- complete answers ---- */

static bool is_there(const struct state *st, const struct subscription *sub)
{
        (void)st;
        return sub->watch.name->resource != NULL;
}

static int by_name(const void *a, const void *b)
{
        const struct subscription *const *x = a;
        const struct subscription *const *y = b;
        return strcmp((*x)->watch.name->text, (*y)->watch.name->text);
}

/* What is gone: still there for clients whose routes use it, or no longer. */
static void take_gone(struct state *st, bool keep, struct stream_response *r)
{
        for (struct subscription *sub = st->queues[QUEUE_REMOVALS], *next; sub; sub = next) {
                next = sub->next;
                if (keep) {
                        const struct resource *last = sub->watch.name->last;
                        response_add(r, last);
                        state_set_sent(st, sub, cache_mark(last->version));
                } else {
                        state_set_sent(st, sub, 0);
                        state_done(st, sub);
                }
        }
}

/* All that exists and is subscribed to, by name, and behind it what lingers. */
static void take_all(struct state *st, bool keep, struct stream_response *r)
{
        if (st->wildcard) {
                size_t n;
                struct cache_name *const *all = cache_list(st->stream->cache, st->type, &n);
                for (size_t i = 0; i < n; i++)
                        take(st, state_find(st, all[i]), r);
        } else {
                size_t n;
                struct subscription **all = state_collect(st, is_there, &n);
                qsort(all, n, sizeof(struct subscription *), by_name);
                for (size_t i = 0; i < n; i++)
                        take(st, all[i], r);
                mem_free(all);
        }
        take_gone(st, keep, r);
}

/* ---- building ---- */

static void begin(struct state *st, struct stream_response *r)
{
        response_reset(r);
        r->type = st->type;
        st->stream->nonce++;
}

static void finish(struct state *st, int64_t now, struct stream_response *r)
{
        struct stream *s = st->stream;
        snprintf(r->nonce, sizeof(r->nonce), "%llx", (unsigned long long)s->nonce);
        if (s->variant == STREAM_SOTW)
                cache_sum_text(&st->held, r->version);
        else
                cache_version(s->cache, st->type, r->version);
        st->sent_nonce = s->nonce;
        st->answer = false;
        s->progress = now;
        state_end_waits(st);
}

void state_build_changes(struct state *st, int64_t now, struct stream_response *r)
{
        begin(st, r);
        if (state_is_complete(st))
                take_all(st, !stream_removals_allowed(st->stream, st->type, now), r);
        else
                take_queue(st, QUEUE_CHANGES, r);
        finish(st, now, r);
        st->gate_nonce = st->sent_nonce;
        st->gate_sent = now;
}

void state_build_removals(struct state *st, int64_t now, struct stream_response *r)
{
        begin(st, r);
        if (state_is_complete(st))
                take_all(st, false, r);
        else
                take_queue(st, QUEUE_REMOVALS, r);
        finish(st, now, r);
        if (st->type != RESOURCE_CLUSTER) /* listeners and routes do not wait for clusters that went */
                st->gate_nonce = st->sent_nonce;
}
