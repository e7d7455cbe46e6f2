/* SPDX-License-Identifier: Apache-2.0 */
/*
 * message - Envoy's messages built in an arena, to be packed and forgotten.
 *
 * Private to xds/translate_*. Strings given are borrowed, not copied: they must live until the message is packed.
 */
#pragma once

#include "base/arena.h"
#include "xds/options.h"

#include <envoy/config/core/v3/core.pb-c.h>
#include <google/protobuf/any.pb-c.h>
#include <google/protobuf/duration.pb-c.h>
#include <google/protobuf/wrappers.pb-c.h>

/* An empty message of the descriptor's type: Envoy__Cluster *c = message_new(a, &envoy__cluster__descriptor). */
void *message_new(struct arena *a, const ProtobufCMessageDescriptor *type) __attribute__((returns_nonnull));
/* A list of one, for a repeated field. */
void *message_one(struct arena *a, const void *item) __attribute__((returns_nonnull));
/* The same with one string. */
const char **message_one_string(struct arena *a, const char *s) __attribute__((returns_nonnull));

/* The message packed into an Any. */
Google__Any *message_any(struct arena *a, const ProtobufCMessage *m) __attribute__((returns_nonnull));
/* An Any of a type without any field set. */
Google__Any *message_any_empty(struct arena *a, const ProtobufCMessageDescriptor *type)
        __attribute__((returns_nonnull));

Google__Duration *message_duration(struct arena *a, int64_t nanoseconds) __attribute__((returns_nonnull));
Google__UInt32Value *message_uint32(struct arena *a, uint32_t value) __attribute__((returns_nonnull));
Google__BoolValue *message_true(struct arena *a) __attribute__((returns_nonnull));

/* "ask me for it, on the stream that you have" */
Envoy__ConfigSource *message_ads(struct arena *a) __attribute__((returns_nonnull));
Envoy__Address *message_address(struct arena *a, const char *address, uint32_t port) __attribute__((returns_nonnull));
Envoy__TransportSocket *message_tls_socket(struct arena *a, const ProtobufCMessage *context)
        __attribute__((returns_nonnull));
