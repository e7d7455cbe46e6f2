/* SPDX-License-Identifier: Apache-2.0 */
#include "base/time.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

#define S TIME_MICROS_PER_SECOND

static void time_format__known_moments__rfc_3339(void **state)
{
        (void)state;
        static const struct {
                int64_t micros;
                const char *seconds, *with_micros;
        } rows[] = {
                {0, "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000Z"},
                {1700000000 * S + 42, "2023-11-14T22:13:20Z", "2023-11-14T22:13:20.000042Z"},
                {1709164799 * S + 999999, "2024-02-28T23:59:59Z", "2024-02-28T23:59:59.999999Z"},
                {-1, "1969-12-31T23:59:59Z", "1969-12-31T23:59:59.999999Z"},
                {253402300799 * S, "9999-12-31T23:59:59Z", "9999-12-31T23:59:59.000000Z"},
        };
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                char text[TIME_TEXT_MAX];
                time_format_seconds(rows[i].micros, text);
                assert_string_equal(text, rows[i].seconds);
                time_format_micros(rows[i].micros, text);
                assert_string_equal(text, rows[i].with_micros);
                int64_t back;
                assert_true(time_parse(text, &back, NULL));
                assert_true(back == rows[i].micros);
        }
}

static void time_parse__valid_forms__are_read(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                int64_t micros;
        } rows[] = {
                {"2023-11-14T22:13:20Z", 1700000000 * S},
                {"2023-11-14t22:13:20z", 1700000000 * S},
                {"2023-11-15T00:13:20+02:00", 1700000000 * S},
                {"2023-11-14T16:43:20-05:30", 1700000000 * S},
                {"2023-11-14T22:13:20.5Z", 1700000000 * S + 500000},
                {"2023-11-14T22:13:20.123456789Z", 1700000000 * S + 123456},
                {"2024-02-29T00:00:00Z", 1709164800 * S},
                {"2000-02-29T00:00:00Z", 951782400 * S},
                {"2016-12-31T23:59:60Z", 1483228800 * S},
        };
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                int64_t micros = 0;
                struct err e = {0};
                if (!time_parse(rows[i].text, &micros, &e) || micros != rows[i].micros)
                        fail_msg("%s: %lld %s", rows[i].text, (long long)micros, e.text);
        }
}

static void time_parse__anything_else__is_refused(void **state)
{
        (void)state;
        static const char *const rows[] = {
                "",
                "2023-11-14",
                "2023-11-14 22:13:20Z",
                "2023-11-14T22:13:20",
                "2023-11-14T22:13:20Zx",
                "2023-11-14T22:13:20.Z",
                "2023-11-14T22:13:20+0200",
                "2023-11-14T22:13:20+24:00",
                "2023-11-14T22:13:20+02:60",
                "2023-13-14T22:13:20Z",
                "2023-00-14T22:13:20Z",
                "2023-11-00T22:13:20Z",
                "2023-11-31T22:13:20Z",
                "2023-02-29T22:13:20Z",
                "1900-02-29T22:13:20Z",
                "2023-11-14T24:13:20Z",
                "2023-11-14T22:60:20Z",
                "2023-11-14T22:13:61Z",
                "2023-11-14T22:13:2Z",
                "23-11-14T22:13:20Z",
        };
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                int64_t micros = 7;
                struct err e = {0};
                if (time_parse(rows[i], &micros, &e))
                        fail_msg("\"%s\" was read as %lld", rows[i], (long long)micros);
                assert_true(micros == 7);
                assert_non_null(strstr(e.text, "RFC 3339"));
        }
}

static void duration_parse__valid_forms__as_go_reads_them(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                int64_t nanos;
        } rows[] = {
                {"0", 0},
                {"-0", 0},
                {"+0", 0},
                {"0s", 0},
                {"5s", 5 * DURATION_SECOND},
                {"+5s", 5 * DURATION_SECOND},
                {"-5s", -5 * DURATION_SECOND},
                {"1h15m30.918s", DURATION_HOUR + 15 * DURATION_MINUTE + 30918 * DURATION_MILLISECOND},
                {"-1.5h", -90 * DURATION_MINUTE},
                {".5s", 500 * DURATION_MILLISECOND},
                {"1.s", DURATION_SECOND},
                {"10ns", 10},
                {"11us", 11000},
                {"12\xc2\xb5s", 12000},
                {"12\xce\xbcs", 12000},
                {"13ms", 13 * DURATION_MILLISECOND},
                {"1m1m", 2 * DURATION_MINUTE},
                {"0.100000000000000000000h", 6 * DURATION_MINUTE},
                {"2562047h47m16.854775807s", INT64_MAX},
                {"9223372036854775807ns", INT64_MAX},
        };
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                int64_t nanos = 7;
                struct err e = {0};
                if (!duration_parse(rows[i].text, &nanos, &e) || nanos != rows[i].nanos)
                        fail_msg("%s: %lld %s", rows[i].text, (long long)nanos, e.text);
        }
}

static void duration_parse__anything_else__is_refused(void **state)
{
        (void)state;
        static const char *const rows[] = {
                "",
                "3",
                "-",
                "+",
                "s",
                ".",
                "-.",
                ".s",
                "+.s",
                "1d",
                "00",
                "1 s",
                " 1s",
                "1s ",
                "--1s",
                "1e3s",
                "5sm",
                "9223372036854775808ns",
                "9223372037s",
                "2562048h",
                "9223372036.999999999s",
                "infinity",
        };
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                int64_t nanos = 7;
                struct err e = {0};
                if (duration_parse(rows[i], &nanos, &e))
                        fail_msg("\"%s\" was read as %lld", rows[i], (long long)nanos);
                assert_true(nanos == 7);
                assert_non_null(strstr(e.text, "is no duration"));
        }
}

static void duration_format__whole_milliseconds__as_go_writes_them(void **state)
{
        (void)state;
        static const struct {
                int64_t nanos;
                const char *text;
        } rows[] = {
                {0, "0s"},
                {150 * DURATION_MILLISECOND, "150ms"},
                {-150 * DURATION_MILLISECOND, "-150ms"},
                {DURATION_SECOND, "1s"},
                {1500 * DURATION_MILLISECOND, "1.5s"},
                {1010 * DURATION_MILLISECOND, "1.01s"},
                {90 * DURATION_SECOND, "1m30s"},
                {DURATION_MINUTE, "1m0s"},
                {24 * DURATION_HOUR, "24h0m0s"},
                {-(DURATION_HOUR + 2 * DURATION_MINUTE + 3005 * DURATION_MILLISECOND), "-1h2m3.005s"},
        };
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                char text[TIME_TEXT_MAX];
                duration_format(rows[i].nanos, text);
                assert_string_equal(text, rows[i].text);
                int64_t back;
                assert_true(duration_parse(text, &back, NULL));
                assert_true(back == rows[i].nanos);
        }
}

static void time_now__both_clocks__go_on(void **state)
{
        (void)state;
        int64_t before = time_monotonic();
        assert_true(time_monotonic() >= before);
        assert_true(time_now_micros() > 1700000000 * S);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(time_format__known_moments__rfc_3339),
                cmocka_unit_test(time_parse__valid_forms__are_read),
                cmocka_unit_test(time_parse__anything_else__is_refused),
                cmocka_unit_test(duration_parse__valid_forms__as_go_reads_them),
                cmocka_unit_test(duration_parse__anything_else__is_refused),
                cmocka_unit_test(duration_format__whole_milliseconds__as_go_writes_them),
                cmocka_unit_test(time_now__both_clocks__go_on),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
