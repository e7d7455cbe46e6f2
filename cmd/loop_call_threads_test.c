/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/loop_call.h"

#include <event2/event.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

enum { THREADS = 4, CALLS = 500 };

struct shared {
        struct event_base *base;
        struct loop_calls *calls;
        unsigned counter; /* the loop's: no lock */
        atomic_uint refused, finished;
};

static void count(void *arg)
{
        ((struct shared *)arg)->counter++;
}

static void *call_often(void *arg)
{
        struct shared *s = arg;
        for (int i = 0; i < CALLS; i++) {
                if (!loop_call(s->calls, count, s))
                        atomic_fetch_add(&s->refused, 1);
        }
        atomic_fetch_add(&s->finished, 1);
        return NULL;
}

static void init(struct shared *s)
{
        *s = (struct shared){.base = event_base_new()};
        s->calls = loop_calls_new(s->base);
}

static void done(struct shared *s)
{
        loop_calls_free(s->calls);
        event_base_free(s->base);
}

static void call__from_many_threads__each_runs_once_on_the_loop(void **state)
{
        (void)state;
        struct shared s;
        init(&s);
        pthread_t threads[THREADS];
        for (size_t i = 0; i < THREADS; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, call_often, &s), 0);
        while (atomic_load(&s.finished) < THREADS)
                event_base_loop(s.base, EVLOOP_NONBLOCK);
        for (size_t i = 0; i < THREADS; i++)
                pthread_join(threads[i], NULL);
        assert_int_equal(s.counter, THREADS * CALLS);
        assert_int_equal(s.refused, 0);
        done(&s);
}

static void close__threads_wait__they_are_let_go(void **state)
{
        (void)state;
        struct shared s;
        init(&s);
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, call_often, &s), 0);
        /* The loop does not turn any more: whoever waits or comes later is sent away. */
        loop_calls_close(s.calls);
        pthread_join(thread, NULL);
        assert_int_equal(s.refused, CALLS);
        assert_int_equal(s.counter, 0);
        done(&s);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(call__from_many_threads__each_runs_once_on_the_loop),
                cmocka_unit_test(close__threads_wait__they_are_let_go),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
