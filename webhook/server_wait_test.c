/* SPDX-License-Identifier: Apache-2.0 */
/* Denials that a store which lags behind may turn wait for it, for a while. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "webhook/server_fixture.h"

static const char OWNER[] = ROOT("owner", "shop.example.com");
static const char COPY[] = REVIEW_OF("u-copy", "CREATE", "", ROOT("copy", "shop.example.com"));
static const char DRY_COPY[] = REVIEW_OF("u-dry", "CREATE", "\"dryRun\":true,", ROOT("copy", "shop.example.com"));
static const char BAD_COPY[] =
        REVIEW_OF("u-bad", "CREATE", "",
                  "{\"metadata\":{\"name\":\"bad\",\"namespace\":\"team-a\"},\"spec\":{\"virtualhost\":{\"fqdn\":"
                  "\"shop.example.com\"},\"routes\":[]}}");
static const char GOOD[] = REVIEW_OF("u-good", "CREATE", "", ROOT("other", "other.example.com"));

static struct fixture F;

static int set_up(void **state)
{
        (void)state;
        fixture_init(&F);
        fixture_put(&F, KIND_INGRESSROUTE, OWNER);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        fixture_done(&F);
        return 0;
}

/* Sends without waiting for the reply. */
static struct client asked(const char *body)
{
        struct client c;
        assert_true(client_open(&c, F.port));
        AUTO_STR *request = mem_printf("POST /validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                                       "Content-Length: %zu\r\n\r\n%s",
                                       strlen(body), body);
        assert_true(client_send(&c, request, strlen(request)));
        return c;
}

static void answered(struct client *c, const char *want)
{
        struct reply r = client_receive(c);
        assert_int_equal(r.status, 200);
        if (!strstr(r.body, want))
                fail_msg("no %s in %s", want, r.body);
        reply_done(&r);
        client_close(c);
}

static const int64_t LONG = CLIENT_PATIENCE * DURATION_SECOND;

static void wait__owner_goes_meanwhile__allowed(void **state)
{
        (void)state;
        F.limits.wait = LONG;
        fixture_start(&F, 1, false);
        struct client copy = asked(COPY), dry = asked(DRY_COPY);
        AWAIT(webhook_server_waiting(F.server) == 2);
        fixture_remove(&F, KIND_INGRESSROUTE, "team-a", "owner");
        answered(&copy, "\"uid\":\"u-copy\",\"allowed\":true");
        answered(&dry, "\"uid\":\"u-dry\",\"allowed\":true");
        assert_int_equal(webhook_server_waiting(F.server), 0);
}

static void wait__change_that_does_not_help__waits_on(void **state)
{
        (void)state;
        F.limits.wait = LONG;
        fixture_start(&F, 1, false);
        struct client copy = asked(COPY);
        AWAIT(webhook_server_waiting(F.server) == 1);
        fixture_put(&F, KIND_INGRESSROUTE, ROOT("third", "third.example.com"));
        AWAIT(webhook_server_waiting(F.server) == 1);
        /* The only worker is free meanwhile. */
        struct client good = asked(GOOD);
        answered(&good, "\"uid\":\"u-good\",\"allowed\":true");
        fixture_remove(&F, KIND_INGRESSROUTE, "team-a", "owner");
        answered(&copy, "\"uid\":\"u-copy\",\"allowed\":true");
}

static void wait__nothing_changes__denied_after_its_time(void **state)
{
        (void)state;
        fixture_start(&F, 1, false);
        int64_t begin = time_monotonic();
        struct client copy = asked(COPY);
        answered(&copy, "\"allowed\":false,\"status\":{\"status\":\"Failure\",\"code\":403");
        assert_true(time_monotonic() - begin >= 300 * DURATION_MILLISECOND);
}

static void wait__another_reason_stands__denied_at_once(void **state)
{
        (void)state;
        F.limits.wait = LONG;
        fixture_start(&F, 1, false);
        int64_t begin = time_monotonic();
        struct client bad = asked(BAD_COPY);
        answered(&bad, "\"allowed\":false,\"status\":{\"status\":\"Failure\",\"code\":403");
        assert_true(time_monotonic() - begin < LONG / 2);
}

static void wait__too_many__denied_at_once(void **state)
{
        (void)state;
        F.limits.wait = LONG;
        F.limits.waiting = 1;
        fixture_start(&F, 1, false);
        struct client first = asked(COPY);
        AWAIT(webhook_server_waiting(F.server) == 1);
        struct client second = asked(DRY_COPY);
        answered(&second, "\"uid\":\"u-dry\",\"allowed\":false");
        fixture_remove(&F, KIND_INGRESSROUTE, "team-a", "owner");
        answered(&first, "\"uid\":\"u-copy\",\"allowed\":true");
}

static void wait__another_request_follows_at_once__both_are_answered_in_order(void **state)
{
        (void)state;
        F.limits.wait = LONG;
        fixture_start(&F, 1, false);
        struct client c;
        assert_true(client_open(&c, F.port));
        static const char head[] = "POST /validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
        AUTO_STR *both = mem_printf("%sContent-Length: %zu\r\n\r\n%s%sContent-Length: %zu\r\n\r\n%s", head,
                                    strlen(COPY), COPY, head, strlen(GOOD), GOOD);
        assert_true(client_send(&c, both, strlen(both)));
        AWAIT(webhook_server_waiting(F.server) == 1);
        fixture_remove(&F, KIND_INGRESSROUTE, "team-a", "owner");
        struct reply r = client_receive(&c);
        assert_non_null(strstr(r.body, "\"uid\":\"u-copy\",\"allowed\":true"));
        reply_done(&r);
        answered(&c, "\"uid\":\"u-good\",\"allowed\":true");
}

static void wait__client_goes_meanwhile__server_goes_on(void **state)
{
        (void)state;
        F.limits.wait = LONG;
        fixture_start(&F, 1, false);
        struct client copy = asked(COPY);
        AWAIT(webhook_server_waiting(F.server) == 1);
        client_close(&copy);
        fixture_remove(&F, KIND_INGRESSROUTE, "team-a", "owner");
        AWAIT(webhook_server_connections(F.server) == 0);
        struct client good = asked(GOOD);
        answered(&good, "\"uid\":\"u-good\",\"allowed\":true");
}

static void wait__server_stops__answered_as_it_stands(void **state)
{
        (void)state;
        F.limits.wait = LONG;
        fixture_start(&F, 2, false);
        struct client copy = asked(COPY);
        AWAIT(webhook_server_waiting(F.server) == 1);
        webhook_server_stop(F.server, LONG);
        F.server = NULL;
        answered(&copy, "\"uid\":\"u-copy\",\"allowed\":false");
}

static void warn_only__conflict__allowed_with_a_warning_at_once(void **state)
{
        (void)state;
        F.limits.wait = LONG;
        F.state.warn_only = true;
        fixture_start(&F, 1, false);
        int64_t begin = time_monotonic();
        struct client copy = asked(COPY);
        answered(&copy, "\"allowed\":true,\"warnings\":[");
        assert_true(time_monotonic() - begin < LONG / 2);
}

int main(void)
{
#define SERVER_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                SERVER_TEST(wait__owner_goes_meanwhile__allowed),
                SERVER_TEST(wait__change_that_does_not_help__waits_on),
                SERVER_TEST(wait__nothing_changes__denied_after_its_time),
                SERVER_TEST(wait__another_reason_stands__denied_at_once),
                SERVER_TEST(wait__too_many__denied_at_once),
                SERVER_TEST(wait__another_request_follows_at_once__both_are_answered_in_order),
                SERVER_TEST(wait__client_goes_meanwhile__server_goes_on),
                SERVER_TEST(wait__server_stops__answered_as_it_stands),
                SERVER_TEST(warn_only__conflict__allowed_with_a_warning_at_once),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
