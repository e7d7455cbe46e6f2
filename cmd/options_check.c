/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/options_check.h"

#include "base/time.h"
#include "kube/object.h"
#include "xds/access_log.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

enum { NAMESPACE_LENGTH_MAX = 63, HOST_BYTES_MAX = 253 };

/* A misspelt kind would step over nothing, and the server would fail on. */
static bool check_ignored(const char *key, struct err *e)
{
        const char *slash = strchr(key, '/');
        if (!slash || !strchr(slash + 1, '/'))
                return err_set(e, "--ignore-object: \"%.80s\" is not KIND/NAMESPACE/NAME", key);
        size_t len = (size_t)(slash - key);
        for (int i = 0; i < KIND_COUNT; i++) {
                const char *kind = kind_info((enum kind)i)->name;
                if (strlen(kind) == len && strncasecmp(kind, key, len) == 0)
                        return true;
        }
        return err_set(e, "--ignore-object: \"%.80s\" is of no kind that is read, such as IngressRoute", key);
}

/* ---- xDS ---- */

static bool is_loopback(const char *address)
{
        struct in_addr v4;
        struct in6_addr v6;
        if (inet_pton(AF_INET, address, &v4) == 1)
                return ntohl(v4.s_addr) >> 24 == 127;
        return inet_pton(AF_INET6, address, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static bool check_xds(const struct serve_options *s, struct err *e)
{
        const int files = (s->xds_ca_file != NULL) + (s->xds_cert_file != NULL) + (s->xds_key_file != NULL);
        if (s->insecure && files)
                return err_set(e, "--insecure and --xds-cafile, --xds-cert-file, --xds-key-file exclude each other");
        if (s->insecure && !is_loopback(s->xds_address))
                return err_set(e,
                               "--insecure: whoever reaches %s would get the keys of all hosts; it needs a loopback "
                               "--xds-address",
                               s->xds_address);
        if (!s->insecure && files != 3)
                return err_set(e, "xDS needs --xds-cafile, --xds-cert-file and --xds-key-file (gatehouse certgen makes "
                                  "them), or --insecure on a developer's machine, or --disable xds");
        return true;
}

static bool check_access_log(const struct options *o, struct err *e)
{
        const struct xds_access_log *log = &o->envoy.access_log;
        const char *const paths[] = {o->envoy.http_access_log, o->envoy.https_access_log};
        for (size_t i = 0; i < COUNT_OF(paths); i++) {
                if (paths[i][0] != '/')
                        return err_set(e, "--envoy-%s-access-log: \"%.80s\" is no absolute path", i ? "https" : "http",
                                       paths[i]);
        }
        if (log->format && log->form == ACCESS_LOG_JSON)
                return err_set(e, "--accesslog-format-string is for --accesslog-format envoy; "
                                  "--accesslog-json-fields is for json");
        if (o->accesslog_fields.count && log->form == ACCESS_LOG_TEXT)
                return err_set(e, "--accesslog-json-fields needs --accesslog-format json");
        for (size_t i = 0; i < o->accesslog_fields.count; i++) {
                if (!access_log_field_is_known(o->accesslog_fields.items[i]))
                        return err_set(e,
                                       "--accesslog-json-fields: \"%.80s\" is no known field; a new one is written as "
                                       "name=%%FORMAT%%",
                                       o->accesslog_fields.items[i]);
        }
        return true;
}

/* "host:port" or "[address]:port". */
static bool take_collector(struct options *o, struct err *e)
{
        const char *text = o->tracing_otlp;
        if (!text)
                return true;
        const char *colon = strrchr(text, ':');
        char *end = NULL;
        unsigned long port = colon && isdigit((unsigned char)colon[1]) ? strtoul(colon + 1, &end, 10) : 0;
        size_t n = colon ? (size_t)(colon - text) : 0;
        const bool bracketed = n > 2 && text[0] == '[' && text[n - 1] == ']';
        if (!port || port > UINT16_MAX || *end || n == 0 || (!bracketed && memchr(text, ':', n)))
                return err_set(e, "--tracing-otlp: \"%.80s\" is not HOST:PORT", text);
        o->envoy.tracing_host = arena_strndup(o->arena, text + bracketed, bracketed ? n - 2 : n);
        o->envoy.tracing_port = (uint16_t)port;
        return true;
}

static bool check_envoy(struct options *o, struct err *e)
{
        const struct xds_options *v = &o->envoy;
        if (v->http.port == v->https.port || v->http.port == v->stats.port || v->https.port == v->stats.port)
                return err_set(e, "--envoy-service-http-port, --envoy-service-https-port and --stats-port must differ");
        if (v->connect_timeout < DURATION_MILLISECOND)
                return err_set(e, "--connect-timeout: at least 1ms");
        if (!check_access_log(o, e) || !take_collector(o, e))
                return false;
        o->envoy.access_log.fields = o->accesslog_fields.items;
        o->envoy.access_log.field_count = o->accesslog_fields.count;
        return true;
}

/* "a/b" */
static bool is_pair(const char *text)
{
        const char *slash = strchr(text, '/');
        return slash && slash != text && slash[1] && !strchr(slash + 1, '/');
}

/* What the API server would refuse, each time anew. */
static bool check_ingress_status(const struct serve_options *s, struct err *e)
{
        const char *address = s->ingress_status_address;
        if (address && s->envoy_service)
                return err_set(e, "--ingress-status-address and --envoy-service exclude each other");
        if (address && (strlen(address) > HOST_BYTES_MAX ||
                        address[strspn(address, "abcdefghijklmnopqrstuvwxyz0123456789.:-")] != '\0'))
                return err_set(e, "--ingress-status-address: \"%.80s\" is neither an IP address nor a host name",
                               address);
        return !s->envoy_service || is_pair(s->envoy_service) ||
               err_set(e, "--envoy-service: \"%.80s\" is not NAMESPACE/NAME", s->envoy_service);
}

/* ---- commands ---- */

static bool check_serve(struct options *o, struct err *e)
{
        const struct serve_options *s = &o->serve;
        if (!s->webhook_cert_file != !s->webhook_key_file)
                return err_set(e, "--webhook-cert-file and --webhook-key-file go together");
        if (!s->webhook_cert_file && !(s->disable & DISABLE_WEBHOOK))
                return err_set(e, "the webhook needs --webhook-cert-file and --webhook-key-file (gatehouse certgen "
                                  "makes them), or --disable webhook");
        if (s->default_ingress_class && !o->policy.ingress_class)
                return err_set(e, "--default-ingress-class needs --ingress-class-name");
        for (size_t i = 0; i < s->ignore_objects.count; i++) {
                if (!check_ignored(s->ignore_objects.items[i], e))
                        return false;
        }
        if (!check_ingress_status(s, e))
                return false;
        return s->disable & DISABLE_XDS || (check_xds(s, e) && check_envoy(o, e));
}

static bool check_certgen(const struct certgen_options *c, struct err *e)
{
        if ((c->pem != NULL) + c->yaml + c->kube != 1)
                return err_set(e, "exactly one of --pem DIR, --yaml and --kube says where the certificates go");
        if (c->yaml && c->rotate_ca)
                return err_set(e, "--yaml issues anew: there is nothing for --rotate-ca to begin with");
        if (c->certificate_lifetime < DURATION_HOUR)
                return err_set(e, "--certificate-lifetime: at least 1h");
        if (c->ca_lifetime < c->certificate_lifetime)
                return err_set(e, "--ca-lifetime is shorter than --certificate-lifetime");
        if (c->ca_overlap > c->ca_lifetime / 6)
                return err_set(e, "--ca-overlap: at most a sixth of --ca-lifetime, else a rotation never ends");
        return true;
}

static bool check_xds_client(const struct xds_client_options *x, struct err *e)
{
        const int files = (x->ca_file != NULL) + (x->cert_file != NULL) + (x->key_file != NULL);
        if (x->insecure && files)
                return err_set(e, "--insecure and --xds-cafile, --xds-cert-file, --xds-key-file exclude each other");
        if (x->insecure && !is_loopback(x->address))
                return err_set(e,
                               "--insecure: the keys of all hosts would cross the network from %.80s for everybody to "
                               "read; it needs a loopback --xds-address",
                               x->address);
        return x->insecure || files == 3 ||
               err_set(e, "the xDS server asks for a certificate: --xds-cafile, --xds-cert-file and --xds-key-file "
                          "(gatehouse certgen makes them), or --insecure on a developer's machine");
}

static bool check_bootstrap(const struct options *o, struct err *e)
{
        if (o->arguments.count != 1)
                return err_set(e, "gatehouse bootstrap needs one FILE to write, or - for standard output");
        if (!check_xds_client(&o->xds_client, e))
                return false;
        if (!o->xds_client.insecure && !o->bootstrap.resources_dir && str_equal(o->arguments.items[0], "-"))
                return err_set(e, "with - for FILE, --resources-dir says where the files for Envoy's certificates go");
        return o->bootstrap.max_connections || err_set(e, "--overload-max-connections: at least 1");
}

/* Linux, unix(7): the path of a socket has 108 bytes with the NUL at its end. */
static bool check_admin(const char *path, struct err *e)
{
        struct sockaddr_un address;
        if (path[0] != '/')
                return err_set(e, "--admin-address: \"%.80s\" is no absolute path of a Unix socket", path);
        return strlen(path) < sizeof(address.sun_path) ||
               err_set(e, "--admin-address: longer than the %zu bytes that a Unix socket's path may have",
                       sizeof(address.sun_path) - 1);
}

static bool check_server(const char *server, struct err *e)
{
        const char *colon = strrchr(server, ':');
        return (colon && colon != server && colon[1] && strspn(colon + 1, "0123456789") == strlen(colon + 1) &&
                !strpbrk(server, "/?#@")) ||
               err_set(e, "--server: \"%.80s\" is not HOST:PORT", server);
}

static bool check_explain(const struct options *o, struct err *e)
{
        const char *from = o->explain.from;
        if (o->arguments.count != 1)
                return err_set(e, "gatehouse explain needs one URL, such as https://host/path");
        if (from && !is_pair(from))
                return err_set(e, "--from: \"%.80s\" is not NAMESPACE/NAME", from);
        return check_server(o->explain.server, e);
}

static bool check_tree(const struct options *o, struct err *e)
{
        if (o->arguments.count != 1)
                return err_set(e, "gatehouse tree needs one host, such as shop.example.com");
        return check_server(o->explain.server, e);
}

static bool check_cli(const struct options *o, struct err *e)
{
        static const char *const types[] = {"lds", "rds", "cds", "eds", "sds"};
        const char *type = o->arguments.count ? o->arguments.items[0] : "";
        bool known = false;
        for (size_t i = 0; i < COUNT_OF(types); i++)
                known |= str_equal(type, types[i]);
        if (!known)
                return err_set(e, "gatehouse cli needs one of lds, rds, cds, eds, sds");
        if (o->cli.timeout < DURATION_MILLISECOND)
                return err_set(e, "--timeout: at least 1ms");
        return check_xds_client(&o->xds_client, e);
}

static bool check_shutdown(const struct shutdown_options *s, struct err *e)
{
        if (s->check_interval < DURATION_MILLISECOND)
                return err_set(e, "--check-interval: at least 1ms");
        return s->drain_delay <= s->drain_timeout || err_set(e, "--drain-delay is longer than --drain-timeout");
}

/* RFC 1123, section 2.1, as Kubernetes names namespaces: it becomes part of the paths that we ask for. */
static bool check_namespace(const char *name, struct err *e)
{
        size_t n = strlen(name);
        bool fine = n <= NAMESPACE_LENGTH_MAX && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == n &&
                    name[0] != '-' && name[n - 1] != '-';
        return fine || err_set(e, "--namespace: \"%.80s\" is no name of a namespace", name);
}

bool options_check(struct options *o, struct err *e)
{
        if (!check_namespace(o->kube.namespace, e))
                return false;
        if (o->kube.incluster && o->kube.kubeconfig)
                return err_set(e, "--incluster and --kubeconfig exclude each other");
        switch (o->command) {
        case COMMAND_SERVE:
                return check_serve(o, e);
        case COMMAND_CERTGEN:
                return check_certgen(&o->certgen, e);
        case COMMAND_BOOTSTRAP:
                return check_admin(o->admin_address, e) && check_bootstrap(o, e);
        case COMMAND_LINT:
                return o->arguments.count || err_set(e, "gatehouse lint needs files or folders");
        case COMMAND_EXPLAIN:
                return check_explain(o, e);
        case COMMAND_TREE:
                return check_tree(o, e);
        case COMMAND_CLI:
                return check_cli(o, e);
        case COMMAND_SHUTDOWN_MANAGER:
                return check_admin(o->admin_address, e) && check_shutdown(&o->shutdown, e);
        case COMMAND_HELP:
        case COMMAND_VERSION:
                return true;
        }
        __builtin_unreachable();
}
