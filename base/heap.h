/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heap - what is due next: a binary heap of nodes that are embedded in their owners.
 *
 * Of nodes with the same key, any may come first. A node is in at most one heap; zero it before first use.
 */
#pragma once

#include "base/mem.h"

#include <stdint.h>

struct heap_node {
        int64_t key;
        size_t place; /* private: index + 1; 0: in no heap */
};

/* The zero value is an empty heap. */
struct heap {
        struct heap_node **nodes;
        size_t count, room;
};

/* Frees the heap, not the nodes. */
void heap_done(struct heap *h);

/* Puts node in with that key, or moves it when it is in already. */
void heap_set(struct heap *h, struct heap_node *node, int64_t key);
/* Takes node out; nothing happens when it is not in. */
void heap_remove(struct heap *h, struct heap_node *node);
/* The node with the smallest key, or NULL. */
struct heap_node *heap_first(const struct heap *h);
