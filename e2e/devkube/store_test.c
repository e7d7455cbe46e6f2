/* SPDX-License-Identifier: Apache-2.0 */
#include "e2e/devkube/selector.h"
#include "e2e/devkube/store.h"

#include "base/time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { HISTORY = 4 };

static const struct resource *secrets(void)
{
        return resource_find("", "v1", "secrets");
}

static struct object *secret(const char *ns, const char *name, const char *value)
{
        json_auto_t *o = json_pack("{s:s, s:s, s:{s:s, s:s, s:{s:s}}, s:s}", "apiVersion", "v1", "kind", "Secret",
                                   "metadata", "name", name, "namespace", ns, "labels", "v", value, "type", "Opaque");
        return object_new(secrets(), o);
}

static bool put(const char *ns, const char *name, const char *value)
{
        AUTO_OBJECT *now = store_get(secrets(), ns, name);
        return store_put(secrets(), secret(ns, name, value), now, NULL);
}

static void put__something_else_is_there__refused(void **state)
{
        (void)state;
        assert_true(put("race", "a", "1"));
        AUTO_OBJECT *first = store_get(secrets(), "race", "a");
        assert_true(put("race", "a", "2"));
        uint64_t rv;
        assert_false(store_put(secrets(), secret("race", "a", "3"), first, NULL));
        assert_false(store_put(secrets(), secret("race", "a", "3"), NULL, NULL));
        assert_false(store_remove(secrets(), first, &rv));
        AUTO_OBJECT *now = store_get(secrets(), "race", "a");
        assert_string_equal(now->labels, "v=2\n");
}

static void object__written__begins_with_kind_and_revision(void **state)
{
        (void)state;
        assert_true(put("bytes", "a", "1"));
        AUTO_OBJECT *o = store_get(secrets(), "bytes", "a");
        AUTO(buf) *text = buf_new(4096);
        object_write(text, &secrets()->versions[0], o, 7);
        assert_string_equal(buf_data(text),
                            "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"resourceVersion\":"
                            "\"7\",\"name\":\"a\",\"namespace\":\"bytes\",\"labels\":{\"v\":\"1\"}},"
                            "\"type\":\"Opaque\"}");
        assert_string_equal(o->fields, "metadata.name=a\nmetadata.namespace=bytes\ntype=Opaque\n");
}

static void listing__of_a_namespace__by_name_and_as_it_was(void **state)
{
        (void)state;
        static const char *const names[] = {"c", "a", "b"};
        for (size_t i = 0; i < COUNT_OF(names); i++) {
                assert_true(put("list", names[i], "1"));
                assert_true(put("list-other", names[i], "1"));
        }
        struct query q = {.ns = "list"};
        AUTO(listing) *l = listing_new(secrets(), &q);
        assert_true(put("list", "d", "1"));
        assert_int_equal(l->count, 3);
        assert_string_equal(l->objects[0]->key, "list/a");
        assert_string_equal(l->objects[2]->key, "list/c");
        uint64_t id = listing_keep(l);
        AUTO(listing) *again = listing_find(id);
        assert_ptr_equal(again, l);
        assert_null(listing_find(id + 1));
}

static void wait__changes_in_order__with_what_was_before(void **state)
{
        (void)state;
        uint64_t seen = store_rv(), rv;
        assert_true(put("wait", "a", "1"));
        assert_true(put("wait", "a", "2"));
        AUTO_OBJECT *now = store_get(secrets(), "wait", "a");
        assert_true(store_remove(secrets(), now, &rv));
        static const enum change wanted[] = {CHANGE_ADDED, CHANGE_MODIFIED, CHANGE_DELETED};
        struct event events[HISTORY];
        assert_int_equal(store_wait(secrets(), &seen, events, HISTORY, 0), COUNT_OF(wanted));
        assert_true(seen == rv && events[2].rv == rv);
        assert_string_equal(events[1].before->labels, "v=1\n");
        for (size_t i = 0; i < COUNT_OF(wanted); i++) {
                assert_int_equal(events[i].change, wanted[i]);
                event_done(&events[i]);
        }
        assert_int_equal(store_wait(secrets(), &seen, events, HISTORY, time_monotonic()), 0);
}

static void wait__further_back_than_the_history__too_old(void **state)
{
        (void)state;
        uint64_t old = store_rv();
        for (int i = 0; i <= HISTORY; i++) {
                AUTO_STR *value = mem_printf("%d", i);
                assert_true(put("old", "a", value));
        }
        struct event events[1];
        uint64_t seen = old;
        assert_false(store_remembers(old));
        assert_int_equal(store_wait(secrets(), &seen, events, 1, 0), -1);
        assert_true(store_remembers(old + 1));
}

static void forget__as_after_a_restart__objects_stay_and_revisions_jump(void **state)
{
        (void)state;
        assert_true(put("forget", "a", "1"));
        uint64_t before = store_rv();
        store_forget(100);
        assert_true(store_rv() == before + 100);
        assert_false(store_remembers(before));
        assert_true(store_remembers(before + 100));
        AUTO_OBJECT *o = store_get(secrets(), "forget", "a");
        assert_true(o && o->rv == before);
}

static void load__over_what_is_there__merged_and_the_last_of_a_name_wins(void **state)
{
        (void)state;
        assert_true(put("load", "b", "old"));
        assert_true(put("load", "z", "kept"));
        struct object *many[] = {secret("load", "c", "1"), secret("load", "a", "1"), secret("load", "b", "new"),
                                 secret("load", "c", "1")};
        store_load(secrets(), many, COUNT_OF(many));
        struct query q = {.ns = "load"};
        AUTO(listing) *l = listing_new(secrets(), &q);
        assert_int_equal(l->count, 4);
        assert_string_equal(l->objects[1]->labels, "v=new\n");
        assert_string_equal(l->objects[3]->name, "z");
}

static int start(void **state)
{
        (void)state;
        resources_init(NULL);
        store_init(HISTORY);
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(put__something_else_is_there__refused),
                cmocka_unit_test(object__written__begins_with_kind_and_revision),
                cmocka_unit_test(listing__of_a_namespace__by_name_and_as_it_was),
                cmocka_unit_test(wait__changes_in_order__with_what_was_before),
                cmocka_unit_test(wait__further_back_than_the_history__too_old),
                cmocka_unit_test(forget__as_after_a_restart__objects_stay_and_revisions_jump),
                cmocka_unit_test(load__over_what_is_there__merged_and_the_last_of_a_name_wins),
        };
        return cmocka_run_group_tests(tests, start, NULL);
}
