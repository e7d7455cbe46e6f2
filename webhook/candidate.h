/* SPDX-License-Identifier: Apache-2.0 */
/*
 * candidate - what a review asks for, decoded once and ready to be judged any number of times.
 *
 * Pure, and without the store: everything here is done before the lock is taken. A candidate owns all that it holds;
 * it outlives the review's bytes and JSON.
 */
#pragma once

#include "kube/object.h"
#include "webhook/admission_review.h"

enum candidate_type {
        CANDIDATE_PASS, /* nothing to judge: allowed (DELETE, CONNECT, a subresource, a kind that no rule is about) */
        CANDIDATE_UNKNOWN, /* a kind that gatehouse does not read: allowed, with a warning */
        CANDIDATE_BROKEN,  /* a kind that we read, of which not even a name can be read: denied */
        CANDIDATE_OBJECT,
};

struct candidate {
        enum candidate_type type;
        bool kind_known;
        enum kind kind; /* when it is known */
        enum operation operation;
        const char *problem;  /* of BROKEN */
        struct object *new;   /* of OBJECT */
        struct object *old;   /* the stored version that an UPDATE starts from; NULL: none, or not readable */
        bool content_changed; /* an UPDATE that changes more than metadata and status */
        bool deleting;        /* an UPDATE of an object that has a deletionTimestamp */

        struct arena *arena;
};

/*
 * Decodes r's objects; r's JSON must still be there (and is changed: an object without a name gets a placeholder that
 * no stored object can have). False with e->code 400 when CREATE or UPDATE of a kind that we judge has no object.
 */
bool candidate_read(const struct admission_review *r, struct candidate **out, struct err *e);
void candidate_free(struct candidate *c);
AUTO_DEFINE(candidate)
