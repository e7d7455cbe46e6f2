/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/plan.h"

#include "base/mem.h"
#include "base/time.h"

#include <stdarg.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

#define HOUR (3600 * TIME_MICROS_PER_SECOND)
#define DAY (24 * HOUR)
#define NOW (1700000000 * TIME_MICROS_PER_SECOND)

static const struct plan_wishes usual = {.leaf_lifetime = 365 * DAY, .ca_lifetime = 3650 * DAY, .ca_overlap = DAY};

/* A state in which all is well; rows change what they are about. */
struct scene {
        struct plan_ca bundle[3];
        struct plan_leaf leaves[2];
        struct plan_hook hooks[2];
        struct plan_state state;
        struct plan_wishes wishes;
};

static struct scene *well(struct scene *s)
{
        *s = (struct scene){.wishes = usual};
        for (size_t i = 0; i < COUNT_OF(s->bundle); i++)
                s->bundle[i] = (struct plan_ca){NOW - 10 * DAY, NOW + 3640 * DAY};
        for (size_t i = 0; i < COUNT_OF(s->leaves); i++)
                s->leaves[i] = (struct plan_leaf){
                        .stored = true, .published = true, .not_before = NOW - 10 * DAY, .not_after = NOW + 355 * DAY};
        for (size_t i = 0; i < COUNT_OF(s->hooks); i++)
                s->hooks[i] = (struct plan_hook){true, true, false};
        s->state = (struct plan_state){
                .authority = {.bundle = s->bundle, .count = 1, .signer = 0, .next = PLAN_NOBODY},
                .leaves = s->leaves,
                .leaf_count = COUNT_OF(s->leaves),
                .hooks = s->hooks,
                .hook_count = COUNT_OF(s->hooks),
        };
        return s;
}

static void expect_at(const struct scene *s, int64_t now, enum plan_action action, size_t index, const char *words)
{
        struct plan_step step = plan_next(&s->state, &s->wishes, now);
        if (step.action != action || step.index != index || !strstr(step.reason, words))
                fail_msg("step %d of %zu (\"%s\") instead of %d of %zu (\"%s\")", step.action, step.index, step.reason,
                         action, index, words);
}

static void expect(const struct scene *s, enum plan_action action, size_t index, const char *words)
{
        expect_at(s, NOW, action, index, words);
}

static void nothing_stored__issue_the_ca_first(void **state)
{
        (void)state;
        struct scene s = {.wishes = usual};
        s.leaves[0].problem = s.leaves[1].problem = "missing";
        s.state = (struct plan_state){.authority = {.signer = PLAN_NOBODY, .next = PLAN_NOBODY}};
        s.state.leaves = s.leaves;
        s.state.leaf_count = 2;
        expect(&s, PLAN_ISSUE_CA, 0, "no CA with its key");
}

static void all_well__nothing_until_the_first_renewal(void **state)
{
        (void)state;
        struct scene s;
        well(&s);
        s.leaves[1].not_after = NOW + 100 * DAY;
        struct plan_step step = plan_next(&s.state, &s.wishes, NOW);
        assert_int_equal(step.action, PLAN_NONE);
        assert_true(step.when == plan_renewal(&s.leaves[1]));
        assert_true(step.when > NOW && step.when < s.leaves[1].not_after);
}

static void leaf__each_reason__is_issued(void **state)
{
        (void)state;
        struct scene s;
        well(&s)->leaves[1].problem = "made for other names";
        expect(&s, PLAN_ISSUE_LEAF, 1, "made for other names");
        well(&s)->leaves[0].issuer = PLAN_NOBODY;
        expect(&s, PLAN_ISSUE_LEAF, 0, "not signed by a known CA");
        well(&s)->leaves[0].not_before = NOW + 8 * DAY;
        expect(&s, PLAN_ISSUE_LEAF, 0, "not valid for long yet");
        well(&s)->leaves[0].not_before = NOW + 6 * DAY;
        expect(&s, PLAN_NONE, 0, "");
        well(&s)->leaves[0].not_after = NOW;
        expect(&s, PLAN_ISSUE_LEAF, 0, "expired");
        int64_t renewal = plan_renewal(&well(&s)->leaves[0]);
        expect_at(&s, renewal - 1, PLAN_NONE, 0, "");
        expect_at(&s, renewal, PLAN_ISSUE_LEAF, 0, "two thirds");
        assert_true(renewal == NOW - 10 * DAY + 365 * DAY / 3 * 2);
}

static void leaf__ends_with_its_ca__is_not_issued_again_and_again(void **state)
{
        (void)state;
        struct scene s;
        well(&s);
        s.bundle[0].not_after = NOW + HOUR;
        s.bundle[1].not_after = NOW + 3650 * DAY;
        s.state.authority.count = 2;
        s.state.authority.next = 1;
        s.state.authority.settled_at = NOW - HOUR;
        for (size_t i = 0; i < 2; i++)
                s.leaves[i].not_after = NOW + HOUR;
        expect(&s, PLAN_NONE, 0, "");
        /* When the CA ends, its successor does not wait for the overlap. */
        expect_at(&s, NOW + HOUR, PLAN_SWITCH_CA, 0, "has expired");
}

static void bundle__not_everywhere__hooks_then_leaves_then_issuing(void **state)
{
        (void)state;
        struct scene s;
        well(&s);
        s.hooks[1].published = false;
        s.leaves[0].published = false;
        s.leaves[1] = (struct plan_leaf){.problem = "missing"};
        expect(&s, PLAN_HOOK, 1, "caBundle");
        s.hooks[1].published = true;
        expect(&s, PLAN_PUBLISH, 0, "ca.crt");
        s.leaves[0].published = true;
        expect(&s, PLAN_ISSUE_LEAF, 1, "missing");
}

static void hook__absent__is_left_alone(void **state)
{
        (void)state;
        struct scene s;
        well(&s)->hooks[0] = (struct plan_hook){false, false, false};
        expect(&s, PLAN_NONE, 0, "");
}

static void ca__near_its_end_or_asked__successor_is_added_once(void **state)
{
        (void)state;
        struct scene s;
        well(&s);
        int64_t due = plan_ca_renewal(&s.bundle[0], &s.wishes);
        assert_true(due == s.bundle[0].not_after - 367 * DAY);
        s.leaves[0].not_after = s.leaves[1].not_after = s.bundle[0].not_after;
        expect_at(&s, due - 1, PLAN_NONE, 0, "");
        expect_at(&s, due, PLAN_ADD_CA, 0, "nears its end");
        well(&s)->wishes.rotate_ca = true;
        expect(&s, PLAN_ADD_CA, 0, "asked for");
        s.state.authority.count = 2;
        s.state.authority.next = 1;
        expect(&s, PLAN_SETTLE, 0, "overlap begins");
}

static void ca__of_short_life__is_not_renewed_from_its_first_day_on(void **state)
{
        (void)state;
        struct scene s;
        well(&s);
        s.bundle[0] = (struct plan_ca){NOW, NOW + 365 * DAY};
        assert_true(plan_ca_renewal(&s.bundle[0], &s.wishes) >= NOW + 243 * DAY);
}

static struct scene *rotating(struct scene *s, int signer, int next, int64_t settled_at)
{
        well(s);
        s->state.authority.count = 2;
        s->state.authority.signer = signer;
        s->state.authority.next = next;
        s->state.authority.settled_at = settled_at;
        s->leaves[0].issuer = s->leaves[1].issuer = signer;
        return s;
}

static void rotation__overlaps__are_waited_for(void **state)
{
        (void)state;
        struct scene s;
        expect(rotating(&s, 0, 1, 0), PLAN_SETTLE, 0, "overlap begins");
        expect(rotating(&s, 0, 1, NOW - DAY + 1), PLAN_NONE, 0, "");
        struct plan_step wait = plan_next(&s.state, &s.wishes, NOW);
        assert_true(wait.when == NOW + 1);
        expect(rotating(&s, 0, 1, NOW - DAY), PLAN_SWITCH_CA, 0, "known for the overlap");
        expect(rotating(&s, 1, PLAN_NOBODY, 0), PLAN_SETTLE, 0, "overlap begins");
        expect(rotating(&s, 1, PLAN_NOBODY, NOW - DAY + 1), PLAN_NONE, 0, "");
        expect(rotating(&s, 1, PLAN_NOBODY, NOW - DAY), PLAN_DROP_CA, 0, "out of use");
}

static void rotation__after_the_switch__leaves_go_first(void **state)
{
        (void)state;
        struct scene s;
        rotating(&s, 1, PLAN_NOBODY, NOW - 10 * DAY);
        s.leaves[1].issuer = 0;
        expect(&s, PLAN_ISSUE_LEAF, 1, "not signed by the present CA");
}

static void rotation__record_from_the_future__is_written_anew(void **state)
{
        (void)state;
        struct scene s;
        expect(rotating(&s, 0, 1, NOW + 1000 * DAY), PLAN_SETTLE, 0, "overlap begins");
}

static void rotation__renewal_due_meanwhile__under_the_present_ca(void **state)
{
        (void)state;
        struct scene s;
        rotating(&s, 0, 1, NOW - HOUR);
        s.leaves[0].not_after = NOW + DAY;
        expect(&s, PLAN_ISSUE_LEAF, 0, "two thirds");
}

static void authority__key_lost_or_ca_expired__goes_on_at_once(void **state)
{
        (void)state;
        struct scene s;
        expect(rotating(&s, PLAN_NOBODY, 1, NOW - HOUR), PLAN_SWITCH_CA, 0, "successor is there");
        expect(rotating(&s, PLAN_NOBODY, PLAN_NOBODY, NOW - HOUR), PLAN_ISSUE_CA, 0, "no CA with its key");
        well(&s)->bundle[0].not_after = NOW;
        expect(&s, PLAN_ISSUE_CA, 0, "has expired");
}

static void authority__key_lost__what_is_in_use_stays_trusted_until_the_new_ca_is_known(void **state)
{
        (void)state;
        struct scene s;
        well(&s)->state.authority.signer = PLAN_NOBODY;
        expect(&s, PLAN_ADD_CA, 0, "no CA with its key");
        rotating(&s, PLAN_NOBODY, 1, NOW - DAY + 1);
        s.leaves[0].issuer = s.leaves[1].issuer = 0;
        expect(&s, PLAN_NONE, 0, "");
        /* What is out of use anyway need not wait. */
        s.leaves[0].problem = "missing";
        expect(&s, PLAN_UNSETTLE, 0, "missing");
        s.state.authority.settled_at = 0;
        expect(&s, PLAN_ISSUE_LEAF, 0, "missing");
        assert_int_equal(plan_issuer(&s.state.authority, NOW), 1);
        s.leaves[0].problem = NULL;
        s.state.authority.settled_at = NOW - DAY;
        expect(&s, PLAN_SWITCH_CA, 0, "known for the overlap");
}

static void authority__put_back_from_a_backup__its_ca_waits_as_a_new_one_does(void **state)
{
        (void)state;
        struct scene s;
        rotating(&s, 0, PLAN_NOBODY, NOW - DAY);
        s.leaves[0].issuer = s.leaves[1].issuer = 1;
        s.state.authority.strays = true;
        expect(&s, PLAN_ADOPT, 0, "did not hold");
        s.state.authority.strays = false;
        s.state.authority.unknown = true;
        expect(&s, PLAN_ADOPT, 0, "not trusted any more");
        s.state.authority.next = 1;
        expect(&s, PLAN_SWITCH_CA, 0, "signed already");
        /* As a successor it would have to be replaced at once. */
        rotating(&s, PLAN_NOBODY, 1, NOW - DAY)->bundle[1].not_after = NOW + 3 * DAY;
        s.leaves[0].issuer = s.leaves[1].issuer = 0;
        expect(&s, PLAN_ADD_CA, 0, "no CA with its key");
}

static void rotation__something_spoilt_meanwhile__overlap_begins_again(void **state)
{
        (void)state;
        struct scene s;
        rotating(&s, 0, 1, NOW - DAY)->leaves[1].published = false;
        expect(&s, PLAN_UNSETTLE, 0, "ca.crt is another one");
        rotating(&s, 0, 1, 0)->leaves[1].published = false;
        expect(&s, PLAN_PUBLISH, 1, "ca.crt is another one");
}

static void foreign__leaf_or_hook__is_left_alone(void **state)
{
        (void)state;
        struct scene s;
        well(&s)->leaves[0] = (struct plan_leaf){.foreign = true, .stored = true, .problem = "other names"};
        s.hooks[0] = (struct plan_hook){true, false, true};
        struct plan_step step = plan_next(&s.state, &s.wishes, NOW);
        assert_int_equal(step.action, PLAN_NONE);
        assert_true(step.when == plan_renewal(&s.leaves[1]));
        s.leaves[1].foreign = true;
        s.state.authority = (struct plan_authority){.signer = PLAN_NOBODY, .next = PLAN_NOBODY};
        step = plan_next(&s.state, &s.wishes, NOW);
        assert_int_equal(step.action, PLAN_NONE); /* no CA for nobody */
        assert_true(step.when == INT64_MAX);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(nothing_stored__issue_the_ca_first),
                cmocka_unit_test(all_well__nothing_until_the_first_renewal),
                cmocka_unit_test(leaf__each_reason__is_issued),
                cmocka_unit_test(leaf__ends_with_its_ca__is_not_issued_again_and_again),
                cmocka_unit_test(bundle__not_everywhere__hooks_then_leaves_then_issuing),
                cmocka_unit_test(hook__absent__is_left_alone),
                cmocka_unit_test(ca__near_its_end_or_asked__successor_is_added_once),
                cmocka_unit_test(ca__of_short_life__is_not_renewed_from_its_first_day_on),
                cmocka_unit_test(rotation__overlaps__are_waited_for),
                cmocka_unit_test(rotation__after_the_switch__leaves_go_first),
                cmocka_unit_test(rotation__record_from_the_future__is_written_anew),
                cmocka_unit_test(rotation__renewal_due_meanwhile__under_the_present_ca),
                cmocka_unit_test(authority__key_lost_or_ca_expired__goes_on_at_once),
                cmocka_unit_test(authority__key_lost__what_is_in_use_stays_trusted_until_the_new_ca_is_known),
                cmocka_unit_test(authority__put_back_from_a_backup__its_ca_waits_as_a_new_one_does),
                cmocka_unit_test(rotation__something_spoilt_meanwhile__overlap_begins_again),
                cmocka_unit_test(foreign__leaf_or_hook__is_left_alone),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
