/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_text - strings and bytes as JSON text.
 *
 * What we answer is small and of a known shape: it is written straight into a buffer, without a tree. Whatever bytes
 * come in, the output is valid JSON: what is not UTF-8 becomes U+FFFD.
 */
#pragma once

#include "base/buf.h"

/* s between quotes, escaped (RFC 8259, section 7). */
void json_text_string(struct buf *out, const char *s);
/* n bytes in base64 with padding (RFC 4648, section 4) between quotes. */
void json_text_base64(struct buf *out, const char *p, size_t n);
/* Bytes of the valid UTF-8 character at s, which ends at a NUL; 0 when it is none. */
size_t json_text_character(const char *s);
