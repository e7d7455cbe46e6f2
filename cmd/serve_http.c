/* SPDX-License-Identifier: Apache-2.0 */
/* serve_http - the plain listeners: metrics and health for the cluster, debug pages for this machine. */
#include "cmd/serve_internal.h"

#include "base/metric.h"
#include "cmd/endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct metric_def build_def = {
        .name = "gatehouse_build_info",
        .type = METRIC_GAUGE,
        .help = "1, with the version.",
        .labels = {"version"},
};
METRIC_LIST(&build_def, 1);

static bool listen_at(struct http **out, const char *address, uint16_t port, const struct http_route *routes,
                      size_t count, const char *flag, struct err *e)
{
        *out = http_start(address, port, routes, count, e);
        return *out || err_wrap(e, "--%s", flag);
}

bool serve_http_start(struct server *s, struct err *e)
{
        const struct serve_options *o = &s->options->serve;
        metric_set(metric_cell(metric_new(&build_def), GATEHOUSE_VERSION, NULL, NULL), 1);
        const struct http_route plain[] = {
                {"GET", "/metrics", serve_metrics, s},
                {"GET", "/healthz", health_serve_healthz, s->health},
                {"GET", "/readyz", health_serve_readyz, s->health},
        };
        const struct http_route debug[] = {
                {"GET", "/", serve_page, s},
                {"GET", "/debug/dag", serve_debug_dag, s},
                {"GET", "/debug/tree", serve_debug_tree, s},
                {"GET", "/debug/findings", serve_debug_findings, s},
                {"GET", "/debug/xds", serve_debug_xds, s},
                {"GET", "/debug/explain", serve_debug_explain, s},
                {"GET", "/debug/loglevel", endpoint_log_level, NULL},
                {"PUT", "/debug/loglevel", endpoint_set_log_level, NULL},
        };
        return listen_at(&s->http, o->http_address, o->http_port, plain, COUNT_OF(plain), "http-port", e) &&
               listen_at(&s->debug_http, o->debug_http_address, o->debug_http_port, debug, COUNT_OF(debug),
                         "debug-http-port", e);
}

/* False when the text is no address. */
static bool fill_address(const char *address, uint16_t port, struct sockaddr_storage *out, socklen_t *size)
{
        struct sockaddr_in *v4 = (struct sockaddr_in *)out;
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
        memset(out, 0, sizeof(*out));
        if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
                v4->sin_family = AF_INET;
                v4->sin_port = htons(port);
                *size = sizeof(*v4);
                return true;
        }
        if (inet_pton(AF_INET6, address, &v6->sin6_addr) != 1)
                return false;
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        *size = sizeof(*v6);
        return true;
}

bool serve_port_is_free(const char *address, uint16_t port, struct err *e)
{
        struct sockaddr_storage where;
        socklen_t size = 0;
        if (!fill_address(address, port, &where, &size))
                return err_set(e, "%s is not an IP address", address);
        int fd = socket(where.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return err_set_errno(e, "socket");
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
        bool ok = bind(fd, (struct sockaddr *)&where, size) == 0 && listen(fd, 1) == 0;
        if (!ok)
                err_set_errno(e, "cannot listen on %s port %u", address, (unsigned)port);
        close(fd);
        return ok;
}
