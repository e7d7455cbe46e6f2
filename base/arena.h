/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena - memory that is freed all at once.
 *
 * An object, a compiled host, a review each live in one arena: glibc would keep the pages of many small pieces.
 * What an arena hands out stays valid until arena_free() or arena_reset(), and is never freed on its own.
 */
#pragma once

#include "base/mem.h"

#include <stdarg.h>
#include <stddef.h>

struct arena;

/* An arena whose first block holds first_size bytes; later blocks double up to 64 KiB. */
struct arena *arena_new(size_t first_size) __attribute__((returns_nonnull));
void arena_free(struct arena *a);
AUTO_DEFINE(arena)

/* Forgets everything handed out; keeps the largest block for the next use. */
void arena_reset(struct arena *a);

/* Overwrites everything handed out: for an arena that held keys, before it is freed or reset. */
void arena_wipe(struct arena *a);

/* Zeroed memory, aligned for pointers and 64-bit numbers. One piece is less than 4 GiB. */
void *arena_alloc(struct arena *a, size_t size) __attribute__((malloc, returns_nonnull));
void *arena_calloc(struct arena *a, size_t count, size_t size) __attribute__((malloc, returns_nonnull));

/* Copies; arena_strdup(a, NULL) is NULL. */
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t n) __attribute__((returns_nonnull));
void *arena_memdup(struct arena *a, const void *p, size_t n) __attribute__((returns_nonnull));
char *arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3), returns_nonnull));
char *arena_vprintf(struct arena *a, const char *format, va_list ap)
        __attribute__((format(printf, 2, 0), returns_nonnull));

/* Bytes taken from the heap, the arena's own included. */
size_t arena_size(const struct arena *a);
/* Bytes handed out: an arena_new() of that size takes the same things in one block. */
size_t arena_used(const struct arena *a);

/*
 * Appends one element to an array in the arena that holds *count elements: grows by doubling when *count is a power
 * of two (or 0), so the array needs no capacity field. Returns the new, zeroed element.
 *     struct finding *f = arena_push(a, &list->items, &list->count);
 */
#define arena_push(a, itemsp, countp)                                                                                  \
        ((__typeof__(*(itemsp)))arena_push_bytes((a), (void **)(itemsp), (countp), sizeof(**(itemsp))))
void *arena_push_bytes(struct arena *a, void **items, size_t *count, size_t size) __attribute__((returns_nonnull));
