/* SPDX-License-Identifier: Apache-2.0 */
/*
 * service - a route's weighted upstream: from what an object writes to a cluster, or to what stops it.
 */
#pragma once

#include "dag/check.h"
#include "dag/host.h"

enum { SERVICES_PER_ROUTE_MAX = 128 };

/* What the upstreams of one route come out as. */
struct upstreams {
        bool broken;              /* one of them is written wrongly or may not be used: the route answers 503 */
        struct cluster *clusters; /* by service name, port, then order of writing; missing ones stay with their share */
        size_t count;
};

/*
 * Checks and resolves the services of one route or tcpproxy of c->about (an IngressRoute). Clusters are in result
 * (they borrow nothing from the view), which may be NULL when only findings are wanted; then out is only counted.
 */
void service_resolve(const struct check *c, struct place at, const struct ir_service *services, size_t n,
                     struct arena *result, struct upstreams *out);

/* The same for the backend of an Ingress; leaf is the field of the backend. */
void service_resolve_backend(const struct check *c, const char *leaf, const struct ingress_backend *backend,
                             struct arena *result, struct upstreams *out);

/* Checks spec.strategy and spec.healthCheck of an IngressRoute. */
void service_judge_defaults(const struct check *c, const struct ingressroute *ir);
