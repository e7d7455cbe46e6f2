/* SPDX-License-Identifier: Apache-2.0 */
/*
 * translate_connection - what is done with a connection: HTTP, as Envoy advises for an edge, or TCP passed on.
 *
 * Source: Envoy documentation, "Configuring Envoy as an edge proxy".
 */
#pragma once

#include "dag/host.h"
#include "xds/message.h"
#include "xds/options.h"
#include "xds/translate_cluster.h"

#include <envoy/config/listener/v3/listener.pb-c.h>
#include <envoy/config/route/v3/route.pb-c.h>

/* HTTP by the RouteConfiguration of that name, by RDS. */
Envoy__Filter *http_connection(struct arena *a, const struct xds_options *options, const char *stat_prefix,
                               const char *access_log_path, const char *routes) __attribute__((returns_nonnull));
/* HTTP by routes that are given here, without log and tracing. */
Envoy__Filter *plain_http_connection(struct arena *a, const char *stat_prefix, Envoy__RouteConfiguration *routes)
        __attribute__((returns_nonnull));
/* The connection to one of the upstreams (at least one). */
Envoy__Filter *tcp_connection(struct arena *a, const struct xds_options *options, const struct host_tcpproxy *proxy,
                              enum cluster_use use) __attribute__((returns_nonnull));
