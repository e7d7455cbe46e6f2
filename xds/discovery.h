/* SPDX-License-Identifier: Apache-2.0 */
/*
 * discovery - discovery requests and responses as bytes (envoy.service.discovery.v3).
 *
 * Requests come from whoever has a client certificate: decoding takes a bounded multiple of their length, does not
 * recurse with their content, and lets no string through that is not UTF-8. Responses refer to the bytes of resources.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "xds/stream.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum {
        DISCOVERY_MEMORY_MAX = 64 * 1024 * 1024, /* heap for one request, whatever its length */
};

struct discovery_request {
        const char *node_id, *node_cluster; /* "" unless it is said: the first request of a stream says it */
        const char *type_url;               /* "" when not said */
        bool type_known;                    /* request.type is what type_url says; else it is not set */
        struct stream_request request;
};

/*
 * The message of n bytes, in a (all of *out lives there). False when it is no message, holds a string that is not
 * UTF-8 (INVALID_ARGUMENT), or takes too much memory (e->code is ENOSPC: RESOURCE_EXHAUSTED). A NUL ends a string.
 */
bool discovery_decode(enum stream_variant variant, const void *bytes, size_t n, struct arena *a,
                      struct discovery_request *out, struct err *e);

/* A response to be sent: parts in this order. Holds references to the resources whose bytes are among them. */
struct discovery_message {
        uint8_t *own;
        const struct resource **shared;
        size_t shared_count;
        size_t part_count;
        struct iovec parts[];
};
struct discovery_message *discovery_encode(enum stream_variant variant, const struct stream_response *r)
        __attribute__((returns_nonnull));
void discovery_message_free(struct discovery_message *m);
AUTO_DEFINE(discovery_message)
