/* SPDX-License-Identifier: Apache-2.0 */
#include "xds/translate_cluster.h"

#include "base/time.h"
#include "xds/message.h"
#include "xds/translate_endpoint.h"
#include "xds/translate_secret.h"

#include <assert.h>
#include <envoy/config/cluster/v3/cluster.pb-c.h>
#include <envoy/config/endpoint/v3/endpoint.pb-c.h>
#include <envoy/extensions/transport_sockets/tls/v3/tls.pb-c.h>
#include <envoy/extensions/upstreams/http/v3/http_protocol_options.pb-c.h>
#include <envoy/type/matcher/v3/string.pb-c.h>
#include <envoy/type/v3/type.pb-c.h>
#include <inttypes.h>
#include <string.h>

enum {
        BUFFER_LIMIT = 32 * 1024, /* bytes a connection, as Envoy advises for an edge */
        SNI_MAX = 255,            /* Envoy refuses a longer one; no DNS name is longer */
        KEEPALIVE_PROBES = 3,     /* a dead peer is found after 30 + 3 * 5 seconds */
        KEEPALIVE_TIME = 30,
        KEEPALIVE_INTERVAL = 5,
};

/* Lengths stand before what a user has written, so that no two settings give one text. */
const char *cluster_name(struct arena *a, const struct cluster *c, enum cluster_use use)
{
        const char *text = arena_printf(a, "%d%s", (int)c->strategy, use == USE_PASSTHROUGH ? " passthrough" : "");
        const struct health_check *h = use == USE_PASSTHROUGH ? NULL : c->health_check;
        if (h)
                text = arena_printf(a, "%s health %zu %s %zu %s %u %u %u %u", text, strlen(h->path), h->path,
                                    strlen(h->host), h->host, h->interval, h->timeout, h->unhealthy, h->healthy);
        const struct upstream_validation *v = use == USE_PASSTHROUGH ? NULL : c->validation;
        if (v)
                text = arena_printf(a, "%s ca %s/%s %s", text, v->ca_namespace, v->ca_secret, v->subject_name);
        return arena_printf(a, "%s/%s/%u/%016" PRIx64, c->namespace, c->service, c->port,
                            resource_hash(text, strlen(text)));
}

/* ---- where the endpoints come from ---- */

static void set_type(Envoy__Cluster *m, Envoy__Cluster__DiscoveryType type)
{
        m->cluster_discovery_type_case = ENVOY__CLUSTER__CLUSTER_DISCOVERY_TYPE_TYPE;
        m->type = type;
}

static void set_dns(struct arena *a, Envoy__Cluster *m, const char *host, uint16_t port)
{
        set_type(m, ENVOY__CLUSTER__DISCOVERY_TYPE__STRICT_DNS);
        m->dns_lookup_family = ENVOY__CLUSTER__DNS_LOOKUP_FAMILY__V4_PREFERRED;
        Envoy__Endpoint *endpoint = message_new(a, &envoy__endpoint__descriptor);
        endpoint->address = message_address(a, host, port);
        Envoy__LbEndpoint *lb = message_new(a, &envoy__lb_endpoint__descriptor);
        lb->host_identifier_case = ENVOY__LB_ENDPOINT__HOST_IDENTIFIER_ENDPOINT;
        lb->endpoint = endpoint;
        Envoy__LocalityLbEndpoints *locality = message_new(a, &envoy__locality_lb_endpoints__descriptor);
        locality->lb_endpoints = message_one(a, lb);
        locality->n_lb_endpoints = 1;
        m->load_assignment = message_new(a, &envoy__cluster_load_assignment__descriptor);
        m->load_assignment->cluster_name = m->name;
        m->load_assignment->endpoints = message_one(a, locality);
        m->load_assignment->n_endpoints = 1;
}

static void set_eds(struct arena *a, Envoy__Cluster *m, const struct cluster *c)
{
        set_type(m, ENVOY__CLUSTER__DISCOVERY_TYPE__EDS);
        m->eds_cluster_config = message_new(a, &envoy__cluster__eds_cluster_config__descriptor);
        m->eds_cluster_config->eds_config = message_ads(a);
        m->eds_cluster_config->service_name = endpoints_name(a, c->namespace, c->service, c->port_name);
}

/* With one dot at the end the name is absolute: no search domain is tried (rules.md, ExternalNameForbidden). */
static const char *absolute_name(struct arena *a, const char *name)
{
        return str_has_suffix(name, ".") ? name : arena_printf(a, "%s.", name);
}

/* ---- balancing and health ---- */

static Envoy__Cluster__LbPolicy policy_of(enum cluster_strategy strategy)
{
        switch (strategy) {
        case STRATEGY_ROUND_ROBIN:
                return ENVOY__CLUSTER__LB_POLICY__ROUND_ROBIN;
        case STRATEGY_WEIGHTED_LEAST_REQUEST:
                return ENVOY__CLUSTER__LB_POLICY__LEAST_REQUEST;
        case STRATEGY_RANDOM:
                return ENVOY__CLUSTER__LB_POLICY__RANDOM;
        case STRATEGY_RING_HASH:
        case STRATEGY_COOKIE:
                return ENVOY__CLUSTER__LB_POLICY__RING_HASH;
        case STRATEGY_MAGLEV:
                return ENVOY__CLUSTER__LB_POLICY__MAGLEV;
        }
        assert(false);
        return ENVOY__CLUSTER__LB_POLICY__ROUND_ROBIN;
}

static bool is_h2(enum cluster_protocol protocol)
{
        return protocol == PROTOCOL_H2 || protocol == PROTOCOL_H2C;
}

static bool is_tls(enum cluster_protocol protocol)
{
        return protocol == PROTOCOL_H2 || protocol == PROTOCOL_TLS;
}

/* no_traffic_interval: Envoy's default would ask a host without traffic only once a minute. */
static void set_health_check(struct arena *a, Envoy__Cluster *m, const struct cluster *c)
{
        const struct health_check *h = c->health_check;
        Envoy__HealthCheck__HttpHealthCheck *http = message_new(a, &envoy__health_check__http_health_check__descriptor);
        http->host = h->host;
        http->path = h->path;
        if (is_h2(c->protocol))
                http->codec_client_type = ENVOY__CODEC_CLIENT_TYPE__HTTP2;
        Envoy__HealthCheck *check = message_new(a, &envoy__health_check__descriptor);
        check->timeout = message_duration(a, h->timeout * DURATION_SECOND);
        check->interval = message_duration(a, h->interval * DURATION_SECOND);
        check->no_traffic_interval = check->interval;
        check->unhealthy_threshold = message_uint32(a, h->unhealthy);
        check->healthy_threshold = message_uint32(a, h->healthy);
        check->health_checker_case = ENVOY__HEALTH_CHECK__HEALTH_CHECKER_HTTP_HEALTH_CHECK;
        check->http_health_check = http;
        m->health_checks = message_one(a, check);
        m->n_health_checks = 1;
}

static Google__UInt32Value *limit(struct arena *a, int64_t value)
{
        return value == CIRCUIT_BREAKER_UNSET ? NULL : message_uint32(a, (uint32_t)value);
}

static void set_circuit_breaker(struct arena *a, Envoy__Cluster *m, const struct circuit_breaker *limits)
{
        Envoy__CircuitBreakers__Thresholds *t = message_new(a, &envoy__circuit_breakers__thresholds__descriptor);
        t->max_connections = limit(a, limits->max_connections);
        t->max_pending_requests = limit(a, limits->max_pending_requests);
        t->max_requests = limit(a, limits->max_requests);
        t->max_retries = limit(a, limits->max_retries);
        m->circuit_breakers = message_new(a, &envoy__circuit_breakers__descriptor);
        m->circuit_breakers->thresholds = message_one(a, t);
        m->circuit_breakers->n_thresholds = 1;
}

/* ---- protocol ---- */

static void set_h2(struct arena *a, Envoy__Cluster *m)
{
        EnvoyUpstream__HttpProtocolOptions__ExplicitHttpConfig *explicit =
                message_new(a, &envoy_upstream__http_protocol_options__explicit_http_config__descriptor);
        explicit->protocol_config_case =
                ENVOY_UPSTREAM__HTTP_PROTOCOL_OPTIONS__EXPLICIT_HTTP_CONFIG__PROTOCOL_CONFIG_HTTP2_PROTOCOL_OPTIONS;
        explicit->http2_protocol_options = message_new(a, &envoy__http2_protocol_options__descriptor);
        EnvoyUpstream__HttpProtocolOptions *options =
                message_new(a, &envoy_upstream__http_protocol_options__descriptor);
        options->upstream_protocol_options_case =
                ENVOY_UPSTREAM__HTTP_PROTOCOL_OPTIONS__UPSTREAM_PROTOCOL_OPTIONS_EXPLICIT_HTTP_CONFIG;
        options->explicit_http_config = explicit;
        Envoy__Cluster__TypedExtensionProtocolOptionsEntry *entry =
                message_new(a, &envoy__cluster__typed_extension_protocol_options_entry__descriptor);
        entry->key = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
        entry->value = message_any(a, &options->base);
        m->typed_extension_protocol_options = message_one(a, entry);
        m->n_typed_extension_protocol_options = 1;
}

/* The CA's content comes by SDS: a renewed one drains no connection. */
static void set_validation(struct arena *a, Envoy__CommonTlsContext *tls, const struct upstream_validation *v)
{
        Envoy__StringMatcher *exact = message_new(a, &envoy__string_matcher__descriptor);
        exact->match_pattern_case = ENVOY__STRING_MATCHER__MATCH_PATTERN_EXACT;
        exact->exact = v->subject_name;
        Envoy__SubjectAltNameMatcher *san = message_new(a, &envoy__subject_alt_name_matcher__descriptor);
        san->san_type = ENVOY__SUBJECT_ALT_NAME_MATCHER__SAN_TYPE__DNS;
        san->matcher = exact;
        Envoy__CommonTlsContext__CombinedCertificateValidationContext *both =
                message_new(a, &envoy__common_tls_context__combined_certificate_validation_context__descriptor);
        both->default_validation_context = message_new(a, &envoy__certificate_validation_context__descriptor);
        both->default_validation_context->match_typed_subject_alt_names = message_one(a, san);
        both->default_validation_context->n_match_typed_subject_alt_names = 1;
        both->validation_context_sds_secret_config = message_new(a, &envoy__sds_secret_config__descriptor);
        both->validation_context_sds_secret_config->name = ca_name(a, v->ca_namespace, v->ca_secret);
        both->validation_context_sds_secret_config->sds_config = message_ads(a);
        tls->validation_context_type_case =
                ENVOY__COMMON_TLS_CONTEXT__VALIDATION_CONTEXT_TYPE_COMBINED_VALIDATION_CONTEXT;
        tls->combined_validation_context = both;
}

/* The name that the upstream's certificate is for: its own outside name, the one that is verified, or the Service's. */
static const char *sni_of(struct arena *a, const struct cluster *c)
{
        if (c->external_name) {
                size_t n = strlen(c->external_name);
                return arena_strndup(a, c->external_name, n - str_has_suffix(c->external_name, "."));
        }
        if (c->validation && strlen(c->validation->subject_name) <= SNI_MAX)
                return c->validation->subject_name;
        return arena_printf(a, "%s.%s.svc", c->service, c->namespace);
}

static void set_tls(struct arena *a, Envoy__Cluster *m, const struct cluster *c)
{
        Envoy__UpstreamTlsContext *context = message_new(a, &envoy__upstream_tls_context__descriptor);
        context->sni = sni_of(a, c);
        context->common_tls_context = message_new(a, &envoy__common_tls_context__descriptor);
        if (is_h2(c->protocol)) {
                context->common_tls_context->alpn_protocols = message_one_string(a, "h2");
                context->common_tls_context->n_alpn_protocols = 1;
        }
        if (c->validation)
                set_validation(a, context->common_tls_context, c->validation);
        m->transport_socket = message_tls_socket(a, &context->base);
}

/* ---- the cluster ---- */

/* Panic would send requests to hosts that are known to be ill. */
static void set_common(struct arena *a, Envoy__Cluster *m, const struct xds_options *options)
{
        m->connect_timeout = message_duration(a, options->connect_timeout);
        m->per_connection_buffer_limit_bytes = message_uint32(a, BUFFER_LIMIT);
        m->common_lb_config = message_new(a, &envoy__cluster__common_lb_config__descriptor);
        m->common_lb_config->healthy_panic_threshold = message_new(a, &envoy__percent__descriptor);
        Envoy__TcpKeepalive *keepalive = message_new(a, &envoy__tcp_keepalive__descriptor);
        keepalive->keepalive_probes = message_uint32(a, KEEPALIVE_PROBES);
        keepalive->keepalive_time = message_uint32(a, KEEPALIVE_TIME);
        keepalive->keepalive_interval = message_uint32(a, KEEPALIVE_INTERVAL);
        m->upstream_connection_options = message_new(a, &envoy__upstream_connection_options__descriptor);
        m->upstream_connection_options->tcp_keepalive = keepalive;
}

/* What needs to speak with the upstream: TLS within the client's, and checks in HTTP, would be wrong on passthrough. */
static void set_protocol(struct arena *a, Envoy__Cluster *m, const struct cluster *c)
{
        if (c->health_check)
                set_health_check(a, m, c);
        if (is_h2(c->protocol))
                set_h2(a, m);
        if (is_tls(c->protocol))
                set_tls(a, m, c);
}

struct resource *translate_cluster(const struct cluster *c, enum cluster_use use, const struct xds_options *options)
{
        assert(!c->missing);
        AUTO(arena) *a = arena_new(4096);
        Envoy__Cluster *m = message_new(a, &envoy__cluster__descriptor);
        m->name = cluster_name(a, c, use);
        /* Statistics go on when the strategy or a health check changes. */
        m->alt_stat_name = arena_printf(a, "%s_%s_%u", c->namespace, c->service, c->port);
        set_common(a, m, options);
        m->lb_policy = policy_of(c->strategy);
        if (c->external_name)
                set_dns(a, m, absolute_name(a, c->external_name), c->port);
        else
                set_eds(a, m, c);
        m->ignore_health_on_host_removal = true; /* what EDS removes is gone, however healthy it was */
        if (c->circuit_breaker)
                set_circuit_breaker(a, m, c->circuit_breaker);
        if (use == USE_PROTOCOL)
                set_protocol(a, m, c);
        return resource_pack(RESOURCE_CLUSTER, m->name, &m->base);
}

struct resource *translate_tracing_cluster(const struct xds_options *options)
{
        if (!options->tracing_host)
                return NULL;
        AUTO(arena) *a = arena_new(4096);
        Envoy__Cluster *m = message_new(a, &envoy__cluster__descriptor);
        m->name = TRACING_CLUSTER_NAME;
        set_common(a, m, options);
        set_dns(a, m, options->tracing_host, options->tracing_port);
        set_h2(a, m);
        return resource_pack(RESOURCE_CLUSTER, m->name, &m->base);
}
