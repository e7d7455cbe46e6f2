/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unpack - a message of a peer's bytes in an arena, within a bound.
 *
 * Our messages do not nest without end (google.protobuf.Struct is flat), so unpacking does not recurse with the bytes.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

#include <protobuf-c/protobuf-c.h>

enum {
        /* Heap for one message: Protocol Buffers need most for many tiny fields. */
        UNPACK_MEMORY_FACTOR = 16,
        UNPACK_MEMORY_BASE = 64 * 1024,
};

/*
 * All of it lives in a. NULL when it is no such message, or takes more than its length allows or than max (e->code is
 * ENOSPC); what names it in the error: "a request".
 */
void *unpack(const ProtobufCMessageDescriptor *type, const void *bytes, size_t n, struct arena *a, size_t max,
             const char *what, struct err *e);

/* Whether a string is UTF-8, as proto3 wants it: libprotobuf-c does not look. */
bool unpack_text_is_utf8(const char *s);
