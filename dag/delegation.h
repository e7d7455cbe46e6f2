/* SPDX-License-Identifier: Apache-2.0 */
/*
 * delegation - from one IngressRoute to the next: whether a delegation holds, and the walk over all that hold.
 */
#pragma once

#include "dag/check.h"
#include "dag/route.h"

enum {
        DELEGATION_DEPTH_MAX = 32,     /* delegations in a chain */
        DELEGATION_OBJECTS_MAX = 4096, /* objects in a host, each counted once per distinct prefix */
        DELEGATION_ROUTES_MAX = 16384, /* routes in a host */
        DELEGATION_LOOKED_MAX = 65536, /* routes looked at on the walk of a host, also those that are not let in */
};

/*
 * The object that c->about delegates to at a place, or NULL after a finding: there is none of our class, it is a
 * root, it does not accept the delegation. field_of is "delegate" for the place.
 */
const struct object *delegation_target(const struct check *c, struct place at, const struct ir_delegate *d);

/* One prefix that an object hands on. */
struct delegated {
        const char *prefix; /* normalised */
        size_t length;
        const struct ir_delegate *to;
        size_t route;
        const struct delegated *around; /* the next shorter one that covers it; NULL: none */
};

/* All prefixes that an object hands on, in an order for delegations_find(). */
struct delegations {
        const struct delegated *items;
        size_t count;
};

/* Those of an IngressRoute whose plan (route_plan()) is given; the array is in a. */
struct delegations delegations_of(struct arena *a, const struct object *o, const struct planned_route *plan);

/* The most specific one that covers match (normalised), or NULL: it owns that path among them. */
const struct delegated *delegations_find(const struct delegations *all, const char *match);

/* Whether a delegation is to o. */
bool delegation_is_to(const struct ir_delegate *d, const struct object *o);

/* Adds DelegationCycle; chain is "a/x -> b/y -> a/x" from c->about on. */
void delegation_add_cycle(const struct check *c, struct place at, const struct ir_delegate *d, const char *chain);

/* What admission alone asks of a candidate: whether it closes a cycle; which of its routes existing delegators
 * exclude. */
void delegation_judge_candidate(const struct check *c);
