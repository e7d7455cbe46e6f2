/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan - what to do next about the certificates: pure, from what is stored, the time and the wishes.
 *
 * One step at a time, each one write to one object; after every step look again and ask again, so a Job may die
 * anywhere and another may take over. A CA is replaced without a moment in which a peer trusts the wrong one: the new
 * one is published beside the old, an overlap later it signs, an overlap later the old one goes. A CA whose key is lost
 * stays trusted for as long as certificates of it are served.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All times in this module are microseconds since 1970, all durations too. */
struct plan_wishes {
        int64_t leaf_lifetime, ca_lifetime, ca_overlap;
        bool rotate_ca; /* begin a rotation; the caller clears it once PLAN_ADD_CA is done */
};

struct plan_ca {
        int64_t not_before, not_after;
};

enum { PLAN_NOBODY = -1 };

/* The CA's own Secret: a bundle of which all may be trusted, and keys that say which of them sign. */
struct plan_authority {
        const struct plan_ca *bundle;
        size_t count;
        bool strays;        /* some of the bundle are published, but not in the Secret: it was lost or put back */
        bool unknown;       /* some who were given a bundle do not find the signer in it */
        int signer;         /* the one that signs leaves: whose key is stored; PLAN_NOBODY without */
        int next;           /* the one whose key waits; PLAN_NOBODY without */
        int64_t settled_at; /* since when all readers were given exactly this bundle and signer; 0: not recorded */
};

struct plan_leaf {
        const char *problem; /* why it cannot stay: missing, unreadable, other names; NULL when it can */
        bool foreign;        /* somebody else's to keep: the rest says nothing */
        bool stored;         /* there is something, so what reads it may be running */
        int64_t not_before, not_after;
        int issuer;     /* place in the authority's bundle, or PLAN_NOBODY */
        bool published; /* its ca.crt is the authority's bundle */
};

/* A webhook configuration: caBundle of its entries. */
struct plan_hook {
        bool exists, published;
        bool foreign; /* somebody else writes it */
};

struct plan_state {
        struct plan_authority authority;
        const struct plan_leaf *leaves;
        size_t leaf_count;
        const struct plan_hook *hooks;
        size_t hook_count;
};

enum plan_action {
        PLAN_NONE,     /* nothing until `when` */
        PLAN_ADOPT,    /* the bundle with its strays into the Secret; a signer without leaves in use becomes the next */
        PLAN_ISSUE_CA, /* a new signer, beside those of the bundle that are still in date */
        PLAN_ADD_CA,   /* a new one into the bundle that does not sign yet */
        PLAN_PUBLISH,  /* the bundle into leaf `index` */
        PLAN_HOOK,     /* the bundle into webhook configuration `index` */
        PLAN_ISSUE_LEAF, /* leaf `index`, with the bundle */
        PLAN_SETTLE,     /* record that all is published: the overlap begins */
        PLAN_UNSETTLE,   /* take the record back: something was not published after all */
        PLAN_SWITCH_CA,  /* the waiting one signs; the old key goes, its certificate stays in the bundle */
        PLAN_DROP_CA,    /* only the signer stays in the bundle */
};

struct plan_step {
        enum plan_action action;
        size_t index;
        const char *reason; /* for people; "" with PLAN_NONE */
        int64_t when;       /* PLAN_NONE: when there may be something to do; INT64_MAX never */
};

struct plan_step plan_next(const struct plan_state *s, const struct plan_wishes *w, int64_t now);

/* Whose key signs a leaf now: the signer's, or, while that is lost, the successor's. There is one when leaves are
 * issued. */
int plan_issuer(const struct plan_authority *a, int64_t now);
/* Is a leaf in use that this one of the bundle has signed? */
bool plan_in_use(const struct plan_state *s, int which, int64_t now);

/* From when on something issued now is valid: clocks differ, and one that was days ahead may be set right again. */
int64_t plan_not_before(int64_t now, int64_t lifetime);
/* When a leaf is renewed: after two thirds of its life. */
int64_t plan_renewal(const struct plan_leaf *leaf);
/* When the CA's successor is prepared: with the time left that leaves and two overlaps take. */
int64_t plan_ca_renewal(const struct plan_ca *ca, const struct plan_wishes *w);
