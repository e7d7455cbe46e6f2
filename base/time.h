/* SPDX-License-Identifier: Apache-2.0 */
/*
 * time - wall clock, monotonic clock, durations and timestamps as text.
 *
 * Wall-clock times are int64_t microseconds since 1970 (what Kubernetes' MicroTime can hold); durations are int64_t
 * nanoseconds (Go's unit). Pure code gets "now" as an argument; only the edges call time_now_*().
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define TIME_MICROS_PER_SECOND INT64_C(1000000)
#define DURATION_MICROSECOND INT64_C(1000)
#define DURATION_MILLISECOND INT64_C(1000000)
#define DURATION_SECOND INT64_C(1000000000)
#define DURATION_MINUTE (60 * DURATION_SECOND)
#define DURATION_HOUR (60 * DURATION_MINUTE)

enum { TIME_TEXT_MAX = 40 };

int64_t time_now_micros(void);
/* Nanoseconds on a clock that never jumps (CLOCK_MONOTONIC). */
int64_t time_monotonic(void);

/* RFC 3339 in UTC: "2026-11-21T09:17:00Z" and "2026-11-21T09:17:00.000000Z". */
void time_format_seconds(int64_t micros, char text[TIME_TEXT_MAX]);
void time_format_micros(int64_t micros, char text[TIME_TEXT_MAX]);
/* RFC 3339, any offset, any number of fractional digits (cut to microseconds). */
bool time_parse(const char *text, int64_t *micros, struct err *e);

/* Go's time.ParseDuration: "1h15m30.918s", "-1.5h", "0"; units ns us (also with U+00B5, U+03BC) ms s m h. */
bool duration_parse(const char *text, int64_t *nanos, struct err *e);
/* Go's Duration.String() for durations of whole milliseconds and up: "1m30s", "150ms", "0s". */
void duration_format(int64_t nanos, char text[TIME_TEXT_MAX]);
