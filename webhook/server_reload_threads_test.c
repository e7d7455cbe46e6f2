/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handshakes and waiting denials meet a key pair that is reloaded, and then the end. Built with ThreadSanitizer too.
 * Until the end every request is answered; at the end those that were read still are.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <stdatomic.h>
#include <cmocka.h>

#include "webhook/server_fixture.h"

enum { CLIENTS = 4, RELOADS = 40 };

static const char denied[] = REVIEW_OF("u0", "CREATE", "", ROOT("copy", "shop.example.com"));

struct load {
        pthread_t thread;
        uint16_t port;
        struct client_options tls;
        atomic_int answered;
        int failed;         /* before the end */
        atomic_bool *ended; /* from here on connections may be refused */
        atomic_bool stop;
};

/* A connection for each request, as the API server opens them when caBundle changes. */
static bool review_once(const struct load *l)
{
        struct client c;
        bool ok = client_open_with(&c, l->port, &l->tls);
        if (ok) {
                struct reply r = client_post(&c, "/validate", denied, strlen(denied));
                ok = r.status == 200 && strstr(r.body, "\"allowed\":false");
                reply_done(&r);
        }
        client_close(&c);
        return ok;
}

static void *review_often(void *arg)
{
        struct load *l = arg;
        while (!atomic_load(&l->stop)) {
                bool ending = atomic_load(l->ended);
                bool ok = review_once(l);
                /* It may have begun meanwhile. */
                l->failed += !ok && !ending && !atomic_load(l->ended);
                atomic_fetch_add(&l->answered, ok);
        }
        return NULL;
}

static void start_loads(struct load *loads, uint16_t port, struct client_options tls, atomic_bool *ended)
{
        for (size_t i = 0; i < CLIENTS; i++) {
                loads[i].port = port;
                loads[i].tls = tls;
                loads[i].ended = ended;
                assert_int_equal(pthread_create(&loads[i].thread, NULL, review_often, &loads[i]), 0);
        }
}

static int stop_loads(struct load *loads)
{
        int failed = 0;
        for (size_t i = 0; i < CLIENTS; i++)
                atomic_store(&loads[i].stop, true);
        for (size_t i = 0; i < CLIENTS; i++) {
                pthread_join(loads[i].thread, NULL);
                assert_true(atomic_load(&loads[i].answered) > 0);
                failed += loads[i].failed;
        }
        return failed;
}

static void reload(struct fixture *f, int i)
{
        credentials_renew(&f->credentials, i % 2 ? "odd" : "even");
        assert_true(keypair_poll(f->credentials.keypair, time_now_micros()));
        if (i % 3 == 0)
                webhook_server_store_changed(f->server);
}

static void server__reloads_and_the_end_under_handshakes_and_waiting_denials__nothing_is_lost(void **state)
{
        (void)state;
        static struct fixture f;
        static struct load loads[CLIENTS];
        static atomic_bool ended;
        fixture_init(&f);
        fixture_put(&f, KIND_INGRESSROUTE, ROOT("owner", "shop.example.com"));
        f.limits.wait = 30 * DURATION_MILLISECOND;
        fixture_start(&f, 2, true);
        struct pair *client = fixture_leaf(f.credentials.authority, false, "apiserver");
        start_loads(loads, f.port, (struct client_options){.pair = client, .trust = f.credentials.authority}, &ended);
        for (int i = 0; i < RELOADS; i++) {
                int seen = atomic_load(&loads[0].answered);
                reload(&f, i);
                AWAIT(atomic_load(&loads[0].answered) > seen);
        }
        AWAIT(webhook_server_waiting(f.server) > 0);
        reload(&f, RELOADS);
        atomic_store(&ended, true);
        webhook_server_stop(f.server, 5 * DURATION_SECOND);
        f.server = NULL;
        assert_int_equal(stop_loads(loads), 0);
        pair_unref(client);
        fixture_done(&f);
}

struct last {
        pthread_t thread;
        uint16_t port;
        struct client_options tls;
        bool answered;
};

static void *review_last(void *arg)
{
        struct last *l = arg;
        struct load once = {.port = l->port, .tls = l->tls};
        l->answered = review_once(&once);
        return NULL;
}

static void stop__denials_wait_for_the_store__all_are_answered_with_a_pair_that_was_replaced(void **state)
{
        (void)state;
        static struct fixture f;
        struct last waiting[CLIENTS];
        fixture_init(&f);
        fixture_put(&f, KIND_INGRESSROUTE, ROOT("owner", "shop.example.com"));
        f.limits.wait = 60 * DURATION_SECOND;
        fixture_start(&f, 2, true);
        struct pair *client = fixture_leaf(f.credentials.authority, false, "apiserver");
        for (size_t i = 0; i < CLIENTS; i++) {
                waiting[i] = (struct last){.port = f.port, .tls = {.pair = client, .trust = f.credentials.authority}};
                assert_int_equal(pthread_create(&waiting[i].thread, NULL, review_last, &waiting[i]), 0);
        }
        AWAIT(webhook_server_waiting(f.server) == CLIENTS);
        reload(&f, 1);
        webhook_server_stop(f.server, 5 * DURATION_SECOND);
        f.server = NULL;
        for (size_t i = 0; i < CLIENTS; i++) {
                pthread_join(waiting[i].thread, NULL);
                assert_true(waiting[i].answered);
        }
        pair_unref(client);
        fixture_done(&f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(server__reloads_and_the_end_under_handshakes_and_waiting_denials__nothing_is_lost),
                cmocka_unit_test(stop__denials_wait_for_the_store__all_are_answered_with_a_pair_that_was_replaced),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
