/* SPDX-License-Identifier: Apache-2.0 */
#include "dag/explain_url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
/* cmocka needs those before it */
#include <cmocka.h>

static void parse__urls_that_clients_send__as_envoy_sees_them(void **state)
{
        (void)state;
        static const struct {
                const char *text, *host, *path, *query;
                bool tls;
                uint16_t port;
        } cases[] = {
                {"http://site.example/a/b?x=1#top", "site.example", "/a/b", "?x=1", false, 0},
                {"HTTPS://Site.Example.:8443/", "site.example", "/", "", true, 8443},
                {"site.example", "site.example", "/", "", false, 0},
                {"site.example:8080/x", "site.example", "/x", "", false, 8080},
                {"http://site.example?q", "site.example", "/", "?q", false, 0},
                {"http://[2001:DB8::1]:80/", "2001:db8::1", "/", "", false, 80},
                {"http://s/a//b///c", "s", "/a/b/c", "", false, 0},
                {"http://s/a/./b/../c", "s", "/a/c", "", false, 0},
                {"http://s/a/..", "s", "/", "", false, 0},
                {"http://s/../../x/.", "s", "/x/", "", false, 0},
                {"http://s/a//../b", "s", "/a/b", "", false, 0},
                {"http://s/%61%2Eb/%7e", "s", "/a.b/~", "", false, 0},
                {"http://s/%2e%2e/x", "s", "/x", "", false, 0},
                {"http://s/a%20b%c3%a4", "s", "/a%20b%c3%a4", "", false, 0},
                {"http://s/\xc3\xa4|", "s", "/%C3%A4%7C", "", false, 0},
                {"http://s\\a\\b", "s", "/a/b", "", false, 0},
                {"http://s/a%2Fb%5cc", "s", "/a/b/c", "", false, 0},
                {"http://s/?u=http://t/", "s", "/", "?u=http://t/", false, 0},
                {"s/x://y", "s", "/x:/y", "", false, 0},
        };
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
                AUTO(arena) *a = arena_new(1024);
                struct explain_url url;
                struct err e = {0};
                if (!explain_url_parse(a, cases[i].text, strlen(cases[i].text), EXPLAIN_SLASHES_UNESCAPE, &url, &e))
                        fail_msg("%s: %s", cases[i].text, e.text);
                assert_string_equal(url.host, cases[i].host);
                assert_string_equal(url.path, cases[i].path);
                assert_string_equal(url.query, cases[i].query);
                assert_int_equal(url.tls, cases[i].tls);
                assert_int_equal(url.port, cases[i].port);
        }
}

static void parse__what_no_client_can_ask_for__refused_with_what_is_wrong(void **state)
{
        (void)state;
        static const struct {
                const char *text, *says;
        } cases[] = {
                {"", "needs a host name"},
                {"http://", "needs a host name"},
                {"http:///x", "needs a host name"},
                {"http://./", "needs a host name"},
                {"ftp://s/", "neither http nor https"},
                {"http://user:pw@s/", "leave out the user"},
                {"http://s:0/", "1-65535"},
                {"http://s:65536/", "1-65535"},
                {"http://s:8x/", "1-65535"},
                {"http://[::1/", "not closed"},
                {"http://[::1]x/", "1-65535"},
                {"http://s%41/", "needs a host name of letters"},
                {"http://b\xc3\xbc"
                 "cher.example/",
                 "xn--"},
                {"http://s/%", "two hexadecimal digits"},
                {"http://s/%4", "two hexadecimal digits"},
                {"http://s/%zz", "two hexadecimal digits"},
                {"http://s/%00", "400"},
                {"http://s/a b", "%20"},
                {"http://s/a\x7f", "%20"},
                {"http://s/?a\nb", "%20"},
        };
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
                AUTO(arena) *a = arena_new(1024);
                struct explain_url url;
                struct err e = {0};
                assert_false(
                        explain_url_parse(a, cases[i].text, strlen(cases[i].text), EXPLAIN_SLASHES_UNESCAPE, &url, &e));
                if (!strstr(e.text, cases[i].says))
                        fail_msg("%s: \"%s\" does not say \"%s\"", cases[i].text, e.text, cases[i].says);
        }
}

/* A NUL ends no check. */
static void parse__nul_inside__refused_wherever_it_is(void **state)
{
        (void)state;
        static const char text[] = "http://site.example/path?query";
        for (size_t i = 0; i < sizeof(text) - 1; i++) {
                char bytes[sizeof(text)];
                memcpy(bytes, text, sizeof(text));
                bytes[i] = '\0';
                AUTO(arena) *a = arena_new(1024);
                struct explain_url url;
                struct err e = {0};
                assert_false(explain_url_parse(a, bytes, sizeof(text) - 1, EXPLAIN_SLASHES_UNESCAPE, &url, &e));
                assert_non_null(strstr(e.text, "NUL"));
        }
}

static void parse__longest_and_one_more__taken_and_refused(void **state)
{
        (void)state;
        char text[EXPLAIN_URL_MAX + 1];
        memset(text, 'a', sizeof(text));
        memcpy(text, "http://s/", 9);
        AUTO(arena) *a = arena_new(1024);
        struct explain_url url;
        struct err e = {0};
        assert_true(explain_url_parse(a, text, EXPLAIN_URL_MAX, EXPLAIN_SLASHES_UNESCAPE, &url, &e));
        assert_int_equal(strlen(url.path), EXPLAIN_URL_MAX - 8);
        assert_false(explain_url_parse(a, text, sizeof(text), EXPLAIN_SLASHES_UNESCAPE, &url, &e));
        assert_non_null(strstr(e.text, "longer than 4096 bytes"));
}

static void parse__escaped_slashes_kept__stay_in_the_path_and_are_told(void **state)
{
        (void)state;
        AUTO(arena) *a = arena_new(1024);
        struct explain_url url;
        struct err e = {0};
        assert_true(explain_url_parse(a, "http://s/a%2Fb", 14, EXPLAIN_SLASHES_KEEP, &url, &e));
        assert_string_equal(url.path, "/a%2Fb");
        assert_true(url.escaped_slashes);
        assert_true(explain_url_parse(a, "http://s/a/b", 12, EXPLAIN_SLASHES_KEEP, &url, &e));
        assert_false(url.escaped_slashes);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(parse__urls_that_clients_send__as_envoy_sees_them),
                cmocka_unit_test(parse__what_no_client_can_ask_for__refused_with_what_is_wrong),
                cmocka_unit_test(parse__nul_inside__refused_wherever_it_is),
                cmocka_unit_test(parse__longest_and_one_more__taken_and_refused),
                cmocka_unit_test(parse__escaped_slashes_kept__stay_in_the_path_and_are_told),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
