/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree - who delegates what to whom under a host's name, as a tree for people.
 *
 * Pure. Drawn from the stored objects, so it shows also what is not served: the claimants that lost, delegations to
 * nothing, and cycles up to where they close. What was found about an object stands at each place where it appears.
 */
#pragma once

#include "dag/compile.h"

enum { TREE_NODES_MAX = 1000 }; /* nobody reads more; DELEGATION_OBJECTS_MAX may be in a host */

struct tree_node {
        struct object_ref ref;
        const char *prefix;             /* what is delegated to it, as written; NULL: it asks for the name itself */
        bool tcp;                       /* delegated by spec.tcpproxy */
        bool owner;                     /* the host is its own */
        bool reached;                   /* served through a valid chain, here or elsewhere */
        bool missing;                   /* there is no such object */
        bool again;                     /* it stands above already: a cycle */
        size_t route_count;             /* routes (rules of an Ingress) that it serves itself */
        const struct finding *findings; /* all that is known about it */
        size_t finding_count;
        const struct tree_node *children, *next;
};

struct tree {
        const struct tree_node *first;
        size_t count;
        bool cut; /* there is more than TREE_NODES_MAX */
};

/* Puts an object's state into out, in a. */
typedef void tree_state_fn(const struct object *o, struct arena *a, struct object_state *out, void *arg);

/* In a, owners first. */
struct tree tree_of(struct arena *a, const struct view *v, const struct host *h, tree_state_fn *state_of, void *arg);

/* For a terminal: one line a node, one more for each finding. */
void tree_text(struct buf *out, const struct host *h, const struct tree *t);
