/* SPDX-License-Identifier: Apache-2.0 */
/*
 * route - the routes of one IngressRoute as the object itself has them, before any delegation is followed.
 */
#pragma once

#include "dag/check.h"
#include "dag/host.h"

enum { ROUTES_PER_OBJECT_MAX = 2048 };

enum route_kind {
        ROUTE_DROPPED,   /* its path cannot be served: invalid, or there already */
        ROUTE_SERVES,    /* has services */
        ROUTE_DELEGATES, /* hands its prefix on */
        ROUTE_CUT_OFF,   /* written wrongly: its prefix answers 503 */
};

struct planned_route {
        enum route_kind kind;
        const char *match; /* normalised; NULL when dropped */
};

/* All routes of c->about (an IngressRoute), as many as it has, in c->scratch; judges paths and actions. */
const struct planned_route *route_plan(const struct check *c);

/*
 * Judges what route index says beside its path and action (services, timeouts, retries, rewrite). Where result is
 * given, fills out (except source, match and index), with action ROUTE_UNAVAILABLE when something is wrong.
 */
void route_resolve(const struct check *c, size_t index, struct arena *result, struct route *out);

/* A Go duration of 1 ms to 24 h, or "infinity" and "0s": TIMEOUT_INFINITY. */
bool route_parse_timeout(const char *text, int64_t *timeout);

/* Whether the route is to be served on plain HTTP beside TLS. */
bool route_is_insecure(const struct policy *policy, const struct ir_route *r);
