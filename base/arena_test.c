/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

static bool is_zero(const unsigned char *p, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                if (p[i])
                        return false;
        }
        return true;
}

static void arena_alloc__many_sizes__aligned_zeroed_and_apart(void **state)
{
        (void)state;
        AUTO(arena) *a = arena_new(64);
        unsigned char *pieces[200];
        for (size_t i = 0; i < COUNT_OF(pieces); i++) {
                pieces[i] = arena_alloc(a, i);
                assert_int_equal((uintptr_t)pieces[i] % alignof(void *), 0);
                assert_true(is_zero(pieces[i], i));
                memset(pieces[i], (int)i, i);
        }
        for (size_t i = 0; i < COUNT_OF(pieces); i++) {
                for (size_t k = 0; k < i; k++)
                        assert_int_equal(pieces[i][k], i);
        }
}

static void arena_alloc__mixed_with_text__nothing_overlaps(void **state)
{
        (void)state;
        AUTO(arena) *a = arena_new(100);
        char *texts[300];
        uint64_t *numbers[300];
        for (size_t i = 0; i < COUNT_OF(texts); i++) {
                texts[i] = arena_printf(a, "text %zu", i);
                numbers[i] = arena_alloc(a, sizeof(*numbers[i]));
                *numbers[i] = UINT64_MAX - i;
        }
        for (size_t i = 0; i < COUNT_OF(texts); i++) {
                char expected[32];
                snprintf(expected, sizeof(expected), "text %zu", i);
                assert_string_equal(texts[i], expected);
                assert_true(*numbers[i] == UINT64_MAX - i);
        }
}

static void arena_alloc__larger_than_a_block__has_one_of_its_own(void **state)
{
        (void)state;
        AUTO(arena) *a = arena_new(16);
        size_t large = 300 * 1000;
        char *p = arena_alloc(a, large);
        memset(p, 'x', large);
        char *text = arena_strndup(a, p, large - 1);
        assert_int_equal(strlen(text), large - 1);
        assert_true(arena_size(a) >= 2 * large && arena_size(a) < 3 * large);
}

static void arena_strdup__copies__live_on_without_the_original(void **state)
{
        (void)state;
        AUTO(arena) *a = arena_new(16);
        char text[] = "hello";
        char *whole = arena_strdup(a, text);
        char *part = arena_strndup(a, text, 3);
        char *bytes = arena_memdup(a, text, sizeof(text));
        memset(text, 'x', 5);
        assert_string_equal(whole, "hello");
        assert_string_equal(part, "hel");
        assert_string_equal(bytes, "hello");
        assert_null(arena_strdup(a, NULL));
        assert_string_equal(arena_strndup(a, NULL, 0), "");
}

static void arena_reset__reused__as_good_as_new_without_growing(void **state)
{
        (void)state;
        AUTO(arena) *a = arena_new(64);
        size_t size = 0;
        for (int round = 0; round < 50; round++) {
                for (int i = 0; i < 100; i++) {
                        unsigned char *p = arena_alloc(a, 24);
                        assert_true(is_zero(p, 24));
                        memset(p, 0xff, 24);
                        arena_printf(a, "%d", i);
                }
                if (round == 20)
                        size = arena_size(a);
                arena_reset(a);
        }
        assert_true(arena_size(a) <= size);
        assert_true(arena_size(a) < 64 * 1024);
}

static void arena_push__grown_from_nothing__keeps_all_elements(void **state)
{
        (void)state;
        AUTO(arena) *a = arena_new(64);
        int *items = NULL;
        size_t count = 0;
        for (int i = 0; i < 1000; i++) {
                int *item = arena_push(a, &items, &count);
                assert_int_equal(*item, 0);
                *item = i;
        }
        assert_int_equal(count, 1000);
        for (int i = 0; i < 1000; i++)
                assert_int_equal(items[i], i);
}

static void arena_new__one_small_object__costs_one_small_block(void **state)
{
        (void)state;
        AUTO(arena) *a = arena_new(200);
        arena_alloc(a, 100);
        arena_strdup(a, "a text of some length, 40 bytes or so...");
        assert_true(arena_size(a) <= 24 + 8 + 200);
        arena_free(NULL);
}

static void arena_wipe__bytes_in_every_block__are_gone_and_it_goes_on(void **state)
{
        (void)state;
        AUTO(arena) *a = arena_new(64);
        char *texts[] = {arena_strdup(a, "key in the first block"), arena_strdup(a, "and another one"),
                         memset(arena_alloc(a, 200000), 'k', 200000), arena_strdup(a, "behind it")};
        arena_wipe(a);
        for (size_t i = 0; i < COUNT_OF(texts); i++)
                assert_string_equal(texts[i], "");
        assert_int_equal(texts[2][199999], '\0');
        assert_string_equal(arena_strdup(a, "more"), "more");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(arena_alloc__many_sizes__aligned_zeroed_and_apart),
                cmocka_unit_test(arena_alloc__mixed_with_text__nothing_overlaps),
                cmocka_unit_test(arena_alloc__larger_than_a_block__has_one_of_its_own),
                cmocka_unit_test(arena_strdup__copies__live_on_without_the_original),
                cmocka_unit_test(arena_reset__reused__as_good_as_new_without_growing),
                cmocka_unit_test(arena_push__grown_from_nothing__keeps_all_elements),
                cmocka_unit_test(arena_wipe__bytes_in_every_block__are_gone_and_it_goes_on),
                cmocka_unit_test(arena_new__one_small_object__costs_one_small_block),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
