/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_text.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void assert_written(const char *s, const char *json)
{
        AUTO(buf) *b = buf_new(4096);
        assert_true(json_text_string(b, s));
        assert_string_equal(buf_data(b), json);
}

static void string__special_characters__are_escaped(void **state)
{
        (void)state;
        assert_written("", "\"\"");
        assert_written("a \"b\" \\ c", "\"a \\\"b\\\" \\\\ c\"");
        assert_written("1\n2\t\x7f", "\"1\\u000a2\\u0009\\u007f\"");
        assert_written("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"");
}

static void string__nul_of_objects__is_u0000(void **state)
{
        (void)state;
        assert_written("a\xc0\x80z", "\"a\\u0000z\"");
}

static void string__not_utf8__is_replaced(void **state)
{
        (void)state;
        assert_written("a\xff", "\"a\\ufffd\"");
        assert_written("\xc3", "\"\\ufffd\"");
        assert_written("\xe2\x82", "\"\\ufffd\\ufffd\"");
        assert_written("\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\"");
        assert_written("\xf5\x80\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\"");
}

static void string__any_bytes__parse_again(void **state)
{
        (void)state;
        unsigned seed = 7;
        for (int round = 0; round < 2000; round++) {
                char text[32] = {0};
                for (size_t i = 0; i + 1 < sizeof(text); i++)
                        text[i] = (char)(1 + (seed = seed * 1103515245 + 12345) / 65536 % 255);
                AUTO(buf) *b = buf_new(4096);
                json_text_string(b, text);
                json_t *parsed = json_loadb(buf_data(b), buf_len(b), JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
                assert_true(json_is_string(parsed));
                json_decref(parsed);
        }
}

static void assert_base64(const char *s, const char *json)
{
        AUTO(buf) *b = buf_new(4096);
        json_text_base64(b, s, strlen(s));
        assert_string_equal(buf_data(b), json);
}

/* The vectors of RFC 4648, section 10. */
static void base64__vectors_of_the_rfc__come_out(void **state)
{
        (void)state;
        assert_base64("", "\"\"");
        assert_base64("f", "\"Zg==\"");
        assert_base64("fo", "\"Zm8=\"");
        assert_base64("foo", "\"Zm9v\"");
        assert_base64("foobar", "\"Zm9vYmFy\"");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(string__special_characters__are_escaped),
                cmocka_unit_test(string__nul_of_objects__is_u0000),
                cmocka_unit_test(string__not_utf8__is_replaced),
                cmocka_unit_test(string__any_bytes__parse_again),
                cmocka_unit_test(base64__vectors_of_the_rfc__come_out),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
