/* SPDX-License-Identifier: Apache-2.0 */
#include "xds/grpc_testing.h"

#include "certs/ossl.h"
#include "xds/grpc_internal.h"

#define ENVOY "envoy.gatehouse"

struct fixture {
        struct event_base *base;
        struct grpc_server *server;
        struct keypair *keypair;
        struct pair *ca;
        char dir[64];
        char *crt, *key, *bundle;
};

static void quiet(const char *line)
{
        (void)line;
}

static struct pair *leaf(const struct pair *ca, const char *name, bool server, bool client)
{
        int64_t now = time_now_micros();
        const struct issue_request r = {.common_name = name,
                                        .names = &name,
                                        .name_count = 1,
                                        .server = server,
                                        .client = client,
                                        .not_before = now - 3600 * TIME_MICROS_PER_SECOND,
                                        .not_after = now + 3600 * TIME_MICROS_PER_SECOND};
        struct err e = {0};
        struct pair *p = issue_leaf(&r, ca->crt, ca->crt_len, ca->key, ca->key_len, &e);
        assert_non_null(p);
        return p;
}

static struct pair *authority(void)
{
        int64_t now = time_now_micros();
        struct err e = {0};
        struct pair *p = issue_ca(now - 3600 * TIME_MICROS_PER_SECOND, now + 86400 * TIME_MICROS_PER_SECOND, &e);
        assert_non_null(p);
        return p;
}

static void write_server(struct fixture *f, const char *name)
{
        struct err e = {0};
        AUTO(pair) *p = leaf(f->ca, name, true, false);
        assert_true(file_write(f->crt, p->crt, p->crt_len, 0600, &e));
        assert_true(file_write(f->key, p->key, p->key_len, 0600, &e));
        assert_true(file_write(f->bundle, f->ca->crt, f->ca->crt_len, 0600, &e));
}

static int setup(void **state)
{
        struct fixture *f = mem_zalloc(sizeof(*f));
        struct err e = {0};
        skew = 0;
        memset(&seen, 0, sizeof(seen));
        log_set_sink(quiet);
        snprintf(f->dir, sizeof(f->dir), "/tmp/grpc_tls_test.XXXXXX");
        assert_non_null(mkdtemp(f->dir));
        f->crt = file_join(f->dir, "tls.crt");
        f->key = file_join(f->dir, "tls.key");
        f->bundle = file_join(f->dir, "ca.crt");
        f->ca = authority();
        write_server(f, "first");
        const struct keypair_files files = {.name = "xds", .crt = f->crt, .key = f->key, .ca = f->bundle};
        f->keypair = keypair_new(&files, time_now_micros(), &e);
        f->base = event_base_new();
        static const char *const names[] = {"another", ENVOY};
        const struct grpc_options options = {.base = f->base,
                                             .address = "127.0.0.1",
                                             .keypair = f->keypair,
                                             .client_names = names,
                                             .client_name_count = 2,
                                             .clock = skewed_clock};
        f->server = f->keypair ? grpc_server_new(&options, &e) : NULL;
        if (!f->server)
                fail_msg("%s", e.text);
        grpc_server_add(f->server, &echo_service);
        *state = f;
        return 0;
}

static int teardown(void **state)
{
        struct fixture *f = *state;
        grpc_server_free(f->server);
        keypair_free(f->keypair);
        event_base_free(f->base);
        pair_unref(f->ca);
        char *const paths[] = {f->crt, f->key, f->bundle};
        for (size_t i = 0; i < COUNT_OF(paths); i++) {
                unlink(paths[i]);
                mem_free(paths[i]);
        }
        rmdir(f->dir);
        mem_free(f);
        log_set_sink(NULL);
        return 0;
}

/* A client's end of TLS with that certificate (NULL: none). */
static SSL *client_tls(const struct pair *p, int version, const char *alpn)
{
        SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_max_proto_version(tls, version);
        if (p) {
                OSSL_AUTO(BIO) *bio = BIO_new_mem_buf(p->crt, (int)p->crt_len);
                bool failed = false;
                OSSL_AUTO(X509) *crt = ossl_read_crt(bio, &failed);
                OSSL_AUTO(EVP_PKEY) *key = ossl_read_key(p->key, p->key_len);
                assert_int_equal(SSL_CTX_use_certificate(tls, crt), 1);
                assert_int_equal(SSL_CTX_use_PrivateKey(tls, key), 1);
        }
        SSL *ssl = SSL_new(tls);
        SSL_CTX_free(tls);
        SSL_set_alpn_protos(ssl, (const unsigned char *)alpn, (unsigned)strlen(alpn));
        return ssl;
}

/* Is a call answered over this connection? Else the server has refused it. */
static bool served(struct fixture *f, struct client *c, SSL *ssl)
{
        struct stream s;
        uint64_t refused = grpc_server_counts(f->server).refused;
        client_start(c, f->base, grpc_server_port(f->server), ssl, true);
        stream_start(&s, c, ECHO);
        stream_send(&s, c, "end");
        WAIT(f->base, c->down || s.closed);
        bool answered = s.closed && strcmp(s.status, "3") == 0;
        if (!answered)
                WAIT(f->base, grpc_server_counts(f->server).refused == refused + 1);
        stream_done(&s);
        return answered;
}

static bool serves(struct fixture *f, const struct pair *p, int version, const char *alpn)
{
        struct client c;
        bool answered = served(f, &c, client_tls(p, version, alpn));
        client_done(&c);
        return answered;
}

static void client__certificate_of_the_ca_with_an_allowed_name__served(void **state)
{
        struct fixture *f = *state;
        AUTO(pair) *p = leaf(f->ca, ENVOY, false, true);
        assert_true(serves(f, p, TLS1_3_VERSION, "\2h2"));
}

static void client__no_certificate__refused(void **state)
{
        assert_false(serves(*state, NULL, TLS1_3_VERSION, "\2h2"));
        assert_int_equal(seen.opened, 0);
}

static void client__certificate_of_another_ca__refused(void **state)
{
        AUTO(pair) *other = authority();
        AUTO(pair) *p = leaf(other, ENVOY, false, true);
        assert_false(serves(*state, p, TLS1_3_VERSION, "\2h2"));
}

static void client__name_that_is_not_allowed__refused(void **state)
{
        struct fixture *f = *state;
        AUTO(pair) *p = leaf(f->ca, "stranger", false, true);
        AUTO(pair) *wild = leaf(f->ca, "*.gatehouse", false, true);
        assert_false(serves(f, p, TLS1_3_VERSION, "\2h2"));
        assert_false(serves(f, wild, TLS1_3_VERSION, "\2h2"));
}

static void client__certificate_for_servers__refused(void **state)
{
        struct fixture *f = *state;
        AUTO(pair) *p = leaf(f->ca, ENVOY, true, false);
        assert_false(serves(f, p, TLS1_3_VERSION, "\2h2"));
}

static void client__tls_1_2_or_no_h2__refused(void **state)
{
        struct fixture *f = *state;
        AUTO(pair) *p = leaf(f->ca, ENVOY, false, true);
        assert_false(serves(f, p, TLS1_2_VERSION, "\2h2"));
        assert_false(serves(f, p, TLS1_3_VERSION, "\x08http/1.1"));
        assert_false(serves(f, p, TLS1_3_VERSION, ""));
}

static void handshake__not_done_in_10_s__closed(void **state)
{
        struct fixture *f = *state;
        struct client mute;
        client_start(&mute, f->base, grpc_server_port(f->server), NULL, false);
        WAIT(f->base, grpc_server_counts(f->server).connections == 1);
        skew = GRPC_HANDSHAKE_WAIT;
        grpc_server_tick(f->server);
        WAIT(f->base, mute.down);
        client_done(&mute);
}

static bool peer_is(const struct client *c, const char *name)
{
        OSSL_AUTO(X509) *crt = SSL_get1_peer_certificate(bufferevent_openssl_get_ssl(c->bev));
        return X509_check_host(crt, name, 0, 0, NULL) == 1;
}

static void reload__new_files__new_connections_see_them_and_the_old_one_goes_on(void **state)
{
        struct fixture *f = *state;
        AUTO(pair) *p = leaf(f->ca, ENVOY, false, true);
        struct client before, after;
        assert_true(served(f, &before, client_tls(p, TLS1_3_VERSION, "\2h2")));
        write_server(f, "second");
        assert_true(keypair_poll(f->keypair, time_now_micros()));
        assert_true(served(f, &after, client_tls(p, TLS1_3_VERSION, "\2h2")));
        assert_true(peer_is(&before, "first"));
        assert_true(peer_is(&after, "second"));
        struct stream s;
        stream_start(&s, &before, ECHO);
        stream_send(&s, &before, "end");
        WAIT(f->base, s.closed);
        assert_string_equal(s.status, "3");
        stream_done(&s);
        client_done(&before);
        client_done(&after);
}

/* The output of the server's connection when it was last written from. */
static size_t written_from;

/* Fails a write that follows another without the output having been drained: the same turn of libevent's. */
static long fail_the_second(BIO *bio, int what, const char *p, size_t n, int i, long l, int result, size_t *processed)
{
        (void)p, (void)n, (void)i, (void)l, (void)processed;
        if (what != BIO_CB_WRITE)
                return result;
        const struct grpc_connection *k = (void *)BIO_get_callback_arg(bio);
        size_t left = evbuffer_get_length(bufferevent_get_output(k->bev));
        bool second = left == written_from;
        written_from = left;
        return second ? -1 : result;
}

/* libevent tells of the failure from within the write, and drains what it had written before when we are back. */
static void connection__breaks_in_the_middle_of_a_write__ends(void **state)
{
        struct fixture *f = *state;
        AUTO(pair) *p = leaf(f->ca, ENVOY, false, true);
        struct client c;
        struct stream s;
        grpc_server_add(f->server, &flood_service);
        assert_true(served(f, &c, client_tls(p, TLS1_3_VERSION, "\2h2")));
        struct grpc_connection *k = f->server->connections;
        BIO *bio = SSL_get_wbio(bufferevent_openssl_get_ssl(k->bev));
        written_from = 0;
        BIO_set_callback_ex(bio, fail_the_second);
        BIO_set_callback_arg(bio, (char *)k);
        stream_start(&s, &c, FLOOD);
        WAIT(f->base, c.down);
        assert_int_equal(grpc_server_counts(f->server).connections, 0);
        assert_int_equal(seen.closed[GRPC_CLOSE_CONNECTION], 1);
        stream_done(&s);
        client_done(&c);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(client__certificate_of_the_ca_with_an_allowed_name__served),
                CASE(client__no_certificate__refused),
                CASE(client__certificate_of_another_ca__refused),
                CASE(client__name_that_is_not_allowed__refused),
                CASE(client__certificate_for_servers__refused),
                CASE(client__tls_1_2_or_no_h2__refused),
                CASE(handshake__not_done_in_10_s__closed),
                CASE(connection__breaks_in_the_middle_of_a_write__ends),
                CASE(reload__new_files__new_connections_see_them_and_the_old_one_goes_on),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
