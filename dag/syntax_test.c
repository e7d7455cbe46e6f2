/* SPDX-License-Identifier: Apache-2.0 */
#include "dag/syntax.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
/* cmocka needs those before it */
#include <cmocka.h>

struct row {
        const char *text;
        bool fine;
};

static char *repeated(char c, size_t n, char *out)
{
        memset(out, c, n);
        out[n] = '\0';
        return out;
}

static void is_label__letters_digits_inner_hyphens__1_to_63_bytes(void **state)
{
        (void)state;
        static const struct row rows[] = {
                {"a", true},    {"0", true},         {"a-b", true}, {"a--b", true}, {"9to5", true}, {"", false},
                {"-a", false},  {"a-", false},       {"-", false},  {"A", false},   {"a_b", false}, {"a.b", false},
                {"a b", false}, {"\xc3\xa4", false}, {"`", false},  {"{", false},   {"/", false},   {":", false},
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                if (syntax_is_label(rows[i].text, strlen(rows[i].text)) != rows[i].fine)
                        fail_msg("%s", rows[i].text);
        char long_text[80];
        assert_true(syntax_is_label(repeated('a', 63, long_text), 63));
        assert_false(syntax_is_label(repeated('a', 64, long_text), 64));
        assert_true(syntax_is_label("ab.c", 2));
}

static void is_service_name__a_label_that_starts_with_a_letter(void **state)
{
        (void)state;
        assert_true(syntax_is_service_name("web-1"));
        assert_false(syntax_is_service_name("1web"));
        assert_false(syntax_is_service_name(""));
        assert_false(syntax_is_service_name("web.x"));
}

static void is_subdomain__labels_joined_by_dots__at_most_253_bytes(void **state)
{
        (void)state;
        char text[300] = "";
        assert_true(syntax_is_subdomain("a"));
        assert_true(syntax_is_subdomain("a.b-c.9"));
        assert_false(syntax_is_subdomain(""));
        assert_false(syntax_is_subdomain("."));
        assert_false(syntax_is_subdomain("a."));
        assert_false(syntax_is_subdomain(".a"));
        assert_false(syntax_is_subdomain("a..b"));
        for (size_t i = 0; i < 253; i++)
                text[i] = i % 2 ? '.' : 'a';
        assert_true(syntax_is_subdomain(text));
        text[253] = 'a'; /* the last label is "aa" now */
        assert_false(syntax_is_subdomain(text));
}

static void host_problem__each_wrong_form__says_which(void **state)
{
        (void)state;
        static const struct {
                const char *host, *says;
        } rows[] = {
                {"site.example", NULL},
                {"localhost", NULL},
                {"xn--bcher-kva.example", NULL},
                {"1.2.3", NULL},
                {"", "empty"},
                {"*.example", "wildcard"},
                {"*", "wildcard"},
                {"a.example:80", "port"},
                {"10.1.2.3", "IP address"},
                {"fe80::1", "IP address"},
                {"[::1]", "IP address"},
                {"[::1]:80", "IP address"},
                {"Site.example", "RFC 1123"},
                {"a b", "RFC 1123"},
                {"a/b", "RFC 1123"},
                {"nul\xc0\x80.example", "RFC 1123"},
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                const char *problem = syntax_host_problem(rows[i].host);
                if (!problem != !rows[i].says || (problem && !strstr(problem, rows[i].says)))
                        fail_msg("%s: %s", rows[i].host, problem ? problem : "fine");
        }
}

static void path_problem__each_wrong_form__says_which(void **state)
{
        (void)state;
        static const struct {
                const char *path, *says;
        } rows[] = {
                {"/", NULL},           {"/a", NULL},
                {"/a/", NULL},         {"/a/b.c/d", NULL},
                {"/...", NULL},        {"/.a/b.", NULL},
                {"/\xc3\xa4", NULL},   {"/a%20b", NULL},
                {"", "start with /"},  {"a", "start with /"},
                {"//", "//"},          {"/a//b", "//"},
                {"/a//", "//"},        {"/.", "segments"},
                {"/..", "segments"},   {"/a/../b", "segments"},
                {"/a/./", "segments"}, {"/a?b", "? or #"},
                {"/a#b", "? or #"},    {"/a\nb", "control"},
                {"/a\x7f", "control"}, {"/a\xc0\x80", "control"},
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                const char *problem = syntax_path_problem(rows[i].path);
                if (!problem != !rows[i].says || (problem && !strstr(problem, rows[i].says)))
                        fail_msg("%s: %s", rows[i].path, problem ? problem : "fine");
        }
        char text[SYNTAX_PATH_MAX + 2];
        repeated('a', SYNTAX_PATH_MAX, text)[0] = '/';
        assert_null(syntax_path_problem(text));
        repeated('a', SYNTAX_PATH_MAX + 1, text)[0] = '/';
        assert_non_null(strstr(syntax_path_problem(text), "2048"));
}

static void path_normalise__trailing_slashes__are_cut(void **state)
{
        (void)state;
        AUTO(arena) *a = arena_new(64);
        const char *same = "/a/b";
        assert_string_equal(syntax_path_normalise(a, "/"), "/");
        assert_ptr_equal(syntax_path_normalise(a, same), same);
        assert_string_equal(syntax_path_normalise(a, "/a/"), "/a");
}

static void path_covers__at_segment_boundaries_only(void **state)
{
        (void)state;
        assert_true(syntax_path_covers("/", "/"));
        assert_true(syntax_path_covers("/", "/a"));
        assert_true(syntax_path_covers("/foo", "/foo"));
        assert_true(syntax_path_covers("/foo", "/foo/bar"));
        assert_false(syntax_path_covers("/foo", "/foobar"));
        assert_false(syntax_path_covers("/foo", "/fo"));
        assert_false(syntax_path_covers("/foo", "/"));
        assert_false(syntax_path_covers("/foo/bar", "/foo"));
}

static void host_matches__star_covers_every_depth_but_not_itself(void **state)
{
        (void)state;
        assert_true(syntax_host_matches("a.example", "a.example"));
        assert_false(syntax_host_matches("a.example", "b.a.example"));
        assert_true(syntax_host_matches("*.a.example", "b.a.example"));
        assert_true(syntax_host_matches("*.a.example", "c.b.a.example"));
        assert_false(syntax_host_matches("*.a.example", "a.example"));
        assert_false(syntax_host_matches("*.a.example", "ba.example"));
        assert_false(syntax_host_matches("*.a.example", ".a.example"));
        assert_true(syntax_host_matches("*", "anything.example"));
}

static void next_item__commas_and_white_space__items_trimmed(void **state)
{
        (void)state;
        const char *list = " a/b ,\tc,, d\n,";
        static const char *const expected[] = {"a/b", "c", "", "d", ""};
        struct syntax_item item;
        size_t n = 0;
        for (; syntax_next_item(&list, &item); n++) {
                assert_true(n < 5);
                assert_int_equal(item.n, strlen(expected[n]));
                assert_memory_equal(item.p, expected[n], item.n);
        }
        assert_int_equal(n, 5);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(is_label__letters_digits_inner_hyphens__1_to_63_bytes),
                cmocka_unit_test(is_service_name__a_label_that_starts_with_a_letter),
                cmocka_unit_test(is_subdomain__labels_joined_by_dots__at_most_253_bytes),
                cmocka_unit_test(host_problem__each_wrong_form__says_which),
                cmocka_unit_test(path_problem__each_wrong_form__says_which),
                cmocka_unit_test(path_normalise__trailing_slashes__are_cut),
                cmocka_unit_test(path_covers__at_segment_boundaries_only),
                cmocka_unit_test(host_matches__star_covers_every_depth_but_not_itself),
                cmocka_unit_test(next_item__commas_and_white_space__items_trimmed),
        };
        return cmocka_run_group_tests_name("dag/syntax", tests, NULL, NULL);
}
