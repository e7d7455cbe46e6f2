/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/lease.h"

#include "base/json_read.h"
#include "base/mem.h"
#include "base/time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define S DURATION_SECOND

static struct lease_record record(const char *holder, const char *renewed)
{
        struct lease_record r = {.exists = true, .version = "1"};
        snprintf(r.holder, sizeof(r.holder), "%s", holder);
        snprintf(r.renewed, sizeof(r.renewed), "%s", renewed);
        return r;
}

static void lease__none_there__is_created(void **state)
{
        (void)state;
        struct lease_state s = {.identity = "me"};
        struct lease_record none = {0};
        assert_int_equal(lease_decide(&s, &none, 100 * S), LEASE_CREATE);
}

static void lease__released_by_its_holder__is_taken_at_once(void **state)
{
        (void)state;
        struct lease_state s = {.identity = "me"};
        struct lease_record r = record("", "t");
        assert_int_equal(lease_decide(&s, &r, 100 * S), LEASE_UPDATE);
}

static void lease__holder_stops_renewing__is_taken_15_s_after_we_saw_it_last(void **state)
{
        (void)state;
        struct lease_state s = {.identity = "me"};
        struct lease_record r = record("other", "t1");
        assert_int_equal(lease_decide(&s, &r, 100 * S), LEASE_WAIT);
        assert_int_equal(lease_decide(&s, &r, 110 * S), LEASE_WAIT);
        r = record("other", "t2");
        assert_int_equal(lease_decide(&s, &r, 114 * S), LEASE_WAIT);
        assert_int_equal(lease_decide(&s, &r, 129 * S - 1), LEASE_WAIT);
        assert_int_equal(lease_decide(&s, &r, 129 * S), LEASE_UPDATE);
}

/* However old or new the holder's own clock says that it is. */
static void lease__first_seen__is_given_its_time_whatever_its_timestamps_say(void **state)
{
        (void)state;
        static const char *const times[] = {"1970-01-01T00:00:00.000000Z", "2999-01-01T00:00:00.000000Z", "",
                                            "rubbish"};
        for (size_t i = 0; i < COUNT_OF(times); i++) {
                struct lease_state s = {.identity = "me"};
                struct lease_record r = record("other", times[i]);
                assert_int_equal(lease_decide(&s, &r, 100 * S), LEASE_WAIT);
                assert_int_equal(lease_decide(&s, &r, 115 * S), LEASE_UPDATE);
        }
}

static void lease__ours__is_renewed(void **state)
{
        (void)state;
        struct lease_state s = {.identity = "me"};
        struct lease_record r = record("me", "t1");
        assert_true(lease_wrote(&s, &r, 100 * S));
        assert_false(lease_wrote(&s, &r, 102 * S));
        assert_int_equal(lease_decide(&s, &r, 104 * S), LEASE_UPDATE);
        assert_false(lease_lost(&s, 104 * S));
}

static void lease__not_renewed_for_10_s__is_lost_once_and_can_be_won_again(void **state)
{
        (void)state;
        struct lease_state s = {.identity = "me"};
        struct lease_record r = record("me", "t1");
        lease_wrote(&s, &r, 100 * S);
        assert_false(lease_lost(&s, 110 * S - 1));
        assert_true(lease_lost(&s, 110 * S));
        assert_false(lease_lost(&s, 111 * S));
        assert_int_equal(lease_decide(&s, &r, 111 * S), LEASE_UPDATE);
        assert_true(lease_wrote(&s, &r, 111 * S));
}

static void lease__taken_by_another__is_lost_at_once(void **state)
{
        (void)state;
        struct lease_state s = {.identity = "me"};
        struct lease_record r = record("me", "t1"), other = record("other", "t2");
        lease_wrote(&s, &r, 100 * S);
        assert_int_equal(lease_decide(&s, &other, 102 * S), LEASE_WAIT);
        assert_true(lease_lost(&s, 102 * S));
        assert_false(s.leading);
}

static void lease_parse__what_is_missing_or_of_a_wrong_type__is_empty(void **state)
{
        (void)state;
        static const struct {
                const char *json;
                bool ok;
                const char *holder;
        } cases[] = {
                {"{\"metadata\":{\"resourceVersion\":\"7\"},\"spec\":{\"holderIdentity\":\"a\"}}", true, "a"},
                {"{\"metadata\":{\"resourceVersion\":\"7\"}}", true, ""},
                {"{\"metadata\":{\"resourceVersion\":\"7\"},\"spec\":{\"holderIdentity\":null}}", true, ""},
                {"{\"metadata\":{\"resourceVersion\":\"7\"},\"spec\":{\"holderIdentity\":1}}", true, ""},
                {"{\"metadata\":{\"resourceVersion\":\"7\"},\"spec\":[]}", true, ""},
                {"{\"metadata\":{}}", false, NULL},
                {"{}", false, NULL},
                {"[]", false, NULL},
        };
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
                struct err e = {0};
                struct lease_record r;
                AUTO_JSON *json = json_read(cases[i].json, strlen(cases[i].json), &e);
                assert_non_null(json);
                assert_int_equal(lease_parse(json, &r), cases[i].ok);
                if (cases[i].ok)
                        assert_string_equal(r.holder, cases[i].holder);
        }
}

/* ---- many replicas, a server that is slow, loses answers and is cut off: never two leaders ---- */

enum { REPLICAS = 3, STEP_MS = 100, TIMEOUT_MS = 5000, RUN_MS = 20 * 60 * 1000, SEEDS = 40 };

enum phase { RESTING, READING, WRITING };

struct replica {
        struct lease_state state;
        char identity[16];
        enum phase phase;
        int due;        /* ms: when the phase ends */
        int served;     /* ms: when the server sees the request; beyond due: too late for us to hear of it */
        bool is_served; /* it was */
        bool conflict;
        struct lease_record record; /* read, or written */
        int64_t wrote_at;
        int cut_until; /* ms: no request gets through */
};

struct cluster {
        uint64_t random;
        struct lease_record stored;
        int writes, now;
        struct replica replicas[REPLICAS];
        bool hostile;
        int led_ms;
};

static int draw(struct cluster *c, int below)
{
        c->random = c->random * 6364136223846793005u + 1442695040888963407u;
        return (int)((c->random >> 33) % (uint64_t)below);
}

static int64_t nanos(int ms)
{
        return (int64_t)ms * DURATION_MILLISECOND;
}

static void send(struct cluster *c, struct replica *r, enum phase phase)
{
        int latency = c->hostile && draw(c, 8) == 0 ? draw(c, 7000) : draw(c, 50);
        r->phase = phase;
        r->is_served = r->conflict = false;
        r->served = c->now < r->cut_until ? RUN_MS * 2 : c->now + (latency ? draw(c, latency) : 0);
        r->due = c->now + (latency < TIMEOUT_MS ? latency : TIMEOUT_MS);
        r->wrote_at = nanos(c->now);
}

static void serve(struct cluster *c, struct replica *r)
{
        if (r->phase == RESTING || r->is_served || c->now < r->served)
                return;
        r->is_served = true;
        if (r->phase == READING) {
                r->record = c->stored;
                return;
        }
        r->conflict = !str_equal(r->record.version, c->stored.version);
        if (r->conflict)
                return;
        c->writes++;
        c->stored = record(r->identity, "");
        snprintf(c->stored.renewed, sizeof(c->stored.renewed), "%d", c->writes);
        snprintf(c->stored.version, sizeof(c->stored.version), "%d", c->writes);
        r->record = c->stored;
}

static void rest(struct cluster *c, struct replica *r)
{
        r->phase = RESTING;
        r->due = c->now + LEASE_RETRY_SECONDS * 1000 + draw(c, 400);
}

static void advance(struct cluster *c, struct replica *r)
{
        serve(c, r);
        if (c->now % 1000 == 0)
                lease_lost(&r->state, nanos(c->now));
        if (c->now < r->due)
                return;
        bool answered = r->is_served && r->due - r->wrote_at / DURATION_MILLISECOND < TIMEOUT_MS;
        switch (r->phase) {
        case RESTING:
                send(c, r, READING);
                return;
        case READING:
                if (answered && lease_decide(&r->state, &r->record, nanos(c->now)) != LEASE_WAIT) {
                        lease_lost(&r->state, nanos(c->now));
                        send(c, r, WRITING);
                        return;
                }
                break;
        case WRITING:
                if (answered && !r->conflict)
                        lease_wrote(&r->state, &r->record, r->wrote_at);
                break;
        }
        lease_lost(&r->state, nanos(c->now));
        rest(c, r);
}

static void assert_one_leader(struct cluster *c, int seed)
{
        int leaders = 0;
        for (int i = 0; i < REPLICAS; i++)
                leaders += c->replicas[i].state.leading;
        if (leaders > 1)
                fail_msg("seed %d: %d leaders after %d ms", seed, leaders, c->now);
        c->led_ms += leaders * STEP_MS;
}

static void play(struct cluster *c, int seed)
{
        c->random = (uint64_t)seed * 2654435761u + 1;
        for (int i = 0; i < REPLICAS; i++) {
                struct replica *r = &c->replicas[i];
                snprintf(r->identity, sizeof(r->identity), "r%d", i);
                r->state.identity = r->identity;
                r->due = draw(c, 3000);
        }
        for (c->now = 0; c->now < RUN_MS; c->now += STEP_MS) {
                for (int i = 0; i < REPLICAS; i++) {
                        struct replica *r = &c->replicas[i];
                        if (c->hostile && draw(c, 1200) == 0)
                                r->cut_until = c->now + draw(c, 40000);
                        advance(c, r);
                }
                assert_one_leader(c, seed);
        }
}

static void election__server_slow_cut_off_and_losing_answers__never_two_leaders(void **state)
{
        (void)state;
        for (int seed = 0; seed < SEEDS; seed++) {
                struct cluster c = {.hostile = true};
                play(&c, seed);
                assert_true(c.led_ms > RUN_MS / 2);
        }
}

static void election__nothing_in_the_way__one_leads_all_the_time(void **state)
{
        (void)state;
        for (int seed = 0; seed < SEEDS; seed++) {
                struct cluster c = {0};
                play(&c, seed);
                assert_true(c.led_ms > RUN_MS - 5000);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(lease__none_there__is_created),
                cmocka_unit_test(lease__released_by_its_holder__is_taken_at_once),
                cmocka_unit_test(lease__holder_stops_renewing__is_taken_15_s_after_we_saw_it_last),
                cmocka_unit_test(lease__first_seen__is_given_its_time_whatever_its_timestamps_say),
                cmocka_unit_test(lease__ours__is_renewed),
                cmocka_unit_test(lease__not_renewed_for_10_s__is_lost_once_and_can_be_won_again),
                cmocka_unit_test(lease__taken_by_another__is_lost_at_once),
                cmocka_unit_test(lease_parse__what_is_missing_or_of_a_wrong_type__is_empty),
                cmocka_unit_test(election__server_slow_cut_off_and_losing_answers__never_two_leaders),
                cmocka_unit_test(election__nothing_in_the_way__one_leads_all_the_time),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
