/* SPDX-License-Identifier: Apache-2.0 */
/* Graphs that are meant to take long. Work is counted, not timed. */
#include "dag/delegation.h"
#include "dag/fixture_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka needs those before it */
#include <cmocka.h>

enum { TEXT_MAX = 64 * 1024 * 1024 };

static void put_text(struct fixture *f, const char *text)
{
        json_error_t e;
        json_t *o = json_loads(text, 0, &e);
        assert_non_null(o);
        fixture_put(f, o, NULL);
        json_decref(o);
}

static struct host *compile_site(struct fixture *f)
{
        struct view v = {.store = f->store};
        return host_compile(&v, &f->policy, "site.example", f->now);
}

/* A ladder: each step delegates to both of the next, so there are 2^30 ways and 60 objects. */
static void compile__exponential_diamonds__each_object_walked_once_a_prefix(void **state)
{
        (void)state;
        struct fixture f;
        fixture_init(&f);
        put_text(&f, "{\"ir\": \"a/root\", \"fqdn\": \"site.example\", \"routes\": [\"/ -> l1\", \"/p -> r1\"]}");
        for (int i = 1; i <= 30; i++) {
                for (int side = 0; side < 2; side++) {
                        AUTO_STR *text = mem_printf("{\"ir\": \"a/%c%d\", \"routes\": [\"/ -> l%d\", \"/p -> r%d\", "
                                                    "\"/p/p -> l%d\", \"/p/p/p -> r%d\"]}",
                                                    side ? 'r' : 'l', i, i + 1, i + 1, i + 1, i + 1);
                        put_text(&f, text);
                }
        }
        struct host *h = compile_site(&f);
        assert_true(h->work <= 62 * 4 * 5);
        assert_int_equal(h->object_count, 61);
        host_unref(h);
        fixture_done(&f);
}

static void append_routes(struct buf *out, const char *format_prefix, int n, const char *to)
{
        for (int i = 0; i < n; i++)
                buf_printf(out, "%s\"%s/%d -> %s\"", i ? ", " : "", format_prefix, i, to);
}

/* 2,048 prefixes lead to one child that has 2,048 routes: four million ways to look at a route. */
static void compile__many_prefixes_times_many_routes__work_has_an_end(void **state)
{
        (void)state;
        struct fixture f;
        fixture_init(&f);
        AUTO(buf) *root = buf_new(TEXT_MAX);
        buf_append_str(root, "{\"ir\": \"a/root\", \"fqdn\": \"site.example\", \"routes\": [");
        append_routes(root, "/p", ROUTES_PER_OBJECT_MAX, "child");
        buf_append_str(root, "]}");
        put_text(&f, buf_data(root));
        AUTO(buf) *child = buf_new(TEXT_MAX);
        buf_append_str(child, "{\"ir\": \"a/child\", \"routes\": [");
        append_routes(child, "/p", ROUTES_PER_OBJECT_MAX, "leaf");
        buf_append_str(child, "]}");
        put_text(&f, buf_data(child));
        put_text(&f, "{\"ir\": \"a/leaf\", \"routes\": [\"/p/1/x web\"]}");
        struct host *h = compile_site(&f);
        assert_true(h->work <= DELEGATION_LOOKED_MAX);
        AUTO(buf) *text = buf_new(TEXT_MAX);
        host_text(text, h);
        assert_non_null(strstr(buf_data(text), "[DelegationTooLarge]"));
        host_unref(h);
        fixture_done(&f);
}

/* A review of a child that 64 hosts of the largest kind delegate to ends when it has looked at enough, and says so. */
static void judge_candidate__strangers_with_huge_hosts__review_stops_early(void **state)
{
        (void)state;
        struct fixture f;
        fixture_init(&f);
        for (int i = 0; i < 10; i++) {
                AUTO(buf) *part = buf_new(TEXT_MAX);
                buf_printf(part, "{\"ir\": \"x/part%d\", \"routes\": [", i);
                for (int k = 0; k < ROUTES_PER_OBJECT_MAX; k++)
                        buf_printf(part, "%s\"/part%d/%d web\"", k ? ", " : "", i, k);
                buf_append_str(part, "]}");
                put_text(&f, buf_data(part));
        }
        for (int i = 0; i < ADMISSION_HOSTS_MAX; i++) {
                AUTO(buf) *root = buf_new(TEXT_MAX);
                buf_printf(root, "{\"ir\": \"x/root%d\", \"fqdn\": \"h%d.example\", \"routes\": [\"/c -> a/child\"", i,
                           i);
                for (int k = 0; k < 10; k++)
                        buf_printf(root, ", \"/part%d -> part%d\"", k, k);
                buf_append_str(root, "]}");
                put_text(&f, buf_data(root));
        }
        json_t *child = json_loads("{\"ir\": \"a/child\", \"routes\": [\"/c web\"]}", 0, NULL);
        enum kind kind;
        json_t *full = fixture_expand(child, &kind);
        AUTO(object) *o = fixture_decode(kind, full, false);
        json_decref(full);
        json_decref(child);
        AUTO(arena) *a = arena_new(1024);
        struct view v = {.store = f.store, .candidate = o};
        struct findings list = {.arena = a};
        judge_candidate(&v, &f.policy, f.now, &list);
        const char *text = "";
        for (size_t i = 0; i < list.count; i++) {
                if (list.items[i].rule == RULE_ReviewTruncated)
                        text = list.items[i].message;
        }
        /* The root, seven parts and the child fit into the first host; the second one is over the budget. */
        assert_non_null(strstr(text, "of which 2 were judged"));
        fixture_done(&f);
}

/* Every one of 300 objects delegates to every other: 90,000 delegations, of which a search looks at a part. */
static void judge_candidate__dense_graph__cycle_is_found(void **state)
{
        (void)state;
        struct fixture f;
        fixture_init(&f);
        for (int i = 0; i < 300; i++) {
                AUTO(buf) *text = buf_new(TEXT_MAX);
                buf_printf(text, "{\"ir\": \"a/n%d\", \"routes\": [", i);
                for (int k = 0; k < 300; k++)
                        buf_printf(text, "%s\"/%d -> n%d\"", k ? ", " : "", k, k);
                buf_append_str(text, "]}");
                put_text(&f, buf_data(text));
        }
        put_text(&f, "{\"ir\": \"a/root\", \"fqdn\": \"site.example\", \"routes\": [\"/ -> n0\"]}");
        AUTO(arena) *a = arena_new(1024);
        struct view v = {.store = f.store};
        v.candidate = view_get(&v, KIND_INGRESSROUTE, "a", "n7");
        struct findings list = {.arena = a};
        judge_candidate(&v, &f.policy, f.now, &list);
        size_t cycles = 0;
        for (size_t i = 0; i < list.count; i++)
                cycles += list.items[i].rule == RULE_DelegationCycle;
        assert_true(cycles >= 200 && cycles <= 300);
        struct host *h = compile_site(&f);
        assert_true(h->work <= DELEGATION_LOOKED_MAX);
        host_unref(h);
        fixture_done(&f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(compile__exponential_diamonds__each_object_walked_once_a_prefix),
                cmocka_unit_test(compile__many_prefixes_times_many_routes__work_has_an_end),
                cmocka_unit_test(judge_candidate__strangers_with_huge_hosts__review_stops_early),
                cmocka_unit_test(judge_candidate__dense_graph__cycle_is_found),
        };
        return cmocka_run_group_tests_name("dag, hostile graphs", tests, NULL, NULL);
}
