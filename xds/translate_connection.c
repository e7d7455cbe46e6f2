/* SPDX-License-Identifier: Apache-2.0 */
#include "xds/translate_connection.h"

#include "base/time.h"
#include "xds/access_log.h"
#include "xds/weights.h"

#include <assert.h>
#include <envoy/config/trace/v3/trace.pb-c.h>
#include <envoy/extensions/compression/gzip/compressor/v3/gzip.pb-c.h>
#include <envoy/extensions/filters/http/compressor/v3/compressor.pb-c.h>
#include <envoy/extensions/filters/http/grpc_stats/v3/config.pb-c.h>
#include <envoy/extensions/filters/http/grpc_web/v3/grpc_web.pb-c.h>
#include <envoy/extensions/filters/http/router/v3/router.pb-c.h>
#include <envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb-c.h>
#include <envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb-c.h>
#include <envoy/type/v3/type.pb-c.h>

enum {
        H2_STREAMS_MAX = 100,
        H2_STREAM_WINDOW = 64 * 1024,
        H2_CONNECTION_WINDOW = 1024 * 1024,
        IDLE_SECONDS = 60,
        REQUEST_HEADERS_SECONDS = 10,
        STREAM_IDLE_SECONDS = 300,
};

static Envoy__Filter *network_filter(struct arena *a, const char *name, const ProtobufCMessage *config)
{
        Envoy__Filter *m = message_new(a, &envoy__filter__descriptor);
        m->name = name;
        m->config_type_case = ENVOY__FILTER__CONFIG_TYPE_TYPED_CONFIG;
        m->typed_config = message_any(a, config);
        return m;
}

/* ---- HTTP filters ---- */

static void add_filter(struct arena *a, Envoy__HttpConnectionManager *m, const char *name, Google__Any *config)
{
        Envoy__HttpFilter *filter = message_new(a, &envoy__http_filter__descriptor);
        filter->name = name;
        filter->config_type_case = ENVOY__HTTP_FILTER__CONFIG_TYPE_TYPED_CONFIG;
        filter->typed_config = config;
        *arena_push(a, &m->http_filters, &m->n_http_filters) = filter;
}

static Google__Any *compressor(struct arena *a)
{
        Envoy__Compressor *m = message_new(a, &envoy__compressor__descriptor);
        m->compressor_library = message_new(a, &envoy__typed_extension_config__descriptor);
        m->compressor_library->name = "gzip";
        m->compressor_library->typed_config = message_any_empty(a, &envoy__gzip__descriptor);
        return message_any(a, &m->base);
}

static void add_router(struct arena *a, Envoy__HttpConnectionManager *m)
{
        add_filter(a, m, "envoy.filters.http.router", message_any_empty(a, &envoy__router__descriptor));
}

/* ---- the edge ---- */

static Envoy__HttpProtocolOptions__HeadersWithUnderscoresAction underscores_action(enum xds_underscores u)
{
        switch (u) {
        case UNDERSCORES_REJECT:
                return ENVOY__HTTP_PROTOCOL_OPTIONS__HEADERS_WITH_UNDERSCORES_ACTION__REJECT_REQUEST;
        case UNDERSCORES_DROP:
                return ENVOY__HTTP_PROTOCOL_OPTIONS__HEADERS_WITH_UNDERSCORES_ACTION__DROP_HEADER;
        case UNDERSCORES_ALLOW:
                return ENVOY__HTTP_PROTOCOL_OPTIONS__HEADERS_WITH_UNDERSCORES_ACTION__ALLOW;
        }
        assert(false);
        return ENVOY__HTTP_PROTOCOL_OPTIONS__HEADERS_WITH_UNDERSCORES_ACTION__REJECT_REQUEST;
}

static Envoy__HttpConnectionManager__PathWithEscapedSlashesAction slashes_action(enum xds_escaped_slashes s)
{
        switch (s) {
        case SLASHES_REDIRECT:
                return ENVOY__HTTP_CONNECTION_MANAGER__PATH_WITH_ESCAPED_SLASHES_ACTION__UNESCAPE_AND_REDIRECT;
        case SLASHES_FORWARD:
                return ENVOY__HTTP_CONNECTION_MANAGER__PATH_WITH_ESCAPED_SLASHES_ACTION__UNESCAPE_AND_FORWARD;
        case SLASHES_REJECT:
                return ENVOY__HTTP_CONNECTION_MANAGER__PATH_WITH_ESCAPED_SLASHES_ACTION__REJECT_REQUEST;
        case SLASHES_KEEP:
                return ENVOY__HTTP_CONNECTION_MANAGER__PATH_WITH_ESCAPED_SLASHES_ACTION__KEEP_UNCHANGED;
        }
        assert(false);
        return ENVOY__HTTP_CONNECTION_MANAGER__PATH_WITH_ESCAPED_SLASHES_ACTION__REJECT_REQUEST;
}

/* What every listener of ours does with a request before it looks for a route. */
static Envoy__HttpConnectionManager *edge(struct arena *a, const char *stat_prefix, enum xds_underscores underscores,
                                          enum xds_escaped_slashes slashes)
{
        Envoy__HttpConnectionManager *m = message_new(a, &envoy__http_connection_manager__descriptor);
        m->stat_prefix = stat_prefix;
        m->use_remote_address = message_true(a);
        m->normalize_path = message_true(a);
        m->merge_slashes = true;
        m->path_with_escaped_slashes_action = slashes_action(slashes);
        m->strip_trailing_host_dot = true;
        m->common_http_protocol_options = message_new(a, &envoy__http_protocol_options__descriptor);
        m->common_http_protocol_options->idle_timeout = message_duration(a, IDLE_SECONDS * DURATION_SECOND);
        m->common_http_protocol_options->headers_with_underscores_action = underscores_action(underscores);
        m->http2_protocol_options = message_new(a, &envoy__http2_protocol_options__descriptor);
        m->http2_protocol_options->max_concurrent_streams = message_uint32(a, H2_STREAMS_MAX);
        m->http2_protocol_options->initial_stream_window_size = message_uint32(a, H2_STREAM_WINDOW);
        m->http2_protocol_options->initial_connection_window_size = message_uint32(a, H2_CONNECTION_WINDOW);
        m->request_headers_timeout = message_duration(a, REQUEST_HEADERS_SECONDS * DURATION_SECOND);
        m->stream_idle_timeout = message_duration(a, STREAM_IDLE_SECONDS * DURATION_SECOND);
        return m;
}

static Envoy__HttpConnectionManager__Tracing *tracing(struct arena *a, double percent)
{
        Envoy__OpenTelemetryConfig *config = message_new(a, &envoy__open_telemetry_config__descriptor);
        config->service_name = "envoy";
        config->grpc_service = message_new(a, &envoy__grpc_service__descriptor);
        config->grpc_service->target_specifier_case = ENVOY__GRPC_SERVICE__TARGET_SPECIFIER_ENVOY_GRPC;
        config->grpc_service->envoy_grpc = message_new(a, &envoy__grpc_service__envoy_grpc__descriptor);
        config->grpc_service->envoy_grpc->cluster_name = TRACING_CLUSTER_NAME;
        Envoy__HttpConnectionManager__Tracing *m = message_new(a, &envoy__http_connection_manager__tracing__descriptor);
        m->random_sampling = message_new(a, &envoy__percent__descriptor);
        m->random_sampling->value = percent;
        m->provider = message_new(a, &envoy__tracing__http__descriptor);
        m->provider->name = "envoy.tracers.opentelemetry";
        m->provider->config_type_case = ENVOY__TRACING__HTTP__CONFIG_TYPE_TYPED_CONFIG;
        m->provider->typed_config = message_any(a, &config->base);
        return m;
}

#define HTTP_CONNECTION_MANAGER "envoy.filters.network.http_connection_manager"

Envoy__Filter *http_connection(struct arena *a, const struct xds_options *options, const char *stat_prefix,
                               const char *access_log_path, const char *routes)
{
        Envoy__HttpConnectionManager *m = edge(a, stat_prefix, options->underscores, options->escaped_slashes);
        m->xff_num_trusted_hops = options->xff_trusted_hops;
        m->access_log = message_one(a, access_log(a, access_log_path, &options->access_log));
        m->n_access_log = 1;
        if (options->tracing_host)
                m->tracing = tracing(a, options->tracing_percent);
        m->route_specifier_case = ENVOY__HTTP_CONNECTION_MANAGER__ROUTE_SPECIFIER_RDS;
        m->rds = message_new(a, &envoy__rds__descriptor);
        m->rds->route_config_name = routes;
        m->rds->config_source = message_ads(a);
        add_filter(a, m, "envoy.filters.http.compressor", compressor(a));
        add_filter(a, m, "envoy.filters.http.grpc_web", message_any_empty(a, &envoy__grpc_web__descriptor));
        add_filter(a, m, "envoy.filters.http.grpc_stats",
                   message_any_empty(a, &envoy_grpc_stats__filter_config__descriptor));
        add_router(a, m);
        return network_filter(a, HTTP_CONNECTION_MANAGER, &m->base);
}

Envoy__Filter *plain_http_connection(struct arena *a, const char *stat_prefix, Envoy__RouteConfiguration *routes)
{
        Envoy__HttpConnectionManager *m = edge(a, stat_prefix, UNDERSCORES_REJECT, SLASHES_REJECT);
        m->route_specifier_case = ENVOY__HTTP_CONNECTION_MANAGER__ROUTE_SPECIFIER_ROUTE_CONFIG;
        m->route_config = routes;
        add_router(a, m);
        return network_filter(a, HTTP_CONNECTION_MANAGER, &m->base);
}

/* ---- TCP ---- */

static Envoy__TcpProxy__WeightedCluster *tcp_clusters(struct arena *a, const struct weights *w)
{
        Envoy__TcpProxy__WeightedCluster *m = message_new(a, &envoy__tcp_proxy__weighted_cluster__descriptor);
        m->n_clusters = w->count;
        m->clusters = arena_calloc(a, w->count, sizeof(*m->clusters));
        for (size_t i = 0; i < w->count; i++) {
                m->clusters[i] = message_new(a, &envoy__tcp_proxy__weighted_cluster__cluster_weight__descriptor);
                m->clusters[i]->name = w->items[i].cluster;
                m->clusters[i]->weight = w->items[i].weight;
        }
        return m;
}

Envoy__Filter *tcp_connection(struct arena *a, const struct xds_options *options, const struct host_tcpproxy *proxy,
                              enum cluster_use use)
{
        struct weights w = weights_of(a, proxy->clusters, proxy->cluster_count, use);
        Envoy__TcpProxy *m = message_new(a, &envoy__tcp_proxy__descriptor);
        m->stat_prefix = "ingress_https";
        m->access_log = message_one(a, access_log(a, options->https_access_log, &options->access_log));
        m->n_access_log = 1;
        if (w.count == 1) {
                m->cluster_specifier_case = ENVOY__TCP_PROXY__CLUSTER_SPECIFIER_CLUSTER;
                m->cluster = w.items[0].cluster;
        } else {
                m->cluster_specifier_case = ENVOY__TCP_PROXY__CLUSTER_SPECIFIER_WEIGHTED_CLUSTERS;
                m->weighted_clusters = tcp_clusters(a, &w);
        }
        return network_filter(a, "envoy.filters.network.tcp_proxy", &m->base);
}
