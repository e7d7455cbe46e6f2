/* SPDX-License-Identifier: Apache-2.0 */
#include "dag/host.h"

#include "dag/dump.h"
#include "dag/fixture_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka needs those before it */
#include <cmocka.h>

static void put(struct fixture *f, const char *text)
{
        json_t *o = json_loads(text, 0, NULL);
        assert_non_null(o);
        fixture_put(f, o, NULL);
        json_decref(o);
}

static struct host *compile(struct fixture *f)
{
        struct view v = {.store = f->store};
        return host_compile(&v, &f->policy, "site.example", f->now);
}

static void fill(struct fixture *f)
{
        fixture_init(f);
        put(f, "{\"svc\": \"a/web\"}");
        put(f, "{\"secret\": \"a/cert\", \"names\": [\"site.example\"], \"not_after\": 5000000}");
        put(f, "{\"ir\": \"a/root\", \"fqdn\": \"site.example\", \"tls\": \"cert\", \"routes\": [\"/ web gone\", "
               "\"/a -> child\"]}");
        put(f, "{\"ir\": \"a/child\", \"routes\": [\"/a web\", \"/b web\"]}");
}

static void host__store_gone__still_says_all(void **state)
{
        (void)state;
        struct fixture f;
        fill(&f);
        struct host *h = compile(&f);
        fixture_done(&f);
        AUTO(buf) *out = buf_new(65536);
        host_text(out, h);
        dump_begin(out);
        dump_host(out, h);
        dump_end(out);
        assert_non_null(strstr(buf_data(out), "prefix /a forward from IngressRoute a/child[0]"));
        host_unref(h);
}

static void ref__last_one_dropped__frees(void **state)
{
        (void)state;
        struct fixture f;
        fill(&f);
        struct host *h = compile(&f);
        struct host *second = host_ref(h);
        assert_ptr_equal(h, second);
        host_unref(h);
        assert_string_equal(second->name, "site.example");
        assert_true(host_size(second) > 500);
        host_unref(second); /* LeakSanitizer tells when this does not free it */
        host_unref(NULL);
        fixture_done(&f);
}

static void equal__anything_said_differs__unequal(void **state)
{
        (void)state;
        static const char *const changes[] = {
                "{\"svc\": \"a/gone\"}",
                "{\"svc\": \"a/web\", \"annotations\": {\"max-requests\": \"1\"}}",
                "{\"ir\": \"a/child\", \"routes\": [\"/a web\"]}",
                "{\"secret\": \"a/cert\", \"problem\": \"unfit\"}",
                "{\"ir\": \"b/loser\", \"created\": 9, \"fqdn\": \"site.example\"}",
        };
        for (size_t i = 0; i < COUNT_OF(changes); i++) {
                struct fixture f;
                fill(&f);
                struct host *before = compile(&f), *again = compile(&f);
                assert_true(host_equal(before, again));
                put(&f, changes[i]);
                struct host *after = compile(&f);
                if (host_equal(before, after))
                        fail_msg("%s makes no difference", changes[i]);
                host_unref(before);
                host_unref(again);
                host_unref(after);
                fixture_done(&f);
        }
}

static void equal__nothing_said_differs__equal(void **state)
{
        (void)state;
        struct fixture f;
        fill(&f);
        struct host *before = compile(&f);
        put(&f, "{\"svc\": \"a/unrelated\"}");
        put(&f, "{\"secret\": \"a/cert\", \"names\": [\"site.example\", \"more.example\"], \"not_after\": 6000000}");
        struct host *after = compile(&f);
        assert_true(host_equal(before, after));
        assert_true(before->recheck_at != after->recheck_at);
        host_unref(before);
        host_unref(after);
        fixture_done(&f);
}

static void find_object__by_ref__or_none(void **state)
{
        (void)state;
        struct fixture f;
        fill(&f);
        struct host *h = compile(&f);
        struct object_ref child = {KIND_INGRESSROUTE, "a", "child"}, other = {KIND_INGRESS, "a", "child"};
        const struct host_object *o = host_find_object(h, &child);
        assert_non_null(o);
        assert_true(o->reached && !o->owner);
        assert_int_equal(o->served[0], 1);
        assert_int_equal(o->outside_count, 1);
        assert_null(host_find_object(h, &other));
        host_unref(h);
        fixture_done(&f);
}

/* A host says when time alone changes it: 14 days before the certificate's end, at its end, never again. */
static void recheck__certificate_nears_its_end__said_each_time(void **state)
{
        (void)state;
        struct fixture f;
        fill(&f);
        const int64_t end = fixture_micros(5000000), notice = end - INT64_C(14) * 24 * 3600 * TIME_MICROS_PER_SECOND;
        const int64_t times[] = {notice - 1, notice, end - 1, end};
        const int64_t next[] = {notice, end, end, INT64_MAX};
        const char *const says[] = {NULL, "expires at", "expires at", "has expired at"};
        for (size_t i = 0; i < COUNT_OF(times); i++) {
                f.now = times[i];
                struct host *h = compile(&f);
                AUTO(buf) *out = buf_new(65536);
                host_text(out, h);
                assert_true(h->recheck_at == next[i]);
                assert_int_equal(strstr(buf_data(out), "TLSSecretExpiring") != NULL, says[i] != NULL);
                assert_true(!says[i] || strstr(buf_data(out), says[i]));
                host_unref(h);
        }
        fixture_done(&f);
}

static void compile__nobody_asks__empty_host(void **state)
{
        (void)state;
        struct fixture f;
        fixture_init(&f);
        struct host *h = compile(&f);
        assert_null(h->owner);
        assert_int_equal(h->object_count + h->route_count, 0);
        assert_true(h->recheck_at == INT64_MAX);
        host_unref(h);
        fixture_done(&f);
}

/* Names of users stand in DOT only between quotes that they cannot end. */
static void dump__quotes_in_paths__are_escaped(void **state)
{
        (void)state;
        struct fixture f;
        fixture_init(&f);
        put(&f, "{\"ir\": \"a/root\", \"fqdn\": \"site.example\", \"routes\": [\"/\\\"];\\\\ web\"]}");
        struct host *h = compile(&f);
        AUTO(buf) *out = buf_new(65536);
        dump_host(out, h);
        assert_non_null(strstr(buf_data(out), "route site.example/\\\"];\\\\\""));
        host_unref(h);
        fixture_done(&f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(host__store_gone__still_says_all),
                cmocka_unit_test(ref__last_one_dropped__frees),
                cmocka_unit_test(equal__anything_said_differs__unequal),
                cmocka_unit_test(equal__nothing_said_differs__equal),
                cmocka_unit_test(find_object__by_ref__or_none),
                cmocka_unit_test(recheck__certificate_nears_its_end__said_each_time),
                cmocka_unit_test(compile__nobody_asks__empty_host),
                cmocka_unit_test(dump__quotes_in_paths__are_escaped),
        };
        return cmocka_run_group_tests_name("dag/host", tests, NULL, NULL);
}
