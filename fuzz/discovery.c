/* SPDX-License-Identifier: Apache-2.0 */
/* A DiscoveryRequest (first byte even) or DeltaDiscoveryRequest (odd) as an Envoy, or somebody else, may send it. */
#include "xds/discovery.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t length(const char *s)
{
        return strlen(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (!size)
                return 0;
        enum stream_variant variant = data[0] & 1 ? STREAM_DELTA : STREAM_SOTW;
        AUTO(arena) *a = arena_new(1024);
        struct discovery_request r;
        struct err e = {0};
        if (!discovery_decode(variant, data + 1, size - 1, a, &r, &e)) {
                assert(e.text[0]);
                return 0;
        }
        size_t read = length(r.node_id) + length(r.node_cluster) + length(r.type_url) + length(r.request.nonce);
        for (size_t i = 0; i < r.request.name_count; i++)
                read += length(r.request.names[i]);
        for (size_t i = 0; i < r.request.unsubscribe_count; i++)
                read += length(r.request.unsubscribe[i]);
        for (size_t i = 0; i < r.request.known_count; i++)
                read += length(r.request.known[i].name) + length(r.request.known[i].version);
        assert(read <= size); /* nothing is made up */
        return 0;
}
