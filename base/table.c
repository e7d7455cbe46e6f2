/* SPDX-License-Identifier: Apache-2.0 */
#include "base/table.h"

#include <assert.h>

enum { ROOM_MIN = 16 };

void table_init(struct table *t, const struct table_ops *ops)
{
        *t = (struct table){
                .ops = ops,
                .slots = mem_calloc(ROOM_MIN, sizeof(void *)),
                .hashes = mem_calloc(ROOM_MIN, sizeof(uint32_t)),
                .room = ROOM_MIN,
        };
}

void table_done(struct table *t)
{
        mem_free(t->slots);
        mem_free(t->hashes);
        *t = (struct table){0};
}

/* Room is a power of two; collisions go to the next free slot. */
static size_t next_slot(const struct table *t, size_t i)
{
        return (i + 1) & (t->room - 1);
}

static size_t home_slot(const struct table *t, uint32_t hash)
{
        return hash & (t->room - 1);
}

void *table_find(const struct table *t, uint64_t hash, const void *key)
{
        for (size_t i = home_slot(t, (uint32_t)hash); t->slots[i]; i = next_slot(t, i)) {
                if (t->hashes[i] == (uint32_t)hash && t->ops->matches(t->slots[i], key))
                        return t->slots[i];
        }
        return NULL;
}

static void insert(struct table *t, void *entry, uint32_t hash)
{
        size_t i = home_slot(t, hash);
        while (t->slots[i])
                i = next_slot(t, i);
        t->slots[i] = entry;
        t->hashes[i] = hash;
}

static void grow(struct table *t)
{
        struct table old = *t;
        t->room *= 2;
        t->slots = mem_calloc(t->room, sizeof(void *));
        t->hashes = mem_calloc(t->room, sizeof(uint32_t));
        for (size_t i = 0; i < old.room; i++) {
                if (old.slots[i])
                        insert(t, old.slots[i], old.hashes[i]);
        }
        table_done(&old);
}

void table_add(struct table *t, void *entry)
{
        /* At most three quarters full. */
        if ((t->count + 1) * 4 > t->room * 3)
                grow(t);
        insert(t, entry, (uint32_t)t->ops->hash(entry));
        t->count++;
}

/* Whether the entry at slot i, at home in slot home, may move to the free slot. */
static bool may_move(size_t free_slot, size_t home, size_t i)
{
        return free_slot <= i ? home <= free_slot || home > i : home <= free_slot && home > i;
}

void table_remove(struct table *t, const void *entry)
{
        size_t i = home_slot(t, (uint32_t)t->ops->hash(entry));
        while (t->slots[i] != entry) {
                assert(t->slots[i]);
                i = next_slot(t, i);
        }
        size_t free_slot = i;
        t->slots[free_slot] = NULL;
        for (i = next_slot(t, i); t->slots[i]; i = next_slot(t, i)) {
                if (!may_move(free_slot, home_slot(t, t->hashes[i]), i))
                        continue;
                t->slots[free_slot] = t->slots[i];
                t->hashes[free_slot] = t->hashes[i];
                t->slots[i] = NULL;
                free_slot = i;
        }
        t->count--;
}
