/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backoff - how long to wait before the next try: doubling with jitter, as client-go's reflectors do.
 */
#pragma once

#include <stdint.h>

#define BACKOFF_FIRST INT64_C(500000000)  /* nanoseconds: 0.5 s */
#define BACKOFF_LAST INT64_C(20000000000) /* 20 s: a server that comes back is noticed within half a minute */

struct backoff {
        unsigned failures;
};

/* Counts a failure and returns the wait, in nanoseconds: at least at_least (a Retry-After; 0: none), jitter added. */
int64_t backoff_next(struct backoff *b, int64_t at_least);
/* The last try went well. */
void backoff_reset(struct backoff *b);
/* base plus a random share of up to factor of it (0.2: up to a fifth more). */
int64_t backoff_jitter(int64_t base, double factor);
