/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/reflector_state.h"

#include "base/mem.h"
#include "base/time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* A state that watches from version 10. */
static struct reflector_state watching(void)
{
        struct reflector_state s = {0};
        struct page_outcome page = {.code = 200, .version = "10"};
        assert_true(reflector_state_begin_page(&s));
        assert_true(reflector_state_page(&s, &page).list_ended);
        return s;
}

/* ---- what one answer to a watch leads to ---- */

static const struct {
        const char *about;
        struct watch_outcome outcome;
        enum reflector_ask next;
        const char *reason; /* NULL: as planned */
        bool at_once;
} watches[] = {
        {"closed in good order after an event", {.code = 200, .got_event = true}, REFLECTOR_ASK_WATCH, NULL, true},
        {"closed in good order after minutes of nothing",
         {.code = 200, .lasted = 300 * DURATION_SECOND},
         REFLECTOR_ASK_WATCH,
         NULL,
         true},
        {"closed at once with nothing said", {.code = 200}, REFLECTOR_ASK_WATCH, "closed", false},
        {"broken", {.code = 200, .broken = true, .got_event = true}, REFLECTOR_ASK_VERSION, "closed", false},
        {"no answer", {.code = 0, .broken = true}, REFLECTOR_ASK_VERSION, "error", false},
        {"server is starting", {.code = 503}, REFLECTOR_ASK_VERSION, "error", false},
        {"server is busy", {.code = 429}, REFLECTOR_ASK_WATCH, "error", false},
        {"token has expired", {.code = 401}, REFLECTOR_ASK_WATCH, "error", false},
        {"forbidden", {.code = 403}, REFLECTOR_ASK_WATCH, "error", false},
        {"410 as status", {.code = 410}, REFLECTOR_ASK_LIST, "gone", false},
        {"410 as event", {.code = 200, .error_code = 410}, REFLECTOR_ASK_LIST, "gone", false},
        {"410 as event in a good watch",
         {.code = 200, .error_code = 410, .got_event = true},
         REFLECTOR_ASK_LIST,
         "gone",
         false},
        {"another ERROR event", {.code = 200, .error_code = 500}, REFLECTOR_ASK_WATCH, "error", false},
};

static void watch__each_way_to_end__leads_on(void **state)
{
        (void)state;
        for (size_t i = 0; i < COUNT_OF(watches); i++) {
                struct reflector_state s = watching();
                struct reflector_step step = reflector_state_watch(&s, &watches[i].outcome);
                if (reflector_state_ask(&s) != watches[i].next || !str_equal(step.reason, watches[i].reason) ||
                    (step.wait == 0) != watches[i].at_once || step.list_ended)
                        fail_msg("%s: asks %d, reason %s, waits %lld", watches[i].about, reflector_state_ask(&s),
                                 step.reason ? step.reason : "none", (long long)step.wait);
                reflector_state_done(&s);
        }
}

static void watch__refused_three_times__lists(void **state)
{
        (void)state;
        struct reflector_state s = watching();
        struct watch_outcome refused = {.code = 400}, good = {.code = 200, .got_event = true};
        for (int i = 0; i < REFLECTOR_REFUSALS - 1; i++)
                reflector_state_watch(&s, &refused);
        reflector_state_watch(&s, &good);
        for (int i = 0; i < REFLECTOR_REFUSALS; i++) {
                assert_int_equal(reflector_state_ask(&s), REFLECTOR_ASK_WATCH);
                reflector_state_watch(&s, &refused);
        }
        assert_int_equal(reflector_state_ask(&s), REFLECTOR_ASK_LIST);
        reflector_state_done(&s);
}

/* A server that always says 410 is not asked for everything without a pause. */
static void watch__gone_after_every_list__waits_longer_each_time(void **state)
{
        (void)state;
        struct reflector_state s = watching();
        struct watch_outcome gone = {.code = 410};
        struct page_outcome page = {.code = 200, .version = "10"};
        int64_t wait = 0;
        for (int i = 0; i < 8; i++) {
                wait = reflector_state_watch(&s, &gone).wait;
                reflector_state_begin_page(&s);
                reflector_state_page(&s, &page);
        }
        assert_true(wait >= 20 * DURATION_SECOND);
        reflector_state_done(&s);
}

/* ---- pages ---- */

static void page__passing_failure__keeps_the_place_in_the_list(void **state)
{
        (void)state;
        static const int passing[] = {0, 401, 408, 429, 500, 503, 504}, final[] = {400, 403, 404, 410};
        for (size_t i = 0; i < COUNT_OF(passing) + COUNT_OF(final); i++) {
                bool passes = i < COUNT_OF(passing);
                struct reflector_state s = {0};
                struct page_outcome first = {.code = 200, .version = "10", .next = "t"};
                struct page_outcome failed = {.code = passes ? passing[i] : final[i - COUNT_OF(passing)]};
                reflector_state_begin_page(&s);
                reflector_state_page(&s, &first);
                struct reflector_step step = reflector_state_page(&s, &failed);
                assert_true(step.wait > 0 && step.reason && !step.list_ended);
                AUTO_STR *path = reflector_state_path(&s, "/p", "type=a/b", 1);
                assert_string_equal(path, passes ? "/p?limit=500&continue=t&fieldSelector=type%3Da%2Fb"
                                                 : "/p?limit=500&fieldSelector=type%3Da%2Fb");
                assert_int_equal(reflector_state_begin_page(&s), !passes);
                reflector_state_done(&s);
        }
}

static void page__too_large__shrinks_to_one_and_only_for_this_list(void **state)
{
        (void)state;
        struct reflector_state s = {0};
        struct page_outcome large = {.too_large = true}, last = {.code = 200, .version = "10"};
        reflector_state_begin_page(&s);
        int tries = 0;
        while (s.limit > 1 && tries++ < 10)
                assert_true(reflector_state_page(&s, &large).wait == 0);
        assert_int_equal(s.limit, 1);
        assert_true(reflector_state_page(&s, &large).wait > 0);
        reflector_state_begin_page(&s);
        assert_true(s.limit > 1);
        reflector_state_page(&s, &last);
        reflector_state_done(&s);
}

static void version__only_a_lower_number__means_lost_history(void **state)
{
        (void)state;
        static const struct {
                const char *known, *server;
                bool lost;
        } cases[] = {
                {"10", "9", true},   {"10", "10", false}, {"10", "11", false},
                {"9", "10", false},  {"0010", "9", true}, {"10", "0010", false},
                {"abc", "1", false}, {"10", "x", false},  {"18446744073709551616", "18446744073709551615", true},
        };
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
                struct reflector_state s = watching();
                struct watch_outcome broken = {.code = 0, .broken = true};
                struct page_outcome page = {.code = 200, .version = cases[i].server, .next = "more"};
                reflector_state_event(&s, cases[i].known);
                reflector_state_watch(&s, &broken);
                struct reflector_step step = reflector_state_version(&s, &page);
                assert_int_equal(step.reason != NULL, cases[i].lost);
                assert_int_equal(reflector_state_ask(&s), cases[i].lost ? REFLECTOR_ASK_LIST : REFLECTOR_ASK_WATCH);
                reflector_state_done(&s);
        }
}

/* ---- random schedules: a model server with versions, compaction, pages, lost history and every failure ---- */

enum { SCHEDULES = 3000, STEPS = 200, OBJECTS = 12, PAGE = 3 };

/* Versions of objects, 0: absent. What the receiver knows must become what the server has. */
struct model {
        uint64_t random;
        int version, oldest; /* a watch from before oldest is gone */
        int losses;
        int server[OBJECTS], known[OBJECTS];
        int snapshot[OBJECTS], snapshot_version; /* of the list under way */
        bool listed[OBJECTS];
        bool calm; /* nothing fails and nothing changes any more */
};

static int draw(struct model *m, int below)
{
        m->random = m->random * 6364136223846793005u + 1442695040888963407u;
        return (int)((m->random >> 33) % (uint64_t)below);
}

static void change(struct model *m)
{
        if (m->calm)
                return;
        int i = draw(m, OBJECTS);
        m->server[i] = draw(m, 3) ? m->version + 1 : 0;
        m->version++;
        if (draw(m, 10) == 0)
                m->oldest = m->version - draw(m, 3);
        /* Back with less than it had, and never as far again: who comes back later than that cannot know. */
        if (draw(m, 60) == 0 && m->losses < 2) {
                m->losses++;
                m->snapshot_version = -1; /* nobody knows the list under way any more */
                m->version /= 2;
                for (int k = 0; k < OBJECTS; k++)
                        m->server[k] = m->server[k] > m->version ? 0 : m->server[k];
                m->oldest = m->version;
        }
}

static int failure(struct model *m)
{
        static const int codes[] = {0, 401, 403, 404, 410, 429, 500, 503};
        return m->calm || draw(m, 4) ? 200 : codes[draw(m, COUNT_OF(codes))];
}

static void end_list(struct model *m)
{
        for (int i = 0; i < OBJECTS; i++)
                m->known[i] = m->listed[i] ? m->known[i] : 0;
}

static struct reflector_step play_page(struct model *m, struct reflector_state *s)
{
        char version[16], next[16];
        if (reflector_state_begin_page(s))
                memset(m->listed, 0, sizeof(m->listed));
        int from = s->next ? atoi(s->next) : 0;
        struct page_outcome o = {.code = failure(m)};
        if (from == 0) {
                memcpy(m->snapshot, m->server, sizeof(m->snapshot));
                m->snapshot_version = m->version;
        }
        if (o.code == 200 && m->snapshot_version < 0)
                o.code = 410;
        if (o.code == 200) {
                snprintf(version, sizeof(version), "%d", m->snapshot_version);
                o.version = version;
                for (int i = from; i < from + PAGE; i++) {
                        m->listed[i] = m->snapshot[i] != 0;
                        if (m->listed[i])
                                m->known[i] = m->snapshot[i];
                }
                snprintf(next, sizeof(next), "%d", from + PAGE);
                o.next = from + PAGE < OBJECTS ? next : NULL;
        }
        struct reflector_step step = reflector_state_page(s, &o);
        if (step.list_ended)
                end_list(m);
        return step;
}

static struct reflector_step play_watch(struct model *m, struct reflector_state *s)
{
        int from = s->version ? atoi(s->version) : 0;
        struct watch_outcome o = {.code = failure(m), .lasted = draw(m, 10) * DURATION_SECOND};
        char version[16];
        if (o.code != 200)
                return reflector_state_watch(s, &o);
        if (from < m->oldest) {
                o.error_code = 410;
                return reflector_state_watch(s, &o);
        }
        o.broken = !m->calm && draw(m, 3) == 0;
        o.error_code = !m->calm && draw(m, 8) == 0 ? 500 : 0;
        /* From the future nothing is heard. */
        for (int i = 0; i < OBJECTS && from <= m->version; i++) {
                o.got_event = o.got_event || m->known[i] != m->server[i];
                m->known[i] = m->server[i];
        }
        snprintf(version, sizeof(version), "%d", m->version);
        if (from <= m->version)
                reflector_state_event(s, version);
        return reflector_state_watch(s, &o);
}

static struct reflector_step play(struct model *m, struct reflector_state *s)
{
        char version[16];
        struct page_outcome o = {.code = failure(m)};
        switch (reflector_state_ask(s)) {
        case REFLECTOR_ASK_LIST:
                return play_page(m, s);
        case REFLECTOR_ASK_WATCH:
                return play_watch(m, s);
        case REFLECTOR_ASK_VERSION:
                break;
        }
        snprintf(version, sizeof(version), "%d", m->version);
        o.version = o.code == 200 ? version : NULL;
        return reflector_state_version(s, &o);
}

static void random_schedules__once_calm__receiver_knows_what_the_server_has(void **state)
{
        (void)state;
        for (int seed = 0; seed < SCHEDULES; seed++) {
                struct model m = {.random = (uint64_t)seed * 2654435761u + 1, .version = 1000};
                struct reflector_state s = {0};
                int steps = draw(&m, STEPS);
                for (int i = 0; i < steps; i++) {
                        change(&m);
                        struct reflector_step step = play(&m, &s);
                        assert_true(step.wait >= 0 && step.wait <= 30 * DURATION_SECOND);
                }
                m.calm = true;
                s.doubt = s.version != NULL; /* the server that lost its history was restarted: connections broke */
                for (int i = 0; i < OBJECTS / PAGE + 4; i++)
                        play(&m, &s);
                if (memcmp(m.known, m.server, sizeof(m.known)) != 0)
                        fail_msg("seed %d: the receiver is wrong", seed);
                reflector_state_done(&s);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(watch__each_way_to_end__leads_on),
                cmocka_unit_test(watch__refused_three_times__lists),
                cmocka_unit_test(watch__gone_after_every_list__waits_longer_each_time),
                cmocka_unit_test(page__passing_failure__keeps_the_place_in_the_list),
                cmocka_unit_test(page__too_large__shrinks_to_one_and_only_for_this_list),
                cmocka_unit_test(version__only_a_lower_number__means_lost_history),
                cmocka_unit_test(random_schedules__once_calm__receiver_knows_what_the_server_has),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
