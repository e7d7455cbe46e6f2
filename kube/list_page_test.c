/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/list_page.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void write_object(json_t *object, void *arg)
{
        char text[256]; /* what jansson allocates here is the page's */
        size_t n = json_dumpb(object, text, sizeof(text), JSON_COMPACT | JSON_SORT_KEYS);
        assert_true(n > 0 && n < sizeof(text));
        buf_printf(arg, "%.*s ", (int)n, text);
}

static void write_bad(const char *name, const char *why, void *arg)
{
        assert_true(why[0] != '\0');
        buf_printf(arg, "bad:%s ", name);
}

/* Where a page is a list: version, token in brackets, then its objects. */
static struct buf *read_text(const char *text, struct err *e)
{
        struct list_page page;
        struct buf *out = NULL;
        if (list_page_read(&page, text, strlen(text), e)) {
                out = buf_new(1 << 16);
                buf_printf(out, "%s [%s] ", page.version, page.next ? page.next : "");
                list_page_each(&page, write_object, write_bad, out);
        }
        list_page_done(&page);
        return out;
}

static void list_page__a_list__is_read_wherever_its_metadata_stands(void **state)
{
        (void)state;
        static const struct {
                const char *text, *read;
        } cases[] = {
                {"{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"5\",\"continue\":\"abc\"},\"items\":[{"
                 "\"a\":1},{}]}",
                 "5 [abc] {\"a\":1} {} "},
                /* Custom resources come with their keys sorted: items before metadata. */
                {"{\"apiVersion\":\"v1\",\"items\":[{\"metadata\":{\"continue\":\"evil\",\"resourceVersion\":\"1\"}}],"
                 "\"kind\":\"XList\",\"metadata\":{\"continue\":\"\",\"resourceVersion\":\"9\"}}\n",
                 "9 [] {\"metadata\":{\"continue\":\"evil\",\"resourceVersion\":\"1\"}} "},
                {" { \"kind\" : \"XList\" , \"items\" : [ ] , \"metadata\" : { \"resourceVersion\" : \"9\" } } ",
                 "9 [] "},
                {"{\"kind\":\"XList\",\"items\":null,\"metadata\":{\"resourceVersion\":\"9\"}}", "9 [] "},
                {"{\"kind\":\"XList\",\"items\":[\"]}\\\"\",{\"a\":\"{[\\\\\"}],\"metadata\":{\"resourceVersion\":"
                 "\"9\"}}",
                 "9 [] bad: {\"a\":\"{[\\\\\"} "},
        };
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
                struct err e = {0};
                AUTO(buf) *out = read_text(cases[i].text, &e);
                if (!out)
                        fail_msg("case %zu: %s", i, e.text);
                assert_string_equal(buf_data(out), cases[i].read);
        }
}

static void list_page__objects_no_parser_takes__are_named_and_the_others_read(void **state)
{
        (void)state;
        AUTO(buf) *text = buf_new(1 << 16);
        buf_append_str(text, "{\"kind\":\"XList\",\"metadata\":{\"resourceVersion\":\"9\"},\"items\":[");
        buf_append_str(text, "{\"metadata\":{\"name\":\"twice\",\"namespace\":\"n\"},\"a\":1,\"a\":2},{\"b\":1},");
        buf_append_str(text, "{\"metadata\":{\"name\":\"nul\"},\"a\\u0000b\":1},{\"deep\":");
        for (int i = 0; i < 200; i++)
                buf_append_str(text, "[");
        for (int i = 0; i < 200; i++)
                buf_append_str(text, "]");
        buf_append_str(text, "},{\"metadata\":{\"name\":\"a\\\"b\"},\"x\":\"\\udead\"},{\"c\":1}]}");
        struct err e = {0};
        AUTO(buf) *out = read_text(buf_data(text), &e);
        assert_non_null(out);
        assert_string_equal(buf_data(out), "9 [] bad:n/twice {\"b\":1} bad:nul bad: bad: {\"c\":1} ");
}

/* An empty list removes everything: nothing of this may be taken for one. */
static void list_page__no_whole_list__is_an_error(void **state)
{
        (void)state;
        static const char *const texts[] = {
                "",
                "null",
                "[]",
                "{}",
                "{\"kind\":\"Status\",\"metadata\":{\"resourceVersion\":\"9\"},\"items\":[]}",
                "{\"kind\":\"XList\",\"metadata\":{\"resourceVersion\":\"9\"}}",
                "{\"kind\":\"XList\",\"metadata\":{\"resourceVersion\":\"9\"},\"items\":{}}",
                "{\"kind\":\"XList\",\"metadata\":{\"resourceVersion\":\"9\"},\"items\":\"none\"}",
                "{\"kind\":\"XList\",\"metadata\":{\"resourceVersion\":\"\"},\"items\":[]}",
                "{\"kind\":\"XList\",\"metadata\":{\"resourceVersion\":9},\"items\":[]}",
                "{\"kind\":\"XList\",\"metadata\":{},\"items\":[]}",
                "{\"kind\":\"XList\",\"items\":[]}",
                "{\"kind\":\"XList\",\"metadata\":{\"resourceVersion\":\"9\",\"continue\":7},\"items\":[]}",
                "{\"kind\":\"XList\",\"metadata\":{\"resourceVersion\":\"9\"},\"items\":[{}{}]}",
                "{\"kind\":\"XList\",\"metadata\":{\"resourceVersion\":\"9\"},\"items\":[{},]}",
                "{\"kind\":\"XList\",\"metadata\":{\"resourceVersion\":\"9\"},\"items\":[]}{",
                "{\"kind\":\"XList\",\"metadata\":{\"resourceVersion\":\"9\"},\"items\":[",
                "{\"kind\":\"XList\",\"metadata\":{\"resourceVersion\":\"9\"},\"items\":[{\"a\":\"",
                "{\"kind\":\"XList\" \"metadata\":{\"resourceVersion\":\"9\"},\"items\":[]}",
                "{\"items\":[],\"kind\":\"XList\",\"metadata\":{\"resourceVersion\":\"9\"",
        };
        for (size_t i = 0; i < COUNT_OF(texts); i++) {
                struct err e = {0};
                AUTO(buf) *out = read_text(texts[i], &e);
                if (out || !e.text[0])
                        fail_msg("taken for a list: %s", texts[i]);
        }
}

static void list_page__cut_anywhere__is_an_error(void **state)
{
        (void)state;
        static const char text[] = "{\"kind\":\"XList\",\"items\":[{\"a\":\"b\\\"c\"},[1,2],true],\"metadata\":"
                                   "{\"resourceVersion\":\"9\",\"continue\":\"x\"}}";
        for (size_t n = 0; n < strlen(text); n++) {
                struct list_page page;
                struct err e = {0};
                assert_false(list_page_read(&page, text, n, &e));
                list_page_done(&page);
        }
}

static void skim_object_name__what_is_no_plain_name__is_left_out(void **state)
{
        (void)state;
        static const struct {
                const char *text, *name;
        } cases[] = {
                {"{\"metadata\":{\"name\":\"a\",\"namespace\":\"b\"}}", "b/a"},
                {"{\"metadata\":{\"name\":\"a\"}}", "a"},
                {"{\"metadata\":{\"name\":\"a\\nb\",\"namespace\":\"b\"}}", "b"},
                {"{\"spec\":{\"metadata\":{\"name\":\"no\"}}}", ""},
                {"{\"metadata\":{\"name\":\"a\",\"x\":{\"name\":\"no\"", "a"},
                {"{\"metadata\":", ""},
                {"[1]", ""},
                {"", ""},
        };
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
                struct skim v = skim_value(cases[i].text, strlen(cases[i].text));
                AUTO_STR *name = skim_object_name(&v);
                assert_string_equal(name, cases[i].name);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(list_page__a_list__is_read_wherever_its_metadata_stands),
                cmocka_unit_test(list_page__objects_no_parser_takes__are_named_and_the_others_read),
                cmocka_unit_test(list_page__no_whole_list__is_an_error),
                cmocka_unit_test(list_page__cut_anywhere__is_an_error),
                cmocka_unit_test(skim_object_name__what_is_no_plain_name__is_left_out),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
