/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/config.h"

#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

static void config_parse__scalars_and_lists__keep_order_and_lines(void **state)
{
        (void)state;
        static const char text[] =
                "# comment\nwebhook-port: 9000\n\ndisable:\n  - xds\n  - status\nlog-level: \"debug\"\n";
        AUTO(arena) *a = arena_new(1024);
        struct config_entry *entries;
        size_t count;
        struct err e = {0};
        assert_true(config_parse(a, "file", text, strlen(text), &entries, &count, &e));
        assert_int_equal(count, 3);
        assert_string_equal(entries[0].key, "webhook-port");
        assert_string_equal(entries[0].values[0], "9000");
        assert_false(entries[0].list);
        assert_int_equal(entries[0].line, 2);
        assert_true(entries[1].list);
        assert_int_equal(entries[1].value_count, 2);
        assert_string_equal(entries[1].values[1], "status");
        assert_int_equal(entries[2].line, 7);
        assert_string_equal(entries[2].values[0], "debug");
}

static void config_parse__nothing_in_it__no_entries(void **state)
{
        (void)state;
        static const char *const texts[] = {"", "# only a comment\n", "---\n", "{}\n"};
        for (size_t i = 0; i < COUNT_OF(texts); i++) {
                AUTO(arena) *a = arena_new(1024);
                struct config_entry *entries;
                size_t count = 7;
                struct err e = {0};
                if (!config_parse(a, "file", texts[i], strlen(texts[i]), &entries, &count, &e))
                        fail_msg("\"%s\": %s", texts[i], e.text);
                assert_int_equal(count, 0);
        }
}

static void config_parse__not_a_flat_mapping__says_where(void **state)
{
        (void)state;
        static const struct {
                const char *text, *words;
        } rows[] = {
                {"a: 1\nb:\n  c: 2\n", "file:3: a plain value is expected"},
                {"a: 1\nb:\n  - [1]\n", "file:3: a plain value is expected"},
                {"a: 1\na: 2\n", "file:2: \"a\" stands already in line 1"},
                {"a: 1\nb: []\n", "file:2: the list is empty"},
                {"- a\n", "file:1: one mapping of options"},
                {"hello\n", "file:1: one mapping of options"},
                {"a: 1\n---\nb: 2\n", "file:3: one mapping of options"},
                {"a: [1\n", "no YAML"},
                {"a: \"\\0\"\n", "NUL"},
                {"a: &x 1\nb: *x\n", "file:2: a plain value is expected"},
                {"? [a]\n: 1\n", "a plain value is expected"},
                {"a: \xff\n", "no YAML"},
        };
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                AUTO(arena) *a = arena_new(1024);
                struct config_entry *entries;
                size_t count;
                struct err e = {0};
                if (config_parse(a, "file", rows[i].text, strlen(rows[i].text), &entries, &count, &e))
                        fail_msg("\"%s\" was accepted", rows[i].text);
                if (!strstr(e.text, rows[i].words))
                        fail_msg("\"%s\" does not say \"%s\"", e.text, rows[i].words);
        }
}

static void config_load__missing_file__names_it(void **state)
{
        (void)state;
        AUTO(arena) *a = arena_new(1024);
        struct config_entry *entries;
        size_t count;
        struct err e = {0};
        assert_false(config_load(a, "/nonexistent/gatehouse.yaml", &entries, &count, &e));
        assert_non_null(strstr(e.text, "/nonexistent/gatehouse.yaml"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(config_parse__scalars_and_lists__keep_order_and_lines),
                cmocka_unit_test(config_parse__nothing_in_it__no_entries),
                cmocka_unit_test(config_parse__not_a_flat_mapping__says_where),
                cmocka_unit_test(config_load__missing_file__names_it),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
