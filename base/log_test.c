/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include "base/mem.h"

#include <jansson.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <setjmp.h>
#include <cmocka.h>

enum { LINE_BYTES = 128 * 1024 };

static char last[LINE_BYTES];
static int lines;

static void keep(const char *line)
{
        snprintf(last, sizeof(last), "%s", line);
        lines++;
}

static int set_up(void **state)
{
        (void)state;
        lines = 0;
        last[0] = '\0';
        log_set_sink(keep);
        log_set_format(LOG_JSON);
        log_set_level(LOG_INFO);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        log_set_sink(NULL);
        return 0;
}

static void expect_member(const json_t *line, const char *key, const char *value)
{
        assert_string_equal(json_string_value(json_object_get(line, key)), value);
}

static json_t *parsed(void)
{
        json_error_t problem;
        json_t *line = json_loads(last, JSON_REJECT_DUPLICATES, &problem);
        if (!line)
                fail_msg("%s: %s", last, problem.text);
        return line;
}

static void log_json__any_text__is_one_object(void **state)
{
        (void)state;
        log_warn("it \"failed\"", "object", "a/b\n\t\\\"\x01\x7f", "attempt", log_int(-42), "empty", "", "no utf-8",
                 "a\xff"
                 "b",
                 NULL);
        json_t *line = parsed();
        expect_member(line, "level", "warn");
        expect_member(line, "message", "it \"failed\"");
        expect_member(line, "object", "a/b\n\t\\\"\x01\x7f");
        expect_member(line, "attempt", "-42");
        expect_member(line, "empty", "");
        expect_member(line, "no utf-8",
                      "a\xef\xbf\xbd"
                      "b");
        assert_non_null(json_object_get(line, "time"));
        assert_null(strchr(last, '\n'));
        json_decref(line);
}

static void log_text__odd_values__are_quoted_and_stay_one_line(void **state)
{
        (void)state;
        log_set_format(LOG_TEXT);
        log_error("failed", "plain", "a/b", "spaced", "a b", "empty", "", "broken", "a\nlevel=error b=\"c\"", NULL);
        assert_non_null(strstr(last, " error failed plain=a/b spaced=\"a b\" empty=\"\" "
                                     "broken=\"a\\u000alevel=error b=\\\"c\\\"\""));
        assert_null(strchr(last, '\n'));
}

static void log_level__below_it__nothing_is_written(void **state)
{
        (void)state;
        log_debug("no", NULL);
        assert_int_equal(lines, 0);
        log_info("yes", NULL);
        assert_int_equal(lines, 1);
        log_set_level(LOG_ERROR);
        log_warn("no", NULL);
        assert_int_equal(lines, 1);
        log_set_level(LOG_DEBUG);
        log_debug("yes", NULL);
        assert_int_equal(lines, 2);
        assert_int_equal(log_get_level(), LOG_DEBUG);
}

static void log_json__value_too_long__is_left_out_and_the_line_stays_whole(void **state)
{
        (void)state;
        char *huge = mem_zalloc(LINE_BYTES);
        memset(huge, 'x', LINE_BYTES - 1);
        log_info("large", "first", "1", "huge", huge, NULL);
        json_t *line = parsed();
        expect_member(line, "first", "1");
        assert_null(json_object_get(line, "huge"));
        json_decref(line);
        /* Just short of the limit, with every byte escaped. */
        for (size_t n = 10880; n < 10930; n++) {
                memset(huge, '\x01', n);
                huge[n] = '\0';
                log_info("large", "huge", huge, NULL);
                line = parsed();
                json_decref(line);
        }
        mem_free(huge);
}

static void log_parse__names__are_known_or_listed(void **state)
{
        (void)state;
        enum log_level level = LOG_INFO;
        enum log_format format = LOG_JSON;
        struct err e = {0};
        for (int i = LOG_DEBUG; i <= LOG_ERROR; i++) {
                assert_true(log_parse_level(log_level_name((enum log_level)i), &level, &e));
                assert_int_equal(level, i);
        }
        assert_false(log_parse_level("loud", &level, &e));
        assert_non_null(strstr(e.text, "use debug, info, warn or error"));
        assert_int_equal(level, LOG_ERROR);
        assert_true(log_parse_format("text", &format, &e));
        assert_int_equal(format, LOG_TEXT);
        assert_true(log_parse_format("json", &format, &e));
        assert_false(log_parse_format("xml", &format, &e));
        assert_non_null(strstr(e.text, "json or text"));
}

static void log_write__without_a_sink__one_line_on_stderr(void **state)
{
        (void)state;
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        int saved = dup(STDERR_FILENO);
        dup2(ends[1], STDERR_FILENO);
        log_set_sink(NULL);
        log_info("hello", "a", "b", NULL);
        dup2(saved, STDERR_FILENO);
        close(saved);
        close(ends[1]);
        char text[512] = "";
        ssize_t n = read(ends[0], text, sizeof(text) - 1);
        close(ends[0]);
        assert_true(n > 0);
        assert_string_equal(strstr(text, "\"message\""), "\"message\":\"hello\",\"a\":\"b\"}\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(log_json__any_text__is_one_object),
                TEST(log_text__odd_values__are_quoted_and_stay_one_line),
                TEST(log_level__below_it__nothing_is_written),
                TEST(log_json__value_too_long__is_left_out_and_the_line_stays_whole),
                TEST(log_parse__names__are_known_or_listed),
                TEST(log_write__without_a_sink__one_line_on_stderr),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
