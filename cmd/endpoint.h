/* SPDX-License-Identifier: Apache-2.0 */
/*
 * endpoint - the routes that need nothing but base: metrics and the log level.
 */
#pragma once

#include "cmd/http.h"

/* GET /metrics */
void endpoint_metrics(const struct http_request *r, struct http_answer *answer, void *arg);
/* GET /debug/loglevel: the level; PUT with "debug", "info", "warn" or "error" as body: sets it. */
void endpoint_log_level(const struct http_request *r, struct http_answer *answer, void *arg);
void endpoint_set_log_level(const struct http_request *r, struct http_answer *answer, void *arg);
