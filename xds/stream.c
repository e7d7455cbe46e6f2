/* SPDX-License-Identifier: Apache-2.0 */
#include "xds/stream_state.h"

#include <assert.h>

/* ---- life ---- */

struct stream *stream_new(struct cache *c, enum stream_variant variant, void *owner, int64_t now)
{
        struct stream *s = mem_zalloc(sizeof(*s));
        s->cache = c;
        s->variant = variant;
        s->owner = owner;
        s->progress = now;
        s->only = -1;
        cache_reader_add(c, &s->reader);
        return s;
}

struct stream *stream_new_single(struct cache *c, enum stream_variant variant, enum resource_type type, void *owner,
                                 int64_t now)
{
        assert((unsigned)type < RESOURCE_SERVED_TYPES);
        struct stream *s = stream_new(c, variant, owner, now);
        s->only = (int8_t)type;
        return s;
}

void stream_free(struct stream *s)
{
        if (!s)
                return;
        for (size_t i = 0; i < RESOURCE_SERVED_TYPES; i++)
                state_free(s->states[i]);
        cache_reader_remove(s->cache, &s->reader);
        mem_free(s);
}

void *stream_owner(const struct stream *s)
{
        return s->owner;
}

struct stream *stream_take_ready(struct cache *c)
{
        return (struct stream *)cache_reader_take(c);
}

/* ---- order across types (envoy.md, obligation 7; "Eventual consistency considerations") ---- */

/* Make before break: what is referred to goes first. */
static const enum resource_type change_order[RESOURCE_SERVED_TYPES] = {
        RESOURCE_CLUSTER,  RESOURCE_CLUSTER_LOAD_ASSIGNMENT, RESOURCE_SECRET,
        RESOURCE_LISTENER, RESOURCE_ROUTE_CONFIGURATION,
};
/* And is taken away last. */
static const enum resource_type removal_order[RESOURCE_SERVED_TYPES] = {
        RESOURCE_LISTENER, RESOURCE_ROUTE_CONFIGURATION, RESOURCE_SECRET, RESOURCE_CLUSTER_LOAD_ASSIGNMENT,
        RESOURCE_CLUSTER,
};

static bool refers_to_clusters(enum resource_type type)
{
        return type == RESOURCE_LISTENER || type == RESOURCE_ROUTE_CONFIGURATION;
}

static int64_t earlier(int64_t a, int64_t b)
{
        return a < b ? a : b;
}

/* Listeners and routes wait for the ACK of the clusters, which have been sent before (they come first). */
static int64_t changes_wait_until(const struct stream *s, const struct state *st)
{
        const struct state *clusters = s->states[RESOURCE_CLUSTER];
        if (s->only >= 0 || !refers_to_clusters(st->type) || !state_is_unsettled(clusters) || !st->changes_since)
                return 0;
        return earlier(clusters->gate_sent, st->changes_since) + STREAM_ORDER_WAIT;
}

static bool changes_allowed(struct stream *s, struct state *st, int64_t now)
{
        if (!st->changes_since)
                st->changes_since = now;
        return now >= changes_wait_until(s, st);
}

/* Something else has to go first, or to be answered first. */
static bool removals_are_blocked(const struct stream *s, enum resource_type type)
{
        for (size_t i = 0; i < RESOURCE_SERVED_TYPES; i++)
                if (i != (size_t)type && state_has_changes(s->states[i]))
                        return true;
        for (size_t i = 0; removal_order[i] != type; i++) {
                const struct state *before = s->states[removal_order[i]];
                if (before && (before->queues[QUEUE_REMOVALS] ||
                               (refers_to_clusters(removal_order[i]) && state_is_unsettled(before))))
                        return true;
        }
        return false;
}

/* Two waits: one of the routes for their clusters, one for the routes. */
static int64_t removals_wait_until(const struct state *st)
{
        return st->removals_since + 2 * STREAM_ORDER_WAIT;
}

bool stream_removals_allowed(struct stream *s, enum resource_type type, int64_t now)
{
        struct state *st = s->states[type];
        if (s->only >= 0 || !st->queues[QUEUE_REMOVALS] || !removals_are_blocked(s, type))
                return true;
        if (!st->removals_since)
                st->removals_since = now;
        return now >= removals_wait_until(st);
}

bool stream_next(struct stream *s, int64_t now, struct stream_response *r)
{
        if (!cache_is_open(s->cache))
                return false;
        for (size_t i = 0; i < RESOURCE_SERVED_TYPES; i++) {
                struct state *st = s->states[change_order[i]];
                if (!state_has_changes(st) || !changes_allowed(s, st, now))
                        continue;
                state_build_changes(st, now, r);
                return true;
        }
        for (size_t i = 0; i < RESOURCE_SERVED_TYPES; i++) {
                struct state *st = s->states[removal_order[i]];
                if (!st || !st->queues[QUEUE_REMOVALS] || state_has_changes(st) ||
                    !stream_removals_allowed(s, removal_order[i], now))
                        continue;
                state_build_removals(st, now, r);
                return true;
        }
        return false;
}

/* ---- time ---- */

static bool state_is_busy(const struct state *st)
{
        return state_has_changes(st) || st->queues[QUEUE_REMOVALS] || st->sent_nonce > st->answered_nonce;
}

bool stream_is_busy(const struct stream *s)
{
        if (!cache_is_open(s->cache))
                return false;
        for (size_t i = 0; i < RESOURCE_SERVED_TYPES; i++)
                if (s->states[i] && state_is_busy(s->states[i]))
                        return true;
        return false;
}

void stream_touch(struct stream *s, int64_t now)
{
        if (!stream_is_busy(s))
                s->progress = now;
}

void stream_progress(struct stream *s, int64_t now)
{
        s->progress = now;
}

static int64_t stalled_at(const struct stream *s)
{
        int64_t since = s->progress > cache_opened(s->cache) ? s->progress : cache_opened(s->cache);
        return stream_is_busy(s) ? since + GRPC_STALL_WAIT : INT64_MAX;
}

int64_t stream_due(const struct stream *s)
{
        int64_t due = stalled_at(s);
        for (size_t i = 0; i < RESOURCE_SERVED_TYPES; i++) {
                const struct state *st = s->states[i];
                if (!st)
                        continue;
                int64_t wait = state_has_changes(st) ? changes_wait_until(s, st) : 0;
                if (wait)
                        due = earlier(due, wait);
                if (st->queues[QUEUE_REMOVALS] && st->removals_since)
                        due = earlier(due, removals_wait_until(st));
        }
        return due;
}

bool stream_is_stalled(const struct stream *s, int64_t now)
{
        return now >= stalled_at(s);
}

/* ---- for people ---- */

bool stream_describe(const struct stream *s, enum resource_type type, struct stream_info *info)
{
        const struct state *st = s->states[type];
        if (!st || !st->requested)
                return false;
        *info = (struct stream_info){
                .wildcard = st->wildcard,
                .names = st->count,
                .sent = st->sent_nonce,
                .answered = st->answered_nonce,
                .nacks = st->nacks,
                .refused = st->refused,
        };
        if (s->variant == STREAM_SOTW)
                cache_sum_text(&st->held, info->version);
        else
                cache_version(s->cache, type, info->version);
        return true;
}

size_t stream_memory(const struct stream *s)
{
        size_t size = sizeof(*s);
        for (size_t i = 0; i < RESOURCE_SERVED_TYPES; i++)
                size += s->states[i] ? state_memory(s->states[i]) : 0;
        return size;
}
