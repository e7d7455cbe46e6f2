/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

static void err_set__values__text_and_code(void **state)
{
        (void)state;
        struct err e = {0};
        assert_false(err_set_code(&e, 409, "object %s", "a"));
        assert_string_equal(e.text, "object a");
        assert_int_equal(e.code, 409);
        assert_false(err_set(&e, "other"));
        assert_string_equal(e.text, "other");
        assert_int_equal(e.code, 0);
}

static void err_wrap__words_in_front__code_stays(void **state)
{
        (void)state;
        struct err e = {0};
        err_set_code(&e, 7, "inner");
        assert_false(err_wrap(&e, "outer %d", 1));
        assert_false(err_wrap(&e, "outermost"));
        assert_string_equal(e.text, "outermost: outer 1: inner");
        assert_int_equal(e.code, 7);
}

static void err_set_errno__present_errno__is_told_and_kept_as_code(void **state)
{
        (void)state;
        struct err e = {0};
        errno = ENOENT;
        assert_false(err_set_errno(&e, "opening %s", "x"));
        assert_string_equal(e.text, "opening x: No such file or directory");
        assert_int_equal(e.code, ENOENT);
}

static void err__null__is_allowed_everywhere(void **state)
{
        (void)state;
        assert_false(err_set(NULL, "x"));
        assert_false(err_set_code(NULL, 1, "x"));
        assert_false(err_wrap(NULL, "x"));
        assert_false(err_set_errno(NULL, "x"));
}

static void err__too_long__is_cut_and_ended(void **state)
{
        (void)state;
        char text[2 * ERR_TEXT_MAX];
        memset(text, 'x', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        struct err e = {0};
        err_set(&e, "%s", text);
        assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
        err_wrap(&e, "outer");
        assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
        assert_memory_equal(e.text, "outer: xxx", 10);
        err_wrap(&e, "%s", text);
        assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
        errno = EACCES;
        err_set_errno(&e, "%s", text);
        assert_int_equal(e.code, EACCES);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(err_set__values__text_and_code),
                cmocka_unit_test(err_wrap__words_in_front__code_stays),
                cmocka_unit_test(err_set_errno__present_errno__is_told_and_kept_as_code),
                cmocka_unit_test(err__null__is_allowed_everywhere),
                cmocka_unit_test(err__too_long__is_cut_and_ended),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
