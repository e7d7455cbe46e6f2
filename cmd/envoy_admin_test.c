/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/envoy_admin.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { STATS_PORT = 8002 };

static size_t counted(const char *stats)
{
        struct err e = {0};
        size_t open = SIZE_MAX;
        if (!envoy_admin_count(stats, STATS_PORT, &open, &e))
                fail_msg("%s", e.text);
        return open;
}

static void count__connections_of_clients__are_summed_up(void **state)
{
        (void)state;
        assert_int_equal(counted(""), 0);
        assert_int_equal(counted("listener.0.0.0.0_8080.downstream_cx_active: 3\n"
                                 "listener.0.0.0.0_8443.downstream_cx_active: 4\n"),
                         7);
        assert_int_equal(counted("listener.[__]_8080.downstream_cx_active: 2"), 2);
}

static void count__what_is_no_client__is_left_out(void **state)
{
        (void)state;
        assert_int_equal(counted("listener.admin.downstream_cx_active: 1\n"
                                 "listener.admin.main_thread.downstream_cx_active: 1\n"
                                 "listener.0.0.0.0_8002.downstream_cx_active: 5\n"
                                 "listener.0.0.0.0_8080.worker_0.downstream_cx_active: 9\n"
                                 "http.ingress_http.downstream_cx_active: 9\n"
                                 "listener.0.0.0.0_8080.downstream_cx_active: 1\n"),
                         1);
}

static void count__what_envoy_does_not_write__is_an_error(void **state)
{
        (void)state;
        static const char *const wrong[] = {
                "listener.a.downstream_cx_active: many\n", "listener.a.downstream_cx_active:\n",
                "listener.a.downstream_cx_active: 1 2\n", "listener.a.downstream_cx_active: 99999999999999999999\n"};
        for (size_t i = 0; i < COUNT_OF(wrong); i++) {
                struct err e = {0};
                size_t open = 42;
                assert_false(envoy_admin_count(wrong[i], STATS_PORT, &open, &e));
                assert_int_equal(open, 42);
                assert_non_null(strstr(e.text, "listener.a"));
        }
}

static void admin__nobody_listens__says_where(void **state)
{
        (void)state;
        struct err e = {0};
        assert_false(envoy_admin_fail_health("/nonexistent/admin.sock", &e));
        assert_non_null(strstr(e.text, "/nonexistent/admin.sock"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(count__connections_of_clients__are_summed_up),
                cmocka_unit_test(count__what_is_no_client__is_left_out),
                cmocka_unit_test(count__what_envoy_does_not_write__is_an_error),
                cmocka_unit_test(admin__nobody_listens__says_where),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
