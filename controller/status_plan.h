/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status_plan - what has to be written into an IngressRoute's status, if anything. Pure.
 *
 * Compares what was found with what the API server holds: when nothing differs there is nothing to write, so a status
 * is never written twice. What is written is the body of a JSON merge patch (RFC 7386) on the /status subresource that
 * carries uid and resourceVersion: it meets exactly the object that was judged. Fields: spec/api.md.
 */
#pragma once

#include "base/buf.h"
#include "dag/compile.h"

enum {
        STATUS_FINDINGS_MAX = 100,
        STATUS_MESSAGE_MAX = 32 * 1024, /* etcd refuses objects over 1.5 MiB, and nobody reads more */
        STATUS_BODY_MAX = 1024 * 1024,
};

struct status_input {
        const struct object *object; /* an IngressRoute as the store holds it */
        const struct object_state *state;
        const char *claim_id; /* policy.claim_id: our claims' `by`; NULL: claims are neither trusted nor written */
        int64_t now;          /* microseconds since 1970 */
};

/*
 * Whether something is to be written; body (empty, of STATUS_BODY_MAX) then holds the patch; NULL: only the answer is
 * wanted. An object of another class keeps its status, which is not ours; only our claim is taken from it.
 */
bool status_plan(const struct status_input *in, struct buf *body);

/*
 * Whether currentStatus is to say something else than before: a new object that is valid does not count.
 */
bool status_plan_turns(const struct status_input *in);

/* The status that is wanted, without times: equal numbers mean that the same would be written. */
uint64_t status_plan_wanted(const struct status_input *in);
/* The same of the status that an object holds: what we would write and what others may have changed. */
uint64_t status_plan_held(const struct object *o);
