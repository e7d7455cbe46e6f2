/* SPDX-License-Identifier: Apache-2.0 */
#include "base/yaml.h"

#include "base/buf.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct result {
        struct buf *json; /* one document a line */
        struct buf *lines;
        struct err e;
        bool ok;
};

static bool collect(const struct yaml_document *document, void *arg)
{
        struct result *r = arg;
        char *text = json_dumps(document->value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);
        buf_printf(r->json, "%s\n", text);
        free(text);
        buf_printf(r->lines, "%u", document->line);
        for (size_t i = 0; i < document->item_count; i++)
                buf_printf(r->lines, ",%u", document->item_lines[i]);
        buf_append_str(r->lines, "\n");
        return true;
}

static struct result read_text(const char *text)
{
        struct result r = {.json = buf_new(1 << 20), .lines = buf_new(1 << 16)};
        r.ok = yaml_read(text, strlen(text), collect, &r, &r.e);
        return r;
}

static void done(struct result *r)
{
        buf_free(r->json);
        buf_free(r->lines);
}

static void assert_reads(const char *text, const char *json)
{
        struct result r = read_text(text);
        if (!r.ok)
                fail_msg("%s: %s", text, r.e.text);
        assert_string_equal(buf_data(r.json), json);
        done(&r);
}

static void assert_refused(const char *text, const char *why)
{
        struct result r = read_text(text);
        if (r.ok || !strstr(r.e.text, why))
                fail_msg("%.60s: expected \"%s\", got \"%s\" %s", text, why, r.e.text, buf_data(r.json));
        done(&r);
}

static void scalar__plain__has_the_type_of_yaml_1_1(void **state)
{
        (void)state;
        static const struct {
                const char *text, *json;
        } cases[] = {
                {"null", "null"},
                {"~", "null"},
                {"yes", "true"},
                {"off", "false"},
                {"True", "true"},
                {"y", "true"},
                {"0", "0"},
                {"-12", "-12"},
                {"+3", "3"},
                {"0644", "420"},
                {"0o17", "15"},
                {"0x1F", "31"},
                {"-0b101", "-5"},
                {"1_000", "1000"},
                {"9223372036854775807", "9223372036854775807"},
                {"-9223372036854775808", "-9223372036854775808"},
                {"9223372036854775808", "9.2233720368547758e18"},
                {"1.5", "1.5"},
                {"1e3", "1000.0"},
                {".5", "0.5"},
                {"08", "8.0"},
                {"1.2.3", "\"1.2.3\""},
                {"0x", "\"0x\""},
                {"-", "\"-\""},
                {"12:30", "\"12:30\""},
                {"2026-11-21", "\"2026-11-21\""},
                {"yEs", "\"yEs\""},
                {"1--2", "\"1--2\""},
        };
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
                AUTO_STR *text = mem_printf("[%s]", cases[i].text);
                AUTO_STR *json = mem_printf("[%s]\n", cases[i].json);
                if (strcmp(cases[i].text, "-") != 0)
                        assert_reads(text, json);
        }
}

static void scalar__quoted_or_tagged__is_what_it_says(void **state)
{
        (void)state;
        assert_reads("['yes', \"0644\", !!str 7, !!int \"7\", \"\\0\"]", "[\"yes\",\"0644\",\"7\",7,\"\\u0000\"]\n");
        assert_refused("!!int x", "tag");
        assert_refused("!mine x", "tag");
        assert_refused("[.inf]", "finite");
        assert_refused("1e999", "finite");
}

static void key__number_or_boolean__becomes_text(void **state)
{
        (void)state;
        assert_reads("{on: 1, 8080: 2, 1.5: 3}", "{\"1.5\":3,\"8080\":2,\"true\":1}\n");
        assert_refused("? [a]\n: b\n", "line 1: a key");
        assert_refused("~: b", "a key");
        assert_refused("\"a\\0b\": 1", "a key");
}

static void key__given_twice__is_refused_with_its_line(void **state)
{
        (void)state;
        assert_refused("a: 1\nb: 2\na: 3\n", "line 3: the key \"a\" is given twice");
        assert_refused("{\"a\": 1,\n\"a\": 2}", "line 2: the key \"a\" is given twice");
}

static void merge_key__explicit_keys__win(void **state)
{
        (void)state;
        assert_reads("b: &b {x: 1, z: 2}\no: {z: 3, <<: *b}\n", "{\"b\":{\"x\":1,\"z\":2},\"o\":{\"x\":1,\"z\":3}}\n");
        assert_reads("- &a {x: 1}\n- &b {x: 2, z: 2}\n- {<<: [*a, *b]}\n",
                     "[{\"x\":1},{\"x\":2,\"z\":2},{\"x\":1,\"z\":2}]\n");
        assert_refused("a: {<<: 1}", "merge key");
}

static void alias__unknown_or_recursive__is_refused(void **state)
{
        (void)state;
        assert_reads("[&a 1, *a, &a 2, *a]", "[1,1,2,2]\n");
        assert_refused("*a", "anchor");
        assert_refused("&a [*a]", "a node that holds it");
        assert_refused("&a [&a 1]", "an anchor inside");
        assert_refused("&a 1\n---\n*a\n", "anchor");
}

static void aliases__multiplied__are_bounded(void **state)
{
        (void)state;
        AUTO(buf) *text = buf_new(1 << 16);
        buf_append_str(text, "a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n");
        for (int i = 1; i < 9; i++)
                buf_printf(text, "a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i, i, i - 1, i - 1,
                           i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
        assert_refused(buf_data(text), "too many values");
}

static void nesting__too_deep__is_refused(void **state)
{
        (void)state;
        AUTO(buf) *text = buf_new(1 << 16);
        for (int i = 0; i < 5000; i++)
                buf_append_str(text, "[");
        assert_refused(buf_data(text), "nested too deeply");
        AUTO(buf) *json = buf_new(1 << 16);
        for (int i = 0; i < 100; i++)
                buf_append_str(json, "{\"a\":");
        buf_append_str(json, "1");
        for (int i = 0; i < 100; i++)
                buf_append_str(json, "}");
        struct result r = read_text(buf_data(json));
        assert_true(r.ok);
        done(&r);
}

static void documents__several__have_lines_of_their_own(void **state)
{
        (void)state;
        struct result r = read_text("# first\na: 1\n---\n# nothing\n---\nkind: List\nitems:\n- b: 1\n\n- b: 2\n");
        assert_true(r.ok);
        assert_string_equal(buf_data(r.json), "{\"a\":1}\n{\"items\":[{\"b\":1},{\"b\":2}],\"kind\":\"List\"}\n");
        assert_string_equal(buf_data(r.lines), "2\n6,8,10\n");
        done(&r);
}

static void documents__later_one_broken__earlier_ones_are_read(void **state)
{
        (void)state;
        struct result r = read_text("a: 1\n---\nb: [\n---\nc: 1\n");
        assert_false(r.ok);
        assert_non_null(strstr(r.e.text, "line "));
        assert_string_equal(buf_data(r.json), "{\"a\":1}\n");
        done(&r);
}

static void json__with_surrogates__is_read(void **state)
{
        (void)state;
        assert_reads("\n{\"a\": \"\\ud83d\\ude00\"}", "{\"a\":\"\xf0\x9f\x98\x80\"}\n");
        assert_reads("", "");
        assert_reads("---\n---\n", "");
        assert_refused("a: \xff", "line ");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(scalar__plain__has_the_type_of_yaml_1_1),
                cmocka_unit_test(scalar__quoted_or_tagged__is_what_it_says),
                cmocka_unit_test(key__number_or_boolean__becomes_text),
                cmocka_unit_test(key__given_twice__is_refused_with_its_line),
                cmocka_unit_test(merge_key__explicit_keys__win),
                cmocka_unit_test(alias__unknown_or_recursive__is_refused),
                cmocka_unit_test(aliases__multiplied__are_bounded),
                cmocka_unit_test(nesting__too_deep__is_refused),
                cmocka_unit_test(documents__several__have_lines_of_their_own),
                cmocka_unit_test(documents__later_one_broken__earlier_ones_are_read),
                cmocka_unit_test(json__with_surrogates__is_read),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
