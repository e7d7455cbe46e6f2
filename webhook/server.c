/* SPDX-License-Identifier: Apache-2.0 */
#include "webhook/server.h"

#include "base/log.h"
#include "base/time.h"
#include "webhook/server_internal.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
        WORKERS_MAX = 8, /* a core judges thousands of reviews a second */
        BACKLOG = 1024,
        SPARE_FILES = 256, /* beside the connections: watches, Envoys, files */
};

/*
 * The API server waits at most 30 s for a webhook and keeps idle connections for 90 s: ours are kept longer, so that
 * it is the one to close them, and a request never meets a closing connection.
 */
const struct webhook_limits WEBHOOK_LIMITS = {
        .connections = 1024,
        .waiting = 256,
        .bodies = 64 * 1024 * 1024,
        .wait = 300 * DURATION_MILLISECOND,
        .handshake = 10 * DURATION_SECOND,
        .request = 10 * DURATION_SECOND,
        .answer = 10 * DURATION_SECOND,
        .idle = 120 * DURATION_SECOND,
};

/* TLS 1.2 and up, forward secrecy and AEAD only. */
static const char PRIORITIES[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:"
                                 "-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305";

/* ---- the socket ---- */

static int listen_on(const struct addrinfo *ai, struct err *e)
{
        int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        int on = 1;
        if (fd < 0)
                return err_set_errno(e, "webhook: socket"), -1;
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
                return fd;
        err_set_errno(e, "webhook: listen");
        close(fd);
        return -1;
}

static int open_socket(const char *address, uint16_t port, struct err *e)
{
        char service[8];
        snprintf(service, sizeof(service), "%u", (unsigned)port);
        struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
        struct addrinfo *found = NULL;
        int rc = getaddrinfo(address, service, &hints, &found);
        if (rc != 0) {
                err_set(e, "webhook address \"%s\": %s: use an IP address", address, gai_strerror(rc));
                return -1;
        }
        int fd = listen_on(found, e);
        freeaddrinfo(found);
        if (fd < 0)
                err_wrap(e, "%s port %s", address, service);
        return fd;
}

/* The port that the kernel chose. */
static uint16_t bound_port(int fd)
{
        struct sockaddr_storage at;
        socklen_t n = sizeof(at);
        char service[8] = "0";
        getsockname(fd, (struct sockaddr *)&at, &n);
        getnameinfo((struct sockaddr *)&at, n, NULL, 0, service, sizeof(service), NI_NUMERICSERV);
        unsigned port = 0;
        for (const char *p = service; *p; p++)
                port = port * 10 + (unsigned)(*p - '0');
        return (uint16_t)port;
}

/* Connections need files; many systems start with a soft limit of 1,024. */
static void raise_file_limit(unsigned connections)
{
        struct rlimit limit;
        rlim_t need = connections + SPARE_FILES;
        if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= need)
                return;
        limit.rlim_cur = limit.rlim_max < need ? limit.rlim_max : need;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < need)
                log_warn("webhook: the limit of open files is low; raise it", "limit", log_int(limit.rlim_cur),
                         "wanted", log_int(need), NULL);
}

/* ---- start ---- */

static unsigned worker_count(unsigned asked)
{
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        if (asked)
                return asked < WORKERS_MAX ? asked : WORKERS_MAX;
        return cores < 1 ? 1 : cores > WORKERS_MAX ? WORKERS_MAX : (unsigned)cores;
}

static void __attribute__((format(printf, 2, 0))) log_from_library(void *arg, const char *format, va_list ap)
{
        (void)arg;
        AUTO(buf) *text = buf_new(512);
        buf_vprintf(text, format, ap);
        size_t n = buf_len(text);
        if (n && buf_data(text)[n - 1] == '\n')
                buf_truncate(text, n - 1);
        log_debug("libmicrohttpd", "said", buf_data(text), NULL);
}

static enum MHD_Result accept_connection(void *arg, const struct sockaddr *address, socklen_t n)
{
        struct webhook_server *s = arg;
        (void)address;
        (void)n;
        return atomic_load(&s->closed) ? MHD_NO : MHD_YES;
}

static bool start_daemon(struct webhook_server *s, int fd, unsigned workers, struct err *e)
{
        unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_TLS | MHD_USE_ITC | MHD_ALLOW_SUSPEND_RESUME |
                         MHD_USE_ERROR_LOG;
        /* Its limit is a worker's share, and connections spread unevenly; make_room() holds the real one. */
        unsigned limit = (s->limits.connections + SPARE_FILES) * workers;
        struct MHD_OptionItem options[] = {
                {MHD_OPTION_EXTERNAL_LOGGER, (intptr_t)log_from_library, NULL},
                {MHD_OPTION_LISTEN_SOCKET, fd, NULL},
                {MHD_OPTION_CONNECTION_LIMIT, (intptr_t)limit, NULL},
                {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)PRIORITIES},
                {MHD_OPTION_HTTPS_CERT_CALLBACK2, 0, (void *)(intptr_t)server_tls_certificate},
                {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)server_connection_notify, s},
                {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)server_request_completed, s},
                {MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)server_request_begin, s},
                {workers > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, (intptr_t)workers, NULL},
                {MHD_OPTION_END, 0, NULL},
        };
        s->daemon = MHD_start_daemon(flags, 0, accept_connection, s, server_request_handle, s, MHD_OPTION_ARRAY,
                                     options, MHD_OPTION_END);
        return s->daemon || err_set(e, "webhook: libmicrohttpd does not start: %s", strerror(errno));
}

static struct webhook_server *server_new(const struct webhook_server_options *o)
{
        struct webhook_server *s = mem_zalloc(sizeof(*s));
        s->limits = o->limits ? *o->limits : WEBHOOK_LIMITS;
        s->keypair = o->keypair;
        s->verify_clients = o->verify_clients;
        s->state = o->state;
        s->meter = meter_new();
        pthread_mutex_init(&s->mutex, NULL);
        pthread_condattr_t attr;
        pthread_condattr_init(&attr);
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        pthread_cond_init(&s->wake, &attr);
        pthread_condattr_destroy(&attr);
        return s;
}

struct webhook_server *webhook_server_new(const struct webhook_server_options *options, struct err *e)
{
        AUTO(webhook_server) *s = server_new(options);
        raise_file_limit(s->limits.connections);
        int fd = open_socket(options->address, options->port, e);
        if (fd < 0)
                return NULL;
        s->port = bound_port(fd);
        if (!start_daemon(s, fd, worker_count(options->workers), e)) {
                close(fd);
                return NULL;
        }
        int failed = pthread_create(&s->housekeeper, NULL, server_wait_housekeeper, s);
        assert(failed == 0);
        s->has_housekeeper = true;
        return mem_take(&s);
}

uint16_t webhook_server_port(const struct webhook_server *s)
{
        return s->port;
}

unsigned webhook_server_connections(struct webhook_server *s)
{
        pthread_mutex_lock(&s->mutex);
        unsigned n = s->connection_total;
        pthread_mutex_unlock(&s->mutex);
        return n;
}

unsigned webhook_server_waiting(struct webhook_server *s)
{
        pthread_mutex_lock(&s->mutex);
        unsigned n = s->waiting_count;
        pthread_mutex_unlock(&s->mutex);
        return n;
}

/* ---- stop ---- */

void webhook_server_drain(struct webhook_server *s)
{
        atomic_store(&s->draining, true);
}

/* From here on nobody is suspended: libmicrohttpd must not be stopped with suspended connections. */
static void end_waits(struct webhook_server *s)
{
        pthread_mutex_lock(&s->mutex);
        s->stopping = true;
        server_wait_resume_all(s, true);
        pthread_cond_signal(&s->wake);
        pthread_mutex_unlock(&s->mutex);
        if (s->has_housekeeper)
                pthread_join(s->housekeeper, NULL);
        s->has_housekeeper = false;
}

/* Again and again: whoever was busy at first is idle in the end. */
static void close_connections(struct webhook_server *s, int64_t grace)
{
        int64_t end = time_monotonic() + grace;
        while (server_connection_close_idle(s), webhook_server_connections(s) && time_monotonic() < end)
                nanosleep(&(struct timespec){.tv_nsec = 2 * DURATION_MILLISECOND}, NULL);
}

void webhook_server_stop(struct webhook_server *s, int64_t grace)
{
        if (!s)
                return;
        webhook_server_drain(s);
        end_waits(s);
        if (s->daemon) {
                /* MHD_quiesce_daemon() aborts when a worker takes the socket out of its epoll set at the same moment.
                 */
                atomic_store(&s->closed, true);
                close_connections(s, grace);
                MHD_stop_daemon(s->daemon);
        }
        assert(!s->connections);
        meter_free(s->meter);
        pthread_cond_destroy(&s->wake);
        pthread_mutex_destroy(&s->mutex);
        mem_free(s);
}

void webhook_server_free(struct webhook_server *s)
{
        webhook_server_stop(s, 0);
}
