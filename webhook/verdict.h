/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verdict - may this object be stored? rules.md, "At admission".
 *
 * Pure: candidate, store, policy and clock in, verdict out. The caller holds the read lock while it judges; the
 * verdict borrows nothing from the store and lives in the arena that was given.
 */
#pragma once

#include "dag/compile.h"
#include "webhook/admission_review.h"
#include "webhook/candidate.h"

struct verdict_rules {
        const struct store *store;
        const struct policy *policy;
        bool warn_only; /* --admission-mode warn: report, never refuse */
};

struct verdict {
        bool allowed;
        int code; /* of a denial: 403 when ownership or grants are part of it, else 422 */
        /* Every reason is ownership or a grant: a store that has yet to catch up may turn it. */
        bool may_be_early;
        const struct admission_cause *causes; /* of a denial: what denies */
        size_t cause_count;
        const char *const *warnings; /* all other findings */
        size_t warning_count;
        const enum rule *rules; /* of the findings, one each, for the metric */
        size_t rule_count;
};

/* now is in microseconds since 1970. */
void verdict_judge(const struct candidate *c, const struct verdict_rules *rules, int64_t now, struct arena *a,
                   struct verdict *out);
