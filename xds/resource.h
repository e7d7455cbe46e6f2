/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resource - one thing that an Envoy can ask for: packed once, named, and shared by all streams.
 *
 * Never changes after it is made. Its version is the hash of its bytes, so it is equal on every replica and after a
 * restart. References are counted without locks: resources belong to the loop thread. Two types are parts only, of
 * which a Listener or RouteConfiguration is assembled without unpacking them.
 */
#pragma once

#include "base/mem.h"

#include <protobuf-c/protobuf-c.h>
#include <stdint.h>

enum resource_type {
        RESOURCE_LISTENER,
        RESOURCE_ROUTE_CONFIGURATION,
        RESOURCE_CLUSTER,
        RESOURCE_CLUSTER_LOAD_ASSIGNMENT,
        RESOURCE_SECRET,
        RESOURCE_VIRTUAL_HOST, /* a part of a RouteConfiguration */
        RESOURCE_FILTER_CHAIN, /* a part of a Listener */
};
/* Those that are served under their own name come first. */
enum { RESOURCE_SERVED_TYPES = RESOURCE_SECRET + 1, RESOURCE_TYPES = RESOURCE_FILTER_CHAIN + 1 };

enum { RESOURCE_VERSION_LENGTH = 32 };

struct resource {
        enum resource_type type;
        uint32_t refs; /* private */
        const char *name;
        size_t size;
        char version[RESOURCE_VERSION_LENGTH + 1]; /* XXH3-128 of the bytes in hex */
        uint8_t bytes[];
};

/* "type.googleapis.com/envoy.config.cluster.v3.Cluster" */
const char *resource_type_url(enum resource_type type) __attribute__((returns_nonnull));
/* "Cluster": for logs, labels and pages. */
const char *resource_type_name(enum resource_type type) __attribute__((returns_nonnull));
/* By the URL of a served type; false when it is none of them. */
bool resource_type_find(const char *url, enum resource_type *type);

/* XXH3-64, for names that must be the same on every replica. */
uint64_t resource_hash(const void *bytes, size_t size);

/* Copies name and bytes. The caller owns a reference. */
struct resource *resource_new(enum resource_type type, const char *name, const void *bytes, size_t size)
        __attribute__((returns_nonnull));
/* The same of a message. */
struct resource *resource_pack(enum resource_type type, const char *name, const ProtobufCMessage *message)
        __attribute__((returns_nonnull));
/*
 * The message with the bytes of n parts behind it as values of its field: equal to packing the message with the parts
 * in that field, except for the order of fields.
 */
struct resource *resource_assemble(enum resource_type type, const char *name, const ProtobufCMessage *message,
                                   uint32_t field, const struct resource *const *parts, size_t n)
        __attribute__((returns_nonnull));

struct resource *resource_ref(const struct resource *r);
/* The last one frees; the bytes of a Secret are wiped. NULL is fine. */
void resource_unref(const struct resource *r);

/* Whether both are NULL, or say the same under the same name and type. */
bool resource_equal(const struct resource *a, const struct resource *b);
