/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream - one discovery stream as a state machine: requests and changes of the cache in, responses out.
 *
 * Pure: no I/O, no bytes of protobuf, no clock; `now` is CLOCK_MONOTONIC in nanoseconds. State of the World and Delta,
 * aggregated or of one type. Responses are pulled: stream_next() builds the next one from what is true at that moment,
 * so a slow reader holds at most one answer per type, the latest, and no bytes of its own.
 *
 *     on a request:       stream_request(), then pull
 *     on cache_commit():  while ((s = stream_take_ready(cache))) pull s
 *     pull:               while the transport can take more and stream_next(): send; then a timer at stream_due()
 *     on that timer:      stream_is_stalled() says whether to close; else pull
 */
#pragma once

#include "xds/cache.h"
#include "xds/grpc_limits.h"

enum stream_variant { STREAM_SOTW, STREAM_DELTA };

enum {
        STREAM_RESPONSE_SIZE = 1 << 20, /* a response holds more only when one resource is larger */
        STREAM_NAMES_MAX = 1 << 18,    /* subscriptions per type: twice what 100,000 hosts need, and no leak for more */
        STREAM_NAME_LENGTH_MAX = 1024, /* ours are at most 253 + 63 bytes */
        STREAM_ERROR_LENGTH_MAX =
                1024, /* of an error_detail that is kept for /debug/xds; longer ones lose their middle */
        STREAM_NONCE_SIZE = 17,
};
#define STREAM_ORDER_WAIT (5 * DURATION_SECOND) /* obligation 7: how long one type waits for another's ACK */

struct stream;

/* Aggregated. owner is what stream_owner() gives back. */
struct stream *stream_new(struct cache *c, enum stream_variant variant, void *owner, int64_t now)
        __attribute__((returns_nonnull));
/* Of one type's own service. */
struct stream *stream_new_single(struct cache *c, enum stream_variant variant, enum resource_type type, void *owner,
                                 int64_t now) __attribute__((returns_nonnull));
void stream_free(struct stream *s);
AUTO_DEFINE(stream)
void *stream_owner(const struct stream *s);

/* ---- requests ---- */

struct stream_known {
        const char *name, *version;
};

/* A DiscoveryRequest or DeltaDiscoveryRequest; borrowed during the call. */
struct stream_request {
        enum resource_type type;
        const char *nonce;   /* response_nonce; NULL or "": none */
        const char *refused; /* error_detail's message; NULL: no error_detail */
        char *const *names;  /* resource_names, or resource_names_subscribe */
        size_t name_count;
        char *const *unsubscribe; /* Delta only */
        size_t unsubscribe_count;
        const struct stream_known *known; /* Delta only: initial_resource_versions */
        size_t known_count;
};

enum stream_reply {
        STREAM_ASKS,  /* no answer to a response */
        STREAM_ACKS,  /* a response is accepted */
        STREAM_NACKS, /* a response is refused: to be logged and counted */
        STREAM_STALE, /* SotW: about a response that a newer one has replaced: ignored */
};

struct stream_outcome {
        enum stream_reply reply;
        /*
         * cache_mark() of the tracked resource's version in the response that it is about, 0: held none. With
         * STREAM_ASKS: the version that the client says to have from an earlier stream, so it has accepted it.
         */
        uint64_t tracked;
        /*
         * With STREAM_NACKS in Delta, of routes, endpoints and Secrets: the only resource of that response; NULL: it
         * had several, which are sent again in parts. Borrowed until the next commit.
         */
        const struct cache_name *culprit;
};

/* False: close the stream with that error (INVALID_ARGUMENT, or RESOURCE_EXHAUSTED when e->code is ENOSPC). */
bool stream_request(struct stream *s, const struct stream_request *request, int64_t now, struct stream_outcome *outcome,
                    struct err *e);

/* ---- responses ---- */

/* Zeroed before first use, reused for any number of calls and streams, ended by stream_response_done(). */
struct stream_response {
        enum resource_type type;
        char nonce[STREAM_NONCE_SIZE];
        /* SotW: version_info; Delta: system_version_info, the version of the whole type. */
        char version[RESOURCE_VERSION_LENGTH + 1];
        const struct resource **resources; /* held by the response */
        size_t count, room;
        char **removed; /* Delta: removed_resources */
        size_t removed_count, removed_room;
};
void stream_response_done(struct stream_response *r);

/* Builds the next response; false when there is nothing to send now. */
bool stream_next(struct stream *s, int64_t now, struct stream_response *r);
/* Of the streams that a change or cache_open() concerns, the next one; NULL when each was taken. */
struct stream *stream_take_ready(struct cache *c);

/* ---- time ---- */

/* The transport has got bytes rid: it is slow, not dead. */
void stream_progress(struct stream *s, int64_t now);
/* When to look again though nothing happened; INT64_MAX: never. Ask after stream_next() said false. */
int64_t stream_due(const struct stream *s);
/* Obligation 8: for GRPC_STALL_WAIT nothing went on though something waits to be sent or answered. */
bool stream_is_stalled(const struct stream *s, int64_t now);

/* ---- for people ---- */

struct stream_info {
        bool wildcard;
        size_t names;                              /* subscribed, with those by wildcard */
        uint64_t sent, answered;                   /* numbers of responses, 0: none */
        uint32_t nacks;                            /* so many */
        const char *refused;                       /* the last NACK's message, or NULL; borrowed */
        char version[RESOURCE_VERSION_LENGTH + 1]; /* of what the client has been sent */
};
/* False when nothing of that type was asked for. */
bool stream_describe(const struct stream *s, enum resource_type type, struct stream_info *info);
/* Bytes that s holds. */
size_t stream_memory(const struct stream *s);
