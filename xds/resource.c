/* SPDX-License-Identifier: Apache-2.0 */
#include "xds/resource.h"

#ifdef GATEHOUSE_TEST
#include "xds/resource_testing.h"
#endif
#include "xds/wire.h"

#include <assert.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define TYPE_URL "type.googleapis.com/"

const char *resource_type_url(enum resource_type type)
{
        static const char *const urls[RESOURCE_TYPES] = {
                [RESOURCE_LISTENER] = TYPE_URL "envoy.config.listener.v3.Listener",
                [RESOURCE_ROUTE_CONFIGURATION] = TYPE_URL "envoy.config.route.v3.RouteConfiguration",
                [RESOURCE_CLUSTER] = TYPE_URL "envoy.config.cluster.v3.Cluster",
                [RESOURCE_CLUSTER_LOAD_ASSIGNMENT] = TYPE_URL "envoy.config.endpoint.v3.ClusterLoadAssignment",
                [RESOURCE_SECRET] = TYPE_URL "envoy.extensions.transport_sockets.tls.v3.Secret",
                [RESOURCE_VIRTUAL_HOST] = TYPE_URL "envoy.config.route.v3.VirtualHost",
                [RESOURCE_FILTER_CHAIN] = TYPE_URL "envoy.config.listener.v3.FilterChain",
        };
        assert((unsigned)type < RESOURCE_TYPES);
        return urls[type];
}

const char *resource_type_name(enum resource_type type)
{
        return strrchr(resource_type_url(type), '.') + 1;
}

bool resource_type_find(const char *url, enum resource_type *type)
{
        for (unsigned i = 0; i < RESOURCE_SERVED_TYPES; i++) {
                if (!str_equal(url, resource_type_url((enum resource_type)i)))
                        continue;
                *type = (enum resource_type)i;
                return true;
        }
        return false;
}

/* ---- making ---- */

/* With room for size bytes, and no version yet; the name stands behind the bytes. */
static struct resource *resource_alloc(enum resource_type type, const char *name, size_t size)
{
        size_t name_size = strlen(name) + 1;
        struct resource *r = mem_resize(NULL, 1, sizeof(*r) + size + name_size);
        *r = (struct resource){.type = type, .refs = 1, .name = (const char *)r->bytes + size, .size = size};
        memcpy(r->bytes + size, name, name_size); /* after: the struct's padding lies over the first bytes */
        return r;
}

static struct resource *resource_seal(struct resource *r)
{
        static const char digits[] = "0123456789abcdef";
        XXH128_canonical_t hash;
        XXH128_canonicalFromHash(&hash, XXH3_128bits(r->bytes, r->size));
        for (size_t i = 0; i < sizeof(hash.digest); i++) {
                r->version[2 * i] = digits[hash.digest[i] >> 4];
                r->version[2 * i + 1] = digits[hash.digest[i] & 15];
        }
#ifdef GATEHOUSE_TEST
        resource_dump(r);
#endif
        return r;
}

uint64_t resource_hash(const void *bytes, size_t size)
{
        return XXH3_64bits(bytes, size);
}

struct resource *resource_new(enum resource_type type, const char *name, const void *bytes, size_t size)
{
        struct resource *r = resource_alloc(type, name, size);
        if (size)
                memcpy(r->bytes, bytes, size);
        return resource_seal(r);
}

struct resource *resource_pack(enum resource_type type, const char *name, const ProtobufCMessage *message)
{
        return resource_assemble(type, name, message, 0, NULL, 0);
}

/* ---- assembly ---- */

struct resource *resource_assemble(enum resource_type type, const char *name, const ProtobufCMessage *message,
                                   uint32_t field, const struct resource *const *parts, size_t n)
{
        size_t size = protobuf_c_message_get_packed_size(message);
        for (size_t i = 0; i < n; i++)
                size += wire_head_size(field, parts[i]->size) + parts[i]->size;
        struct resource *r = resource_alloc(type, name, size);
        uint8_t *out = r->bytes + protobuf_c_message_pack(message, r->bytes);
        for (size_t i = 0; i < n; i++) {
                out = wire_head(out, field, parts[i]->size);
                memcpy(out, parts[i]->bytes, parts[i]->size);
                out += parts[i]->size;
        }
        assert(out == r->bytes + size);
        return resource_seal(r);
}

/* ---- sharing ---- */

struct resource *resource_ref(const struct resource *r)
{
        struct resource *shared = (struct resource *)(uintptr_t)r; /* only the count changes */
        shared->refs++;
        return shared;
}

void resource_unref(const struct resource *r)
{
        struct resource *shared = (struct resource *)(uintptr_t)r;
        if (!shared || --shared->refs)
                return;
        if (shared->type == RESOURCE_SECRET)
                mem_wipe(shared->bytes, shared->size);
        mem_free(shared);
}

bool resource_equal(const struct resource *a, const struct resource *b)
{
        if (!a || !b)
                return a == b;
        return a == b || (a->type == b->type && a->size == b->size && str_equal(a->version, b->version) &&
                          str_equal(a->name, b->name) && memcmp(a->bytes, b->bytes, a->size) == 0);
}
