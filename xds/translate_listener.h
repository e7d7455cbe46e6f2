/* SPDX-License-Identifier: Apache-2.0 */
/*
 * translate_listener - where Envoy listens: HTTP, HTTPS with one filter chain a host, and its statistics.
 */
#pragma once

#include "dag/host.h"
#include "xds/options.h"
#include "xds/resource.h"

/* The static cluster of Envoy's admin socket; `gatehouse bootstrap` writes it. */
#define ADMIN_CLUSTER_NAME "envoy-admin"

#define HTTPS_LISTENER_NAME "ingress_https"

struct resource *translate_http_listener(const struct xds_options *options) __attribute__((returns_nonnull));
struct resource *translate_stats_listener(const struct xds_options *options) __attribute__((returns_nonnull));

/*
 * What is done with TLS connections for the host: HTTP, TCP, or the connection is closed, where TLS was asked for and
 * cannot be had. NULL: no TLS was asked for, or nobody owns the name.
 */
struct resource *translate_filter_chain(const struct host *h, const struct xds_options *options);
/* From FilterChains, each host once, ordered by name. NULL when n is 0: Envoy refuses a listener without any. */
struct resource *translate_https_listener(const struct xds_options *options, const struct resource *const *chains,
                                          size_t n);
