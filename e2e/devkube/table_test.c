/* SPDX-License-Identifier: Apache-2.0 */
#include "e2e/devkube/js.h"
#include "e2e/devkube/jsonpath.h"
#include "e2e/devkube/names.h"
#include "e2e/devkube/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static void age__each_range__is_as_short_as_kubectl_makes_it(void **state)
{
        (void)state;
        static const struct {
                int64_t seconds;
                const char *text;
        } cases[] = {
                {-5, "<invalid>"}, {-1, "0s"},         {0, "0s"},         {119, "119s"},    {120, "2m"},
                {185, "3m5s"},     {600, "10m"},       {10799, "179m"},   {10800, "3h"},    {11100, "3h5m"},
                {28800, "8h"},     {172799, "47h"},    {172800, "2d"},    {176400, "2d1h"}, {691200, "8d"},
                {63072000, "2y"},  {63158400, "2y1d"}, {252288000, "8y"},
        };
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
                AUTO_STR *age = table_age(cases[i].seconds);
                assert_string_equal(age, cases[i].text);
        }
}

static void jsonpath__paths_of_printer_columns__lead_to_their_values(void **state)
{
        (void)state;
        static const struct {
                const char *path, *found;
        } cases[] = {
                {".spec.host", "[\"h\"]"},
                {".spec.routes[0].match", "[\"/a\"]"},
                {".spec.routes[1].match", "[\"/b\"]"},
                {".spec.routes[9].match", "[]"},
                {".spec.routes[*].match", "[\"/a\",\"/b\"]"},
                {".metadata.labels.a\\.b/c", "[\"x\"]"},
                {".metadata.labels['a.b/c']", "[\"x\"]"},
                {".nope.nope", "[]"},
                {".spec.n", "[7]"},
        };
        static const char text[] =
                "{\"spec\":{\"host\":\"h\",\"n\":7,\"routes\":[{\"match\":\"/a\"},{\"match\":\"/b\"}]},"
                "\"metadata\":{\"labels\":{\"a.b/c\":\"x\"}}}";
        json_auto_t *value = js_parse(text, strlen(text), NULL);
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
                json_auto_t *found = jsonpath_find(value, cases[i].path);
                AUTO_STR *is = js_text(found);
                assert_string_equal(is, cases[i].found);
        }
}

static void names__good_and_bad__told_apart(void **state)
{
        (void)state;
        assert_true(name_is_subdomain("a") && name_is_subdomain("a-b.c1") && name_is_subdomain("1.2"));
        assert_false(name_is_subdomain("") || name_is_subdomain("A") || name_is_subdomain("a..b") ||
                     name_is_subdomain("-a") || name_is_subdomain("a.") || name_is_subdomain("a_b"));
        assert_true(name_is_label("a1", true) && name_is_label("1a", false));
        assert_false(name_is_label("1a", true) || name_is_label("a.b", true) || name_is_label("a-", true));
        assert_true(name_is_qualified("A_b.c-d"));
        assert_false(name_is_qualified("") || name_is_qualified("a b") || name_is_qualified("_a"));
        assert_true(name_is_config_key("tls.crt") && name_is_config_key("_A"));
        assert_false(name_is_config_key("..") || name_is_config_key("a b") || name_is_config_key(""));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(age__each_range__is_as_short_as_kubectl_makes_it),
                cmocka_unit_test(jsonpath__paths_of_printer_columns__lead_to_their_values),
                cmocka_unit_test(names__good_and_bad__told_apart),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
