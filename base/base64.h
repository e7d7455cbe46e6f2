/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base64 - RFC 4648, section 4: with padding, without line breaks.
 *
 * Strict where OpenSSL's decoder is not (blanks around, padding in the middle). What is decoded is often key material:
 * no copy of it is left behind.
 */
#pragma once

#include "base/buf.h"

/* Appends the n bytes at p. */
void base64_encode(struct buf *out, const void *p, size_t n);
/* What n characters stand for, in a buffer that wipes; NULL when they are not base64 or stand for more than max bytes.
 */
struct buf *base64_decode(const char *text, size_t n, size_t max);
/* How many bytes n characters stand for at most. */
size_t base64_decoded_max(size_t n);
