/* SPDX-License-Identifier: Apache-2.0 */
/* Source: Envoy v3 API reference, config.listener.v3 and extensions.transport_sockets.tls.v3. */
#include "xds/translate_listener.h"

#include "base/time.h"
#include "xds/translate_connection.h"
#include "xds/translate_route.h"
#include "xds/translate_secret.h"

#include <envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol.pb-c.h>
#include <envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.pb-c.h>
#include <envoy/extensions/transport_sockets/tls/v3/tls.pb-c.h>
#include <envoy/type/matcher/v3/string.pb-c.h>

#define HTTP_NAME "ingress_http"
#define STATS_NAME "stats-health"

enum {
        BUFFER_LIMIT = 32 * 1024, /* bytes a connection, as Envoy advises for an edge */
        HANDSHAKE_SECONDS = 10,
        FILTER_CHAINS_FIELD = 3, /* of Listener */
};

static Envoy__Listener *listener(struct arena *a, const char *name, const struct xds_listen *at)
{
        Envoy__Listener *m = message_new(a, &envoy__listener__descriptor);
        m->name = name;
        m->address = message_address(a, at->address, at->port);
        m->per_connection_buffer_limit_bytes = message_uint32(a, BUFFER_LIMIT);
        return m;
}

static void add_listener_filter(struct arena *a, Envoy__Listener *m, const char *name,
                                const ProtobufCMessageDescriptor *type)
{
        Envoy__ListenerFilter *filter = message_new(a, &envoy__listener_filter__descriptor);
        filter->name = name;
        filter->config_type_case = ENVOY__LISTENER_FILTER__CONFIG_TYPE_TYPED_CONFIG;
        filter->typed_config = message_any_empty(a, type);
        *arena_push(a, &m->listener_filters, &m->n_listener_filters) = filter;
}

static void add_proxy_protocol(struct arena *a, Envoy__Listener *m, const struct xds_options *options)
{
        if (options->use_proxy_protocol)
                add_listener_filter(a, m, "envoy.filters.listener.proxy_protocol", &envoy__proxy_protocol__descriptor);
}

static void set_only_chain(struct arena *a, Envoy__Listener *m, const Envoy__Filter *filter)
{
        Envoy__FilterChain *chain = message_new(a, &envoy__filter_chain__descriptor);
        chain->filters = message_one(a, filter);
        chain->n_filters = 1;
        m->filter_chains = message_one(a, chain);
        m->n_filter_chains = 1;
}

struct resource *translate_http_listener(const struct xds_options *options)
{
        AUTO(arena) *a = arena_new(4096);
        Envoy__Listener *m = listener(a, HTTP_NAME, &options->http);
        add_proxy_protocol(a, m, options);
        set_only_chain(a, m, http_connection(a, options, HTTP_NAME, options->http_access_log, HTTP_ROUTES_NAME));
        return resource_pack(RESOURCE_LISTENER, HTTP_NAME, &m->base);
}

/* ---- statistics ---- */

/* GET of one path, to Envoy's own admin server, and nothing else of it. */
static void add_admin_route(struct arena *a, Envoy__VirtualHost *vhost, const char *path)
{
        Envoy__StringMatcher *get = message_new(a, &envoy__string_matcher__descriptor);
        get->match_pattern_case = ENVOY__STRING_MATCHER__MATCH_PATTERN_EXACT;
        get->exact = "GET";
        Envoy__HeaderMatcher *method = message_new(a, &envoy__header_matcher__descriptor);
        method->name = ":method";
        method->header_match_specifier_case = ENVOY__HEADER_MATCHER__HEADER_MATCH_SPECIFIER_STRING_MATCH;
        method->string_match = get;
        Envoy__Route *route = message_new(a, &envoy__route__descriptor);
        route->match = message_new(a, &envoy__route_match__descriptor);
        route->match->path_specifier_case = ENVOY__ROUTE_MATCH__PATH_SPECIFIER_PATH;
        route->match->path = path;
        route->match->headers = message_one(a, method);
        route->match->n_headers = 1;
        route->action_case = ENVOY__ROUTE__ACTION_ROUTE;
        route->route = message_new(a, &envoy__route_action__descriptor);
        route->route->cluster_specifier_case = ENVOY__ROUTE_ACTION__CLUSTER_SPECIFIER_CLUSTER;
        route->route->cluster = ADMIN_CLUSTER_NAME;
        *arena_push(a, &vhost->routes, &vhost->n_routes) = route;
}

struct resource *translate_stats_listener(const struct xds_options *options)
{
        AUTO(arena) *a = arena_new(4096);
        Envoy__VirtualHost *vhost = message_new(a, &envoy__virtual_host__descriptor);
        vhost->name = STATS_NAME;
        vhost->domains = message_one_string(a, "*");
        vhost->n_domains = 1;
        add_admin_route(a, vhost, "/ready");
        add_admin_route(a, vhost, "/stats");
        add_admin_route(a, vhost, "/stats/prometheus");
        Envoy__RouteConfiguration *routes = message_new(a, &envoy__route_configuration__descriptor);
        routes->name = STATS_NAME;
        routes->virtual_hosts = message_one(a, vhost);
        routes->n_virtual_hosts = 1;
        Envoy__Listener *m = listener(a, STATS_NAME, &options->stats);
        m->ignore_global_conn_limit = true; /* the probe gets through when clients hold all that bootstrap allows */
        set_only_chain(a, m, plain_http_connection(a, STATS_NAME, routes));
        return resource_pack(RESOURCE_LISTENER, STATS_NAME, &m->base);
}

/* ---- TLS ---- */

static Envoy__TlsParameters *tls_parameters(struct arena *a, enum tls_version minimum)
{
        /* Equal preference in brackets: the client knows whether its machine is faster at AES. */
        static const char *const suites[] = {
                "[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305]",
                "[ECDHE-RSA-AES128-GCM-SHA256|ECDHE-RSA-CHACHA20-POLY1305]",
                "ECDHE-ECDSA-AES256-GCM-SHA384",
                "ECDHE-RSA-AES256-GCM-SHA384",
        };
        Envoy__TlsParameters *m = message_new(a, &envoy__tls_parameters__descriptor);
        m->tls_minimum_protocol_version = minimum == TLS_1_3 ? ENVOY__TLS_PARAMETERS__TLS_PROTOCOL__TLSv1_3
                                                             : ENVOY__TLS_PARAMETERS__TLS_PROTOCOL__TLSv1_2;
        m->tls_maximum_protocol_version = ENVOY__TLS_PARAMETERS__TLS_PROTOCOL__TLSv1_3;
        m->cipher_suites = arena_memdup(a, suites, sizeof(suites));
        m->n_cipher_suites = COUNT_OF(suites);
        return m;
}

static void set_tls(struct arena *a, Envoy__FilterChain *chain, const struct host *h)
{
        static const char *const http[] = {"h2", "http/1.1"};
        Envoy__SdsSecretConfig *pair = message_new(a, &envoy__sds_secret_config__descriptor);
        pair->name = pair_name(a, h->tls->secret_namespace, h->tls->secret_name);
        pair->sds_config = message_ads(a);
        Envoy__CommonTlsContext *tls = message_new(a, &envoy__common_tls_context__descriptor);
        tls->tls_params = tls_parameters(a, h->tls->minimum);
        tls->tls_certificate_sds_secret_configs = message_one(a, pair);
        tls->n_tls_certificate_sds_secret_configs = 1;
        if (!h->tcpproxy) {
                tls->alpn_protocols = arena_memdup(a, http, sizeof(http));
                tls->n_alpn_protocols = COUNT_OF(http);
        }
        Envoy__DownstreamTlsContext *context = message_new(a, &envoy__downstream_tls_context__descriptor);
        context->common_tls_context = tls;
        chain->transport_socket = message_tls_socket(a, &context->base);
        chain->transport_socket_connect_timeout = message_duration(a, HANDSHAKE_SECONDS * DURATION_SECOND);
}

/* The one filter of the host's chain, or NULL: a chain without filters closes the connection. */
static Envoy__Filter *chain_filter(struct arena *a, const struct host *h, const struct xds_options *options)
{
        if (host_has_https_routes(h))
                return http_connection(a, options, HTTPS_LISTENER_NAME, options->https_access_log,
                                       https_routes_name(a, h->name));
        if (!h->tls->broken && h->tcpproxy && h->tcpproxy->cluster_count)
                return tcp_connection(a, options, h->tcpproxy, h->tls->passthrough ? USE_PASSTHROUGH : USE_PROTOCOL);
        return NULL;
}

struct resource *translate_filter_chain(const struct host *h, const struct xds_options *options)
{
        /* "*" is no server name. */
        if (!h->owner || !h->tls || str_equal(h->name, "*"))
                return NULL;
        AUTO(arena) *a = arena_new(4096);
        Envoy__FilterChain *chain = message_new(a, &envoy__filter_chain__descriptor);
        chain->name = h->name;
        chain->filter_chain_match = message_new(a, &envoy__filter_chain_match__descriptor);
        chain->filter_chain_match->server_names = message_one_string(a, h->name);
        chain->filter_chain_match->n_server_names = 1;
        Envoy__Filter *filter = chain_filter(a, h, options);
        if (filter) {
                chain->filters = message_one(a, filter);
                chain->n_filters = 1;
                if (!h->tls->passthrough)
                        set_tls(a, chain, h);
        }
        return resource_pack(RESOURCE_FILTER_CHAIN, h->name, &chain->base);
}

struct resource *translate_https_listener(const struct xds_options *options, const struct resource *const *chains,
                                          size_t n)
{
        if (!n)
                return NULL;
        AUTO(arena) *a = arena_new(4096);
        Envoy__Listener *m = listener(a, HTTPS_LISTENER_NAME, &options->https);
        add_proxy_protocol(a, m, options);
        add_listener_filter(a, m, "envoy.filters.listener.tls_inspector", &envoy__tls_inspector__descriptor);
        return resource_assemble(RESOURCE_LISTENER, HTTPS_LISTENER_NAME, &m->base, FILTER_CHAINS_FIELD, chains, n);
}
