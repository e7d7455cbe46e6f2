/* SPDX-License-Identifier: Apache-2.0 */
#include "xds/grpc_dial.h"

#include "base/time.h"
#include "certs/ossl.h"
#include "xds/grpc_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define VERDICT_WAIT (1 * DURATION_SECOND)

struct dial {
        int fd;
        SSL_CTX *context;
        SSL *tls; /* NULL: plain */
};

/* ---- waiting ---- */

static bool timed_out(struct err *e, const char *what)
{
        return err_set_code(e, ETIMEDOUT, "%s: no answer in time", what);
}

/* Until the socket can be read or written. */
static bool wait_for(int fd, short events, int64_t deadline, const char *what, struct err *e)
{
        for (;;) {
                const int64_t left = deadline - time_monotonic();
                const int64_t ms = left / DURATION_MILLISECOND + 1;
                struct pollfd p = {.fd = fd, .events = events};
                int ready = left > 0 ? poll(&p, 1, ms < INT_MAX ? (int)ms : INT_MAX) : 0;
                if (ready > 0)
                        return true;
                if (ready < 0 && errno != EINTR)
                        return err_set_errno(e, "poll");
                if (ready == 0 && left <= 0)
                        return timed_out(e, what);
        }
}

/* ---- TCP ---- */

static bool connect_to(const struct addrinfo *a, int64_t deadline, int *out, struct err *e)
{
        int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return err_set_errno(e, "socket");
        int problem = 0;
        socklen_t size = sizeof(problem);
        bool fine = connect(fd, a->ai_addr, a->ai_addrlen) == 0;
        if (!fine && errno != EINPROGRESS) {
                err_set_errno(e, "connect");
        } else if (!fine && wait_for(fd, POLLOUT, deadline, "connect", e)) {
                getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &size);
                errno = problem;
                fine = !problem || err_set_errno(e, "connect");
        }
        if (fine)
                *out = fd;
        else
                close(fd);
        return fine;
}

/* The first address that takes us; else the last one's error. */
static bool open_socket(const struct dial_options *o, int64_t deadline, int *out, struct err *e)
{
        const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
        struct addrinfo *found = NULL;
        char port[8];
        snprintf(port, sizeof(port), "%u", (unsigned)o->port);
        int failed = getaddrinfo(o->host, port, &hints, &found);
        if (failed)
                return err_set(e, "%s", gai_strerror(failed));
        bool fine = false;
        for (const struct addrinfo *a = found; a && !fine; a = a->ai_next)
                fine = connect_to(a, deadline, out, e);
        freeaddrinfo(found);
        return fine;
}

/* ---- TLS ---- */

static bool tls_failed(const struct dial *d, struct err *e)
{
        const long verdict = SSL_get_verify_result(d->tls);
        const char *reason = ossl_reason();
        if (verdict != X509_V_OK)
                return err_set(e, "the server's certificate is not trusted: %s",
                               X509_verify_cert_error_string(verdict));
        return err_set(e, "TLS: %s", reason);
}

/* What OpenSSL waits for; false: it has failed. */
static bool tls_wait(struct dial *d, int result, int64_t deadline, const char *what, struct err *e)
{
        switch (SSL_get_error(d->tls, result)) {
        case SSL_ERROR_WANT_READ:
                return wait_for(d->fd, POLLIN, deadline, what, e);
        case SSL_ERROR_WANT_WRITE:
                return wait_for(d->fd, POLLOUT, deadline, what, e);
        case SSL_ERROR_SYSCALL:
                return errno ? err_set_errno(e, "TLS") : err_set(e, "TLS: the server closed the connection");
        default:
                return tls_failed(d, e);
        }
}

static SSL_CTX *make_context(const struct pair *pair, struct err *e)
{
        static const unsigned char h2[] = {2, 'h', '2'};
        SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
        if (tls && SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION) == 1 &&
            SSL_CTX_set_alpn_protos(tls, h2, sizeof(h2)) == 0 && grpc_tls_use(tls, pair)) {
                SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
                SSL_CTX_set_options(tls, SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_CLEANSE_PLAINTEXT);
                return tls;
        }
        SSL_CTX_free(tls);
        err_set(e, "the certificate, key or CA bundle cannot be used: %s", ossl_reason());
        return NULL;
}

static bool begin_tls(struct dial *d, const struct dial_options *o)
{
        d->tls = SSL_new(d->context);
        if (!d->tls || SSL_set_fd(d->tls, d->fd) != 1 || SSL_set1_host(d->tls, o->server_name) != 1 ||
            SSL_set_tlsext_host_name(d->tls, o->server_name) != 1)
                return false;
        SSL_set_hostflags(d->tls, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_WILDCARDS);
        return true;
}

/*
 * With TLS 1.3 the server judges our certificate when our side of the handshake is over, and its alert is lost once we
 * have written to a socket that it has closed. So it speaks first: an alert, or SETTINGS (RFC 9113, section 3.4). A
 * server that waits for us is given a moment.
 */
static bool await_verdict(struct dial *d, int64_t deadline, struct err *e)
{
        const int64_t patience = time_monotonic() + VERDICT_WAIT;
        struct err problem = {0};
        char byte;
        size_t n;
        for (int result; errno = 0, (result = SSL_peek_ex(d->tls, &byte, 1, &n)) != 1;) {
                if (SSL_get_error(d->tls, result) == SSL_ERROR_ZERO_RETURN)
                        return err_set(e, "the server closed the connection");
                if (tls_wait(d, result, patience < deadline ? patience : deadline, "TLS", &problem))
                        continue;
                return problem.code == ETIMEDOUT || err_set(e, "the server refuses our certificate: %s", problem.text);
        }
        return true;
}

static bool open_tls(struct dial *d, const struct dial_options *o, int64_t deadline, struct err *e)
{
        d->context = make_context(o->pair, e);
        if (!d->context)
                return false;
        if (!begin_tls(d, o))
                return err_set(e, "TLS: %s", ossl_reason());
        for (int result; errno = 0, (result = SSL_connect(d->tls)) != 1;) {
                if (!tls_wait(d, result, deadline, "TLS", e))
                        return false;
        }
        const unsigned char *protocol = NULL;
        unsigned n = 0;
        SSL_get0_alpn_selected(d->tls, &protocol, &n);
        if (n != 2 || memcmp(protocol, "h2", 2) != 0)
                return err_set(e, "the server does not speak HTTP/2");
        return await_verdict(d, deadline, e);
}

struct dial *dial_open(const struct dial_options *o, int64_t deadline, struct err *e)
{
        AUTO(dial) *d = mem_zalloc(sizeof(*d));
        d->fd = -1;
        if (open_socket(o, deadline, &d->fd, e) && (!o->pair || open_tls(d, o, deadline, e)))
                return mem_take(&d);
        err_wrap(e, "%s port %u", o->host, (unsigned)o->port);
        return NULL;
}

void dial_free(struct dial *d)
{
        if (!d)
                return;
        SSL_free(d->tls);
        SSL_CTX_free(d->context);
        if (d->fd >= 0)
                close(d->fd);
        mem_free(d);
}

/* ---- bytes ---- */

static bool read_tls(struct dial *d, void *to, size_t room, size_t *n, int64_t deadline, struct err *e)
{
        for (;;) {
                int result = SSL_read_ex(d->tls, to, room, n);
                if (result == 1)
                        return true;
                if (SSL_get_error(d->tls, result) == SSL_ERROR_ZERO_RETURN) {
                        *n = 0;
                        return true;
                }
                if (!tls_wait(d, result, deadline, "the xDS server", e))
                        return false;
        }
}

static bool read_plain(struct dial *d, void *to, size_t room, size_t *n, int64_t deadline, struct err *e)
{
        for (;;) {
                ssize_t got = recv(d->fd, to, room, 0);
                if (got >= 0) {
                        *n = (size_t)got;
                        return true;
                }
                if (errno != EAGAIN && errno != EINTR)
                        return err_set_errno(e, "read");
                if (!wait_for(d->fd, POLLIN, deadline, "the xDS server", e))
                        return false;
        }
}

bool dial_read(struct dial *d, void *to, size_t room, size_t *n, int64_t deadline, struct err *e)
{
        return d->tls ? read_tls(d, to, room, n, deadline, e) : read_plain(d, to, room, n, deadline, e);
}

static bool write_some(struct dial *d, const void *p, size_t n, size_t *done, int64_t deadline, struct err *e)
{
        for (;;) {
                if (d->tls) {
                        int result = SSL_write_ex(d->tls, p, n, done);
                        if (result == 1)
                                return true;
                        if (!tls_wait(d, result, deadline, "the xDS server", e))
                                return false;
                        continue;
                }
                ssize_t sent = send(d->fd, p, n, MSG_NOSIGNAL);
                if (sent >= 0) {
                        *done = (size_t)sent;
                        return true;
                }
                if (errno != EAGAIN && errno != EINTR)
                        return err_set_errno(e, "write");
                if (!wait_for(d->fd, POLLOUT, deadline, "the xDS server", e))
                        return false;
        }
}

bool dial_write(struct dial *d, const void *p, size_t n, int64_t deadline, struct err *e)
{
        for (size_t done = 0; n > 0; p = (const char *)p + done, n -= done) {
                if (!write_some(d, p, n, &done, deadline, e))
                        return false;
        }
        return true;
}
