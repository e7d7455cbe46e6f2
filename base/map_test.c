/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

enum { MANY = 5000 };

static int values[MANY];

static void key_of(int i, char key[32])
{
        snprintf(key, 32, "namespace-%d/name-%d", i % 7, i);
}

static void map_set__many_keys__each_is_found(void **state)
{
        (void)state;
        AUTO(map) *m = map_new();
        char key[32];
        for (int i = 0; i < MANY; i++) {
                key_of(i, key);
                assert_null(map_set(m, key, &values[i]));
                memset(key, 'x', sizeof(key) - 1); /* the map has its own copy */
        }
        assert_int_equal(map_count(m), MANY);
        for (int i = 0; i < MANY; i++) {
                key_of(i, key);
                assert_ptr_equal(map_get(m, key), &values[i]);
        }
        assert_null(map_get(m, "absent"));
        assert_null(map_get(m, ""));
}

static void map_set__same_key__replaces_and_tells_the_old(void **state)
{
        (void)state;
        AUTO(map) *m = map_new();
        assert_null(map_set(m, "a", &values[0]));
        assert_ptr_equal(map_set(m, "a", &values[1]), &values[0]);
        assert_ptr_equal(map_get(m, "a"), &values[1]);
        assert_int_equal(map_count(m), 1);
}

static void map_remove__present_and_absent__tells_what_was_there(void **state)
{
        (void)state;
        AUTO(map) *m = map_new();
        map_set(m, "a", &values[0]);
        map_set(m, "b", &values[1]);
        assert_null(map_remove(m, "c"));
        assert_ptr_equal(map_remove(m, "a"), &values[0]);
        assert_null(map_remove(m, "a"));
        assert_null(map_get(m, "a"));
        assert_ptr_equal(map_get(m, "b"), &values[1]);
        assert_ptr_equal(map_remove(m, "b"), &values[1]);
        assert_int_equal(map_count(m), 0);
        map_free(NULL);
}

struct walk {
        struct map *map;
        char seen[256];
        bool remove;
};

static void note(const char *key, void *value, void *arg)
{
        (void)value;
        struct walk *w = arg;
        size_t n = strlen(w->seen);
        snprintf(w->seen + n, sizeof(w->seen) - n, "%s", key);
        if (w->remove)
                map_remove(w->map, key);
}

static void map_each__order_of_insertion__also_while_removing(void **state)
{
        (void)state;
        AUTO(map) *m = map_new();
        static const char *const keys[] = {"d", "a", "c", "b"};
        for (size_t i = 0; i < COUNT_OF(keys); i++)
                map_set(m, keys[i], &values[i]);
        struct walk w = {.map = m};
        map_each(m, note, &w);
        assert_string_equal(w.seen, "dacb");
        w = (struct walk){.map = m, .remove = true};
        map_each(m, note, &w);
        assert_string_equal(w.seen, "dacb");
        assert_int_equal(map_count(m), 0);
}

static void map_sorted__any_order_of_insertion__by_key(void **state)
{
        (void)state;
        AUTO(map) *m = map_new();
        struct map_entry *none = map_sorted(m);
        mem_free(none);
        static const char *const keys[] = {"b", "", "ab", "a", "\xc3\xa9"};
        static const char *const sorted[] = {"", "a", "ab", "b", "\xc3\xa9"};
        for (size_t i = 0; i < COUNT_OF(keys); i++)
                map_set(m, keys[i], (void *)keys[i]);
        struct map_entry *all = map_sorted(m);
        for (size_t i = 0; i < COUNT_OF(keys); i++) {
                assert_string_equal(all[i].key, sorted[i]);
                assert_string_equal(all[i].value, sorted[i]);
        }
        mem_free(all);
}

static void map_hash__same_bytes__same_number(void **state)
{
        (void)state;
        assert_true(map_hash("abc", 3) == map_hash("abcd", 3));
        assert_true(map_hash("abc", 3) != map_hash("abd", 3));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(map_set__many_keys__each_is_found),
                cmocka_unit_test(map_set__same_key__replaces_and_tells_the_old),
                cmocka_unit_test(map_remove__present_and_absent__tells_what_was_there),
                cmocka_unit_test(map_each__order_of_insertion__also_while_removing),
                cmocka_unit_test(map_sorted__any_order_of_insertion__by_key),
                cmocka_unit_test(map_hash__same_bytes__same_number),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
