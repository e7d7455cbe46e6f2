/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { MAX = 64 };

/* RFC 4648, section 10. */
static const char *const vectors[][2] = {{"", ""},
                                         {"f", "Zg=="},
                                         {"fo", "Zm8="},
                                         {"foo", "Zm9v"},
                                         {"foob", "Zm9vYg=="},
                                         {"fooba", "Zm9vYmE="},
                                         {"foobar", "Zm9vYmFy"}};

static void encode__vectors_of_the_rfc__come_out(void **state)
{
        (void)state;
        for (size_t i = 0; i < COUNT_OF(vectors); i++) {
                AUTO(buf) *b = buf_new(MAX);
                base64_encode(b, vectors[i][0], strlen(vectors[i][0]));
                assert_string_equal(buf_data(b), vectors[i][1]);
        }
}

static void decode__vectors_of_the_rfc__come_out(void **state)
{
        (void)state;
        for (size_t i = 0; i < COUNT_OF(vectors); i++) {
                AUTO(buf) *b = base64_decode(vectors[i][1], strlen(vectors[i][1]), MAX);
                assert_non_null(b);
                assert_string_equal(buf_data(b), vectors[i][0]);
                assert_int_equal(buf_len(b), strlen(vectors[i][0]));
        }
}

static void decode__every_byte__comes_back(void **state)
{
        (void)state;
        unsigned char bytes[256];
        for (size_t i = 0; i < sizeof(bytes); i++)
                bytes[i] = (unsigned char)(255 - i);
        AUTO(buf) *text = buf_new(1024);
        base64_encode(text, bytes, sizeof(bytes));
        AUTO(buf) *back = base64_decode(buf_data(text), buf_len(text), sizeof(bytes));
        assert_non_null(back);
        assert_int_equal(buf_len(back), sizeof(bytes));
        assert_memory_equal(buf_data(back), bytes, sizeof(bytes));
}

static void decode__what_is_not_base64__is_refused(void **state)
{
        (void)state;
        static const char *const wrong[] = {"Zg=",      "Zg",           "Z",    "Z===",     "====", "=Zg=", "Zm=v",
                                            "Zg==Zm9v", "Zm9v\n\n\n\n", " Zg=", "Zm9vZg= ", "Zm-_", "Zm9*"};
        for (size_t i = 0; i < COUNT_OF(wrong); i++)
                assert_null(base64_decode(wrong[i], strlen(wrong[i]), MAX));
        assert_null(base64_decode("Zm\0v", 4, MAX));
}

static void decode__more_than_max__is_refused(void **state)
{
        (void)state;
        assert_null(base64_decode("Zm9vYmFy", 8, 5));
        AUTO(buf) *exactly = base64_decode("Zm9vYmE=", 8, 5);
        assert_non_null(exactly);
        assert_int_equal(base64_decoded_max(8), 6);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(encode__vectors_of_the_rfc__come_out),
                cmocka_unit_test(decode__vectors_of_the_rfc__come_out),
                cmocka_unit_test(decode__every_byte__comes_back),
                cmocka_unit_test(decode__what_is_not_base64__is_refused),
                cmocka_unit_test(decode__more_than_max__is_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
