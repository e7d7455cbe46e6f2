/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream_state - what a stream knows about one type: which names, and what the client has of each. Private to stream.
 *
 * A subscription is one name on one stream. What the client has is a mark (cache_mark()); what differs from the cache
 * waits in one of two queues, changes or removals, until stream_next() takes it. Nothing is copied before that.
 */
#pragma once

#include "xds/stream.h"

enum queue { QUEUE_CHANGES, QUEUE_REMOVALS, QUEUES, QUEUE_NONE = QUEUES };

/* At 10,000 hosts an Envoy has 20,000 of these: 64 bytes. */
struct subscription {
        struct cache_watch watch;         /* first: cast back */
        struct subscription *next, *prev; /* in its queue */
        uint64_t sent;                    /* what the client has, 0: nothing */
        uint16_t round; /* SotW: of the request that named it last; Delta: of the nonce that it was sent with */
        uint8_t queue;
        bool is_explicit; /* named by the client, not only by its wildcard */
        bool forced;      /* to be answered, changed or not, there or not */
        bool owed;        /* endpoints whose cluster was sent before they were asked for */
        bool lingers;     /* in QUEUE_REMOVALS, and the cache keeps its last bytes */
};

_Static_assert(sizeof(struct subscription) == 64, "an Envoy has very many");

enum { STATE_TRACKED_MAX = 8 }; /* of responses with a tracked resource, so many answers are awaited */

struct state_tracked {
        uint64_t nonce, mark;
};

/* One type on one stream. */
struct state {
        struct cache_watcher watcher; /* first: cast back */
        struct stream *stream;
        enum resource_type type;
        bool wildcard;
        bool requested; /* the client has asked for this type */
        bool named;     /* SotW: it has named something: no legacy wildcard any more */
        bool answer;    /* to be answered even when there is nothing to tell */
        uint16_t round;
        struct subscription **table; /* open addressing by the name's address */
        uint32_t table_size, count, explicit_count;
        uint32_t nacks;
        uint32_t limit; /* of resources a response while a refused one is sent again in parts, 0: none */
        struct subscription *queues[QUEUES];
        struct cache_sum held; /* SotW: the version of what the client has */
        uint64_t sent_nonce, answered_nonce;
        uint64_t gate_nonce; /* the last that others wait for (obligation 7) */
        int64_t gate_sent;
        int64_t changes_since, removals_since; /* held back by other types since then, 0: not */
        struct state_tracked *tracked;         /* STATE_TRACKED_MAX, oldest first; NULL: never any */
        char *refused;
};

struct stream {
        struct cache_reader reader; /* first: cast back */
        struct cache *cache;
        void *owner;
        struct state *states[RESOURCE_SERVED_TYPES];
        uint64_t nonce;
        int64_t progress; /* when something last went on */
        enum stream_variant variant;
        int8_t only; /* the type of a single service, or -1 */
};

/* SotW answers of Listeners and Clusters are complete: what is missing is removed. */
static inline bool state_is_complete(const struct state *st)
{
        return st->stream->variant == STREAM_SOTW && (st->type == RESOURCE_LISTENER || st->type == RESOURCE_CLUSTER);
}

static inline bool state_has_changes(const struct state *st)
{
        return st && (st->queues[QUEUE_CHANGES] || st->answer);
}

/* Others wait for the answer to what was sent. */
static inline bool state_is_unsettled(const struct state *st)
{
        return st && st->gate_nonce > st->answered_nonce;
}

/* The stream's state of that type, made when it is not there. */
struct state *state_get(struct stream *s, enum resource_type type);
void state_free(struct state *st);
size_t state_memory(const struct state *st);

struct subscription *state_find(const struct state *st, const struct cache_name *name);
struct subscription *state_find_text(const struct state *st, const char *name);
/* Found or made. */
struct subscription *state_subscribe(struct state *st, const char *name);
struct subscription *state_subscribe_name(struct state *st, struct cache_name *name);
void state_set_explicit(struct state *st, struct subscription *sub, bool is_explicit);
void state_drop(struct state *st, struct subscription *sub);
/* Every subscription for which which() holds, for mem_free(); in no order. */
struct subscription **state_collect(const struct state *st,
                                    bool (*which)(const struct state *, const struct subscription *), size_t *n);

void state_wildcard_begin(struct state *st);
/* Drops what only the wildcard named. */
void state_wildcard_end(struct state *st);

/* Puts sub in the queue in which it belongs; drops it when nothing is left to say and nobody named it. */
void state_update(struct state *st, struct subscription *sub);
void state_set_sent(struct state *st, struct subscription *sub, uint64_t mark);
/* Forgets since when changes and removals wait when none do any more. */
void state_end_waits(struct state *st);
/* sub is answered: in no queue, nothing owed. Drops it when its resource is gone and nobody named it. */
void state_done(struct state *st, struct subscription *sub);
/* The cluster is on its way to the client: its endpoints must follow, known or not (obligation 7). */
void state_owe_endpoints(struct state *st, struct cache_name *endpoints);

/* Something may wait to be sent or answered: the 60 s of obligation 8 run from the moment at which that began. */
bool stream_is_busy(const struct stream *s);
void stream_touch(struct stream *s, int64_t now);
/* Whether what is gone may be told now; starts the wait. */
bool stream_removals_allowed(struct stream *s, enum resource_type type, int64_t now);

/* Fill an empty response with changes and answers, or with removals. */
void state_build_changes(struct state *st, int64_t now, struct stream_response *r);
void state_build_removals(struct state *st, int64_t now, struct stream_response *r);
