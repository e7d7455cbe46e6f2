/* SPDX-License-Identifier: Apache-2.0 */
#include "dag/tree.h"

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

static void state_of(const struct object *o, struct arena *a, struct object_state *out, void *arg)
{
        fixture_state(arg, a, o, out);
}

/* The host's tree; keep *h as long as the tree. */
static struct tree tree_in(struct fixture *f, struct arena *a, struct host **h)
{
        fixture_compile(f);
        struct view v = {.store = f->store};
        *h = host_ref(fixture_host(f, "site.example"));
        return tree_of(a, &v, *h, state_of, f);
}

static void expect_tree(struct fixture *f, const char *wanted)
{
        AUTO(arena) *a = arena_new(4096);
        struct host *h;
        struct tree t = tree_in(f, a, &h);
        AUTO(buf) *out = buf_new(1 << 20);
        tree_text(out, h, &t);
        assert_string_equal(buf_data(out), wanted);
        host_unref(h);
}

static void tree__delegations__stand_under_their_parents(void **state)
{
        (void)state;
        struct fixture f;
        fixture_init(&f);
        put(&f, "{\"svc\": \"a/web\"}");
        put(&f, "{\"svc\": \"b/web\"}");
        put(&f, "{\"ir\": \"a/root\", \"fqdn\": \"site.example\", \"routes\": [\"/ web\", \"/blog -> b/blog\", "
                "\"/shop -> a/shop\"]}");
        put(&f, "{\"ir\": \"b/blog\", \"routes\": [\"/blog web\", \"/blog/old -> b/old\"]}");
        put(&f, "{\"ir\": \"b/old\", \"routes\": [\"/blog/old web\"]}");
        put(&f, "{\"ir\": \"a/shop\", \"routes\": [\"/shop web\"]}");
        expect_tree(&f, "site.example\n"
                        "  IngressRoute a/root (owner)\n"
                        "    /blog -> IngressRoute b/blog\n"
                        "      /blog/old -> IngressRoute b/old\n"
                        "    /shop -> IngressRoute a/shop\n");
        fixture_done(&f);
}

static void tree__what_is_not_served__is_shown_with_the_reason(void **state)
{
        (void)state;
        struct fixture f;
        fixture_init(&f);
        put(&f, "{\"svc\": \"a/web\"}");
        put(&f, "{\"ir\": \"a/root\", \"fqdn\": \"site.example\", \"routes\": [\"/ web\", \"/gone -> gone\"]}");
        put(&f, "{\"ir\": \"b/copy\", \"created\": 9, \"fqdn\": \"site.example\", \"routes\": [\"/ web\"]}");
        AUTO(arena) *a = arena_new(4096);
        struct host *h;
        struct tree t = tree_in(&f, a, &h);
        AUTO(buf) *out = buf_new(1 << 20);
        tree_text(out, h, &t);
        assert_non_null(strstr(buf_data(out), "    /gone -> IngressRoute a/gone (does not exist)\n"));
        assert_non_null(strstr(buf_data(out), "  IngressRoute b/copy (not served)\n    ! "));
        assert_non_null(strstr(buf_data(out), "[FQDNConflict]"));
        assert_string_equal(t.first->ref.name, "root");
        host_unref(h);
        fixture_done(&f);
}

static void tree__cycle__ends_where_it_closes(void **state)
{
        (void)state;
        struct fixture f;
        fixture_init(&f);
        put(&f, "{\"ir\": \"a/root\", \"fqdn\": \"site.example\", \"routes\": [\"/ -> x\"]}");
        put(&f, "{\"ir\": \"a/x\", \"routes\": [\"/ -> y\"]}");
        put(&f, "{\"ir\": \"a/y\", \"routes\": [\"/ -> x\"]}");
        AUTO(arena) *a = arena_new(4096);
        struct host *h;
        struct tree t = tree_in(&f, a, &h);
        assert_int_equal(t.count, 4);
        const struct tree_node *x = t.first->children, *y = x->children;
        assert_true(y->children->again);
        assert_null(y->children->children);
        host_unref(h);
        fixture_done(&f);
}

/* 2^20 ways lead down. */
static void tree__many_ways_to_the_same_objects__is_cut(void **state)
{
        (void)state;
        struct fixture f;
        fixture_init(&f);
        put(&f, "{\"ir\": \"a/n0\", \"fqdn\": \"site.example\", \"routes\": [\"/ -> n1\", \"/x -> n1\"]}");
        for (int i = 1; i < 20; i++) {
                AUTO_STR *text =
                        mem_printf("{\"ir\": \"a/n%d\", \"routes\": [\"/ -> n%d\", \"/x -> n%d\"]}", i, i + 1, i + 1);
                put(&f, text);
        }
        AUTO(arena) *a = arena_new(4096);
        struct host *h;
        struct tree t = tree_in(&f, a, &h);
        assert_true(t.cut);
        assert_int_equal(t.count, TREE_NODES_MAX);
        host_unref(h);
        fixture_done(&f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(tree__delegations__stand_under_their_parents),
                cmocka_unit_test(tree__what_is_not_served__is_shown_with_the_reason),
                cmocka_unit_test(tree__cycle__ends_where_it_closes),
                cmocka_unit_test(tree__many_ways_to_the_same_objects__is_cut),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
