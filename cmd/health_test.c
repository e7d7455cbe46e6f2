/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/health.h"

#include "base/log.h"
#include "base/metric.h"
#include "base/time.h"
#include "cmd/endpoint.h"

#include <stdarg.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

static int64_t now;

static int64_t test_clock(void)
{
        return now;
}

typedef void serve_fn(const struct http_request *r, struct http_answer *answer, void *arg);

/* The status; text gets the body. */
static unsigned ask(serve_fn *serve, void *arg, const char *body, char text[1024])
{
        struct http_request r = {.method = "GET", .path = "/", .body = body, .body_len = strlen(body)};
        struct http_answer answer = {.status = 200, .content_type = "text/plain", .body = buf_new(1 << 16)};
        serve(&r, &answer, arg);
        strncpy(text, buf_data(answer.body), 1023);
        text[1023] = '\0';
        buf_free(answer.body);
        return answer.status;
}

static void healthz__loop_turns_or_not__tells(void **state)
{
        (void)state;
        char text[1024];
        now = 1000 * DURATION_SECOND;
        AUTO(health) *h = health_new(test_clock);
        assert_int_equal(ask(health_serve_healthz, h, "", text), 200);
        now += HEALTH_STALL_SECONDS * DURATION_SECOND;
        assert_int_equal(ask(health_serve_healthz, h, "", text), 200);
        now += 1;
        assert_int_equal(ask(health_serve_healthz, h, "", text), 503);
        assert_string_equal(text, "the loop has not turned for 20s\n");
        health_beat(h);
        assert_int_equal(ask(health_serve_healthz, h, "", text), 200);
        assert_string_equal(text, "ok\n");
}

static void readyz__parts_report__all_must_be_good_or_warn(void **state)
{
        (void)state;
        char text[1024];
        AUTO(health) *h = health_new(test_clock);
        assert_int_equal(ask(health_serve_readyz, h, "", text), 503);
        assert_false(health_is_ready(h));
        health_report(h, "store", HEALTH_BAD, "waiting for services");
        health_report(h, "certificates", HEALTH_WARNING, "webhook expires tomorrow");
        assert_int_equal(ask(health_serve_readyz, h, "", text), 503);
        assert_string_equal(text, "not ready\nstore: not ready: waiting for services\n"
                                  "certificates: warning: webhook expires tomorrow\n");
        health_report(h, "store", HEALTH_GOOD, "");
        assert_true(health_is_ready(h));
        assert_int_equal(ask(health_serve_readyz, h, "", text), 200);
        assert_string_equal(text, "ready\nstore: ok\ncertificates: warning: webhook expires tomorrow\n");
        health_report(h, "shutdown", HEALTH_BAD, "terminating");
        assert_int_equal(ask(health_serve_readyz, h, "", text), 503);
}

static void metrics__registered__are_served_as_text(void **state)
{
        (void)state;
        static const struct metric_def def = {.name = "test_total", .type = METRIC_COUNTER, .help = "A test."};
        char text[1024];
        metric_add(metric_cell(metric_new(&def), NULL, NULL, NULL), 3);
        assert_int_equal(ask(endpoint_metrics, NULL, "", text), 200);
        assert_non_null(strstr(text, "\ntest_total 3\n"));
        metric_reset_all();
}

static void drop_line(const char *line)
{
        (void)line;
}

static void log_level__put__changes_it(void **state)
{
        (void)state;
        char text[1024];
        log_set_sink(drop_line);
        enum log_level before = log_get_level();
        assert_int_equal(ask(endpoint_set_log_level, NULL, "debug\n", text), 200);
        assert_int_equal(log_get_level(), LOG_DEBUG);
        assert_string_equal(text, "debug\n");
        assert_int_equal(ask(endpoint_log_level, NULL, "", text), 200);
        assert_string_equal(text, "debug\n");
        assert_int_equal(ask(endpoint_set_log_level, NULL, "loud", text), 400);
        assert_non_null(strstr(text, "loud"));
        assert_int_equal(log_get_level(), LOG_DEBUG);
        log_set_level(before);
        log_set_sink(NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(healthz__loop_turns_or_not__tells),
                cmocka_unit_test(readyz__parts_report__all_must_be_good_or_warn),
                cmocka_unit_test(metrics__registered__are_served_as_text),
                cmocka_unit_test(log_level__put__changes_it),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
