/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/object_testing.h"

#include <stdio.h>

/* An inspector that writes down what it was shown; all calls of one test go to one place. */
static struct {
        unsigned pairs, cas;
        char crt[64], key[64], ca[64];
        const char *key_bytes;
} seen;

enum { BLOCK_HEADER = 24 }; /* base/arena.c puts the arena behind its first block's header */

static void see_pair(struct arena *a, const char *crt, size_t crt_size, const char *key, size_t key_size,
                     struct pair_facts *facts)
{
        static const char *const names[] = {"a.example", "b.example"};
        seen.pairs++;
        snprintf(seen.crt, sizeof(seen.crt), "%.*s", (int)crt_size, crt);
        snprintf(seen.key, sizeof(seen.key), "%.*s", (int)key_size, key);
        const char **copies = arena_calloc(a, 2, sizeof(*copies));
        for (size_t i = 0; i < 2; i++)
                copies[i] = arena_strdup(a, names[i]);
        *facts = (struct pair_facts){
                .ok = strcmp(seen.crt, "good") == 0, .names = copies, .name_count = 2, .not_before = 5, .not_after = 6};
        if (!facts->ok)
                facts->problem = arena_printf(a, "%s is no certificate", seen.crt);
}

static const char *see_ca(struct arena *a, const char *ca, size_t ca_size)
{
        seen.cas++;
        snprintf(seen.ca, sizeof(seen.ca), "%.*s", (int)ca_size, ca);
        return strcmp(seen.ca, "good") == 0 ? NULL : arena_strdup(a, "no bundle");
}

static const struct object_inspector inspector = {see_pair, see_ca};
static const struct object_options options = {.inspector = &inspector};

static struct object *secret(const char *rest)
{
        memset(&seen, 0, sizeof(seen));
        AUTO_STR *text = mem_printf("{'metadata':{'name':'a','namespace':'n'}%s}", rest);
        for (char *c = text; *c; c++)
                if (*c == '\'')
                        *c = '"';
        json_t *json = test_json(text);
        struct object *o = test_decode_with(KIND_SECRET, json, &options);
        json_decref(json);
        return o;
}

static void decode__tls_secret__keeps_what_the_inspector_says(void **state)
{
        (void)state;
        /* "good" and "key!" */
        AUTO(object) *o = secret(",'type':'kubernetes.io/tls','data':{'tls.crt':'Z29vZA==','tls.key':'a2V5IQ=='}");
        assert_string_equal(seen.crt, "good");
        assert_string_equal(seen.key, "key!");
        assert_int_equal(seen.pairs, 1);
        const struct pair_facts *pair = o->secret->pair;
        assert_true(pair->ok);
        assert_null(pair->problem);
        assert_int_equal(pair->name_count, 2);
        assert_string_equal(pair->names[1], "b.example");
        assert_int_equal(pair->not_before, 5);
        assert_int_equal(pair->not_after, 6);
        assert_false(o->secret->has_ca);
}

static void decode__tls_secret__holds_no_byte_of_the_key(void **state)
{
        (void)state;
        AUTO(object) *o = secret(",'type':'kubernetes.io/tls','data':{'tls.crt':'Z29vZA==','tls.key':'a2V5IQ=='}");
        const char *block = (const char *)o->arena - BLOCK_HEADER;
        assert_non_null(memmem(block, object_size(o), "b.example", 9)); /* the search finds what is there */
        assert_null(memmem(block, object_size(o), "key!", 4));
        assert_null(memmem(block, object_size(o), "a2V5IQ", 6));
}

static void decode__certificate_is_bad__keeps_the_reason(void **state)
{
        (void)state;
        AUTO(object) *o = secret(",'type':'kubernetes.io/tls','data':{'tls.crt':'YmFk','tls.key':'a2V5IQ=='}");
        assert_false(o->secret->pair->ok);
        assert_string_equal(o->secret->pair->problem, "bad is no certificate");
}

static void decode__tls_secret_lacks_or_hides_a_part__says_so(void **state)
{
        (void)state;
        static const struct {
                const char *data, *problem;
        } cases[] = {
                {"{}", "tls.crt is missing"},
                {"null", "tls.crt is missing"},
                {"{'tls.key':'a2V5IQ=='}", "tls.crt is missing"},
                {"{'tls.crt':'Z29vZA=='}", "tls.key is missing"},
                {"{'tls.crt':'Z29vZA==','tls.key':'a2V5I'}", "tls.key is not base64"},
                {"{'tls.crt':'Z29v*A==','tls.key':'a2V5IQ=='}", "tls.crt is not base64"},
                {"{'tls.crt':'=29vZA==','tls.key':'a2V5IQ=='}", "tls.crt is not base64"},
                {"{'tls.crt':'Z2=vZA==','tls.key':'a2V5IQ=='}", "tls.crt is not base64"},
                {"{'tls.crt':'Z29vZ\\u0000==','tls.key':'a2V5IQ=='}", "tls.crt is not base64"},
        };
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
                AUTO_STR *rest = mem_printf(",'type':'kubernetes.io/tls','data':%s", cases[i].data);
                AUTO(object) *o = secret(rest);
                assert_false(o->secret->pair->ok);
                assert_string_equal(o->secret->pair->problem, cases[i].problem);
                assert_int_equal(o->problem_count, 0);
                assert_int_equal(seen.pairs, 0);
        }
}

static void decode__data_of_the_wrong_type__is_a_problem_and_a_bad_pair(void **state)
{
        (void)state;
        AUTO(object) *o = secret(",'type':'kubernetes.io/tls','data':{'tls.crt':7,'tls.key':'a2V5IQ=='}");
        assert_problem(o, "data[tls.crt]", "must be a string");
        assert_string_equal(o->secret->pair->problem, "tls.crt is no string");
        AUTO(object) *list = secret(",'type':'kubernetes.io/tls','data':[]");
        assert_problem(list, "data", "must be an object");
        assert_string_equal(list->secret->pair->problem, "tls.crt is missing");
        AUTO(object) *type = secret(",'type':7");
        assert_problem(type, "type", "must be a string");
}

static void decode__other_type__is_not_inspected_as_a_pair(void **state)
{
        (void)state;
        AUTO(object) *o = secret(",'data':{'tls.crt':'Z29vZA==','tls.key':'a2V5IQ=='}");
        assert_string_equal(o->secret->type, "Opaque");
        assert_null(o->secret->pair);
        assert_int_equal(seen.pairs, 0);
}

static void decode__ca_bundle__is_judged(void **state)
{
        (void)state;
        AUTO(object) *good = secret(",'data':{'ca.crt':'Z29vZA=='}");
        assert_true(good->secret->has_ca);
        assert_null(good->secret->ca_problem);
        assert_int_equal(seen.cas, 1);
        AUTO(object) *bad = secret(",'data':{'ca.crt':'YmFk'}");
        assert_true(bad->secret->has_ca);
        assert_string_equal(bad->secret->ca_problem, "no bundle");
}

static void decode__string_data__counts_before_data(void **state)
{
        (void)state;
        AUTO(object) *o = secret(",'stringData':{'ca.crt':'good'},'data':{'ca.crt':'YmFk'}");
        assert_null(o->secret->ca_problem);
        assert_string_equal(seen.ca, "good");
}

static void decode__value_over_the_limit__is_not_decoded(void **state)
{
        (void)state;
        enum { LIMIT = 512 * 1024 };
        for (size_t over = 0; over < 2; over++) {
                memset(&seen, 0, sizeof(seen));
                AUTO_STR *ca = mem_calloc(LIMIT + 2, 1);
                memset(ca, 'x', LIMIT + over);
                json_t *json = json_pack("{s:{s:s,s:s},s:{s:s}}", "metadata", "name", "a", "namespace", "n",
                                         "stringData", "ca.crt", ca);
                AUTO(object) *o = test_decode_with(KIND_SECRET, json, &options);
                json_decref(json);
                assert_true(o->secret->has_ca);
                assert_int_equal(seen.cas, over ? 0 : 1);
                if (over)
                        assert_string_equal(o->secret->ca_problem, "ca.crt is larger than 512 KiB");
        }
}

static struct object *kept_secret(const char *crt, const char *ca)
{
        static const struct object_options keeping = {.inspector = &inspector, .keep_keys = true};
        memset(&seen, 0, sizeof(seen));
        json_t *json = json_pack("{s:{s:s,s:s},s:s,s:{s:s,s:s,s:s}}", "metadata", "name", "a", "namespace", "n", "type",
                                 "kubernetes.io/tls", "stringData", "tls.crt", crt, "tls.key", "key!", "ca.crt", ca);
        struct object *o = test_decode_with(KIND_SECRET, json, &keeping);
        json_decref(json);
        return o;
}

static void decode__keep_keys__keeps_the_bytes_of_what_is_good(void **state)
{
        (void)state;
        AUTO(object) *o = kept_secret("good", "good");
        assert_int_equal(o->secret->crt.size, 4);
        assert_string_equal(o->secret->crt.bytes, "good");
        assert_int_equal(o->secret->key.size, 4);
        assert_string_equal(o->secret->key.bytes, "key!");
        assert_string_equal(o->secret->ca.bytes, "good");
        assert_int_equal(seen.pairs, 1);
        AUTO(object) *bad = kept_secret("bad", "bad");
        assert_null(bad->secret->crt.bytes);
        assert_null(bad->secret->key.bytes);
        assert_null(bad->secret->ca.bytes);
        AUTO(object) *forgets = secret(",'type':'kubernetes.io/tls','stringData':{'tls.crt':'good','tls.key':'k'}");
        assert_null(forgets->secret->key.bytes);
}

static void decode__keep_keys__object_is_still_one_piece_of_memory_of_its_size(void **state)
{
        (void)state;
        AUTO(object) *o = kept_secret("good", "good");
        const char *block = (const char *)o->arena - BLOCK_HEADER;
        const char *end = block + object_size(o);
        assert_true(o->secret->key.bytes > block && o->secret->key.bytes + 5 <= end);
        assert_true(o->secret->ca.bytes > block && o->secret->ca.bytes + 5 <= end);
}

static void decode__no_inspector__takes_secrets_as_good(void **state)
{
        (void)state;
        AUTO(object) *o =
                test_object(KIND_SECRET, "{'metadata':{'name':'a','namespace':'n'},'type':'kubernetes.io/tls',"
                                         "'data':{'tls.crt':'YmFk','tls.key':'YmFk','ca.crt':'YmFk'}}");
        assert_true(o->secret->pair->ok);
        assert_int_equal(o->secret->pair->name_count, 0);
        assert_null(o->secret->ca_problem);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(decode__tls_secret__keeps_what_the_inspector_says),
                cmocka_unit_test(decode__tls_secret__holds_no_byte_of_the_key),
                cmocka_unit_test(decode__certificate_is_bad__keeps_the_reason),
                cmocka_unit_test(decode__tls_secret_lacks_or_hides_a_part__says_so),
                cmocka_unit_test(decode__data_of_the_wrong_type__is_a_problem_and_a_bad_pair),
                cmocka_unit_test(decode__other_type__is_not_inspected_as_a_pair),
                cmocka_unit_test(decode__ca_bundle__is_judged),
                cmocka_unit_test(decode__string_data__counts_before_data),
                cmocka_unit_test(decode__value_over_the_limit__is_not_decoded),
                cmocka_unit_test(decode__keep_keys__keeps_the_bytes_of_what_is_good),
                cmocka_unit_test(decode__keep_keys__object_is_still_one_piece_of_memory_of_its_size),
                cmocka_unit_test(decode__no_inspector__takes_secrets_as_good),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
