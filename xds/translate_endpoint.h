/* SPDX-License-Identifier: Apache-2.0 */
/*
 * translate_endpoint - the EndpointSlices (or Endpoints) of a Service as Envoy's ClusterLoadAssignment.
 *
 * Goes from the store to EDS directly: an endpoint change compiles no host.
 */
#pragma once

#include "base/arena.h"
#include "kube/store.h"
#include "xds/resource.h"

/* "namespace/service", with "/portname" where the Service's port has a name. */
const char *endpoints_name(struct arena *a, const char *namespace, const char *service, const char *port_name)
        __attribute__((returns_nonnull));

/*
 * The ready endpoints; when none is ready, those that still serve while they terminate. May be empty: Envoy waits for
 * an answer. The view's reads are not recorded.
 */
struct resource *translate_endpoints(const struct view *v, const char *namespace, const char *service,
                                     const char *port_name) __attribute__((returns_nonnull));
