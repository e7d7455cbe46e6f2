/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_private - what store, view and reads share. Nobody else includes this.
 */
#pragma once

#include "base/map.h"
#include "kube/index.h"

struct sweep {
        uint32_t epoch;       /* of the newest sweep; an object is seen when its node says the same */
        size_t total, unseen; /* objects of the source; those that the newest sweep has not seen */
};

struct kind_list {
        struct object_node *first, *last;
        size_t count;
        struct sweep sweeps[STORE_SOURCES];
};

struct store {
        struct index index;
        struct kind_list kinds[KIND_COUNT];
        uint64_t generation;
        struct store_reader **dirty; /* kept for the next change */
        size_t dirty_count, dirty_capacity;
        struct map *last_good; /* "namespace/name" -> object: see view_last_good() */
};

/* The last reader of the node is gone. */
void store_unread(struct store *s, struct node *n);

/* Records that what a names was read; n is its node, NULL when there is none. */
void reads_add(struct reads *r, const struct store *s, const struct address *a, struct node *n);
