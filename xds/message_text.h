/* SPDX-License-Identifier: Apache-2.0 */
/*
 * message_text - any of our messages as text, in Protocol Buffers' text format.
 *
 * For people and for golden files. What is packed inside an Any is unpacked where its type is one of ours. Private keys
 * are not shown.
 */
#pragma once

#include "base/buf.h"
#include "xds/resource.h"

/* The type of a message by what an Any calls it ("type.googleapis.com/envoy..."), or NULL. */
const ProtobufCMessageDescriptor *message_type_find(const char *url);

void message_text(struct buf *out, const ProtobufCMessage *m);
/* The same of packed bytes. False when they are no such message. */
bool resource_text(struct buf *out, const struct resource *r);
