/* SPDX-License-Identifier: Apache-2.0 */
#include "base/metric.h"

#include "base/time.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

static int tear_down(void **state)
{
        (void)state;
        metric_reset_all();
        return 0;
}

static const struct metric_def requests = {
        .name = "b_requests_total", .type = METRIC_COUNTER, .help = "Requests.", .labels = {"verb", "code"}};
static const struct metric_def depth = {.name = "a_depth", .type = METRIC_GAUGE, .help = "Depth."};
static const struct metric_def seconds = {
        .name = "c_seconds", .type = METRIC_HISTOGRAM, .help = "Time.", .labels = {"kind"}};

METRIC_LIST(&requests, 1);
METRIC_LIST(&depth, 1);

static void metric_listed__whatever_their_order__by_name(void **state)
{
        (void)state;
        size_t count;
        const struct metric_def **all = metric_listed(&count);
        size_t mine = 0;
        for (size_t i = 0; i < count; i++) {
                assert_true(i == 0 || strcmp(all[i - 1]->name, all[i]->name) < 0);
                mine += all[i] == &requests || all[i] == &depth;
                assert_ptr_not_equal(all[i], &seconds);
        }
        assert_int_equal(mine, 2);
        mem_free(all);
}

static void expect_text(const char *expected)
{
        AUTO(buf) *text = buf_new(1 << 20);
        metric_render(text);
        assert_string_equal(buf_data(text), expected);
}

static void expect_line(const char *line)
{
        AUTO(buf) *text = buf_new(1 << 20);
        metric_render(text);
        AUTO_STR *whole = mem_printf("\n%s\n", line);
        if (!strstr(buf_data(text), whole))
                fail_msg("\"%s\" is not in:\n%s", line, buf_data(text));
}

static void metric_render__families_and_cells__by_name_and_label(void **state)
{
        (void)state;
        struct metric *counter = metric_new(&requests);
        metric_add(metric_cell(counter, "put", "200", NULL), 2);
        metric_add(metric_cell(counter, "get", "404", NULL), 1);
        metric_add(metric_cell(counter, "get", "200", NULL), 3);
        metric_set(metric_cell(metric_new(&depth), NULL, NULL, NULL), -4);
        expect_text("# HELP a_depth Depth.\n# TYPE a_depth gauge\na_depth -4\n"
                    "# HELP b_requests_total Requests.\n# TYPE b_requests_total counter\n"
                    "b_requests_total{verb=\"get\",code=\"200\"} 3\n"
                    "b_requests_total{verb=\"get\",code=\"404\"} 1\n"
                    "b_requests_total{verb=\"put\",code=\"200\"} 2\n");
}

static void metric_render__nothing_registered__nothing(void **state)
{
        (void)state;
        expect_text("");
}

static void metric_cell__same_labels__same_cell(void **state)
{
        (void)state;
        struct metric *m = metric_new(&requests);
        assert_ptr_equal(metric_new(&requests), m);
        struct metric_cell *c = metric_cell(m, "get", "200", NULL);
        assert_ptr_equal(metric_cell(m, "get", "200", NULL), c);
        assert_ptr_not_equal(metric_cell(m, "get", "201", NULL), c);
        metric_add(c, 5);
        assert_int_equal(metric_get(c), 5);
}

static void metric_cell__odd_label_values__are_escaped_and_cut(void **state)
{
        (void)state;
        struct metric *m = metric_new(&requests);
        metric_add(metric_cell(m, "a\\b\"c\nd", "", NULL), 1);
        expect_line("b_requests_total{verb=\"a\\\\b\\\"c\\nd\",code=\"\"} 1");
        char huge[8192];
        memset(huge, '"', sizeof(huge) - 1);
        huge[sizeof(huge) - 1] = '\0';
        metric_add(metric_cell(m, huge, huge, NULL), 1);
        AUTO(buf) *text = buf_new(1 << 20);
        metric_render(text);
        assert_non_null(strstr(buf_data(text), "\\\"\\\"\",code=\"\\\""));
        assert_non_null(strstr(buf_data(text), "\\\"\"} 1\n"));
}

static void metric_set_double__fraction__is_told_exactly(void **state)
{
        (void)state;
        struct metric_cell *c = metric_cell(metric_new(&depth), NULL, NULL, NULL);
        metric_set_double(c, 0.5);
        expect_line("a_depth 0.5");
        metric_set_double(c, 1700000000.25);
        expect_line("a_depth 1700000000.25");
}

static void metric_observe__at_and_around_a_bound__buckets_are_cumulative(void **state)
{
        (void)state;
        struct metric_cell *c = metric_cell(metric_new(&seconds), "x", NULL, NULL);
        metric_observe(c, 0);
        metric_observe(c, 50 * DURATION_MICROSECOND);
        metric_observe(c, 50 * DURATION_MICROSECOND + 1);
        metric_observe(c, 10 * DURATION_SECOND);
        metric_observe(c, 11 * DURATION_SECOND);
        assert_int_equal(metric_get(c), 5);
        expect_line("c_seconds_bucket{kind=\"x\",le=\"5e-05\"} 2");
        expect_line("c_seconds_bucket{kind=\"x\",le=\"0.0001\"} 3");
        expect_line("c_seconds_bucket{kind=\"x\",le=\"5\"} 3");
        expect_line("c_seconds_bucket{kind=\"x\",le=\"10\"} 4");
        expect_line("c_seconds_bucket{kind=\"x\",le=\"+Inf\"} 5");
        expect_line("c_seconds_sum{kind=\"x\"} 21.000100001");
        expect_line("c_seconds_count{kind=\"x\"} 5");
}

static void metric_clear__computed_anew__old_cells_are_gone(void **state)
{
        (void)state;
        struct metric *m = metric_new(&requests);
        metric_add(metric_cell(m, "get", "200", NULL), 1);
        metric_clear(m);
        metric_add(metric_cell(m, "put", "200", NULL), 1);
        expect_text("# HELP b_requests_total Requests.\n# TYPE b_requests_total counter\n"
                    "b_requests_total{verb=\"put\",code=\"200\"} 1\n");
}

#define TEST(name) cmocka_unit_test_teardown(name, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(metric_listed__whatever_their_order__by_name),
                TEST(metric_render__families_and_cells__by_name_and_label),
                TEST(metric_render__nothing_registered__nothing),
                TEST(metric_cell__same_labels__same_cell),
                TEST(metric_cell__odd_label_values__are_escaped_and_cut),
                TEST(metric_set_double__fraction__is_told_exactly),
                TEST(metric_observe__at_and_around_a_bound__buckets_are_cumulative),
                TEST(metric_clear__computed_anew__old_cells_are_gone),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
