/* SPDX-License-Identifier: Apache-2.0 */
/*
 * coalesce - when changes are passed on: the first after quiet at once; under churn together, when there was none for
 * COALESCE_QUIET, and each after COALESCE_MAX at the latest. Times are of the monotonic clock, in nanoseconds.
 */
#pragma once

#include "base/time.h"

#include <stdbool.h>

#define COALESCE_QUIET (10 * DURATION_MILLISECOND)
#define COALESCE_MAX (100 * DURATION_MILLISECOND)

struct coalesce {
        int64_t first, last; /* changes that are not passed on yet */
};

/* Before the first change. */
#define COALESCE_INIT ((struct coalesce){.last = INT64_MIN / 2})

/* A change; begins: nothing else waits to be passed on. */
void coalesce_note(struct coalesce *c, int64_t now, bool begins);
/* The same of something that others need not wait for: it goes with them, and makes no churn. */
void coalesce_join(struct coalesce *c, int64_t now, bool begins);
/* When what waits is to be passed on; only while something does. */
int64_t coalesce_due(const struct coalesce *c);
