/* SPDX-License-Identifier: Apache-2.0 */
/*
 * meter - the webhook's metrics: how many reviews of what, how they ended, how long they took.
 *
 * All cells are made at start, so that worker threads only count.
 */
#pragma once

#include "dag/rule.h"
#include "webhook/candidate.h"

#include <stddef.h>
#include <stdint.h>

enum meter_verdict { METER_ALLOWED, METER_WARNED, METER_DENIED, METER_PATCHED, METER_UNPATCHED };
enum { METER_VERDICTS = METER_UNPATCHED + 1 };

struct meter;

/* Loop thread. Another meter counts into the same cells. */
struct meter *meter_new(void) __attribute__((returns_nonnull));
void meter_free(struct meter *m);

/* Any thread. */
void meter_review(struct meter *m, const struct candidate *c, enum meter_verdict verdict, int64_t nanos);
void meter_findings(struct meter *m, const enum rule *rules, size_t count);
/* A request that was no usable review, by its HTTP status. */
void meter_refused(struct meter *m, unsigned status);
