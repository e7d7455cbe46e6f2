/* SPDX-License-Identifier: Apache-2.0 */
/*
 * health - is the loop turning (healthz), and is the server ready (readyz)?
 *
 * Liveness asks nobody: the loop beats, the probe compares. Readiness is a list of named conditions that the parts
 * report; a warning is shown but does not make the server unready. Every function may be called from every thread.
 */
#pragma once

#include "base/mem.h"
#include "cmd/http.h"

#include <stdint.h>

enum { HEALTH_STALL_SECONDS = 20 }; /* the loop beats every second; its longest step is the first build */

enum health_state { HEALTH_GOOD, HEALTH_WARNING, HEALTH_BAD };

struct health;

/* clock: nanoseconds that never jump (time_monotonic). Without any condition the server is not ready. */
struct health *health_new(int64_t (*clock)(void)) __attribute__((returns_nonnull));
void health_free(struct health *h);
AUTO_DEFINE(health)

/* The loop turns. */
void health_beat(struct health *h);

/* What a part says of itself now: "certificates", HEALTH_WARNING, "webhook: expires at ...". Replaces what it said. */
void health_report(struct health *h, const char *part, enum health_state state, const char *text);
bool health_is_ready(struct health *h);
/* Calls each() with what every part says; it must not call anything of the health. */
void health_each(struct health *h, void (*each)(const char *part, enum health_state state, const char *text, void *arg),
                 void *arg);

/* Routes: arg is the health. */
void health_serve_healthz(const struct http_request *r, struct http_answer *answer, void *arg);
void health_serve_readyz(const struct http_request *r, struct http_answer *answer, void *arg);
