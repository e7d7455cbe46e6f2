/* SPDX-License-Identifier: Apache-2.0 */
/*
 * translate_route - a host as Envoy's VirtualHost, and the RouteConfigurations around it.
 *
 * Port 80 has one RouteConfiguration of all hosts, assembled from their packed VirtualHosts. On TLS each host has one
 * of its own, in which every other name answers 421: a connection for one host never reaches another.
 */
#pragma once

#include "dag/host.h"
#include "xds/resource.h"

#define HTTP_ROUTES_NAME "ingress_http"
#define HTTPS_ROUTES_PREFIX "https/"
/* "https/<host>" */
const char *https_routes_name(struct arena *a, const char *host) __attribute__((returns_nonnull));

/* What answers for the host on port 80. NULL: nobody owns it. */
struct resource *translate_virtual_host(const struct host *h);
/* The RouteConfiguration of port 80 from VirtualHosts, each name once, ordered by name. */
struct resource *translate_http_routes(const struct resource *const *virtual_hosts, size_t n)
        __attribute__((returns_nonnull));

/* Whether HTTP is served for the host on TLS; else connections are proxied, closed, or there is no TLS. */
bool host_has_https_routes(const struct host *h);
/* What answers for it there; NULL unless host_has_https_routes(). */
struct resource *translate_https_routes(const struct host *h);
