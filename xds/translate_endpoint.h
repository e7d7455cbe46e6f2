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

/* One address that may be sent traffic. Borrows its strings from the store. */
struct endpoint_target {
        const char *zone; /* "" when not given */
        const char *address;
        uint16_t port;
};
struct endpoint_targets {
        struct endpoint_target *items; /* by zone, then address, each once */
        size_t count;
};

struct endpoints {
        struct endpoint_targets ready;
        struct endpoint_targets draining; /* serve while they terminate */
        size_t others;                    /* endpoints that are neither, or of no use to Envoy */
};
/* All endpoints of a Service's port; arrays are in a. The view's reads are not recorded. */
void endpoints_find(const struct view *v, struct arena *a, const char *namespace, const char *service,
                    const char *port_name, struct endpoints *out);
/* Those that Envoy gets: the ready ones; when there is none, the draining ones. */
const struct endpoint_targets *endpoints_in_use(const struct endpoints *e) __attribute__((returns_nonnull));

/*
 * The ready endpoints; when none is ready, those that still serve while they terminate. May be empty: Envoy waits for
 * an answer. The view's reads are not recorded.
 */
struct resource *translate_endpoints(const struct view *v, const char *namespace, const char *service,
                                     const char *port_name) __attribute__((returns_nonnull));
