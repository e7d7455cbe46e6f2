/* SPDX-License-Identifier: Apache-2.0 */
/*
 * translate_cluster - an upstream of a route as Envoy's Cluster.
 *
 * The name holds a hash over all in which two routes to one port of a Service can differ. What the Service itself says
 * (protocol, circuit breakers, ExternalName) is not in it: a change of that updates the cluster in place.
 */
#pragma once

#include "dag/host.h"
#include "xds/options.h"
#include "xds/resource.h"

/* How connections reach the upstream: by its protocol, or as they are, when the client's TLS passes through. */
enum cluster_use { USE_PROTOCOL, USE_PASSTHROUGH };

/* "namespace/service/port/<hash>"; also of a missing Service: then Envoy knows no such cluster, and answers 503. */
const char *cluster_name(struct arena *a, const struct cluster *c, enum cluster_use use)
        __attribute__((returns_nonnull));

/* c must not be missing. */
struct resource *translate_cluster(const struct cluster *c, enum cluster_use use, const struct xds_options *options)
        __attribute__((returns_nonnull));

#define TRACING_CLUSTER_NAME "tracing-otlp"
/* The collector; NULL without tracing. */
struct resource *translate_tracing_cluster(const struct xds_options *options);
