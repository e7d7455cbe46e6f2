/* SPDX-License-Identifier: Apache-2.0 */
/* What the store keeps beyond its time: objects that linger, and the last good content of Secrets. */
#include "kube/object_testing.h"
#include "kube/store_private.h"

struct fixture {
        struct store *store;
        struct reads *reads;
        struct store_reader reader;
        struct store_hooks hooks;
        bool lingers; /* what the hook says */
        unsigned asked, changes;
};

static void on_change(const struct object *old, const struct object *new, void *arg)
{
        struct fixture *f = arg;
        assert_true(old || new);
        f->changes++;
}

static bool lingers(const struct object *o, void *arg)
{
        struct fixture *f = arg;
        assert_non_null(o);
        f->asked++;
        return f->lingers;
}

static int set_up(void **state)
{
        struct fixture *f = mem_zalloc(sizeof(*f));
        f->store = store_new();
        f->reads = reads_new();
        f->lingers = true;
        f->hooks = (struct store_hooks){.on_change = on_change, .lingers = lingers, .arg = f};
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;
        store_reader_set(f->store, &f->reader, NULL);
        reads_free(f->reads);
        store_free(f->store);
        mem_free(f);
        return 0;
}

static void inspect_pair(struct arena *a, const char *crt, size_t crt_size, const char *key, size_t key_size,
                         struct pair_facts *facts)
{
        (void)a, (void)key, (void)key_size;
        facts->ok = crt_size != 3 || memcmp(crt, "bad", 3) != 0;
        facts->problem = facts->ok ? NULL : "it is bad";
}

static const char *inspect_ca(struct arena *a, const char *ca, size_t ca_size)
{
        (void)a, (void)ca, (void)ca_size;
        return NULL;
}

/* crt "bad" is no certificate. */
static void put_as(struct fixture *f, const char *version, const char *type, const char *crt)
{
        static const struct object_inspector inspector = {inspect_pair, inspect_ca};
        json_t *json = json_pack("{s:{s:s, s:s, s:s, s:s}, s:s, s:{s:s, s:s}}", "metadata", "namespace", "n", "name",
                                 "cert", "uid", "u", "resourceVersion", version, "type", type, "stringData", "tls.crt",
                                 crt, "tls.key", "key");
        struct object *o = test_decode_with(KIND_SECRET, json,
                                            &(struct object_options){.inspector = &inspector, .keep_keys = true});
        json_decref(json);
        store_put(f->store, o, 0, &f->hooks);
}

static void put(struct fixture *f, const char *version, const char *crt)
{
        put_as(f, version, "kubernetes.io/tls", crt);
}

static const char *stored(const struct fixture *f)
{
        const struct object *o = view_get(&(struct view){.store = f->store}, KIND_SECRET, "n", "cert");
        return o ? o->resource_version : NULL;
}

/* The version of the last good content. */
static const char *kept(const struct fixture *f)
{
        const struct object *o = view_last_good(&(struct view){.store = f->store}, "n", "cert");
        return o ? o->resource_version : NULL;
}

static bool remove_secret(struct fixture *f)
{
        return store_remove(f->store, KIND_SECRET, "n", "cert", 0, &f->hooks);
}

static void expire(struct fixture *f)
{
        store_expire(f->store, KIND_SECRET, "n", "cert", &f->hooks);
}

static void read_secret(struct fixture *f, const char *name)
{
        reads_clear(f->reads);
        view_get(&(struct view){.store = f->store, .reads = f->reads}, KIND_SECRET, "n", name);
        store_reader_set(f->store, &f->reader, f->reads);
}

/* ---- lingering ---- */

static void remove__object_lingers__stays_until_it_expires(void **state)
{
        struct fixture *f = *state;
        put(f, "1", "good");
        f->changes = 0;
        assert_true(remove_secret(f));
        assert_string_equal(stored(f), "1");
        assert_false(remove_secret(f)); /* it is gone already */
        assert_int_equal(f->asked, 1);
        assert_int_equal(f->changes, 0);
        expire(f);
        assert_null(stored(f));
        assert_int_equal(f->changes, 1);
        expire(f);
        assert_int_equal(f->changes, 1);
}

static void remove__hook_says_no__is_gone(void **state)
{
        struct fixture *f = *state;
        f->lingers = false;
        put(f, "1", "good");
        assert_true(remove_secret(f));
        assert_null(stored(f));
}

static void linger__put_again__stays_for_good(void **state)
{
        struct fixture *f = *state;
        put(f, "1", "good");
        remove_secret(f);
        put(f, "2", "good");
        expire(f);
        assert_string_equal(stored(f), "2");
        /* A list from before the deletion was taken back: the same version counts, too. */
        remove_secret(f);
        put(f, "2", "good");
        expire(f);
        assert_string_equal(stored(f), "2");
}

static void sweep__object_lingers__is_swept_when_it_expires(void **state)
{
        struct fixture *f = *state;
        put(f, "1", "good");
        for (int i = 0; i < 2; i++) {
                store_sweep_begin(f->store, KIND_SECRET, 0);
                store_sweep_end(f->store, KIND_SECRET, 0, SIZE_MAX, &f->hooks);
                assert_string_equal(stored(f), "1");
        }
        assert_int_equal(f->asked, 1);
        expire(f);
        assert_null(stored(f));
        /* The sweeps have kept count. */
        put(f, "2", "good");
        f->lingers = false;
        store_sweep_begin(f->store, KIND_SECRET, 0);
        store_sweep_end(f->store, KIND_SECRET, 0, SIZE_MAX, &f->hooks);
        assert_null(stored(f));
}

/* ---- last good content ---- */

static void last_good__read_secret_turns_bad__is_kept_until_it_is_good_again(void **state)
{
        struct fixture *f = *state;
        put(f, "1", "good");
        read_secret(f, "cert");
        put(f, "2", "bad");
        assert_string_equal(stored(f), "2");
        assert_string_equal(kept(f), "1");
        put(f, "3", "bad");
        assert_string_equal(kept(f), "1");
        put_as(f, "4", "Opaque", "good");
        assert_string_equal(kept(f), "1");
        put(f, "5", "good");
        assert_null(kept(f));
        put(f, "6", "bad");
        assert_string_equal(kept(f), "5");
}

static void last_good__nobody_reads_the_secret__is_not_kept(void **state)
{
        struct fixture *f = *state;
        put(f, "1", "good");
        put(f, "2", "bad");
        assert_null(kept(f));
}

static void last_good__its_reader_turns_to_another_secret__is_dropped(void **state)
{
        struct fixture *f = *state;
        put(f, "1", "good");
        read_secret(f, "cert");
        put(f, "2", "bad");
        read_secret(f, "cert");
        assert_string_equal(kept(f), "1");
        read_secret(f, "other");
        assert_null(kept(f));
        read_secret(f, "cert");
        assert_null(kept(f));
}

static void last_good__secret_goes__is_dropped(void **state)
{
        struct fixture *f = *state;
        put(f, "1", "good");
        read_secret(f, "cert");
        put(f, "2", "bad");
        remove_secret(f);
        assert_string_equal(kept(f), "1");
        expire(f);
        assert_null(kept(f));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(remove__object_lingers__stays_until_it_expires),
                TEST(remove__hook_says_no__is_gone),
                TEST(linger__put_again__stays_for_good),
                TEST(sweep__object_lingers__is_swept_when_it_expires),
                TEST(last_good__read_secret_turns_bad__is_kept_until_it_is_good_again),
                TEST(last_good__nobody_reads_the_secret__is_not_kept),
                TEST(last_good__its_reader_turns_to_another_secret__is_dropped),
                TEST(last_good__secret_goes__is_dropped),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
