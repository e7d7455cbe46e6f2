/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server_fixture - a webhook on a free port with certificates of its own, and a client that may misbehave.
 *
 * For the server's tests and the bench only: functions are static, each user takes what it needs. The client speaks raw
 * bytes over OpenSSL, so that a test sends what no HTTP library would; every wait ends after CLIENT_PATIENCE.
 */
#pragma once

#include "base/file.h"
#include "base/log.h"
#include "base/time.h"
#include "certs/issue.h"
#include "webhook/server.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define FIXTURE_UNUSED __attribute__((unused))

enum { CLIENT_PATIENCE = 20 /* seconds, also under sanitizers */ };

/* ---- certificates in files ---- */

struct credentials {
        char dir[64];
        char *crt, *key, *ca; /* paths */
        struct pair *authority;
        struct keypair *keypair;
};

FIXTURE_UNUSED static void fixture_write(const char *path, const char *p, size_t n)
{
        struct err e = {0};
        bool ok = file_write(path, p, n, 0600, &e);
        assert(ok);
}

FIXTURE_UNUSED static struct pair *fixture_authority(void)
{
        struct err e = {0};
        int64_t now = time_now_micros();
        struct pair *p = issue_ca(now - 3600 * TIME_MICROS_PER_SECOND, now + 86400 * TIME_MICROS_PER_SECOND, &e);
        assert(p);
        return p;
}

FIXTURE_UNUSED static struct pair *fixture_leaf(const struct pair *ca, bool server, const char *name)
{
        const char *const ips[] = {"127.0.0.1"};
        int64_t now = time_now_micros();
        struct issue_request r = {
                .common_name = name,
                .names = &name,
                .name_count = 1,
                .ips = ips,
                .ip_count = 1,
                .server = server,
                .client = !server,
                .not_before = now - 3600 * TIME_MICROS_PER_SECOND,
                .not_after = now + 3600 * TIME_MICROS_PER_SECOND,
        };
        struct err e = {0};
        struct pair *p = issue_leaf(&r, ca->crt, ca->crt_len, ca->key, ca->key_len, &e);
        assert(p);
        return p;
}

/* A new server certificate called name in the files. */
FIXTURE_UNUSED static void credentials_renew(struct credentials *c, const char *name)
{
        struct pair *leaf = fixture_leaf(c->authority, true, name);
        fixture_write(c->key, leaf->key, leaf->key_len);
        fixture_write(c->crt, leaf->crt, leaf->crt_len);
        pair_unref(leaf);
}

FIXTURE_UNUSED static void credentials_init(struct credentials *c)
{
        *c = (struct credentials){.dir = "/tmp/gatehouse-webhook-XXXXXX"};
        char *made = mkdtemp(c->dir);
        assert(made);
        c->crt = file_join(c->dir, "tls.crt");
        c->key = file_join(c->dir, "tls.key");
        c->ca = file_join(c->dir, "ca.crt");
        c->authority = fixture_authority();
        fixture_write(c->ca, c->authority->crt, c->authority->crt_len);
        credentials_renew(c, "first");
        struct keypair_files files = {.name = "webhook", .crt = c->crt, .key = c->key, .ca = c->ca};
        struct err e = {0};
        c->keypair = keypair_new(&files, time_now_micros(), &e);
        if (!c->keypair)
                fprintf(stderr, "%s\n", e.text);
        assert(c->keypair);
}

FIXTURE_UNUSED static void credentials_done(struct credentials *c)
{
        keypair_free(c->keypair);
        pair_unref(c->authority);
        unlink(c->crt);
        unlink(c->key);
        unlink(c->ca);
        rmdir(c->dir);
        mem_free(c->crt);
        mem_free(c->key);
        mem_free(c->ca);
}

/* ---- the client ---- */

struct client {
        int fd;
        SSL_CTX *context;
        SSL *ssl;
        char *bytes; /* received, not yet taken */
        size_t len;
};

struct reply {
        int status;        /* 0: the connection ended without one */
        char *head, *body; /* never NULL */
};

FIXTURE_UNUSED static void reply_done(struct reply *r)
{
        mem_free(r->head);
        mem_free(r->body);
        *r = (struct reply){0};
}

FIXTURE_UNUSED static int client_connect(uint16_t port)
{
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert(fd >= 0);
        struct timeval patience = {.tv_sec = CLIENT_PATIENCE};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
        at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (connect(fd, (struct sockaddr *)&at, sizeof(at)) != 0) {
                close(fd);
                return -1;
        }
        return fd;
}

struct client_options {
        int max_version;          /* 0: the newest */
        const struct pair *pair;  /* a client certificate; NULL: none */
        const struct pair *trust; /* the CA that must have signed the server's certificate; NULL: any */
};

FIXTURE_UNUSED static void client_trust(SSL_CTX *context, const struct pair *ca)
{
        BIO *bio = BIO_new_mem_buf(ca->crt, (int)ca->crt_len);
        X509 *crt = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        assert(crt);
        X509_STORE_add_cert(SSL_CTX_get_cert_store(context), crt);
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
        X509_free(crt);
        BIO_free(bio);
}

FIXTURE_UNUSED static void client_certificate(SSL_CTX *context, const struct pair *pair)
{
        BIO *crt_bio = BIO_new_mem_buf(pair->crt, (int)pair->crt_len);
        BIO *key_bio = BIO_new_mem_buf(pair->key, (int)pair->key_len);
        X509 *crt = PEM_read_bio_X509(crt_bio, NULL, NULL, NULL);
        EVP_PKEY *key = PEM_read_bio_PrivateKey(key_bio, NULL, NULL, NULL);
        int ok = SSL_CTX_use_certificate(context, crt) && SSL_CTX_use_PrivateKey(context, key);
        assert(ok);
        X509_free(crt);
        EVP_PKEY_free(key);
        BIO_free(crt_bio);
        BIO_free(key_bio);
}

FIXTURE_UNUSED static void client_close(struct client *c)
{
        SSL_free(c->ssl);
        SSL_CTX_free(c->context);
        if (c->fd >= 0)
                close(c->fd);
        mem_free(c->bytes);
        *c = (struct client){.fd = -1};
}

/* False when the handshake fails. Close it either way. */
FIXTURE_UNUSED static bool client_open_with(struct client *c, uint16_t port, const struct client_options *o)
{
        signal(SIGPIPE, SIG_IGN);
        *c = (struct client){.fd = client_connect(port)};
        if (c->fd < 0)
                return false;
        c->context = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_mode(c->context, SSL_MODE_AUTO_RETRY);
        if (o->max_version) {
                SSL_CTX_set_security_level(c->context, 0);
                SSL_CTX_set_min_proto_version(c->context, o->max_version);
                SSL_CTX_set_max_proto_version(c->context, o->max_version);
        }
        if (o->trust)
                client_trust(c->context, o->trust);
        if (o->pair)
                client_certificate(c->context, o->pair);
        c->ssl = SSL_new(c->context);
        SSL_set_fd(c->ssl, c->fd);
        return SSL_connect(c->ssl) == 1;
}

FIXTURE_UNUSED static bool client_open(struct client *c, uint16_t port)
{
        return client_open_with(c, port, &(struct client_options){0});
}

FIXTURE_UNUSED static bool client_send(struct client *c, const char *p, size_t n)
{
        while (n > 0) {
                int sent = SSL_write(c->ssl, p, n > 1 << 20 ? 1 << 20 : (int)n);
                if (sent <= 0)
                        return false;
                p += sent;
                n -= (size_t)sent;
        }
        return true;
}

/* More bytes; false at the end of the connection or of patience. */
FIXTURE_UNUSED static bool client_read_more(struct client *c)
{
        enum { STEP = 64 * 1024 };
        c->bytes = mem_resize(c->bytes, c->len + STEP + 1, 1);
        int n = SSL_read(c->ssl, c->bytes + c->len, STEP);
        if (n <= 0)
                return false;
        c->len += (size_t)n;
        c->bytes[c->len] = '\0';
        return true;
}

/* Whether the server ends the connection, with nothing more to be read. */
FIXTURE_UNUSED static bool client_sees_end(struct client *c)
{
        int64_t end = time_monotonic() + CLIENT_PATIENCE * DURATION_SECOND;
        while (client_read_more(c))
                ;
        return time_monotonic() < end - DURATION_SECOND;
}

/* The next reply, by its Content-Length. */
FIXTURE_UNUSED static struct reply client_receive(struct client *c)
{
        struct reply r = {.head = mem_strndup("", 0), .body = mem_strndup("", 0)};
        const char *end;
        while (!(end = c->len ? strstr(c->bytes, "\r\n\r\n") : NULL)) {
                if (!client_read_more(c))
                        return r;
        }
        size_t head = (size_t)(end + 4 - c->bytes), length = 0;
        mem_free(r.head);
        r.head = mem_strndup(c->bytes, head);
        const char *declared = strcasestr(r.head, "\r\nContent-Length:");
        if (declared)
                length = strtoul(declared + strlen("\r\nContent-Length:"), NULL, 10);
        while (c->len < head + length) {
                if (!client_read_more(c))
                        return r;
        }
        mem_free(r.body);
        r.body = mem_strndup(c->bytes + head, length);
        c->len -= head + length;
        memmove(c->bytes, c->bytes + head + length, c->len + 1);
        r.status = (int)strtol(r.head + strlen("HTTP/1.1 "), NULL, 10);
        return r;
}

FIXTURE_UNUSED static struct reply client_post(struct client *c, const char *path, const char *body, size_t n)
{
        AUTO(buf) *request = buf_new(n + 1024);
        buf_printf(request,
                   "POST %s HTTP/1.1\r\nHost: webhook\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                   path, n);
        buf_append(request, body, n);
        client_send(c, buf_data(request), buf_len(request));
        return client_receive(c);
}

/* ---- the server ---- */

struct fixture {
        struct credentials credentials;
        pthread_rwlock_t lock;
        struct store *store;
        struct policy policy;
        struct webhook_state state;
        struct webhook_limits limits;
        struct webhook_server *server;
        uint16_t port;
};

FIXTURE_UNUSED static void fixture_silence(const char *line)
{
        (void)line;
}

/* Everything but the server: change state, policy and limits, then fixture_start(). */
FIXTURE_UNUSED static void fixture_init(struct fixture *f)
{
        *f = (struct fixture){.limits = WEBHOOK_LIMITS};
        log_set_sink(fixture_silence);
        credentials_init(&f->credentials);
        webhook_state_lock_init(&f->lock);
        f->store = store_new();
        f->state = (struct webhook_state){.lock = &f->lock, .store = f->store, .policy = &f->policy};
}

FIXTURE_UNUSED static void fixture_start(struct fixture *f, unsigned workers, bool verify_clients)
{
        struct webhook_server_options o = {
                .address = "127.0.0.1",
                .workers = workers,
                .keypair = f->credentials.keypair,
                .verify_clients = verify_clients,
                .state = &f->state,
                .limits = &f->limits,
        };
        struct err e = {0};
        f->server = webhook_server_new(&o, &e);
        if (!f->server)
                fprintf(stderr, "%s\n", e.text);
        assert(f->server);
        f->port = webhook_server_port(f->server);
}

FIXTURE_UNUSED static void fixture_done(struct fixture *f)
{
        webhook_server_free(f->server);
        store_free(f->store);
        pthread_rwlock_destroy(&f->lock);
        credentials_done(&f->credentials);
        log_set_sink(NULL);
}

/* Decodes text and puts it into the store as the loop thread would. */
FIXTURE_UNUSED static void fixture_put(struct fixture *f, enum kind kind, const char *text)
{
        json_error_t error;
        json_t *json = json_loads(text, 0, &error);
        assert(json);
        struct err e = {0};
        struct object *o = object_decode(kind, json, &(struct object_options){0}, &e);
        assert(o);
        json_decref(json);
        pthread_rwlock_wrlock(&f->lock);
        store_put(f->store, o, 0, NULL);
        pthread_rwlock_unlock(&f->lock);
        if (f->server)
                webhook_server_store_changed(f->server);
}

FIXTURE_UNUSED static void fixture_remove(struct fixture *f, enum kind kind, const char *namespace, const char *name)
{
        pthread_rwlock_wrlock(&f->lock);
        store_remove(f->store, kind, namespace, name, 0, NULL);
        pthread_rwlock_unlock(&f->lock);
        webhook_server_store_changed(f->server);
}

/* ---- reviews ---- */

#define ROOT(name, fqdn)                                                                                               \
        "{\"apiVersion\":\"contour.heptio.com/v1beta1\",\"kind\":\"IngressRoute\",\"metadata\":{\"name\":\"" name      \
        "\",\"namespace\":\"team-a\",\"uid\":\"uid-" name "\",\"creationTimestamp\":\"2020-01-01T00:00:00Z\"},"        \
        "\"spec\":{\"virtualhost\":{\"fqdn\":\"" fqdn "\"},\"routes\":[{\"match\":\"/\",\"services\":"                 \
        "[{\"name\":\"web\",\"port\":80}]}]}}"
#define REVIEW_OF(uid, operation, extra, object)                                                                       \
        "{\"apiVersion\":\"admission.k8s.io/v1\",\"kind\":\"AdmissionReview\",\"request\":{\"uid\":\"" uid             \
        "\",\"operation\":\"" operation "\",\"kind\":{\"group\":\"contour.heptio.com\",\"version\":\"v1beta1\","       \
        "\"kind\":\"IngressRoute\"},\"namespace\":\"team-a\"," extra "\"object\":" object "}}"

/* Waits for a condition that other threads bring about. */
#define AWAIT(condition)                                                                                               \
        do {                                                                                                           \
                int64_t end_ = time_monotonic() + CLIENT_PATIENCE * DURATION_SECOND;                                   \
                while (!(condition) && time_monotonic() < end_)                                                        \
                        usleep(1000);                                                                                  \
                assert_true(condition);                                                                                \
        } while (0)
