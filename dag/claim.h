/* SPDX-License-Identifier: Apache-2.0 */
/*
 * claim - who may serve a host name.
 *
 * Permitted claimants of one name are kept in the order that decides: the first owns the host. A claim borrows its
 * object from the view. Source: spec/rules.md, "Who owns a host".
 */
#pragma once

#include "dag/check.h"

struct claim {
        const struct object *object; /* IngressRoute (a root) or Ingress */
        bool newcomer;               /* the view's candidate, which did not hold the name as stored: comes last */
        bool persisted;              /* since is from its status.claim */
        int64_t since;               /* microseconds; where not persisted, the creationTimestamp */
};

/* The claims on one name. */
struct claims {
        struct claim *roots; /* in the order that decides */
        size_t root_count;
        struct claim *ingresses; /* likewise */
        size_t ingress_count;
        const char *namespace;     /* the one that the host belongs to; NULL: nobody's */
        const struct claim *owner; /* the root that serves the host, or NULL */
        const struct claim *heir;  /* the root that the owner's handover names, or NULL */
};

/* All permitted claims on name; arrays are in c->scratch. */
void claims_find(const struct check *c, const char *name, struct claims *out);

/* Whether o (IngressRoute root or Ingress) is of our class and may ask for name. */
bool claim_is_permitted(const struct check *c, const struct object *o, const char *name);

/* The `since` that the root is to hold, CLAIM_NOW for the moment of writing, 0 for no claim. */
int64_t claim_since_of(const struct claims *all, const struct claim *claim);

/* Whether an Ingress's host is well-formed: an exact name, "*.x" or "*". NULL or what is wrong. */
const char *claim_ingress_host_problem(const char *host);
/* Whether an Ingress of the namespace may ask for host: grants, and for wildcards a grant or the policy. */
bool claim_ingress_host_granted(const struct check *c, const char *namespace, const char *host);
