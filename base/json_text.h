/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_text - writing JSON into a buf, for what is written often or is large; reading is jansson's.
 */
#pragma once

#include "base/buf.h"

/*
 * Appends s between quotes as a JSON string that every parser takes: the C0 80 of object.h as \u0000, bytes that are
 * no UTF-8 as U+FFFD. RFC 8259, section 7; RFC 3629, section 4.
 */
bool json_text_string(struct buf *out, const char *s);
/* n bytes in base64 with padding (RFC 4648, section 4) between quotes. */
void json_text_base64(struct buf *out, const char *p, size_t n);
/* Bytes of the valid UTF-8 character at s, which ends at a NUL; 0 when it is none. */
size_t json_text_character(const char *s);
/* A member of an object: "name":"value" and what follows it, such as a comma. name is written as it is. */
void json_text_member(struct buf *out, const char *name, const char *value, const char *end);
