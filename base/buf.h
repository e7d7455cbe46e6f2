/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buf - a growing byte buffer that is born with its maximum.
 *
 * Appending past the maximum changes nothing and marks the buffer as full: writers append without checking each call
 * and look at buf_full() once. The content is always followed by a NUL byte that does not count.
 */
#pragma once

#include "base/mem.h"

#include <stdarg.h>
#include <stddef.h>

struct buf;

/* An empty buffer for at most max bytes. */
struct buf *buf_new(size_t max) __attribute__((returns_nonnull));
void buf_free(struct buf *b);
AUTO_DEFINE(buf)

/* For key material: wipes the bytes whenever they move or go. Call on an empty buffer. */
void buf_set_secret(struct buf *b);

/* All or nothing; false when b is (or becomes) full. */
bool buf_append(struct buf *b, const void *p, size_t n);
bool buf_append_str(struct buf *b, const char *s);
bool buf_append_char(struct buf *b, char c);
bool buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool buf_vprintf(struct buf *b, const char *format, va_list ap) __attribute__((format(printf, 2, 0)));

/* Borrowed until the next append. */
const char *buf_data(const struct buf *b) __attribute__((returns_nonnull));
size_t buf_len(const struct buf *b);
bool buf_full(const struct buf *b);

/* Removes n bytes at the front (n <= buf_len()). */
void buf_consume(struct buf *b, size_t n);
/* Shortens to n bytes (n <= buf_len()) and forgets that b was full. */
void buf_truncate(struct buf *b, size_t n);
/* Empties b and forgets that it was full; keeps its memory. */
void buf_clear(struct buf *b);

/* The content as a string for mem_free(); b is empty afterwards. */
char *buf_take_str(struct buf *b) __attribute__((returns_nonnull));
