/* SPDX-License-Identifier: Apache-2.0 */
/* TLS of the webhook: versions, hot reload, client certificates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <stdatomic.h>
#include <cmocka.h>

#include "certs/inspect.h"
#include "webhook/server_fixture.h"

static const char GOOD[] = REVIEW_OF("u-good", "CREATE", "", ROOT("shop", "shop.example.com"));

static struct fixture F;

static int set_up(void **state)
{
        (void)state;
        fixture_init(&F);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        fixture_done(&F);
        return 0;
}

/* The status of a review over a new connection; 0 when TLS or the request fails. */
static int review_with(const struct client_options *o)
{
        struct client c;
        int status = 0;
        if (client_open_with(&c, F.port, o)) {
                struct reply r = client_post(&c, "/validate", GOOD, strlen(GOOD));
                status = r.status;
                reply_done(&r);
        }
        client_close(&c);
        return status;
}

/* "CN" of the server's certificate on an open connection. */
static void peer_name(const struct client *c, char name[64])
{
        X509 *crt = SSL_get1_peer_certificate(c->ssl);
        assert_non_null(crt);
        X509_NAME_get_text_by_NID(X509_get_subject_name(crt), NID_commonName, name, 64);
        X509_free(crt);
}

static void poll_keypair(void)
{
        assert_true(keypair_poll(F.credentials.keypair, time_now_micros()));
}

static void tls__versions__1_2_and_1_3_only(void **state)
{
        (void)state;
        fixture_start(&F, 1, false);
        assert_int_equal(review_with(&(struct client_options){.max_version = TLS1_3_VERSION}), 200);
        assert_int_equal(review_with(&(struct client_options){.max_version = TLS1_2_VERSION}), 200);
        assert_int_equal(review_with(&(struct client_options){.max_version = TLS1_1_VERSION}), 0);
        assert_int_equal(review_with(&(struct client_options){.trust = F.credentials.authority}), 200);
}

static void tls__longest_chain_that_a_pair_may_have__is_served(void **state)
{
        (void)state;
        const struct pair *ca = F.credentials.authority;
        AUTO(pair) *leaf = keypair_get(F.credentials.keypair);
        AUTO(buf) *chain = buf_new(INSPECT_CHAIN_BYTES_MAX);
        buf_append(chain, leaf->crt, leaf->crt_len);
        for (int i = 1; i < INSPECT_CHAIN_MAX; i++)
                buf_append(chain, ca->crt, ca->crt_len);
        fixture_write(F.credentials.crt, buf_data(chain), buf_len(chain));
        poll_keypair();
        fixture_start(&F, 1, false);
        struct client c;
        assert_true(client_open_with(&c, F.port, &(struct client_options){.trust = ca}));
        assert_int_equal(sk_X509_num(SSL_get_peer_cert_chain(c.ssl)), INSPECT_CHAIN_MAX);
        client_close(&c);
}

static void tls__pair_renewed__new_connections_get_it_and_old_ones_live(void **state)
{
        (void)state;
        fixture_start(&F, 2, false);
        struct client before, after;
        char name[64];
        assert_true(client_open(&before, F.port));
        credentials_renew(&F.credentials, "second");
        poll_keypair();
        assert_true(client_open(&after, F.port));
        peer_name(&before, name);
        assert_string_equal(name, "first");
        peer_name(&after, name);
        assert_string_equal(name, "second");
        struct reply r = client_post(&before, "/validate", GOOD, strlen(GOOD));
        assert_int_equal(r.status, 200);
        reply_done(&r);
        client_close(&before);
        client_close(&after);
}

struct load {
        pthread_t thread;
        atomic_bool *stop;
        atomic_int done;
        int failed;
};

static void *connect_often(void *arg)
{
        struct load *l = arg;
        while (!atomic_load(l->stop)) {
                l->failed += review_with(&(struct client_options){.trust = F.credentials.authority}) != 200;
                atomic_fetch_add(&l->done, 1);
        }
        return NULL;
}

static void tls__pair_renewed_under_load__no_handshake_fails(void **state)
{
        (void)state;
        fixture_start(&F, 2, false);
        atomic_bool stop = false;
        struct load loads[3] = {0};
        for (size_t i = 0; i < COUNT_OF(loads); i++) {
                loads[i].stop = &stop;
                assert_int_equal(pthread_create(&loads[i].thread, NULL, connect_often, &loads[i]), 0);
        }
        /* Each renewal meets handshakes under way: it waits for the next ones to have been made. */
        for (int i = 0; i < 20; i++) {
                int seen = atomic_load(&loads[0].done);
                credentials_renew(&F.credentials, i % 2 ? "odd" : "even");
                poll_keypair();
                AWAIT(atomic_load(&loads[0].done) > seen);
        }
        atomic_store(&stop, true);
        for (size_t i = 0; i < COUNT_OF(loads); i++) {
                pthread_join(loads[i].thread, NULL);
                assert_int_equal(loads[i].failed, 0);
        }
}

static void tls__clients_verified__only_the_ca_s_get_in(void **state)
{
        (void)state;
        fixture_start(&F, 1, true);
        struct pair *stranger_ca = fixture_authority();
        struct pair *known = fixture_leaf(F.credentials.authority, false, "apiserver");
        struct pair *stranger = fixture_leaf(stranger_ca, false, "apiserver");
        struct pair *not_a_client = fixture_leaf(F.credentials.authority, true, "server");
        assert_int_equal(review_with(&(struct client_options){.pair = known}), 200);
        assert_int_equal(review_with(&(struct client_options){.pair = known, .max_version = TLS1_2_VERSION}), 200);
        assert_int_equal(review_with(&(struct client_options){.pair = stranger}), 0);
        assert_int_equal(review_with(&(struct client_options){.pair = not_a_client}), 0);
        assert_int_equal(review_with(&(struct client_options){0}), 0);
        assert_int_equal(review_with(&(struct client_options){.max_version = TLS1_2_VERSION}), 0);

        /* The bundle is reloaded with the pair: the other CA comes in, the old one goes out. */
        fixture_write(F.credentials.ca, stranger_ca->crt, stranger_ca->crt_len);
        poll_keypair();
        assert_int_equal(review_with(&(struct client_options){.pair = stranger}), 200);
        assert_int_equal(review_with(&(struct client_options){.pair = known}), 0);
        pair_unref(known);
        pair_unref(stranger);
        pair_unref(not_a_client);
        pair_unref(stranger_ca);
}

int main(void)
{
#define SERVER_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                SERVER_TEST(tls__versions__1_2_and_1_3_only),
                SERVER_TEST(tls__longest_chain_that_a_pair_may_have__is_served),
                SERVER_TEST(tls__pair_renewed__new_connections_get_it_and_old_ones_live),
                SERVER_TEST(tls__pair_renewed_under_load__no_handshake_fails),
                SERVER_TEST(tls__clients_verified__only_the_ca_s_get_in),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
