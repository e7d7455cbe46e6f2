/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/backoff.h"

#include "base/time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void backoff__failures__double_the_wait_up_to_half_a_minute(void **state)
{
        (void)state;
        static const int64_t milliseconds[] = {500, 1000, 2000, 4000, 8000, 16000, 20000, 20000};
        struct backoff b = {0};
        for (size_t i = 0; i < sizeof(milliseconds) / sizeof(milliseconds[0]); i++) {
                int64_t wait = backoff_next(&b, 0), base = milliseconds[i] * DURATION_MILLISECOND;
                assert_true(wait >= base && wait <= base + base / 2);
        }
        b.failures = 4000000000u;
        assert_true(backoff_next(&b, 0) <= 30 * DURATION_SECOND);
}

static void backoff__reset__begins_again(void **state)
{
        (void)state;
        struct backoff b = {.failures = 9};
        backoff_reset(&b);
        assert_true(backoff_next(&b, 0) <= 750 * DURATION_MILLISECOND);
}

static void backoff__server_says_when__is_never_sooner(void **state)
{
        (void)state;
        struct backoff b = {0};
        assert_true(backoff_next(&b, 60 * DURATION_SECOND) >= 60 * DURATION_SECOND);
}

static void jitter__spreads_and_stays_in_bounds(void **state)
{
        (void)state;
        int64_t low = INT64_MAX, high = 0;
        for (int i = 0; i < 1000; i++) {
                int64_t v = backoff_jitter(1000000, 0.2);
                assert_true(v >= 1000000 && v <= 1200000);
                low = v < low ? v : low;
                high = v > high ? v : high;
        }
        assert_true(high - low > 150000);
        assert_int_equal(backoff_jitter(1000000, 0), 1000000);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(backoff__failures__double_the_wait_up_to_half_a_minute),
                cmocka_unit_test(backoff__reset__begins_again),
                cmocka_unit_test(backoff__server_says_when__is_never_sooner),
                cmocka_unit_test(jitter__spreads_and_stays_in_bounds),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
