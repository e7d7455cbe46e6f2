/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_arena.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <jansson.h>
#include <cmocka.h>

static const char TEXT[] = "{\"a\": [1, 2, {\"b\": \"c\"}], \"d\": \"e\"}";

static void arena__inside__takes_jansson_s_memory(void **state)
{
        (void)state;
        json_arena_begin();
        json_t *v = json_loads(TEXT, 0, NULL);
        assert_non_null(v);
        assert_true(json_arena_used() > 0);
        assert_string_equal(json_string_value(json_object_get(v, "d")), "e");
        json_arena_end();
        assert_int_equal(json_arena_used(), 0);
}

static void arena__value_from_outside__is_freed_inside_to_malloc(void **state)
{
        (void)state;
        json_t *outside = json_loads(TEXT, 0, NULL);
        json_arena_begin();
        json_t *inside = json_loads(TEXT, 0, NULL);
        json_decref(outside); /* LeakSanitizer sees it if this does not reach free() */
        json_decref(inside);  /* and AddressSanitizer if this does */
        json_arena_end();
}

static void arena__outside__uses_malloc(void **state)
{
        (void)state;
        json_t *v = json_loads(TEXT, 0, NULL);
        assert_non_null(v);
        assert_int_equal(json_arena_used(), 0);
        json_decref(v);
}

static void arena__used_up__fails_as_out_of_memory(void **state)
{
        (void)state;
        /* 3 bytes of text become an array of over 100 bytes. */
        size_t n = 2 * 1024 * 1024;
        char *text = mem_calloc(n * 3 + 3, 1);
        text[0] = '[';
        for (size_t i = 0; i < n; i++)
                snprintf(text + 1 + i * 3, 4, "[],");
        text[n * 3] = ']';
        json_arena_begin();
        json_error_t error;
        assert_null(json_loads(text, 0, &error));
        assert_true(json_arena_exhausted());
        json_arena_end();
        json_arena_begin();
        json_t *small = json_loads(TEXT, 0, &error);
        assert_non_null(small);
        assert_false(json_arena_exhausted());
        json_arena_end();
        mem_free(text);
}

static void *parse_often(void *arg)
{
        size_t *ok = arg;
        for (int i = 0; i < 1000; i++) {
                json_arena_begin();
                json_t *v = json_loads(TEXT, 0, NULL);
                *ok += str_equal(json_string_value(json_object_get(v, "d")), "e");
                json_arena_end();
                json_t *w = json_loads(TEXT, 0, NULL);
                json_decref(w);
        }
        return NULL;
}

static void arena__several_threads__do_not_meet(void **state)
{
        (void)state;
        pthread_t threads[4];
        size_t ok[4] = {0};
        for (size_t i = 0; i < COUNT_OF(threads); i++)
                assert_int_equal(pthread_create(&threads[i], NULL, parse_often, &ok[i]), 0);
        for (size_t i = 0; i < COUNT_OF(threads); i++) {
                pthread_join(threads[i], NULL);
                assert_int_equal(ok[i], 1000);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(arena__inside__takes_jansson_s_memory),
                cmocka_unit_test(arena__value_from_outside__is_freed_inside_to_malloc),
                cmocka_unit_test(arena__outside__uses_malloc),
                cmocka_unit_test(arena__used_up__fails_as_out_of_memory),
                cmocka_unit_test(arena__several_threads__do_not_meet),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
