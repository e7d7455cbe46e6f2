/* SPDX-License-Identifier: Apache-2.0 */
/*
 * message_field - what message_text and message_json ask of a field by libprotobuf-c's reflection.
 */
#pragma once

#include "base/buf.h"

#include <protobuf-c/protobuf-c.h>

enum {
        /* An Any may hold an Any: ours do two or three times, and a stranger's must not use up the stack. */
        MESSAGE_DEPTH_MAX = 64,
};

/* proto3: a scalar with its zero value is not there, unless it is the chosen one of a oneof. */
bool message_field_is_set(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f);
/* The value, or the first one of a repeated field; *n is how many there are. */
const char *message_field_values(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, size_t *n);
/* From one value of a repeated field to the next. */
size_t message_field_size(const ProtobufCFieldDescriptor *f);
/* Adds a value that is written alike everywhere: true, false, and numbers of 32 bits. False: it is none of these. */
bool message_field_plain(struct buf *out, const ProtobufCFieldDescriptor *f, const void *at);
/* Of TlsCertificate: what must not reach a terminal or a log. */
bool message_field_is_private_key(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f);
