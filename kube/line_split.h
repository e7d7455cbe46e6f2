/* SPDX-License-Identifier: Apache-2.0 */
/*
 * line_split - whole lines out of bytes that come in any pieces, with a limit on what is kept for an unfinished one.
 *
 * A line that exceeds the limit is told once, by its beginning, and its rest is skipped. What follows the last newline
 * is never told: it may be half a line.
 */
#pragma once

#include "base/mem.h"

#include <stdbool.h>
#include <stddef.h>

struct line_split;

/* text is without the newline and not ended by a NUL; whole is false for the beginning of a line beyond the limit. */
typedef void line_split_fn(const char *text, size_t n, bool whole, void *arg);

struct line_split *line_split_new(size_t max, line_split_fn *each, void *arg) __attribute__((returns_nonnull));
void line_split_free(struct line_split *l);
AUTO_DEFINE(line_split)

void line_split_feed(struct line_split *l, const char *p, size_t n);
/* Forgets the unfinished line. */
void line_split_reset(struct line_split *l);
