/* SPDX-License-Identifier: Apache-2.0 */
/*
 * map - string keys to pointers, on uthash with a seeded hash.
 *
 * Keys are copied, values are the caller's. Iteration is in order of insertion; where bytes must not depend on that
 * order, take map_sorted(). The seed is drawn at start, so tenants cannot choose names that collide.
 */
#pragma once

#include "base/mem.h"

#include <stddef.h>
#include <stdint.h>

struct map;

/* The process's seeded 64-bit hash (XXH3): for tables only, never for anything that is sent or stored. */
uint64_t map_hash(const void *p, size_t n);

struct map *map_new(void) __attribute__((returns_nonnull));
void map_free(struct map *m);
AUTO_DEFINE(map)

/* The value, or NULL when the key is absent (a value is never NULL). */
void *map_get(const struct map *m, const char *key);
/* Sets key to value (not NULL); returns the value it had, or NULL. */
void *map_set(struct map *m, const char *key, void *value);
/* Removes key; returns the value it had, or NULL. */
void *map_remove(struct map *m, const char *key);
size_t map_count(const struct map *m);

struct map_entry {
        const char *key;
        void *value;
};

/* Calls each() for every entry in order of insertion; it may remove the entry that it is called for. */
void map_each(const struct map *m, void (*each)(const char *key, void *value, void *arg), void *arg);
/* All entries by strcmp() order of keys, for mem_free(); keys and values are borrowed. */
struct map_entry *map_sorted(const struct map *m);
