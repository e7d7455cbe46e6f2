/* SPDX-License-Identifier: Apache-2.0 */
/* Sources: Envoy documentation, "Configuring Envoy as an edge proxy"; v3 API reference, config.bootstrap.v3. */
#include "cmd/bootstrap_config.h"

#include "base/json_read.h"
#include "base/json_text.h"
#include "base/names.h"
#include "xds/translate_listener.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { PART_MAX = 64 * 1024, REAL_DIGITS = 6 };

/*
 * Appends JSON as it is to look, with ' for " so that it can be read here, and values in the places of $: each is JSON
 * itself, or "" where the place stays empty.
 */
static char *fill(const char *template, const char *const *values, size_t count)
{
        AUTO(buf) *out = buf_new(PART_MAX);
        size_t used = 0;
        for (const char *p = template; *p; p++) {
                if (*p == '\'') {
                        buf_append_char(out, '"');
                } else if (*p == '$') {
                        assert(used < count);
                        buf_append_str(out, values[used++]);
                } else {
                        buf_append_char(out, *p);
                }
        }
        assert(used == count && !buf_full(out));
        return buf_take_str(out);
}

#define FILL(template, ...)                                                                                            \
        fill(template, (const char *const[]){__VA_ARGS__}, COUNT_OF(((const char *const[]){__VA_ARGS__})))

static char *quoted(const char *s)
{
        AUTO(buf) *out = buf_new(PART_MAX);
        json_text_string(out, s);
        return buf_take_str(out);
}

/* The same JSON, indented. */
static struct buf *pretty(const char *json)
{
        AUTO_JSON *value = json_loads(json, JSON_REJECT_DUPLICATES, NULL);
        char *text = json_dumps(value, JSON_INDENT(2) | JSON_REAL_PRECISION(REAL_DIGITS));
        assert(text);
        struct buf *out = buf_new(PART_MAX);
        buf_printf(out, "%s\n", text);
        free(text);
        return out;
}

/* ---- the xDS server's TLS ---- */

/* Kubelet renames a symlink in this folder, certgen --pem the file itself: Envoy, which watches it, hears of both. */
static char *folder_of(const char *path)
{
        const char *slash = strrchr(path, '/');
        AUTO_STR *folder = slash == path ? mem_strdup("/") : mem_strndup(path, (size_t)(slash - path));
        return quoted(folder);
}

/* An answer of SDS with the one secret in it. */
static struct buf *sds_answer(const char *secret)
{
        AUTO_STR *json = FILL("{'resources': [{"
                              "  '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret',"
                              "  $}]}",
                              secret);
        return pretty(json);
}

struct buf *bootstrap_pair(const struct xds_client_options *x)
{
        static const char template[] = "'name': 'xds-certificate',"
                                       "'tls_certificate': {"
                                       "  'certificate_chain': {'filename': $},"
                                       "  'private_key': {'filename': $},"
                                       "  'watched_directory': {'path': $}}";
        AUTO_STR *certificate = quoted(x->cert_file);
        AUTO_STR *key = quoted(x->key_file);
        AUTO_STR *folder = folder_of(x->cert_file);
        AUTO_STR *secret = FILL(template, certificate, key, folder);
        return sds_answer(secret);
}

struct buf *bootstrap_ca(const struct xds_client_options *x)
{
        static const char template[] = "'name': 'xds-ca',"
                                       "'validation_context': {"
                                       "  'trusted_ca': {'filename': $},"
                                       "  'watched_directory': {'path': $}}";
        AUTO_STR *ca = quoted(x->ca_file);
        AUTO_STR *folder = folder_of(x->ca_file);
        AUTO_STR *secret = FILL(template, ca, folder);
        return sds_answer(secret);
}

static char *file_source(const struct bootstrap_options *b, const char *file)
{
        AUTO_STR *path = mem_printf("%s/%s", b->resources_dir, file);
        AUTO_STR *text = quoted(path);
        return FILL("{'resource_api_version': 'V3', 'path_config_source': {'path': $}}", text);
}

/* The server's name is verified whatever the file of the CA says: it stands here, not there. */
static char *transport_socket(const struct bootstrap_options *b, const struct xds_client_options *x)
{
        static const char template[] =
                ", 'transport_socket': {"
                "  'name': 'envoy.transport_sockets.tls',"
                "  'typed_config': {"
                "    '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',"
                "    'sni': $,"
                "    'common_tls_context': {"
                "      'tls_params': {"
                "        'tls_minimum_protocol_version': 'TLSv1_3', 'tls_maximum_protocol_version': 'TLSv1_3'},"
                "      'alpn_protocols': ['h2'],"
                "      'tls_certificate_sds_secret_configs': [{'name': 'xds-certificate', 'sds_config': $}],"
                "      'combined_validation_context': {"
                "        'default_validation_context': {"
                "          'match_typed_subject_alt_names': [{'san_type': 'DNS', 'matcher': {'exact': $}}]},"
                "        'validation_context_sds_secret_config': {'name': 'xds-ca', 'sds_config': $}"
                "}}}}";
        if (x->insecure)
                return mem_strdup("");
        AUTO_STR *name = quoted(x->server_name);
        AUTO_STR *pair = file_source(b, BOOTSTRAP_PAIR_FILE);
        AUTO_STR *ca = file_source(b, BOOTSTRAP_CA_FILE);
        return FILL(template, name, pair, name, ca);
}

/* ---- clusters ---- */

static const char *discovery_type(const char *host)
{
        return names_is_ip(host) ? "\"STATIC\"" : "\"STRICT_DNS\"";
}

static char *clusters(const struct bootstrap_options *b, const struct xds_client_options *x, const char *admin)
{
        static const char template[] =
                "[{"
                "  'name': 'gatehouse',"
                "  'type': $,"
                "  'connect_timeout': '5s',"
                "  'load_assignment': {'cluster_name': 'gatehouse', 'endpoints': [{'lb_endpoints': [{'endpoint': {"
                "    'address': {'socket_address': {'address': $, 'port_value': $}}}}]}]},"
                "  'typed_extension_protocol_options': {'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {"
                "    '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',"
                "    'explicit_http_config': {'http2_protocol_options': {}}}},"
                "  'upstream_connection_options': {'tcp_keepalive': {"
                "    'keepalive_time': 30, 'keepalive_interval': 5, 'keepalive_probes': 3}}"
                "  $"
                "}, {"
                "  'name': '" ADMIN_CLUSTER_NAME "',"
                "  'type': 'STATIC',"
                "  'connect_timeout': '0.250s',"
                "  'load_assignment': {'cluster_name': '" ADMIN_CLUSTER_NAME "',"
                "    'endpoints': [{'lb_endpoints': [{'endpoint': {'address': {'pipe': {'path': $}}}}]}]}"
                "}]";
        AUTO_STR *address = quoted(x->address);
        AUTO_STR *port = mem_printf("%u", x->port);
        AUTO_STR *tls = transport_socket(b, x);
        return FILL(template, discovery_type(x->address), address, port, tls, admin);
}

/* ---- overload ---- */

static char *heap_monitor(const struct bootstrap_options *b)
{
        static const char template[] =
                ", {'name': 'envoy.resource_monitors.fixed_heap', 'typed_config': {"
                "  '@type': 'type.googleapis.com/envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig',"
                "  'max_heap_size_bytes': $}}";
        AUTO_STR *bytes = mem_printf("%" PRIu64, b->max_heap);
        return b->max_heap ? FILL(template, bytes) : mem_strdup("");
}

static char *overload_manager(const struct bootstrap_options *b)
{
        static const char heap_actions[] =
                ", 'actions': [{"
                "  'name': 'envoy.overload_actions.shrink_heap',"
                "  'triggers': [{'name': 'envoy.resource_monitors.fixed_heap', 'threshold': {'value': 0.95}}]"
                "}, {"
                "  'name': 'envoy.overload_actions.stop_accepting_requests',"
                "  'triggers': [{'name': 'envoy.resource_monitors.fixed_heap', 'threshold': {'value': 0.98}}]"
                "}]";
        static const char template[] = "{'refresh_interval': '0.250s', 'resource_monitors': [{"
                                       "  'name': 'envoy.resource_monitors.global_downstream_max_connections',"
                                       "  'typed_config': {"
                                       "    '@type': 'type.googleapis.com/envoy.extensions.resource_monitors."
                                       "downstream_connections.v3.DownstreamConnectionsConfig',"
                                       "    'max_active_downstream_connections': $}"
                                       "} $] $}";
        AUTO_STR *connections = mem_printf("%" PRIu32, b->max_connections);
        AUTO_STR *monitor = heap_monitor(b);
        AUTO_STR *actions = b->max_heap ? fill(heap_actions, NULL, 0) : mem_strdup("");
        return FILL(template, connections, monitor, actions);
}

/* ---- all together ---- */

/*
 * Without an end to the first wait Envoy would say after 15 s that it is ready, with nothing to serve. Where gatehouse
 * comes back, or a connection breaks, it is found within a second: Envoy's own pause between two attempts grows to 30
 * s, and begins anew only when a change has come.
 */
struct buf *bootstrap_config(const struct bootstrap_options *b, const struct xds_client_options *x,
                             const char *admin_socket)
{
        static const char template[] =
                "{"
                "  'node': {'id': $, 'cluster': $},"
                "  'admin': {'address': {'pipe': {'path': $}}, 'ignore_global_conn_limit': true},"
                "  'dynamic_resources': {"
                "    'ads_config': {"
                "      'api_type': 'DELTA_GRPC',"
                "      'transport_api_version': 'V3',"
                "      'set_node_on_first_message_only': true,"
                "      'grpc_services': [{'envoy_grpc': {"
                "        'cluster_name': 'gatehouse',"
                "        'retry_policy': {'retry_back_off': {'base_interval': '0.100s', 'max_interval': '0.500s'}}}}]},"
                "    'cds_config': {'resource_api_version': 'V3', 'initial_fetch_timeout': '0s', 'ads': {}},"
                "    'lds_config': {'resource_api_version': 'V3', 'initial_fetch_timeout': '0s', 'ads': {}}},"
                "  'static_resources': {'clusters': $},"
                "  'overload_manager': $"
                "}";
        AUTO_STR *id = quoted(b->node_id);
        AUTO_STR *cluster = quoted(b->node_cluster);
        AUTO_STR *admin = quoted(admin_socket);
        AUTO_STR *all_clusters = clusters(b, x, admin);
        AUTO_STR *overload = overload_manager(b);
        AUTO_STR *json = FILL(template, id, cluster, admin, all_clusters, overload);
        return pretty(json);
}
