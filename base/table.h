/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table - a hash table of entries that know their own key: twelve bytes a slot, where a hundred thousand count.
 *
 * Hashes stand beside the slots: a search looks at the entry that it finds and no other, growing at none.
 * Entries are the caller's; a key must not change while its entry is in. Iterate by looking at all slots.
 */
#pragma once

#include "base/mem.h"

#include <stdint.h>

struct table_ops {
        uint64_t (*hash)(const void *entry);
        bool (*matches)(const void *entry, const void *key);
};

struct table {
        const struct table_ops *ops;
        void **slots;     /* room of them, NULL where free */
        uint32_t *hashes; /* of the entries in the slots */
        size_t room, count;
};

void table_init(struct table *t, const struct table_ops *ops);
/* Frees the table, not the entries. */
void table_done(struct table *t);

/* The entry that matches key, whose hash is given, or NULL. */
void *table_find(const struct table *t, uint64_t hash, const void *key);
/* Adds an entry whose key is not there yet. */
void table_add(struct table *t, void *entry);
/* Takes an entry out that is there. */
void table_remove(struct table *t, const void *entry);
