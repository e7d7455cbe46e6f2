/* SPDX-License-Identifier: Apache-2.0 */
#include "e2e/devkube/http.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STREAM_BLOCK = 64 << 10, BACKLOG = 1024, THREAD_STACK = 1 << 20, CONNECTIONS_MAX = 4000 };

static struct {
        struct MHD_Daemon *daemon;
        http_handler *handler;
        atomic_bool stopping;
} server;

/* What lives from a request's first byte to the answer's last. */
struct exchange {
        struct request request;
        void (*sent)(void);
};

const char *request_query(const struct request *q, const char *name)
{
        return MHD_lookup_connection_value(q->connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *request_header(const struct request *q, const char *name)
{
        return MHD_lookup_connection_value(q->connection, MHD_HEADER_KIND, name);
}

bool request_hung_up(const struct request *q)
{
        const union MHD_ConnectionInfo *info =
                MHD_get_connection_info(q->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        struct pollfd p = {.fd = info->connect_fd, .events = POLLRDHUP};
        return poll(&p, 1, 0) == 1 && p.revents & (POLLRDHUP | POLLHUP | POLLERR);
}

bool http_stopping(void)
{
        return atomic_load(&server.stopping);
}

static ssize_t read_stream(void *arg, uint64_t at, char *p, size_t max)
{
        (void)at;
        struct stream *s = arg;
        ssize_t n = s->read(s, p, max);
        return n > 0 ? n : n == STREAM_END ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
}

static void free_stream(void *arg)
{
        struct stream *s = arg;
        s->free(s);
}

static struct MHD_Response *response_of(struct answer *a)
{
        if (a->stream) {
                struct stream *s = mem_take(&a->stream);
                return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, read_stream, s, free_stream);
        }
        size_t n = a->body ? buf_len(a->body) : 0;
        char *text = a->body ? buf_take_str(a->body) : mem_strdup("");
        return MHD_create_response_from_buffer_with_free_callback(n, text, mem_free);
}

/* RFC 7234, section 5.5: warn-code 299, agent "-", quoted text. */
static void add_warning(struct MHD_Response *r, const char *text)
{
        AUTO(buf) *value = buf_new(1 << 16);
        buf_append_str(value, "299 - \"");
        for (; *text; text++) {
                if (*text == '"' || *text == '\\')
                        buf_append_char(value, '\\');
                buf_append_char(value, (unsigned char)*text < ' ' ? ' ' : *text);
        }
        buf_append_char(value, '"');
        MHD_add_response_header(r, "Warning", buf_data(value));
}

static enum MHD_Result queue(struct exchange *x, struct answer *a)
{
        if (a->drop)
                return MHD_NO;
        struct MHD_Response *r = response_of(a);
        MHD_add_response_header(r, "Content-Type", a->content_type ? a->content_type : "application/json");
        size_t i;
        json_t *warning;
        json_array_foreach (a->warnings, i, warning) {
                add_warning(r, json_string_value(warning));
        }
        if (a->retry_after) {
                AUTO_STR *seconds = mem_printf("%d", a->retry_after);
                MHD_add_response_header(r, "Retry-After", seconds);
        }
        x->sent = a->sent;
        enum MHD_Result queued = MHD_queue_response(x->request.connection, (unsigned int)a->code, r);
        MHD_destroy_response(r);
        return queued;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *c, const char *url, const char *method,
                                  const char *version, const char *data, size_t *size, void **state)
{
        (void)arg;
        (void)version;
        struct exchange *x = *state;
        if (!x) {
                x = *state = mem_zalloc(sizeof(*x));
                x->request.connection = c;
                x->request.body = buf_new(HTTP_BODY_MAX);
                return MHD_YES;
        }
        if (*size) {
                bool fits = buf_append(x->request.body, data, *size);
                *size = 0;
                return fits ? MHD_YES : MHD_NO;
        }
        x->request.method = method;
        x->request.path = url;
        struct answer a = {.code = 200};
        server.handler(&x->request, &a);
        enum MHD_Result queued = queue(x, &a);
        buf_free(a.body);
        json_decref(a.warnings);
        return queued;
}

static void on_completed(void *arg, struct MHD_Connection *c, void **state, enum MHD_RequestTerminationCode why)
{
        (void)arg;
        (void)c;
        (void)why;
        struct exchange *x = *state;
        if (!x)
                return;
        if (x->sent)
                x->sent();
        buf_free(x->request.body);
        mem_free(x);
        *state = NULL;
}

static int listen_on(uint16_t *port, struct err *e)
{
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_in to = {
                .sin_family = AF_INET, .sin_port = htons(*port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t n = sizeof(to);
        int on = 1;
        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
            bind(fd, (struct sockaddr *)&to, n) || listen(fd, BACKLOG) || getsockname(fd, (struct sockaddr *)&to, &n)) {
                err_set_errno(e, "listening on 127.0.0.1:%u", *port);
                if (fd >= 0)
                        close(fd);
                return -1;
        }
        *port = ntohs(to.sin_port);
        return fd;
}

bool http_start(uint16_t *port, const char *key_pem, const char *cert_pem, http_handler *handler, struct err *e)
{
        int fd = listen_on(port, e);
        if (fd < 0)
                return false;
        server.handler = handler;
        atomic_store(&server.stopping, false);
        server.daemon = MHD_start_daemon(
                MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_TLS | MHD_USE_ITC, 0, NULL, NULL,
                on_request, NULL, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_HTTPS_MEM_KEY, key_pem,
                MHD_OPTION_HTTPS_MEM_CERT, cert_pem, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
                MHD_OPTION_THREAD_STACK_SIZE, (size_t)THREAD_STACK, MHD_OPTION_CONNECTION_LIMIT,
                (unsigned int)CONNECTIONS_MAX, MHD_OPTION_END);
        if (server.daemon)
                return true;
        close(fd);
        return err_set(e, "libmicrohttpd does not start on port %u", *port);
}

void http_stop(void)
{
        atomic_store(&server.stopping, true);
        MHD_stop_daemon(server.daemon);
        server.daemon = NULL;
}
