/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grpc_rate - so many events at once, and so many a second for ever: a token bucket in 8 bytes.
 *
 * Pure: `now` is CLOCK_MONOTONIC in nanoseconds. A zeroed grpc_rate is a full bucket. Burst and rate are given with
 * each question, so that a connection holds nothing but the state.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct grpc_rate {
        int64_t owed; /* the time at which the bucket is full again */
};

/* Counts one event; false when it is one too many (and then it does not count). burst and per_second are positive. */
bool grpc_rate_take(struct grpc_rate *r, int burst, int per_second, int64_t now);
