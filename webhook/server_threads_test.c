/* SPDX-License-Identifier: Apache-2.0 */
/* Workers judge while the loop changes store, policy and certificate. Built with ThreadSanitizer too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <stdatomic.h>
#include <cmocka.h>

#include "webhook/server_fixture.h"

enum { CLIENTS = 4, BATCHES = 200 };

static const char *const BODIES[] = {
        REVIEW_OF("u0", "CREATE", "", ROOT("copy", "shop.example.com")),
        REVIEW_OF("u1", "CREATE", "", ROOT("fine", "fine.example.com")),
        REVIEW_OF("u2", "CREATE", "", ROOT("bad", "not a name")),
        REVIEW_OF("u3", "UPDATE", "", ROOT("owner", "shop.example.com")),
};

struct load {
        pthread_t thread;
        size_t body;
        uint16_t port;
        atomic_int answered;
        int failed;
        atomic_bool stop;
};

static void *review_often(void *arg)
{
        struct load *l = arg;
        struct client c;
        const char *body = BODIES[l->body];
        AUTO_STR *uid = mem_printf("\"uid\":\"u%zu\"", l->body);
        bool ok = client_open(&c, l->port);
        while (ok && !atomic_load(&l->stop)) {
                struct reply r =
                        client_post(&c, atomic_load(&l->answered) % 8 ? "/validate" : "/mutate", body, strlen(body));
                ok = r.status == 200 && strstr(r.body, uid);
                reply_done(&r);
                atomic_fetch_add(&l->answered, 1);
        }
        l->failed = !ok;
        client_close(&c);
        return NULL;
}

/* One batch as the loop applies it: the owner comes and goes, and with it what the copy is told. */
static void apply_batch(struct fixture *f, int i)
{
        if (i % 2)
                fixture_remove(f, KIND_INGRESSROUTE, "team-a", "owner");
        else
                fixture_put(f, KIND_INGRESSROUTE, ROOT("owner", "shop.example.com"));
}

static void swap_policy(struct fixture *f, const struct policy *p)
{
        pthread_rwlock_wrlock(&f->lock);
        f->state.policy = p;
        pthread_rwlock_unlock(&f->lock);
        webhook_server_store_changed(f->server);
}

static void server__store_policy_and_pair_change_under_load__every_review_is_answered(void **state)
{
        (void)state;
        static struct fixture f;
        static const struct policy other = {.strict_references = true, .claim_id = "another"};
        fixture_init(&f);
        f.limits.wait = 20 * DURATION_MILLISECOND;
        f.limits.waiting = 2;
        fixture_start(&f, 2, false);
        static struct load loads[CLIENTS];
        for (size_t i = 0; i < CLIENTS; i++) {
                loads[i].port = f.port;
                loads[i].body = i % COUNT_OF(BODIES);
                assert_int_equal(pthread_create(&loads[i].thread, NULL, review_often, &loads[i]), 0);
        }
        for (int i = 0; i < BATCHES; i++) {
                int seen = atomic_load(&loads[1].answered);
                apply_batch(&f, i);
                if (i % 10 == 0)
                        swap_policy(&f, i % 20 ? &other : &f.policy);
                if (i % 50 == 0) {
                        credentials_renew(&f.credentials, "renewed");
                        keypair_poll(f.credentials.keypair, time_now_micros());
                }
                AWAIT(atomic_load(&loads[1].answered) > seen);
        }
        for (size_t i = 0; i < CLIENTS; i++)
                atomic_store(&loads[i].stop, true);
        for (size_t i = 0; i < CLIENTS; i++) {
                pthread_join(loads[i].thread, NULL);
                assert_int_equal(loads[i].failed, 0);
                assert_true(atomic_load(&loads[i].answered) > 0);
        }
        fixture_done(&f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(server__store_policy_and_pair_change_under_load__every_review_is_answered),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
