/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/status_queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define SECOND DURATION_SECOND
#define MILLI DURATION_MILLISECOND

enum { OBJECTS = 100 };

/* One object: what is wanted, what the API server holds, what our store has seen of it. */
struct thing {
        uint64_t wanted;
        uint64_t held;
        unsigned version;
        uint64_t seen_held;
        unsigned seen_version;
        bool exists, flying, poison, pruned;
        int64_t watch_at; /* when the store sees it; 0: it has */
        /* the write under way */
        uint64_t sent;
        unsigned sent_version;
        int64_t answer_at;
};

struct sim {
        struct status_queue *queue;
        struct thing things[OBJECTS];
        int64_t now;
        unsigned seed;
        unsigned sent, wasted, flying, most_flying;
        int64_t last_sent;
        bool faults, pending;
};

static unsigned draw(struct sim *s, unsigned n)
{
        s->seed = s->seed * 1103515245 + 12345;
        return s->seed / 65536 % n;
}

static size_t index_of(const char *key)
{
        return strtoul(key + strlen("ns/"), NULL, 10);
}

static void key_of(size_t i, char key[32])
{
        snprintf(key, 32, "ns/%u", (unsigned)i);
}

static enum status_decision plan(const char *key, struct status_write *w, void *arg)
{
        struct sim *s = arg;
        const struct thing *t = &s->things[index_of(key)];
        if (!t->exists)
                return STATUS_GONE;
        if (s->pending)
                return STATUS_LATER;
        if (t->wanted == t->seen_held)
                return STATUS_FINE;
        snprintf(w->version, sizeof(w->version), "%u", t->seen_version);
        w->wanted = t->wanted;
        w->held = t->seen_held;
        buf_append(w->body, &t->wanted, sizeof(t->wanted));
        return STATUS_WRITE;
}

static void send(const char *key, const struct status_write *w, void *arg)
{
        struct sim *s = arg;
        struct thing *t = &s->things[index_of(key)];
        assert_false(t->flying);
        t->flying = true;
        memcpy(&t->sent, buf_data(w->body), sizeof(t->sent));
        t->sent_version = (unsigned)strtoul(w->version, NULL, 10);
        t->answer_at = s->now + (1 + draw(s, 8)) * MILLI;
        s->sent++;
        s->last_sent = s->now;
        s->flying++;
        if (s->flying > s->most_flying)
                s->most_flying = s->flying;
}

static uint32_t random_number(void *arg)
{
        return draw(arg, UINT16_MAX) * UINT16_MAX;
}

static void init(struct sim *s, unsigned seed)
{
        static const struct status_queue_ops ops = {plan, send, random_number};
        *s = (struct sim){.seed = seed, .now = 1000 * SECOND};
        s->queue = status_queue_new(&ops, s);
        for (size_t i = 0; i < OBJECTS; i++)
                s->things[i] = (struct thing){.exists = true, .version = 1, .seen_version = 1};
}

static void touch(struct sim *s, size_t i)
{
        char key[32];
        key_of(i, key);
        status_queue_touch(s->queue, key, s->now);
}

static void want(struct sim *s, size_t i, uint64_t value)
{
        s->things[i].wanted = value;
        touch(s, i);
}

/* The API server takes the write, or says why not. */
static struct status_answer serve(struct sim *s, struct thing *t)
{
        static char version[32];
        struct status_answer a = {0};
        unsigned dice = s->faults ? draw(s, 20) : 20;
        if (!t->exists)
                a.code = 404;
        else if (t->poison)
                a.code = 422;
        else if (dice == 0)
                a = (struct status_answer){.code = 429, .retry_after = SECOND};
        else if (dice == 1)
                a.code = 0;
        else if (dice == 2)
                a.code = 503;
        else if (dice == 3 || t->sent_version != t->version)
                a.code = 409;
        else
                a.code = 200;
        if (a.code != 200)
                return a;
        s->wasted += t->held == t->sent;
        t->held = t->pruned ? t->sent & ~UINT64_C(1) : t->sent;
        t->version++;
        t->watch_at = s->now + (s->faults ? draw(s, 300) : 2) * MILLI;
        snprintf(version, sizeof(version), "%u", t->version);
        a.version = version;
        a.incomplete = t->held != t->sent;
        a.held = t->held;
        return a;
}

static void step(struct sim *s)
{
        s->now += MILLI;
        for (size_t i = 0; i < OBJECTS; i++) {
                struct thing *t = &s->things[i];
                char key[32];
                key_of(i, key);
                if (t->watch_at && t->watch_at <= s->now) {
                        t->watch_at = 0;
                        t->seen_held = t->held;
                        t->seen_version = t->version;
                        touch(s, i);
                }
                if (t->flying && t->answer_at <= s->now) {
                        t->flying = false;
                        s->flying--;
                        struct status_answer a = serve(s, t);
                        status_queue_answered(s->queue, key, &a, s->now);
                }
        }
        if (status_queue_due(s->queue, s->now) == 0)
                status_queue_pump(s->queue, s->now);
}

static void run(struct sim *s, int64_t nanos)
{
        for (int64_t end = s->now + nanos; s->now < end;)
                step(s);
}

static void done(struct sim *s)
{
        status_queue_free(s->queue);
}

/* ---- plain ---- */

static void follower__touched__writes_nothing(void **state)
{
        (void)state;
        struct sim s;
        init(&s, 1);
        want(&s, 0, 5);
        run(&s, SECOND);
        assert_int_equal(s.sent, 0);
        assert_int_equal(status_queue_count(s.queue), 0);
        done(&s);
}

static void leader__many_at_once__are_written_once_each_with_32_in_flight(void **state)
{
        (void)state;
        struct sim s;
        init(&s, 1);
        status_queue_set_leader(s.queue, true);
        for (size_t i = 0; i < OBJECTS; i++)
                want(&s, i, 7);
        run(&s, SECOND);
        assert_int_equal(s.sent, OBJECTS);
        assert_int_equal(s.most_flying, STATUS_IN_FLIGHT_MAX);
        assert_int_equal(status_queue_count(s.queue), 0);
        assert_true(status_queue_due(s.queue, s.now) == INT64_MAX);
        for (size_t i = 0; i < OBJECTS; i++)
                touch(&s, i);
        run(&s, SECOND);
        assert_int_equal(s.sent, OBJECTS);
        done(&s);
}

static void object__changes_while_it_is_written__latest_wins(void **state)
{
        (void)state;
        struct sim s;
        init(&s, 1);
        status_queue_set_leader(s.queue, true);
        want(&s, 0, 1);
        step(&s);
        assert_int_equal(s.flying, 1);
        want(&s, 0, 2);
        want(&s, 0, 3);
        run(&s, SECOND);
        assert_int_equal(s.things[0].held, 3);
        assert_int_equal(s.sent, 2);
        done(&s);
}

static void state__not_known_yet__is_asked_again(void **state)
{
        (void)state;
        struct sim s;
        init(&s, 1);
        s.pending = true;
        status_queue_set_leader(s.queue, true);
        want(&s, 0, 1);
        run(&s, SECOND);
        assert_int_equal(s.sent, 0);
        s.pending = false;
        run(&s, 50 * MILLI);
        assert_int_equal(s.things[0].held, 1);
        done(&s);
}

/* ---- answers ---- */

/* Sends object 0 and gives the answer by hand. */
static void answer(struct sim *s, struct status_answer a)
{
        while (!s->things[0].flying)
                step(s);
        s->things[0].flying = false;
        s->flying--;
        status_queue_answered(s->queue, "ns/0", &a, s->now);
}

static void start(struct sim *s, unsigned seed)
{
        init(s, seed);
        status_queue_set_leader(s->queue, true);
        want(s, 0, 1);
}

static void conflict__watch_brings_the_newer_object__is_written_from_it_at_once(void **state)
{
        (void)state;
        struct sim s;
        start(&s, 1);
        answer(&s, (struct status_answer){.code = 409});
        int64_t then = s.now;
        run(&s, 5 * MILLI);
        assert_int_equal(s.sent, 1);
        s.things[0].version = 2;
        s.things[0].watch_at = s.now;
        run(&s, 20 * MILLI);
        assert_int_equal(s.things[0].held, 1);
        assert_true(s.last_sent - then < 10 * MILLI);
        done(&s);
}

static void conflict__watch_stays_away__is_tried_again_with_backoff(void **state)
{
        (void)state;
        struct sim s;
        start(&s, 1);
        int64_t before = s.now, gap = 0;
        for (int i = 0; i < 6; i++) {
                answer(&s, (struct status_answer){.code = 409});
                gap = s.now - before;
                before = s.now;
        }
        assert_true(gap >= 2 * SECOND);
        run(&s, 60 * SECOND);
        assert_int_equal(s.things[0].held, 1);
        done(&s);
}

static void throttled__retry_after__holds_back_everybody(void **state)
{
        (void)state;
        struct sim s;
        start(&s, 1);
        answer(&s, (struct status_answer){.code = 429, .retry_after = 3 * SECOND});
        int64_t then = s.now;
        want(&s, 1, 1);
        run(&s, 2900 * MILLI);
        assert_int_equal(s.sent, 1);
        run(&s, SECOND);
        assert_int_equal(s.things[0].held, 1);
        assert_int_equal(s.things[1].held, 1);
        assert_true(s.last_sent - then >= 3 * SECOND);
        done(&s);
}

static void unreachable__all_under_way_fail__wait_as_after_one_failure(void **state)
{
        (void)state;
        struct sim s;
        init(&s, 1);
        status_queue_set_leader(s.queue, true);
        for (size_t i = 0; i < STATUS_IN_FLIGHT_MAX; i++)
                want(&s, i, 1);
        step(&s);
        assert_int_equal(s.flying, STATUS_IN_FLIGHT_MAX);
        for (size_t i = 0; i < STATUS_IN_FLIGHT_MAX; i++) {
                char key[32];
                key_of(i, key);
                s.things[i].flying = false;
                s.flying--;
                status_queue_answered(s.queue, key, &(struct status_answer){.code = 0}, s.now);
        }
        run(&s, 400 * MILLI);
        assert_int_equal(s.sent, 2 * STATUS_IN_FLIGHT_MAX);
        assert_int_equal(status_queue_count(s.queue), 0);
        done(&s);
}

static void refused__nothing_changes__is_not_sent_again_until_something_does(void **state)
{
        (void)state;
        struct sim s;
        start(&s, 1);
        s.things[0].poison = true;
        run(&s, SECOND);
        for (int i = 0; i < 5; i++) {
                touch(&s, 0);
                run(&s, SECOND);
        }
        assert_int_equal(s.sent, 1);
        s.things[0].poison = false;
        want(&s, 0, 2);
        run(&s, SECOND);
        assert_int_equal(s.things[0].held, 2);
        done(&s);
}

static void pruned__what_is_not_kept__is_not_written_twice(void **state)
{
        (void)state;
        struct sim s;
        start(&s, 1);
        s.things[0].pruned = true;
        want(&s, 0, 5);
        run(&s, SECOND);
        assert_int_equal(s.things[0].held, 4);
        for (int i = 0; i < 5; i++) {
                touch(&s, 0);
                run(&s, SECOND);
        }
        assert_int_equal(s.sent, 1);
        /* Somebody else writes: then it is restored. */
        s.things[0].held = 0;
        s.things[0].version++;
        s.things[0].watch_at = s.now;
        run(&s, SECOND);
        assert_int_equal(s.sent, 2);
        assert_int_equal(s.things[0].held, 4);
        done(&s);
}

static void gone__while_under_way__is_forgotten(void **state)
{
        (void)state;
        struct sim s;
        start(&s, 1);
        step(&s);
        s.things[0].exists = false;
        status_queue_gone(s.queue, "ns/0");
        run(&s, SECOND);
        assert_int_equal(status_queue_count(s.queue), 0);
        assert_int_equal(s.sent, 1);
        done(&s);
}

static void lease__lost_while_writing__stops_and_starts_over_when_won(void **state)
{
        (void)state;
        struct sim s;
        init(&s, 1);
        status_queue_set_leader(s.queue, true);
        for (size_t i = 0; i < OBJECTS; i++)
                want(&s, i, 7);
        step(&s);
        status_queue_set_leader(s.queue, false);
        unsigned sent = s.sent;
        run(&s, SECOND);
        assert_int_equal(s.sent, sent);
        assert_int_equal(status_queue_count(s.queue), 0);
        status_queue_set_leader(s.queue, true);
        for (size_t i = 0; i < OBJECTS; i++)
                touch(&s, i);
        run(&s, SECOND);
        assert_int_equal(s.sent, OBJECTS);
        assert_int_equal(s.wasted, 0);
        done(&s);
}

/* ---- whatever happens ---- */

static void random__faults_and_changes__everything_is_written_and_nothing_twice(void **state)
{
        (void)state;
        for (unsigned seed = 1; seed <= 8; seed++) {
                struct sim s;
                init(&s, seed);
                s.faults = true;
                status_queue_set_leader(s.queue, true);
                for (int i = 0; i < 3000; i++) {
                        if (draw(&s, 3) == 0)
                                want(&s, draw(&s, OBJECTS), draw(&s, 5));
                        step(&s);
                }
                s.faults = false;
                run(&s, 60 * SECOND);
                for (size_t i = 0; i < OBJECTS; i++)
                        assert_int_equal(s.things[i].held, s.things[i].wanted);
                assert_int_equal(s.wasted, 0);
                assert_true(s.most_flying <= STATUS_IN_FLIGHT_MAX);
                assert_int_equal(status_queue_count(s.queue), 0);
                done(&s);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(follower__touched__writes_nothing),
                cmocka_unit_test(leader__many_at_once__are_written_once_each_with_32_in_flight),
                cmocka_unit_test(object__changes_while_it_is_written__latest_wins),
                cmocka_unit_test(state__not_known_yet__is_asked_again),
                cmocka_unit_test(conflict__watch_brings_the_newer_object__is_written_from_it_at_once),
                cmocka_unit_test(conflict__watch_stays_away__is_tried_again_with_backoff),
                cmocka_unit_test(throttled__retry_after__holds_back_everybody),
                cmocka_unit_test(unreachable__all_under_way_fail__wait_as_after_one_failure),
                cmocka_unit_test(refused__nothing_changes__is_not_sent_again_until_something_does),
                cmocka_unit_test(pruned__what_is_not_kept__is_not_written_twice),
                cmocka_unit_test(gone__while_under_way__is_forgotten),
                cmocka_unit_test(lease__lost_while_writing__stops_and_starts_over_when_won),
                cmocka_unit_test(random__faults_and_changes__everything_is_written_and_nothing_twice),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
