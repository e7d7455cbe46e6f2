/* SPDX-License-Identifier: Apache-2.0 */
/*
 * index - the nodes of a store: one for each key and each term that is there or has been read.
 *
 * A node without object, members and readers does not exist. The table is our own chained one instead of uthash: its
 * handle alone is as large as a whole node here, and there are several nodes an object. Private to the store.
 */
#pragma once

#include "kube/store.h"

/* What a node stands for. Borrows its strings. */
struct address {
        uint32_t hash;
        uint8_t space;         /* enum kind for a key, KIND_COUNT + enum term for a term */
        const char *namespace; /* "" for terms */
        const char *name;
};
struct address address_of_key(enum kind kind, const char *namespace, const char *name);
struct address address_of_term(enum term term, const char *name);

struct node {
        struct node *chain; /* in its bucket */
        struct store_link *readers;
        uint32_t hash;
        uint8_t space;
};

/* A key: the object, or (while somebody reads it) the place where it would be. */
struct object_node {
        struct node node;
        uint16_t source;
        bool lingering;        /* it is gone, but for the hook of that name */
        uint32_t seen;         /* the sweep that saw it last */
        struct object *object; /* NULL: absent */
        union {
                struct {
                        struct object_node *previous, *next; /* of its kind, in order of arrival */
                };
                char *absent; /* "namespace", NUL, "name" */
        };
};

/* A term: its members, ordered by kind, namespace, name. */
struct term_node {
        struct node node;
        uint32_t count, capacity;
        union {
                struct object_node *one; /* while the capacity is 1: most terms have one member */
                struct object_node **many;
        };
        char name[];
};

/* One reader's dependence on one node; an array of them belongs to the reader, the list to the node. */
struct store_link {
        struct node *node;
        struct store_reader *reader;
        struct store_link *next, **previous;
};

struct index {
        struct node **buckets;
        uint32_t bucket_count; /* a power of two */
        uint32_t node_count;
};

void index_init(struct index *ix);
/* Frees all nodes (objects are their owner's); no reader may be left. */
void index_done(struct index *ix);

bool node_is_term(const struct node *n);
struct object_node *node_object(struct node *n);
struct term_node *node_term(struct node *n);
/* Whether an object is there, or a member. Only then it stays when its last reader goes. */
bool node_is_filled(const struct node *n);

/* The node, or NULL. */
struct node *index_find(const struct index *ix, const struct address *a);
/* The node, made when it is not there. */
struct node *index_need(struct index *ix, const struct address *a);
/* Frees the node if it is neither filled nor read. */
void index_drop_unused(struct index *ix, struct node *n);

/* Fills an absent node, or replaces its object; and makes it absent (the object is the caller's). */
void object_node_fill(struct object_node *n, struct object *o);
void object_node_empty(struct object_node *n);

/* Order of members: kind, namespace, name. */
int object_compare(const struct object *a, const struct object *b);

/* Members in order; adding one that is there, or removing one that is not, does nothing. */
struct object_node *const *term_members(const struct term_node *t);
void term_add(struct term_node *t, struct object_node *member);
void term_remove(struct term_node *t, const struct object_node *member);
