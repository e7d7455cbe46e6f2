/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_read.h"

#include "base/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

static void json_read__plain_documents__are_read(void **state)
{
        (void)state;
        static const char text[] = "{\"a\":[1,-2.5,true,null,\"x\"]} trailing";
        struct err e = {0};
        AUTO_JSON *v = json_read(text, strlen("{\"a\":[1,-2.5,true,null,\"x\"]}"), &e);
        if (!v)
                fail_msg("%s", e.text);
        const json_t *list = json_object_get(v, "a");
        assert_int_equal(json_array_size(list), 5);
        assert_int_equal(json_integer_value(json_array_get(list, 0)), 1);
        assert_true(json_real_value(json_array_get(list, 1)) == -2.5);
}

static void json_read__no_json__says_where(void **state)
{
        (void)state;
        static const char *const texts[] = {
                "",     " ",          "{",        "{\"a\":1,}", "[1] x", "{\"a\":1,\"a\":2}", "\"\\ud800\"", "\"\xff\"",
                "nope", "{\"a\":01}", "\"\x01\"", "{'a':1}",    "[1 2]", "{\"a\\u0000b\":1}", "[\"open",     "]",
        };
        for (size_t i = 0; i < COUNT_OF(texts); i++) {
                struct err e = {0};
                AUTO_JSON *v = json_read(texts[i], strlen(texts[i]), &e);
                if (v)
                        fail_msg("\"%s\" was read", texts[i]);
                assert_non_null(strstr(e.text, "no JSON: "));
                assert_non_null(strstr(e.text, " at byte "));
        }
        assert_null(json_read("{", 1, NULL));
}

static json_t *nested(int depth, const char *inner, struct err *e)
{
        AUTO(buf) *text = buf_new(1 << 20);
        for (int i = 0; i < depth; i++)
                buf_append_str(text, i % 2 ? "[" : "{\"a\":");
        buf_append_str(text, inner);
        for (int i = depth - 1; i >= 0; i--)
                buf_append_char(text, i % 2 ? ']' : '}');
        return json_read(buf_data(text), buf_len(text), e);
}

static void json_read__depth__up_to_the_limit(void **state)
{
        (void)state;
        struct err e = {0};
        AUTO_JSON *fine = nested(JSON_READ_DEPTH_MAX, "1", &e);
        assert_non_null(fine);
        /* Brackets in strings are text. */
        AUTO_JSON *text = nested(JSON_READ_DEPTH_MAX, "\"[[{{\\\"[[\"", &e);
        assert_non_null(text);
        assert_null(nested(JSON_READ_DEPTH_MAX + 1, "1", &e));
        assert_non_null(strstr(e.text, "deeper than 128"));
        assert_null(nested(100 * 1000, "1", &e));
}

static void json_read__integers_beyond_64_bits__become_reals(void **state)
{
        (void)state;
        static const char text[] =
                "{\"largest\":9223372036854775807,\"smallest\":-9223372036854775808,"
                "\"more\":9223372036854775808,\"less\":-9223372036854775809,"
                "\"huge\":123456789012345678901234567890,\"s\":\"99999999999999999999\",\"after\":1}";
        struct err e = {0};
        AUTO_JSON *v = json_read(text, strlen(text), &e);
        if (!v)
                fail_msg("%s", e.text);
        assert_true(json_integer_value(json_object_get(v, "largest")) == INT64_MAX);
        assert_true(json_integer_value(json_object_get(v, "smallest")) == INT64_MIN);
        assert_true(json_real_value(json_object_get(v, "more")) == 9223372036854775808.0);
        assert_true(json_is_real(json_object_get(v, "less")));
        assert_true(json_real_value(json_object_get(v, "huge")) > 1e29);
        assert_string_equal(json_string_value(json_object_get(v, "s")), "99999999999999999999");
        assert_int_equal(json_integer_value(json_object_get(v, "after")), 1);
}

static void json_read__nul_in_a_value__is_kept(void **state)
{
        (void)state;
        static const char text[] = "[\"a\\u0000b\"]";
        struct err e = {0};
        AUTO_JSON *v = json_read(text, strlen(text), &e);
        assert_non_null(v);
        assert_int_equal(json_string_length(json_array_get(v, 0)), 3);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(json_read__plain_documents__are_read),
                cmocka_unit_test(json_read__no_json__says_where),
                cmocka_unit_test(json_read__depth__up_to_the_limit),
                cmocka_unit_test(json_read__integers_beyond_64_bits__become_reals),
                cmocka_unit_test(json_read__nul_in_a_value__is_kept),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
