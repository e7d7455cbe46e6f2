/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mutate - the JSON Patch that brings an IngressRoute into its normal form. api.md, "Mutation".
 *
 * Pure and idempotent: the patched object needs no patch. What has a wrong type is left for the verdict to name.
 */
#pragma once

#include "dag/policy.h"
#include "kube/store.h"
#include "webhook/admission_review.h"
#include "webhook/candidate.h"

struct mutate_options {
        bool default_ingress_class; /* --default-ingress-class: write the policy's class where there is none */
        bool write_defaults;        /* --write-defaults */
};

/*
 * The patch (RFC 6902) in a, or NULL when nothing is to be changed: c is r's candidate, and r's JSON must still be
 * there. The caller holds the read lock of store and policy.
 */
char *mutate_review(const struct admission_review *r, const struct candidate *c, const struct store *store,
                    const struct policy *policy, const struct mutate_options *options, struct arena *a);
