/* SPDX-License-Identifier: Apache-2.0 */
#include "base/coalesce.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define MILLI DURATION_MILLISECOND

static void note__after_quiet__is_due_at_once(void **state)
{
        (void)state;
        struct coalesce c = COALESCE_INIT;
        coalesce_note(&c, 5 * MILLI, true);
        assert_true(coalesce_due(&c) <= 5 * MILLI);
        coalesce_note(&c, 15 * MILLI, true);
        assert_true(coalesce_due(&c) <= 15 * MILLI);
}

static void note__soon_after_another__waits_for_quiet(void **state)
{
        (void)state;
        struct coalesce c = COALESCE_INIT;
        coalesce_note(&c, 0, true);
        coalesce_note(&c, 4 * MILLI, true);
        assert_true(coalesce_due(&c) == 14 * MILLI);
        coalesce_note(&c, 9 * MILLI, false);
        assert_true(coalesce_due(&c) == 19 * MILLI);
}

static void note__again_and_again__waits_for_the_first_a_hundred_at_most(void **state)
{
        (void)state;
        struct coalesce c = COALESCE_INIT;
        coalesce_note(&c, 0, true);
        for (int64_t now = 4 * MILLI; now <= 400 * MILLI; now += 4 * MILLI)
                coalesce_note(&c, now, now == 4 * MILLI);
        assert_true(coalesce_due(&c) == 104 * MILLI);
}

static void join__again_and_again__lets_nothing_wait(void **state)
{
        (void)state;
        struct coalesce c = COALESCE_INIT;
        coalesce_note(&c, 0, true);
        for (int64_t now = 20 * MILLI; now <= 40 * MILLI; now += 4 * MILLI)
                coalesce_join(&c, now, true);
        assert_true(coalesce_due(&c) <= 40 * MILLI);
        coalesce_note(&c, 41 * MILLI, true);
        assert_true(coalesce_due(&c) <= 41 * MILLI);
        coalesce_join(&c, 45 * MILLI, true);
        assert_true(coalesce_due(&c) == 51 * MILLI);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(note__after_quiet__is_due_at_once),
                cmocka_unit_test(note__soon_after_another__waits_for_quiet),
                cmocka_unit_test(note__again_and_again__waits_for_the_first_a_hundred_at_most),
                cmocka_unit_test(join__again_and_again__lets_nothing_wait),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
