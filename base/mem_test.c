/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <setjmp.h>
#include <cmocka.h>

struct thing {
        int *freed;
};

static void thing_free(struct thing *t)
{
        if (t)
                ++*t->freed;
}
AUTO_DEFINE(thing)

static void auto__end_of_scope__frees_what_was_not_taken(void **state)
{
        (void)state;
        int freed = 0;
        struct thing one = {&freed}, two = {&freed};
        struct thing *taken;
        {
                AUTO(thing) *a = &one;
                AUTO(thing) *b = &two;
                AUTO(thing) *none = NULL;
                (void)a, (void)none;
                taken = mem_take(&b);
                assert_null(b);
                assert_int_equal(freed, 0);
        }
        assert_int_equal(freed, 1);
        assert_ptr_equal(taken, &two);
}

static void mem_calloc__any_size__zeroed_and_never_null(void **state)
{
        (void)state;
        unsigned char *p = mem_calloc(100, 3);
        for (size_t i = 0; i < 300; i++)
                assert_int_equal(p[i], 0);
        mem_free(p);
        void *none = mem_calloc(0, 8);
        assert_non_null(none);
        mem_free(none);
        mem_free(NULL);
}

static void mem_resize__grown_and_shrunk__keeps_the_content(void **state)
{
        (void)state;
        char *p = mem_resize(NULL, 4, 1);
        memcpy(p, "abc", 4);
        p = mem_resize(p, 1000, 4);
        assert_string_equal(p, "abc");
        p = mem_resize(p, 4, 1);
        assert_string_equal(p, "abc");
        mem_free(p);
}

static void mem_resize__product_overflows__aborts(void **state)
{
        (void)state;
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                signal(SIGABRT, SIG_DFL);
                close(STDERR_FILENO);
                mem_free(mem_resize(NULL, SIZE_MAX / 2, 4));
                _exit(0);
        }
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void mem_strdup__strings__are_copied(void **state)
{
        (void)state;
        char text[] = "text";
        AUTO_STR *whole = mem_strdup(text);
        AUTO_STR *part = mem_strndup(text, 2);
        AUTO_STR *empty = mem_strndup(NULL, 0);
        AUTO_STR *made = mem_printf("%s-%d", text, 7);
        text[0] = 'x';
        assert_string_equal(whole, "text");
        assert_string_equal(part, "te");
        assert_string_equal(empty, "");
        assert_string_equal(made, "text-7");
        assert_null(mem_strdup(NULL));
}

static void mem_wipe__bytes__are_zero(void **state)
{
        (void)state;
        char secret[8] = "secret";
        mem_wipe(secret, sizeof(secret));
        for (size_t i = 0; i < sizeof(secret); i++)
                assert_int_equal(secret[i], 0);
        mem_wipe(NULL, 0);
}

static void str__null_and_text__compare_as_the_header_says(void **state)
{
        (void)state;
        assert_true(str_equal(NULL, NULL) && str_equal("a", "a"));
        assert_false(str_equal(NULL, "") || str_equal("", NULL) || str_equal("a", "b"));
        assert_true(str_has_prefix("abc", "ab") && str_has_prefix("abc", "") && str_has_prefix("abc", "abc"));
        assert_false(str_has_prefix("ab", "abc") || str_has_prefix("abc", "bc"));
        assert_true(str_has_suffix("abc", "bc") && str_has_suffix("abc", "") && str_has_suffix("abc", "abc"));
        assert_false(str_has_suffix("bc", "abc") || str_has_suffix("abc", "ab"));
        assert_true(str_compare(NULL, "") < 0 && str_compare("", NULL) > 0 && str_compare(NULL, NULL) == 0);
        assert_true(str_compare("a", "b") < 0 && str_compare("b", "a") > 0 && str_compare("a", "a") == 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(auto__end_of_scope__frees_what_was_not_taken),
                cmocka_unit_test(mem_calloc__any_size__zeroed_and_never_null),
                cmocka_unit_test(mem_resize__grown_and_shrunk__keeps_the_content),
                cmocka_unit_test(mem_resize__product_overflows__aborts),
                cmocka_unit_test(mem_strdup__strings__are_copied),
                cmocka_unit_test(mem_wipe__bytes__are_zero),
                cmocka_unit_test(str__null_and_text__compare_as_the_header_says),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
