/* SPDX-License-Identifier: Apache-2.0 */
#include "xds/cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define TYPE RESOURCE_SECRET
enum { MANY = 500 };

static void set(struct cache *c, const char *name, const char *content)
{
        struct resource *r = resource_new(TYPE, name, content, strlen(content));
        cache_set(c, r, NULL);
        resource_unref(r);
}

/* Writes down what it hears: "+a" came or changed, "-a" went, "*" in front when only the wildcard saw it. */
struct ear {
        struct cache_watcher watcher;
        struct cache_watch watches[4];
        char heard[128];
        struct cache *cache;
        bool leaves, lingers;
};

static void hear(struct cache_watcher *w, struct cache_name *name, struct cache_watch *watch)
{
        struct ear *ear = (struct ear *)w;
        size_t n = strlen(ear->heard);
        snprintf(ear->heard + n, sizeof(ear->heard) - n, "%s%c%s ", watch ? "" : "*", name->resource ? '+' : '-',
                 name->text);
        if (!name->resource)
                assert_non_null(name->last);
        if (!name->resource && ear->lingers)
                cache_linger(name);
        if (watch && ear->leaves)
                cache_watch_remove(ear->cache, watch);
}

static void watch(struct ear *ear, struct cache *c, size_t i, const char *name)
{
        ear->watcher.changed = hear;
        ear->cache = c;
        cache_watch_add(&ear->watches[i], &ear->watcher, cache_name_get(c, TYPE, name));
}

static void cache_commit__staged_changes__visible_together(void **state)
{
        (void)state;
        AUTO(cache) *c = cache_new();
        set(c, "a", "1");
        set(c, "b", "1");
        assert_null(cache_find(c, TYPE, "a"));
        assert_int_equal(cache_commit(c, 7), 2);
        assert_int_equal(cache_now(c), 7);
        assert_string_equal(cache_find(c, TYPE, "a")->name, "a");
        set(c, "a", "2");
        cache_remove(c, TYPE, "b");
        assert_memory_equal(cache_find(c, TYPE, "a")->bytes, "1", 1);
        assert_non_null(cache_find(c, TYPE, "b"));
        assert_int_equal(cache_commit(c, 8), 2);
        assert_memory_equal(cache_find(c, TYPE, "a")->bytes, "2", 1);
        assert_null(cache_find(c, TYPE, "b"));
        assert_int_equal(cache_count(c, TYPE), 1);
}

static void cache_commit__same_content__no_change(void **state)
{
        (void)state;
        AUTO(cache) *c = cache_new();
        set(c, "a", "1");
        cache_commit(c, 0);
        struct ear ear = {0};
        watch(&ear, c, 0, "a");
        set(c, "a", "1");
        assert_int_equal(cache_commit(c, 0), 0);
        set(c, "a", "2");
        set(c, "a", "1");
        assert_int_equal(cache_commit(c, 0), 0);
        cache_remove(c, TYPE, "a");
        set(c, "a", "1");
        assert_int_equal(cache_commit(c, 0), 0);
        cache_remove(c, TYPE, "never");
        set(c, "late", "1");
        cache_remove(c, TYPE, "late");
        assert_int_equal(cache_commit(c, 0), 0);
        assert_string_equal(ear.heard, "");
        cache_watch_remove(c, &ear.watches[0]);
}

static void cache_commit__watched_names__only_their_watchers_hear(void **state)
{
        (void)state;
        AUTO(cache) *c = cache_new();
        struct ear one = {0}, both = {0};
        watch(&one, c, 0, "a");
        watch(&both, c, 0, "a");
        watch(&both, c, 1, "b");
        set(c, "a", "1");
        set(c, "other", "1");
        cache_commit(c, 0);
        set(c, "b", "1");
        cache_commit(c, 0);
        cache_remove(c, TYPE, "a");
        cache_commit(c, 0);
        assert_string_equal(one.heard, "+a -a ");
        assert_string_equal(both.heard, "+a +b -a ");
        one.leaves = true;
        set(c, "a", "2");
        cache_commit(c, 0);
        cache_remove(c, TYPE, "a");
        cache_commit(c, 0);
        assert_string_equal(one.heard, "+a -a +a ");
        assert_string_equal(both.heard, "+a +b -a +a -a ");
        cache_watch_remove(c, &both.watches[0]);
        cache_watch_remove(c, &both.watches[1]);
}

static void cache_commit__wildcard__hears_what_comes_new(void **state)
{
        (void)state;
        AUTO(cache) *c = cache_new();
        struct ear ear = {.watcher = {.changed = hear}};
        cache_wildcard_add(c, TYPE, &ear.watcher);
        set(c, "a", "1");
        cache_commit(c, 0);
        set(c, "a", "2");
        cache_commit(c, 0);
        cache_remove(c, TYPE, "a");
        cache_commit(c, 0);
        set(c, "a", "1");
        cache_commit(c, 0);
        assert_string_equal(ear.heard, "*+a *+a ");
        cache_wildcard_remove(c, TYPE, &ear.watcher);
}

static void cache_linger__removed_resource__kept_until_the_last_lets_go(void **state)
{
        (void)state;
        AUTO(cache) *c = cache_new();
        struct ear ear = {.lingers = true}, other = {.lingers = true};
        watch(&ear, c, 0, "a");
        watch(&other, c, 0, "a");
        set(c, "a", "1");
        cache_commit(c, 0);
        cache_remove(c, TYPE, "a");
        cache_commit(c, 0);
        struct cache_name *name = ear.watches[0].name;
        assert_memory_equal(name->last->bytes, "1", 1);
        cache_unlinger(name);
        assert_non_null(name->last);
        cache_unlinger(name);
        assert_null(name->last);
        cache_watch_remove(c, &ear.watches[0]);
        cache_watch_remove(c, &other.watches[0]);
}

static void cache_list__names_come_and_go__always_sorted(void **state)
{
        (void)state;
        AUTO(cache) *c = cache_new();
        bool there[MANY] = {false};
        uint32_t random = 1;
        for (int round = 0; round < 60; round++) {
                for (int i = 0; i < round; i++) {
                        random = random * 1664525 + 1013904223;
                        char name[16];
                        unsigned which = (random >> 8) % MANY;
                        snprintf(name, sizeof(name), "n%03u", which);
                        there[which] = random >> 31;
                        if (there[which])
                                set(c, name, "x");
                        else
                                cache_remove(c, TYPE, name);
                }
                cache_commit(c, round);
                if (round % 4 == 3)
                        continue; /* changes pile up in the list */
                size_t n, at = 0;
                struct cache_name *const *list = cache_list(c, TYPE, &n);
                assert_int_equal(n, cache_count(c, TYPE));
                for (unsigned i = 0; i < MANY; i++) {
                        char name[16];
                        snprintf(name, sizeof(name), "n%03u", i);
                        if (there[i])
                                assert_string_equal(list[at++]->text, name);
                }
                assert_int_equal(at, n);
        }
}

static void cache_version__same_content__same_however_it_came_about(void **state)
{
        (void)state;
        AUTO(cache) *a = cache_new();
        AUTO(cache) *b = cache_new();
        char one[RESOURCE_VERSION_LENGTH + 1], two[RESOURCE_VERSION_LENGTH + 1];
        set(a, "x", "1");
        set(a, "y", "2");
        cache_commit(a, 0);
        set(b, "y", "1");
        set(b, "z", "1");
        cache_commit(b, 0);
        cache_version(b, TYPE, two);
        cache_version(a, TYPE, one);
        assert_string_not_equal(one, two);
        set(b, "y", "2");
        set(b, "x", "1");
        cache_remove(b, TYPE, "z");
        cache_commit(b, 0);
        cache_version(b, TYPE, two);
        assert_string_equal(one, two);
        set(a, "x", "2");
        set(a, "y", "1"); /* the same contents under each other's names */
        cache_commit(a, 0);
        cache_version(a, TYPE, one);
        assert_string_not_equal(one, two);
        cache_remove(a, TYPE, "x");
        cache_remove(a, TYPE, "y");
        cache_commit(a, 0);
        cache_version(a, TYPE, one);
        assert_string_equal(one, "00000000000000000000000000000000");
}

static void cache_open__readers__all_are_woken_once(void **state)
{
        (void)state;
        AUTO(cache) *c = cache_new();
        struct cache_reader a = {0}, b = {0};
        cache_reader_add(c, &a);
        cache_reader_add(c, &b);
        assert_false(cache_is_open(c));
        assert_null(cache_reader_take(c));
        cache_reader_wake(c, &b);
        cache_open(c, 5);
        assert_true(cache_is_open(c));
        assert_int_equal(cache_opened(c), 5);
        assert_ptr_equal(cache_reader_take(c), &b);
        assert_ptr_equal(cache_reader_take(c), &a);
        assert_null(cache_reader_take(c));
        cache_reader_wake(c, &a);
        cache_reader_remove(c, &a);
        cache_reader_remove(c, &b);
        assert_null(cache_reader_take(c));
}

static void cache_set__cluster__knows_the_name_of_its_endpoints(void **state)
{
        (void)state;
        AUTO(cache) *c = cache_new();
        struct resource *r = resource_new(RESOURCE_CLUSTER, "c", "1", 1);
        cache_set(c, r, "e");
        cache_commit(c, 0);
        resource_unref(r);
        struct cache_name *name = cache_name_get(c, RESOURCE_CLUSTER, "c");
        assert_string_equal(name->endpoints->text, "e");
        assert_null(name->endpoints->resource);
        r = resource_new(RESOURCE_CLUSTER, "c", "2", 1);
        cache_set(c, r, NULL);
        cache_commit(c, 0);
        resource_unref(r);
        assert_null(name->endpoints);
}

static void cache_track__name_comes_and_goes__stays_tracked(void **state)
{
        (void)state;
        AUTO(cache) *c = cache_new();
        cache_track(c, TYPE, "shared");
        set(c, "shared", "1");
        cache_commit(c, 0);
        cache_remove(c, TYPE, "shared");
        cache_commit(c, 0);
        set(c, "shared", "1");
        cache_commit(c, 0);
        assert_true(cache_name_get(c, TYPE, "shared")->tracked);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(cache_commit__staged_changes__visible_together),
                cmocka_unit_test(cache_commit__same_content__no_change),
                cmocka_unit_test(cache_commit__watched_names__only_their_watchers_hear),
                cmocka_unit_test(cache_commit__wildcard__hears_what_comes_new),
                cmocka_unit_test(cache_linger__removed_resource__kept_until_the_last_lets_go),
                cmocka_unit_test(cache_list__names_come_and_go__always_sorted),
                cmocka_unit_test(cache_version__same_content__same_however_it_came_about),
                cmocka_unit_test(cache_open__readers__all_are_woken_once),
                cmocka_unit_test(cache_set__cluster__knows_the_name_of_its_endpoints),
                cmocka_unit_test(cache_track__name_comes_and_goes__stays_tracked),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
