/* SPDX-License-Identifier: Apache-2.0 */
/*
 * discovery_client - the client's side of discovery: Delta requests as bytes, Delta responses out of bytes.
 *
 * For `gatehouse cli`. A response is a peer's: it meets limits first, takes a bounded multiple of its length, and lets
 * no string through that is not UTF-8.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "xds/resource.h"

/* The method of a served type's own Delta service: "/envoy.service.cluster.v3.ClusterDiscoveryService/DeltaClusters" */
const char *discovery_delta_path(enum resource_type type) __attribute__((returns_nonnull));

struct discovery_ask {
        enum resource_type type;
        const char *node;         /* how we are called; NULL: has been said on this stream */
        const char *const *names; /* to subscribe to; "*": all */
        size_t name_count;
        const char *nonce; /* of the response that is accepted, or "" */
};
/* *size bytes, for mem_free(). */
uint8_t *discovery_ask_pack(const struct discovery_ask *ask, size_t *size) __attribute__((returns_nonnull));

struct discovery_found {
        const char *name, *version;
        const ProtobufCMessage *message; /* of the type that was asked for */
};

struct discovery_answer {
        const char *nonce, *version; /* of the whole type */
        struct discovery_found *found;
        size_t found_count;
        const char *const *removed; /* what is gone, or is not there */
        size_t removed_count;
};

enum { DISCOVERY_ANSWER_MEMORY_MAX = 1 << 30 }; /* heap for one response and all of its resources */

/* All of *out lives in a (keys of Secrets, too: arena_wipe()), and nothing of bytes. */
bool discovery_answer_unpack(enum resource_type type, const void *bytes, size_t n, struct arena *a,
                             struct discovery_answer *out, struct err *e);
