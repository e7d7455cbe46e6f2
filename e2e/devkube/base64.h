/* SPDX-License-Identifier: Apache-2.0 */
/* base64 - RFC 4648, section 4, on OpenSSL. */
#pragma once

#include "base/mem.h"

/* For mem_free(). */
char *base64_encode(const void *p, size_t n) __attribute__((returns_nonnull));
/* NULL when it is not base64; *n bytes, with a NUL behind them. */
char *base64_decode(const char *text, size_t *n);
