/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

static void buf__fresh__is_an_empty_string(void **state)
{
        (void)state;
        AUTO(buf) *b = buf_new(10);
        assert_string_equal(buf_data(b), "");
        assert_int_equal(buf_len(b), 0);
        assert_false(buf_full(b));
        AUTO_STR *taken = buf_take_str(b);
        assert_string_equal(taken, "");
        buf_free(NULL);
}

static void buf_append__every_form__in_order_with_a_nul_behind(void **state)
{
        (void)state;
        AUTO(buf) *b = buf_new(1000);
        assert_true(buf_append(b, "ab\0c", 4));
        assert_true(buf_append_char(b, 'd'));
        assert_true(buf_append_str(b, "ef"));
        assert_true(buf_printf(b, "%d%s", 7, "g"));
        assert_true(buf_append(b, NULL, 0));
        assert_int_equal(buf_len(b), 9);
        assert_memory_equal(buf_data(b), "ab\0cdef7g", 10);
}

static void buf_append__grown_over_many_steps__keeps_all(void **state)
{
        (void)state;
        AUTO(buf) *b = buf_new(100 * 1000);
        for (int i = 0; i < 10000; i++)
                buf_printf(b, "%04d,", i);
        assert_int_equal(buf_len(b), 50000);
        for (int i = 0; i < 10000; i++) {
                char expected[16];
                snprintf(expected, sizeof(expected), "%04d,", i);
                assert_memory_equal(buf_data(b) + (size_t)i * 5, expected, 5);
        }
}

static void buf_append__at_the_maximum__all_or_nothing_and_full(void **state)
{
        (void)state;
        AUTO(buf) *b = buf_new(8);
        assert_true(buf_append_str(b, "1234567"));
        assert_false(buf_append_str(b, "89"));
        assert_true(buf_full(b));
        assert_string_equal(buf_data(b), "1234567");
        /* Full stays full, also for what would fit: a writer looks once. */
        assert_false(buf_append_char(b, '8'));
        buf_truncate(b, 7);
        assert_false(buf_full(b));
        assert_true(buf_append_char(b, '8'));
        assert_int_equal(buf_len(b), 8);
        assert_false(buf_printf(b, "%s", "x"));
        buf_clear(b);
        assert_true(buf_printf(b, "%s", "12345678"));
        assert_string_equal(buf_data(b), "12345678");
}

static void buf_new__maximum_zero__takes_nothing(void **state)
{
        (void)state;
        AUTO(buf) *b = buf_new(0);
        assert_true(buf_append(b, "", 0));
        assert_false(buf_append_char(b, 'x'));
        assert_int_equal(buf_len(b), 0);
}

static void buf_consume__front_removed__rest_moves_up(void **state)
{
        (void)state;
        AUTO(buf) *b = buf_new(8);
        buf_append_str(b, "abcdef");
        buf_consume(b, 0);
        buf_consume(b, 2);
        assert_string_equal(buf_data(b), "cdef");
        assert_false(buf_append_str(b, "12345"));
        buf_consume(b, 4);
        assert_int_equal(buf_len(b), 0);
        assert_true(buf_full(b)); /* what was lost stays lost */
}

static void buf_take_str__taken__buffer_starts_anew(void **state)
{
        (void)state;
        AUTO(buf) *b = buf_new(8);
        buf_append_str(b, "12345678");
        buf_append_char(b, 'x');
        AUTO_STR *first = buf_take_str(b);
        assert_string_equal(first, "12345678");
        assert_int_equal(buf_len(b), 0);
        assert_true(buf_append_str(b, "again"));
        assert_string_equal(buf_data(b), "again");
}

static void buf_set_secret__shortened__leaves_nothing_behind(void **state)
{
        (void)state;
        AUTO(buf) *b = buf_new(1000);
        buf_set_secret(b);
        buf_append_str(b, "password");
        const char *bytes = buf_data(b);
        buf_truncate(b, 4);
        assert_string_equal(bytes, "pass");
        for (size_t i = 4; i < 8; i++)
                assert_int_equal(bytes[i], 0);
        buf_clear(b);
        for (size_t i = 0; i < 8; i++)
                assert_int_equal(bytes[i], 0);
        for (int i = 0; i < 300; i++)
                assert_true(buf_append_char(b, 'x'));
        assert_int_equal(buf_len(b), 300);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(buf__fresh__is_an_empty_string),
                cmocka_unit_test(buf_append__every_form__in_order_with_a_nul_behind),
                cmocka_unit_test(buf_append__grown_over_many_steps__keeps_all),
                cmocka_unit_test(buf_append__at_the_maximum__all_or_nothing_and_full),
                cmocka_unit_test(buf_new__maximum_zero__takes_nothing),
                cmocka_unit_test(buf_consume__front_removed__rest_moves_up),
                cmocka_unit_test(buf_take_str__taken__buffer_starts_anew),
                cmocka_unit_test(buf_set_secret__shortened__leaves_nothing_behind),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
