/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/http.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
        MEMORY_PER_CONNECTION = HTTP_HEADERS_MAX + 2048, /* MHD keeps a request's headers and an answer's there */
        MHD_CONNECTIONS_MAX = HTTP_CONNECTIONS_MAX + 16, /* those beyond ours are about to be closed */
        BODY_DISCARDED_MAX = 64 * 1024,                  /* of a body that is too large, before the connection is cut */
};

/* Should markup of a user ever get through, nothing of it runs, loads or sends. */
static const char CONTENT_POLICY[] =
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/* An open connection, in the order of last use, longest idle first. Only the listener's thread touches them. */
struct connection {
        struct connection *previous, *next;
        int fd;
        bool closing;
};

struct http {
        struct MHD_Daemon *daemon;
        struct http_route *routes;
        size_t route_count;
        struct connection idle; /* head of a ring */
        size_t open;
        atomic_size_t exchanges;
};

/* One request while it arrives. */
struct exchange {
        char body[HTTP_BODY_MAX + 1];
        size_t body_len; /* may exceed the buffer: what arrived */
};

struct http_query {
        struct MHD_Connection *connection;
};

const char *http_query(const struct http_request *r, const char *name)
{
        return MHD_lookup_connection_value(r->query->connection, MHD_GET_ARGUMENT_KIND, name);
}

/* ---- connections ---- */

static void unlink_connection(struct connection *c)
{
        c->previous->next = c->next;
        c->next->previous = c->previous;
}

static void link_as_latest(struct http *h, struct connection *c)
{
        c->previous = h->idle.previous;
        c->next = &h->idle;
        c->previous->next = c;
        h->idle.previous = c;
}

/* shutdown() and not close(): the descriptor is MHD's. */
static void close_longest_idle(struct http *h)
{
        for (struct connection *c = h->idle.next; c != &h->idle; c = c->next) {
                if (!c->closing) {
                        c->closing = true;
                        h->open--;
                        shutdown(c->fd, SHUT_RDWR);
                        return;
                }
        }
}

static void connection_changed(void *arg, struct MHD_Connection *connection, void **socket_context,
                               enum MHD_ConnectionNotificationCode code)
{
        struct http *h = arg;
        if (code == MHD_CONNECTION_NOTIFY_STARTED) {
                struct connection *c = mem_zalloc(sizeof(*c));
                c->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
                link_as_latest(h, c);
                *socket_context = c;
                if (++h->open > HTTP_CONNECTIONS_MAX)
                        close_longest_idle(h);
                return;
        }
        struct connection *c = *socket_context;
        unlink_connection(c);
        if (!c->closing)
                h->open--;
        mem_free(c);
}

static void exchange_ended(void *arg, struct MHD_Connection *connection, void **request_context,
                           enum MHD_RequestTerminationCode code)
{
        (void)code;
        struct http *h = arg;
        struct connection *c = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
        unlink_connection(c);
        link_as_latest(h, c);
        if (*request_context)
                atomic_fetch_sub(&h->exchanges, 1);
        mem_free(*request_context);
        *request_context = NULL;
}

/* ---- answers ---- */

static void free_body(void *body)
{
        buf_free(body);
}

/* Takes the body. */
static enum MHD_Result send_answer(struct MHD_Connection *connection, unsigned status, const char *content_type,
                                   struct buf *body, const char *allow)
{
        struct MHD_Response *response = MHD_create_response_from_buffer_with_free_callback_cls(
                buf_len(body), (void *)buf_data(body), free_body, body);
        if (!response) {
                buf_free(body);
                return MHD_NO;
        }
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
        MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
        MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
        MHD_add_response_header(response, "Content-Security-Policy", CONTENT_POLICY);
        if (allow)
                MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, allow);
        enum MHD_Result queued = MHD_queue_response(connection, status, response);
        MHD_destroy_response(response);
        return queued;
}

static enum MHD_Result send_text(struct MHD_Connection *connection, unsigned status, const char *text,
                                 const char *allow)
{
        struct buf *body = buf_new(HTTP_BODY_MAX);
        buf_append_str(body, text);
        return send_answer(connection, status, "text/plain; charset=utf-8", body, allow);
}

static enum MHD_Result run_handler(struct MHD_Connection *connection, const struct http_route *route,
                                   const char *method, const struct exchange *x)
{
        struct http_query query = {connection};
        struct http_request request = {
                .method = method,
                .path = route->path,
                .body = x->body,
                .body_len = x->body_len,
                .query = &query,
        };
        struct http_answer answer = {
                .status = MHD_HTTP_OK,
                .content_type = "text/plain; charset=utf-8",
                .body = buf_new(HTTP_ANSWER_MAX),
        };
        route->handle(&request, &answer, route->arg);
        if (!buf_full(answer.body))
                return send_answer(connection, answer.status, answer.content_type, answer.body, NULL);
        buf_free(answer.body);
        return send_text(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "the answer is too large\n", NULL);
}

static bool method_matches(const struct http_route *route, const char *method)
{
        return strcmp(route->method, method) == 0 ||
               (strcmp(method, MHD_HTTP_METHOD_HEAD) == 0 && strcmp(route->method, MHD_HTTP_METHOD_GET) == 0);
}

static enum MHD_Result answer(const struct http *h, struct MHD_Connection *connection, const char *path,
                              const char *method, const struct exchange *x)
{
        bool gets = false, puts = false;
        for (size_t i = 0; i < h->route_count; i++) {
                const struct http_route *route = &h->routes[i];
                if (strcmp(route->path, path) != 0)
                        continue;
                if (method_matches(route, method))
                        return run_handler(connection, route, method, x);
                gets |= strcmp(route->method, MHD_HTTP_METHOD_GET) == 0;
                puts |= strcmp(route->method, MHD_HTTP_METHOD_PUT) == 0;
        }
        if (!gets && !puts)
                return send_text(connection, MHD_HTTP_NOT_FOUND, "there is nothing here\n", NULL);
        return send_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "not with this method\n",
                         gets && puts ? "GET, HEAD, PUT"
                         : gets       ? "GET, HEAD"
                                      : "PUT");
}

static enum MHD_Result request_arrives(void *arg, struct MHD_Connection *connection, const char *path,
                                       const char *method, const char *version, const char *data, size_t *data_len,
                                       void **request_context)
{
        (void)version;
        struct http *h = arg;
        struct exchange *x = *request_context;
        if (!x) {
                atomic_fetch_add(&h->exchanges, 1);
                *request_context = mem_zalloc(sizeof(*x));
                return MHD_YES;
        }
        if (*data_len) {
                if (x->body_len + *data_len <= HTTP_BODY_MAX)
                        memcpy(x->body + x->body_len, data, *data_len);
                x->body_len += *data_len;
                *data_len = 0;
                return x->body_len <= BODY_DISCARDED_MAX ? MHD_YES : MHD_NO;
        }
        if (x->body_len > HTTP_BODY_MAX)
                return send_text(connection, MHD_HTTP_CONTENT_TOO_LARGE, "the body is too large\n", NULL);
        return answer(h, connection, path, method, x);
}

/* ---- the listener ---- */

union address {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
};

/* The size of what was filled; 0 with an error when text is no address. */
static socklen_t fill_address(union address *a, const char *text, uint16_t port, struct err *e)
{
        if (inet_pton(AF_INET, text, &a->v4.sin_addr) == 1) {
                a->v4.sin_family = AF_INET;
                a->v4.sin_port = htons(port);
                return sizeof(a->v4);
        }
        if (inet_pton(AF_INET6, text, &a->v6.sin6_addr) == 1) {
                a->v6.sin6_family = AF_INET6;
                a->v6.sin6_port = htons(port);
                return sizeof(a->v6);
        }
        err_set(e, "\"%s\" is no IP address", text);
        return 0;
}

static int listen_on(const char *text, uint16_t port, struct err *e)
{
        union address a = {0};
        socklen_t size = fill_address(&a, text, port, e);
        if (!size)
                return -1;
        int fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        int on = 1;
        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 || bind(fd, &a.any, size) != 0 ||
            listen(fd, SOMAXCONN) != 0) {
                err_set_errno(e, "listening on %s port %u", text, port);
                if (fd >= 0)
                        close(fd);
                return -1;
        }
        return fd;
}

/* MHD's own complaints are about clients; ours to know are in the answers. */
static void drop_log(void *arg, const char *format, va_list ap)
{
        (void)arg, (void)format, (void)ap;
}

struct http *http_start(const char *address, uint16_t port, const struct http_route *routes, size_t count,
                        struct err *e)
{
        int fd = listen_on(address, port, e);
        if (fd < 0)
                return NULL;
        struct http *h = mem_zalloc(sizeof(*h));
        h->routes = mem_calloc(count, sizeof(*routes));
        memcpy(h->routes, routes, count * sizeof(*routes));
        h->route_count = count;
        h->idle.next = h->idle.previous = &h->idle;
        h->daemon = MHD_start_daemon(
                MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ERROR_LOG, 0, NULL, NULL, request_arrives, h,
                MHD_OPTION_EXTERNAL_LOGGER, drop_log, NULL, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
                (unsigned)MHD_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_PER_CONNECTION,
                MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)HTTP_IDLE_SECONDS, MHD_OPTION_NOTIFY_CONNECTION,
                connection_changed, h, MHD_OPTION_NOTIFY_COMPLETED, exchange_ended, h, MHD_OPTION_END);
        if (h->daemon)
                return h;
        err_set_errno(e, "starting the HTTP server on %s port %u", address, port);
        close(fd);
        http_free(h);
        return NULL;
}

uint16_t http_port(const struct http *h)
{
        union address a = {0};
        socklen_t size = sizeof(a);
        int fd = MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_LISTEN_FD)->listen_fd;
        if (getsockname(fd, &a.any, &size) != 0)
                return 0;
        return ntohs(a.any.sa_family == AF_INET ? a.v4.sin_port : a.v6.sin6_port);
}

bool http_is_idle(const struct http *h)
{
        return atomic_load(&h->exchanges) == 0;
}

void http_free(struct http *h)
{
        if (!h)
                return;
        if (h->daemon)
                MHD_stop_daemon(h->daemon);
        mem_free(h->routes);
        mem_free(h);
}
