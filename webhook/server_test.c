/* SPDX-License-Identifier: Apache-2.0 */
/* The server over real TLS sockets: what it answers, refuses, lets wait and ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <cmocka.h>

#include "base/metric.h"
#include "webhook/server_fixture.h"

static const char GOOD[] = REVIEW_OF("u-good", "CREATE", "", ROOT("shop", "shop.example.com"));
static const char BAD[] = REVIEW_OF("u-bad", "CREATE", "", ROOT("shop", "not a name"));

static struct fixture F;

static int set_up(void **state)
{
        (void)state;
        fixture_init(&F);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        fixture_done(&F);
        return 0;
}

static void start(void)
{
        fixture_start(&F, 2, false);
}

static struct client opened(void)
{
        struct client c;
        assert_true(client_open(&c, F.port));
        return c;
}

static void assert_allowed(struct reply *r, const char *uid)
{
        assert_int_equal(r->status, 200);
        AUTO_STR *want = mem_printf("\"uid\":\"%s\",\"allowed\":true", uid);
        if (!strstr(r->body, want))
                fail_msg("%s", r->body);
        reply_done(r);
}

static void assert_denied(struct reply *r, const char *uid, int code)
{
        assert_int_equal(r->status, 200);
        AUTO_STR *want = mem_printf("\"uid\":\"%s\",\"allowed\":false,\"status\":{\"status\":\"Failure\",\"code\":%d",
                                    uid, code);
        if (!strstr(r->body, want))
                fail_msg("%s", r->body);
        reply_done(r);
}

static struct reply post(struct client *c, const char *body)
{
        return client_post(c, "/validate", body, strlen(body));
}

/* ---- answers ---- */

static void validate__good_and_bad__answered_on_one_connection(void **state)
{
        (void)state;
        start();
        struct client c = opened();
        for (int i = 0; i < 3; i++) {
                struct reply r = post(&c, GOOD);
                assert_non_null(strstr(r.head, "Content-Type: application/json"));
                assert_allowed(&r, "u-good");
                r = post(&c, BAD);
                assert_denied(&r, "u-bad", 422);
        }
        client_close(&c);
}

static void mutate__upper_case_fqdn__is_patched(void **state)
{
        (void)state;
        start();
        struct client c = opened();
        static const char body[] = REVIEW_OF("u", "CREATE", "", ROOT("shop", "Shop.Example.com."));
        struct reply r = client_post(&c, "/mutate", body, strlen(body));
        assert_int_equal(r.status, 200);
        assert_non_null(strstr(r.body, "\"patchType\":\"JSONPatch\""));
        reply_done(&r);
        r = client_post(&c, "/mutate", GOOD, strlen(GOOD));
        assert_null(strstr(r.body, "patch"));
        assert_allowed(&r, "u-good");
        client_close(&c);
}

static void validate__reviews_without_an_object_to_judge__allowed(void **state)
{
        (void)state;
        start();
        struct client c = opened();
        struct reply r = post(&c, REVIEW_OF("u-del", "DELETE", "", "null"));
        assert_allowed(&r, "u-del");
        r = post(&c, REVIEW_OF("u-con", "CONNECT", "", "{}"));
        assert_allowed(&r, "u-con");
        static const char foreign[] = "{\"apiVersion\":\"admission.k8s.io/"
                                      "v1beta1\",\"kind\":\"AdmissionReview\",\"request\":{\"uid\":\"u-x\","
                                      "\"operation\":\"CREATE\",\"kind\":{\"group\":\"x.io\",\"version\":\"v1\","
                                      "\"kind\":\"X\"},\"object\":{}}}";
        r = post(&c, foreign);
        assert_non_null(strstr(r.body, "\"warnings\":[\""));
        assert_non_null(strstr(r.body, "\"apiVersion\":\"admission.k8s.io/v1beta1\""));
        assert_allowed(&r, "u-x");
        client_close(&c);
}

static void assert_metric(const char *line)
{
        AUTO(buf) *out = buf_new(1 << 20);
        metric_render(out);
        if (!strstr(buf_data(out), line))
                fail_msg("no %s in\n%s", line, buf_data(out));
}

static void metrics__after_reviews__count_verdicts_rules_and_bad_requests(void **state)
{
        (void)state;
        metric_reset_all();
        start();
        struct client c = opened();
        for (int i = 0; i < 2; i++) {
                struct reply r = post(&c, BAD);
                assert_denied(&r, "u-bad", 422);
        }
        struct reply r = client_post(&c, "/mutate", GOOD, strlen(GOOD));
        assert_allowed(&r, "u-good");
        r = post(&c, "{}");
        assert_int_equal(r.status, 400);
        reply_done(&r);
        assert_metric("gatehouse_admission_total{operation=\"CREATE\",kind=\"IngressRoute\",verdict=\"denied\"} 2\n");
        assert_metric(
                "gatehouse_admission_total{operation=\"CREATE\",kind=\"IngressRoute\",verdict=\"unpatched\"} 1\n");
        assert_metric("gatehouse_admission_total{operation=\"DELETE\",kind=\"other\",verdict=\"allowed\"} 0\n");
        assert_metric("gatehouse_admission_findings_total{rule=\"FQDNInvalid\"} 2\n");
        assert_metric("gatehouse_admission_duration_seconds_count 3\n");
        assert_metric("gatehouse_admission_bad_requests_total{code=\"400\"} 1\n");
        client_close(&c);
}

/* ---- bad requests ---- */

static void validate__refused_files__answer_400_and_go_on(void **state)
{
        (void)state;
        start();
        struct client c = opened();
        DIR *dir = opendir("webhook/testdata/refused");
        assert_non_null(dir);
        size_t count = 0;
        for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
                if (!str_has_suffix(entry->d_name, ".json"))
                        continue;
                struct err e = {0};
                AUTO_STR *path = file_join("webhook/testdata/refused", entry->d_name);
                AUTO(buf) *body = file_read(path, REVIEW_BODY_MAX, &e);
                assert_non_null(body);
                struct reply r = client_post(&c, "/validate", buf_data(body), buf_len(body));
                if (r.status != 400)
                        fail_msg("%s: %d", path, r.status);
                assert_true(strlen(r.body) > 10);
                reply_done(&r);
                count++;
        }
        closedir(dir);
        assert_true(count > 15);
        struct reply r = post(&c, GOOD);
        assert_allowed(&r, "u-good");
        client_close(&c);
}

#define JSON_TYPE "Content-Type: application/json\r\n"

static void heads__wrong__refused_with_their_status(void **state)
{
        (void)state;
        start();
        static const struct {
                const char *request;
                int status;
                const char *head;
        } cases[] = {
                {"GET /validate HTTP/1.1\r\nHost: x\r\n\r\n", 405, "Allow: POST"},
                {"PUT /mutate HTTP/1.1\r\nHost: x\r\n" JSON_TYPE "Content-Length: 2\r\n\r\n{}", 405, "Allow: POST"},
                {"POST / HTTP/1.1\r\nHost: x\r\n" JSON_TYPE "Content-Length: 2\r\n\r\n{}", 404, ""},
                {"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 404, ""},
                {"POST /validate/ HTTP/1.1\r\nHost: x\r\n" JSON_TYPE "Content-Length: 2\r\n\r\n{}", 404, ""},
                {"POST /validate HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", 415, ""},
                {"POST /validate HTTP/1.1\r\nHost: x\r\nContent-Type: text/json\r\nContent-Length: 2\r\n\r\n{}", 415,
                 ""},
                {"POST /validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/jsonp\r\nContent-Length: 2\r\n\r\n{}",
                 415, ""},
                {"POST /validate HTTP/1.1\r\nHost: x\r\n" JSON_TYPE "Content-Length: 8388609\r\n\r\n", 413,
                 "Connection: close"},
                {"POST /validate HTTP/1.1\r\nHost: x\r\n" JSON_TYPE
                 "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
                 400, "Connection: close"},
                {"POST /validate HTTP/1.1\r\nHost: x\r\n" JSON_TYPE "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
                 400, "Connection: close"},
                {"POST /validate HTTP/1.1\r\nHost: x\r\n" JSON_TYPE "Content-Length: -1\r\n\r\n", 400, ""},
                {"POST /validate HTTP/1.1\r\nHost: x\r\n" JSON_TYPE "Content-Length: 0\r\n\r\n", 400, ""},
        };
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
                struct client c = opened();
                assert_true(client_send(&c, cases[i].request, strlen(cases[i].request)));
                struct reply r = client_receive(&c);
                if (r.status != cases[i].status || !strcasestr(r.head, cases[i].head))
                        fail_msg("%s -> %d %s", cases[i].request, r.status, r.status ? r.head : "");
                reply_done(&r);
                client_close(&c);
        }
}

static void types__with_parameters_or_other_case__are_json(void **state)
{
        (void)state;
        start();
        static const char *const types[] = {"application/json; charset=utf-8", "Application/JSON",
                                            "application/json ;a=b"};
        for (size_t i = 0; i < COUNT_OF(types); i++) {
                struct client c = opened();
                AUTO_STR *request = mem_printf("POST /validate HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\n"
                                               "Content-Length: %zu\r\n\r\n%s",
                                               types[i], strlen(GOOD), GOOD);
                assert_true(client_send(&c, request, strlen(request)));
                struct reply r = client_receive(&c);
                assert_allowed(&r, "u-good");
                client_close(&c);
        }
}

static const char CHUNKED[] = "POST /validate HTTP/1.1\r\nHost: x\r\n" JSON_TYPE "Transfer-Encoding: chunked\r\n\r\n";

static void body__chunked__is_read(void **state)
{
        (void)state;
        start();
        struct client c = opened();
        assert_true(client_send(&c, CHUNKED, strlen(CHUNKED)));
        for (size_t at = 0; at < strlen(GOOD); at += 100) {
                AUTO_STR *part = mem_strndup(GOOD + at, strlen(GOOD + at) < 100 ? strlen(GOOD + at) : 100);
                AUTO_STR *chunk = mem_printf("%zx\r\n%s\r\n", strlen(part), part);
                assert_true(client_send(&c, chunk, strlen(chunk)));
        }
        assert_true(client_send(&c, "0\r\n\r\n", 5));
        struct reply r = client_receive(&c);
        assert_allowed(&r, "u-good");
        client_close(&c);
}

/* Sends a chunked body without end until the server has had enough; its last words. */
static struct reply flood(struct client *c, size_t max)
{
        enum { CHUNK = 256 * 1024 };
        char *chunk = mem_calloc(CHUNK + 32, 1);
        int n = sprintf(chunk, "%x\r\n", CHUNK);
        memset(chunk + n, ' ', CHUNK);
        memcpy(chunk + n + CHUNK, "\r\n", 3);
        bool ok = client_send(c, CHUNKED, strlen(CHUNKED));
        for (size_t sent = 0; ok && sent < max; sent += CHUNK)
                ok = client_send(c, chunk, (size_t)n + CHUNK + 2);
        mem_free(chunk);
        return client_receive(c);
}

static void body__chunked_over_8_mib__gets_413_while_it_arrives(void **state)
{
        (void)state;
        start();
        struct client c = opened();
        struct reply r = flood(&c, REVIEW_BODY_MAX + 256 * 1024);
        assert_int_equal(r.status, 413);
        reply_done(&r);
        assert_true(client_sees_end(&c));
        client_close(&c);
}

static void bodies__over_their_common_budget__get_503(void **state)
{
        (void)state;
        F.limits.bodies = 1024 * 1024;
        start();
        struct client c = opened();
        struct reply r = flood(&c, 1024 * 1024 + 256 * 1024);
        assert_int_equal(r.status, 503);
        reply_done(&r);
        client_close(&c);
        AWAIT(webhook_server_connections(F.server) == 0);
        struct client d = opened();
        r = post(&d, GOOD);
        assert_allowed(&r, "u-good");
        client_close(&d);
}

/* ---- connections ---- */

static void connections__beyond_the_limit__longest_idle_gives_way(void **state)
{
        (void)state;
        F.limits.connections = 3;
        fixture_start(&F, 1, false); /* one worker: the order of becoming idle is that of the answers */
        struct client c[4];
        for (size_t i = 0; i < 3; i++) {
                c[i] = opened();
                struct reply r = post(&c[i], GOOD);
                assert_allowed(&r, "u-good");
        }
        struct reply r = post(&c[0], GOOD); /* now the second one is idle longest */
        assert_allowed(&r, "u-good");
        c[3] = opened();
        assert_true(client_sees_end(&c[1]));
        for (size_t i = 0; i < 4; i++) {
                if (i != 1) {
                        r = post(&c[i], GOOD);
                        assert_allowed(&r, "u-good");
                }
                client_close(&c[i]);
        }
}

static void connections__that_drip__end_at_their_deadline(void **state)
{
        (void)state;
        F.limits.handshake = F.limits.request = 300 * DURATION_MILLISECOND;
        start();
        int silent = client_connect(F.port);
        assert_true(silent >= 0);
        struct client headers = opened(), body = opened(), good = opened();
        static const char head[] = "POST /validate HTTP/1.1\r\nHost: x\r\n" JSON_TYPE "Content-Length: 1000\r\n\r\n";
        assert_true(client_send(&headers, head, 30));
        assert_true(client_send(&body, head, strlen(head)));
        struct reply r = post(&good, GOOD);
        assert_allowed(&r, "u-good");
        /* Every byte is activity: a limit on inactivity would never end these. */
        int64_t begin = time_monotonic(), end = begin + CLIENT_PATIENCE * DURATION_SECOND;
        while (webhook_server_connections(F.server) > 1 && time_monotonic() < end) {
                client_send(&headers, "a", 1);
                client_send(&body, " ", 1);
                usleep(20000);
        }
        assert_int_equal(webhook_server_connections(F.server), 1);
        char byte;
        assert_true(recv(silent, &byte, 1, 0) <= 0);
        r = post(&good, GOOD);
        assert_allowed(&r, "u-good");
        close(silent);
        client_close(&headers);
        client_close(&body);
        client_close(&good);
}

static void connections__idle_too_long__are_closed(void **state)
{
        (void)state;
        F.limits.idle = 200 * DURATION_MILLISECOND;
        start();
        struct client c = opened();
        struct reply r = post(&c, GOOD);
        assert_allowed(&r, "u-good");
        assert_true(client_sees_end(&c));
        client_close(&c);
}

static void stop__idle_and_busy_connections__busy_ones_get_their_answer(void **state)
{
        (void)state;
        start();
        struct client idle = opened(), busy = opened();
        struct reply r = post(&idle, GOOD);
        assert_allowed(&r, "u-good");
        AUTO_STR *head = mem_printf("POST /validate HTTP/1.1\r\nHost: x\r\n" JSON_TYPE "Content-Length: %zu\r\n\r\n",
                                    strlen(GOOD));
        assert_true(client_send(&busy, head, strlen(head)));
        assert_true(client_send(&busy, GOOD, 10));
        webhook_server_drain(F.server);
        r = post(&idle, GOOD);
        assert_non_null(strcasestr(r.head, "Connection: close"));
        assert_allowed(&r, "u-good");
        assert_true(client_send(&busy, GOOD + 10, strlen(GOOD) - 10));
        webhook_server_stop(F.server, CLIENT_PATIENCE * DURATION_SECOND);
        F.server = NULL;
        r = client_receive(&busy);
        assert_allowed(&r, "u-good");
        assert_int_equal(client_connect(F.port), -1);
        client_close(&idle);
        client_close(&busy);
}

/* Stopping meets every worker somewhere else in its loop. */
static void stop__many_times__ends_cleanly(void **state)
{
        (void)state;
        for (int i = 0; i < 100; i++) {
                fixture_start(&F, 4, false);
                struct client c = opened();
                struct reply r = post(&c, GOOD);
                assert_allowed(&r, "u-good");
                webhook_server_stop(mem_take(&F.server), CLIENT_PATIENCE * DURATION_SECOND);
                client_close(&c);
        }
}

static void start__port_in_use__says_which(void **state)
{
        (void)state;
        start();
        struct webhook_server_options o = {
                .address = "127.0.0.1", .port = F.port, .keypair = F.credentials.keypair, .state = &F.state};
        struct err e = {0};
        assert_null(webhook_server_new(&o, &e));
        AUTO_STR *where = mem_printf("127.0.0.1 port %u", (unsigned)F.port);
        assert_non_null(strstr(e.text, where));
        o.address = "localhost.invalid";
        assert_null(webhook_server_new(&o, &e));
        assert_non_null(strstr(e.text, "use an IP address"));
}

int main(void)
{
#define SERVER_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                SERVER_TEST(validate__good_and_bad__answered_on_one_connection),
                SERVER_TEST(mutate__upper_case_fqdn__is_patched),
                SERVER_TEST(validate__reviews_without_an_object_to_judge__allowed),
                SERVER_TEST(metrics__after_reviews__count_verdicts_rules_and_bad_requests),
                SERVER_TEST(validate__refused_files__answer_400_and_go_on),
                SERVER_TEST(heads__wrong__refused_with_their_status),
                SERVER_TEST(types__with_parameters_or_other_case__are_json),
                SERVER_TEST(body__chunked__is_read),
                SERVER_TEST(body__chunked_over_8_mib__gets_413_while_it_arrives),
                SERVER_TEST(bodies__over_their_common_budget__get_503),
                SERVER_TEST(connections__beyond_the_limit__longest_idle_gives_way),
                SERVER_TEST(connections__that_drip__end_at_their_deadline),
                SERVER_TEST(connections__idle_too_long__are_closed),
                SERVER_TEST(stop__idle_and_busy_connections__busy_ones_get_their_answer),
                SERVER_TEST(stop__many_times__ends_cleanly),
                SERVER_TEST(start__port_in_use__says_which),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
