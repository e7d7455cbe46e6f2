/* SPDX-License-Identifier: Apache-2.0 */
/* discovery_encode - a response as bytes of its own around bytes that it shares with all other streams. */
#include "xds/discovery.h"

#include "xds/message.h"
#include "xds/wire.h"

#include <assert.h>
#include <envoy/service/discovery/v3/discovery.pb-c.h>
#include <string.h>

/* Numbers of fields, as in xds/proto. */
enum {
        RESPONSE_RESOURCES = 2, /* DiscoveryResponse and DeltaDiscoveryResponse */
        DELTA_VERSION = 1,      /* Resource */
        DELTA_RESOURCE = 2,
        DELTA_NAME = 3,
        ANY_TYPE_URL = 1, /* Any */
        ANY_VALUE = 2,
};

/* ---- what stands before the bytes of one resource ---- */

static size_t text_size(uint32_t field, const char *text)
{
        size_t n = strlen(text);
        return wire_head_size(field, n) + n;
}

static uint8_t *text_write(uint8_t *out, uint32_t field, const char *text)
{
        size_t n = strlen(text);
        memcpy(wire_head(out, field, n), text, n);
        return out + wire_head_size(field, n) + n;
}

static size_t any_head_size(const struct resource *r)
{
        return text_size(ANY_TYPE_URL, resource_type_url(r->type)) + wire_head_size(ANY_VALUE, r->size);
}

static uint8_t *any_head(uint8_t *out, const struct resource *r)
{
        return wire_head(text_write(out, ANY_TYPE_URL, resource_type_url(r->type)), ANY_VALUE, r->size);
}

static size_t sotw_head_size(const struct resource *r)
{
        size_t any = any_head_size(r);
        return wire_head_size(RESPONSE_RESOURCES, any + r->size) + any;
}

static uint8_t *sotw_head(uint8_t *out, const struct resource *r)
{
        return any_head(wire_head(out, RESPONSE_RESOURCES, any_head_size(r) + r->size), r);
}

/* The Any goes last, so that its value ends the message. */
static size_t delta_inner_size(const struct resource *r)
{
        size_t any = any_head_size(r);
        return text_size(DELTA_VERSION, r->version) + text_size(DELTA_NAME, r->name) +
               wire_head_size(DELTA_RESOURCE, any + r->size) + any;
}

static size_t delta_head_size(const struct resource *r)
{
        size_t inner = delta_inner_size(r);
        return wire_head_size(RESPONSE_RESOURCES, inner + r->size) + inner;
}

static uint8_t *delta_head(uint8_t *out, const struct resource *r)
{
        out = wire_head(out, RESPONSE_RESOURCES, delta_inner_size(r) + r->size);
        out = text_write(out, DELTA_VERSION, r->version);
        out = text_write(out, DELTA_NAME, r->name);
        return any_head(wire_head(out, DELTA_RESOURCE, any_head_size(r) + r->size), r);
}

/* ---- the response ---- */

static const ProtobufCMessage *sotw_without_resources(struct arena *a, const struct stream_response *r)
{
        Envoy__DiscoveryResponse *m = message_new(a, &envoy__discovery_response__descriptor);
        m->version_info = r->version;
        m->nonce = r->nonce;
        m->type_url = resource_type_url(r->type);
        return &m->base;
}

static const ProtobufCMessage *delta_without_resources(struct arena *a, const struct stream_response *r)
{
        Envoy__DeltaDiscoveryResponse *m = message_new(a, &envoy__delta_discovery_response__descriptor);
        m->system_version_info = r->version;
        m->nonce = r->nonce;
        m->type_url = resource_type_url(r->type);
        m->n_removed_resources = r->removed_count;
        m->removed_resources = (const char **)r->removed;
        return &m->base;
}

struct discovery_message *discovery_encode(enum stream_variant variant, const struct stream_response *r)
{
        const bool delta = variant == STREAM_DELTA;
        AUTO(arena) *a = arena_new(512);
        const ProtobufCMessage *rest = delta ? delta_without_resources(a, r) : sotw_without_resources(a, r);
        size_t own = protobuf_c_message_get_packed_size(rest);
        for (size_t i = 0; i < r->count; i++)
                own += delta ? delta_head_size(r->resources[i]) : sotw_head_size(r->resources[i]);
        struct discovery_message *m = mem_zalloc(sizeof(*m) + (2 * r->count + 1) * sizeof(*m->parts));
        m->own = mem_resize(NULL, own + 1, 1);
        m->shared = mem_calloc(r->count + 1, sizeof(struct resource *));
        uint8_t *from = m->own, *out = from + protobuf_c_message_pack(rest, from);
        for (; m->shared_count < r->count; m->shared_count++) {
                const struct resource *one = m->shared[m->shared_count] = resource_ref(r->resources[m->shared_count]);
                out = delta ? delta_head(out, one) : sotw_head(out, one);
                m->parts[m->part_count++] = (struct iovec){from, (size_t)(out - from)};
                m->parts[m->part_count++] = (struct iovec){(void *)(uintptr_t)one->bytes, one->size}; /* read only */
                from = out;
        }
        if (out > from)
                m->parts[m->part_count++] = (struct iovec){from, (size_t)(out - from)};
        assert(out == m->own + own);
        return m;
}

void discovery_message_free(struct discovery_message *m)
{
        if (!m)
                return;
        for (size_t i = 0; i < m->shared_count; i++)
                resource_unref(m->shared[i]);
        mem_free(m->shared);
        mem_free(m->own);
        mem_free(m);
}
