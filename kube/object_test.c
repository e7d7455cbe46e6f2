/* SPDX-License-Identifier: Apache-2.0 */
/* What holds for every kind: keys, annotations, wrong types, null, unknown fields, limits. */
#include "kube/object_testing.h"

#include "base/buf.h"

#include <stdio.h>

static const struct {
        enum kind kind;
        const char *file;
} samples[] = {
        {KIND_INGRESSROUTE, "ingressroute.json"}, {KIND_TLSCERTIFICATEDELEGATION, "tlscertificatedelegation.json"},
        {KIND_INGRESS, "ingress.json"},           {KIND_INGRESSCLASS, "ingressclass.json"},
        {KIND_SERVICE, "service.json"},           {KIND_ENDPOINTSLICE, "endpointslice.json"},
        {KIND_ENDPOINTS, "endpoints.json"},
};

/* ---- kinds ---- */

static void kind_find__every_kind__is_found_by_its_group_and_name(void **state)
{
        (void)state;
        for (unsigned i = 0; i < KIND_COUNT; i++) {
                const struct kind_info *info = kind_info((enum kind)i);
                enum kind found;
                assert_true(kind_find(info->group, info->name, &found));
                assert_int_equal(found, i);
        }
}

static void kind_find__other_group_or_name__is_none_of_ours(void **state)
{
        (void)state;
        enum kind kind = KIND_ENDPOINTS;
        assert_false(kind_find("", "Ingress", &kind));
        assert_false(kind_find("apps", "Deployment", &kind));
        assert_int_equal(kind, KIND_ENDPOINTS);
}

/* ---- keys ---- */

static void decode__key_missing_or_unusable__is_an_error_that_names_it(void **state)
{
        (void)state;
        static const struct {
                const char *json, *error;
        } cases[] = {
                {"[]", "metadata is missing"},
                {"{}", "metadata is missing"},
                {"{\"metadata\":null}", "metadata is missing"},
                {"{\"metadata\":{}}", "metadata.name is missing"},
                {"{\"metadata\":{\"name\":\"\"}}", "metadata.name is missing"},
                {"{\"metadata\":{\"name\":7}}", "metadata.name must be a string"},
                {"{\"metadata\":{\"name\":\"a\\u0000b\",\"namespace\":\"n\"}}", "metadata.name holds a NUL"},
                {"{\"metadata\":{\"name\":\"a\"}}", "metadata.namespace is missing"},
                {"{\"metadata\":{\"name\":\"a\",\"namespace\":\"\"}}", "metadata.namespace is missing"},
                {"{\"metadata\":{\"name\":\"a\",\"namespace\":[]}}", "metadata.namespace must be a string"},
        };
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
                struct err e = {0};
                json_t *json = test_json(cases[i].json);
                assert_null(object_decode(KIND_SERVICE, json, NULL, &e));
                if (!strstr(e.text, cases[i].error))
                        fail_msg("%s: %s", cases[i].json, e.text);
                json_decref(json);
        }
}

static bool name_of_length_decodes(size_t n)
{
        char name[512];
        memset(name, 'a', n);
        name[n] = '\0';
        json_t *json = json_pack("{s:{s:s}}", "metadata", "name", name);
        AUTO(object) *o = object_decode(KIND_NAMESPACE, json, NULL, NULL);
        json_decref(json);
        return o != NULL;
}

static void decode__name_longer_than_kubernetes_allows__is_an_error(void **state)
{
        (void)state;
        assert_true(name_of_length_decodes(253));
        assert_false(name_of_length_decodes(254));
}

static void decode__manifest_without_namespace__takes_the_default(void **state)
{
        (void)state;
        const struct object_options options = {.default_namespace = "default"};
        json_t *json = test_json("{\"metadata\":{\"name\":\"a\"}}");
        AUTO(object) *service = test_decode_with(KIND_SERVICE, json, &options);
        AUTO(object) *namespace = test_decode_with(KIND_NAMESPACE, json, &options);
        json_decref(json);
        assert_string_equal(service->namespace, "default");
        assert_string_equal(namespace->namespace, "");
}

static void decode__metadata__is_read(void **state)
{
        (void)state;
        AUTO(object) *o = test_file_object(KIND_INGRESSROUTE, "ingressroute.json");
        assert_string_equal(o->namespace, "shop");
        assert_string_equal(o->name, "site");
        assert_string_equal(o->uid, "6f1c");
        assert_string_equal(o->resource_version, "41");
        assert_int_equal(o->generation, 3);
        assert_true(o->created == INT64_C(1795251600000000));
        assert_true(o->deleting);
        assert_int_equal(o->problem_count, 0);
}

static void decode__metadata_of_wrong_types__is_problems_and_unset(void **state)
{
        (void)state;
        AUTO(object) *o = test_object(KIND_NAMESPACE, "{'metadata':{'name':'a','uid':1,'resourceVersion':[],"
                                                      "'generation':'x','creationTimestamp':'now','annotations':3}}");
        assert_int_equal(o->problem_count, 5);
        assert_string_equal(o->problems[3].field, "metadata.creationTimestamp");
        assert_string_equal(o->problems[3].message, "must be a time in RFC 3339 form");
        assert_string_equal(o->uid, "");
        assert_string_equal(o->resource_version, "");
        assert_false(o->deleting);
}

/* ---- annotations ---- */

static void annotations__of_the_kind__are_kept_in_order(void **state)
{
        (void)state;
        AUTO(object) *o = test_file_object(KIND_INGRESSROUTE, "ingressroute.json");
        static const char *const keys[] = {"contour.heptio.com/delegated-from", "contour.heptio.com/fqdn-handover",
                                           "kubernetes.io/ingress.class"};
        assert_int_equal(o->annotation_count, COUNT_OF(keys));
        for (size_t i = 0; i < COUNT_OF(keys); i++)
                assert_string_equal(o->annotations[i].key, keys[i]);
        assert_string_equal(object_annotation(o, "contour.heptio.com/delegated-from"), "a/*");
        assert_null(object_annotation(o, "unrelated"));
}

static void annotations__of_another_kind__are_dropped(void **state)
{
        (void)state;
        AUTO(object) *o = test_object(KIND_NAMESPACE,
                                      "{'metadata':{'name':'a','annotations':{"
                                      "'contour.heptio.com/delegated-from':'x','contour.heptio.com/allowed-fqdns':"
                                      "'*.a.example'}}}");
        assert_int_equal(o->annotation_count, 1);
        assert_string_equal(object_annotation(o, "contour.heptio.com/allowed-fqdns"), "*.a.example");
}

static void annotations__of_the_wrong_type__stay_empty(void **state)
{
        (void)state;
        AUTO(object) *o = test_object(KIND_NAMESPACE,
                                      "{'metadata':{'name':'a','annotations':{'contour.heptio.com/allowed-fqdns':7}}}");
        assert_problem(o, "metadata.annotations[contour.heptio.com/allowed-fqdns]", "must be a string");
        assert_string_equal(object_annotation(o, "contour.heptio.com/allowed-fqdns"), "");
}

static void contour_annotation__both_prefixes__projectcontour_wins(void **state)
{
        (void)state;
        AUTO(object) *o = test_file_object(KIND_INGRESS, "ingress.json");
        assert_string_equal(object_contour_annotation(o, "retry-on"), "5xx");
        assert_string_equal(object_contour_annotation(o, "num-retries"), "3");
        assert_null(object_contour_annotation(o, "ingress.allow-http"));
        assert_null(object_contour_annotation(o, "retry"));
}

/* ---- wrong types, null and unknown fields, everywhere in the samples ---- */

struct walk {
        enum kind kind;
        json_t *root;
        size_t checked;
        void (*check)(struct walk *w, json_t *parent, const char *key, size_t index, const char *path);
};

static bool is_simple(const char *key)
{
        return !strpbrk(key, "./");
}

static bool is_judged(const char *path)
{
        static const char *const ignored[] = {"apiVersion", "kind", "metadata", "status"};
        for (size_t i = 0; i < COUNT_OF(ignored); i++)
                if (str_has_prefix(path, ignored[i]))
                        return strcmp(path, "metadata.labels[kubernetes.io/service-name]") == 0;
        return !strstr(path, "resource"); /* of an Ingress backend: not read */
}

static void walk(struct walk *w, json_t *json, const char *path)
{
        const char *key;
        size_t i;
        void *next;
        json_t *value;
        json_object_foreach_safe(json, next, key, value)
        {
                AUTO_STR *name = mem_strdup(key);
                AUTO_STR *member = !is_simple(key) ? mem_printf("%s[%s]", path, key)
                                                   : mem_printf("%s%s%s", path, *path ? "." : "", key);
                walk(w, value, member);
                if (is_judged(member))
                        w->check(w, json, name, 0, member);
        }
        json_array_foreach (json, i, value) {
                AUTO_STR *element = mem_printf("%s[%zu]", path, i);
                walk(w, value, element);
                if (is_judged(element))
                        w->check(w, json, NULL, i, element);
        }
}

static size_t walk_samples(void (*check)(struct walk *, json_t *, const char *, size_t, const char *))
{
        size_t checked = 0;
        for (size_t i = 0; i < COUNT_OF(samples); i++) {
                struct walk w = {.kind = samples[i].kind, .root = test_file(samples[i].file), .check = check};
                walk(&w, w.root, "");
                assert_true(w.checked > 0);
                checked += w.checked;
                json_decref(w.root);
        }
        return checked;
}

static json_t *replace(json_t *parent, const char *key, size_t i, json_t *value)
{
        json_t *old = json_incref(key ? json_object_get(parent, key) : json_array_get(parent, i));
        if (key)
                json_object_set_new(parent, key, value);
        else
                json_array_set_new(parent, i, value);
        return old;
}

static void expect_one_problem(struct walk *w, json_t *parent, const char *key, size_t i, const char *path,
                               json_t *wrong)
{
        json_t *old = replace(parent, key, i, wrong);
        AUTO(object) *o = test_decode_with(w->kind, w->root, NULL);
        if (o->problem_count != 1 || strcmp(o->problems[0].field, path) != 0)
                fail_msg("%s: %zu problems, first %s", path, o->problem_count,
                         o->problem_count ? o->problems[0].field : "none");
        assert_int_equal(o->problems[0].type, PROBLEM_INVALID);
        assert_true(str_has_prefix(o->problems[0].message, "must be "));
        json_decref(replace(parent, key, i, old));
        w->checked++;
}

static void put_wrong_types(struct walk *w, json_t *parent, const char *key, size_t i, const char *path)
{
        const json_t *value = key ? json_object_get(parent, key) : json_array_get(parent, i);
        expect_one_problem(w, parent, key, i, path, json_is_boolean(value) ? json_integer(1) : json_true());
        expect_one_problem(w, parent, key, i, path, json_is_string(value) ? json_integer(7) : json_string("seven"));
        expect_one_problem(w, parent, key, i, path, json_is_object(value) ? json_array() : json_object());
        expect_one_problem(w, parent, key, i, path, json_is_array(value) ? json_object() : json_array());
        expect_one_problem(w, parent, key, i, path, json_real(1.5));
}

static void decode__any_field_of_a_wrong_type__is_one_problem_with_its_path(void **state)
{
        (void)state;
        assert_true(walk_samples(put_wrong_types) > 500);
}

static void put_null(struct walk *w, json_t *parent, const char *key, size_t i, const char *path)
{
        if (!key)
                return; /* an element is never absent */
        json_t *old = replace(parent, key, i, json_null());
        AUTO(object) *with_null = test_decode_with(w->kind, w->root, NULL);
        if (with_null->problem_count)
                fail_msg("%s: null is a problem: %s", path, with_null->problems[0].message);
        json_decref(replace(parent, key, i, old));
        w->checked++;
}

static void decode__null__counts_as_absent(void **state)
{
        (void)state;
        assert_true(walk_samples(put_null) > 80);
}

static void put_unknown(struct walk *w, json_t *parent, const char *key, size_t i, const char *path)
{
        json_t *value = key ? json_object_get(parent, key) : json_array_get(parent, i);
        if (!json_is_object(value))
                return;
        const struct object_options options = {.report_unknown = true};
        AUTO_STR *field = mem_printf("%s.surprise", path);
        json_object_set_new(value, "surprise", json_true());
        AUTO(object) *told = test_decode_with(w->kind, w->root, &options);
        AUTO(object) *untold = test_decode_with(w->kind, w->root, NULL);
        assert_problem(told, field, "is not a field of this API");
        assert_int_equal(told->problems[0].type, PROBLEM_UNKNOWN);
        assert_int_equal(untold->problem_count, 0);
        json_object_del(value, "surprise");
        w->checked++;
}

static void decode__unknown_field__is_reported_when_asked_for(void **state)
{
        (void)state;
        for (size_t i = 0; i < 2; i++) {
                struct walk w = {.kind = samples[i].kind, .root = test_file(samples[i].file), .check = put_unknown};
                walk(&w, w.root, "");
                assert_true(w.checked >= 3);
                json_decref(w.root);
        }
}

static void decode__unknown_field_beside_spec__is_reported_when_asked_for(void **state)
{
        (void)state;
        const struct object_options options = {.report_unknown = true};
        json_t *json = test_json("{\"metadata\":{\"name\":\"a\",\"namespace\":\"n\"},\"spce\":{}}");
        AUTO(object) *o = test_decode_with(KIND_INGRESSROUTE, json, &options);
        json_decref(json);
        assert_problem(o, "spce", "is not a field of this API");
}

/* ---- strange input ---- */

static void decode__unusual_key__is_shown_cut_on_one_line(void **state)
{
        (void)state;
        const struct object_options options = {.report_unknown = true};
        char key[200];
        memset(key, 'k', sizeof(key));
        key[0] = '\n';
        memcpy(key + 63, "\xC3\xA4", 2); /* the cut falls into this character */
        key[sizeof(key) - 1] = '\0';
        json_t *json = json_pack("{s:{s:s,s:s},s:{s:b}}", "metadata", "name", "a", "namespace", "n", "spec", key, 1);
        AUTO(object) *o = test_decode_with(KIND_INGRESSROUTE, json, &options);
        json_decref(json);
        assert_int_equal(o->problem_count, 1);
        char expected[100];
        snprintf(expected, sizeof(expected), "spec[?%.62s...]", key + 1);
        assert_string_equal(o->problems[0].field, expected);
}

static void decode__nul_in_a_string__is_kept_as_c0_80(void **state)
{
        (void)state;
        AUTO(object) *o = test_object(KIND_INGRESSROUTE, "{'metadata':{'name':'a','namespace':'n'},'spec':{"
                                                         "'virtualhost':{'fqdn':'a\\u0000b.example\\u0000'}}}");
        assert_string_equal(o->ingressroute->fqdn, "a\xC0\x80"
                                                   "b.example\xC0\x80");
        assert_int_equal(o->problem_count, 0);
}

static void decode__integers__have_the_width_of_their_type(void **state)
{
        (void)state;
        static const struct {
                enum kind kind;
                const char *number, *message;
        } cases[] = {
                {KIND_INGRESSROUTE, "9223372036854775807", NULL},
                {KIND_INGRESSROUTE, "-9223372036854775808", NULL},
                {KIND_INGRESSROUTE, "80.0", NULL},
                {KIND_INGRESSROUTE, "80.5", "must be an integer"},
                {KIND_INGRESSROUTE, "1e19", "must be an integer of at most 64 bits"},
                {KIND_INGRESSROUTE, "-1e300", "must be an integer of at most 64 bits"},
                {KIND_SERVICE, "2147483647", NULL},
                {KIND_SERVICE, "2147483648", "must be an integer of at most 32 bits"},
                {KIND_SERVICE, "-2147483649", "must be an integer of at most 32 bits"},
        };
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
                bool ir = cases[i].kind == KIND_INGRESSROUTE;
                AUTO_STR *text =
                        mem_printf("{'metadata':{'name':'a','namespace':'n'},'spec':{%s{'port':%s}%s}}",
                                   ir ? "'tcpproxy':{'services':[" : "'ports':[", cases[i].number, ir ? "]}" : "]");
                AUTO(object) *o = test_object(cases[i].kind, text);
                if (cases[i].message)
                        assert_problem(o, ir ? "spec.tcpproxy.services[0].port" : "spec.ports[0].port",
                                       cases[i].message);
                else
                        assert_int_equal(o->problem_count, 0);
        }
        AUTO(object) *o = test_object(KIND_INGRESSROUTE, "{'metadata':{'name':'a','namespace':'n'},'spec':{'tcpproxy':{"
                                                         "'services':[{'port':80.0}]}}}");
        assert_int_equal(o->ingressroute->tcpproxy->services[0].port, 80);
}

static void decode__very_many_wrong_fields__are_listed_up_to_the_limit(void **state)
{
        (void)state;
        json_t *routes = json_array();
        for (size_t i = 0; i < 200000; i++)
                json_array_append_new(routes, json_integer(1));
        json_t *json =
                json_pack("{s:{s:s,s:s},s:{s:o}}", "metadata", "name", "a", "namespace", "n", "spec", "routes", routes);
        AUTO(object) *o = test_decode_with(KIND_INGRESSROUTE, json, NULL);
        json_decref(json);
        assert_int_equal(o->ingressroute->route_count, 200000);
        assert_int_equal(o->problem_count, OBJECT_PROBLEMS_MAX);
        assert_string_equal(o->problems[98].field, "spec.routes[98]");
        assert_string_equal(o->problems[99].message, "is one of too many wrong fields: the rest is not listed");
}

static void decode__order_of_members__makes_no_difference(void **state)
{
        (void)state;
        AUTO(object) *a = test_object(KIND_INGRESSROUTE, "{'metadata':{'name':'a','namespace':'n'},"
                                                         "'spec':{'routes':1,'strategy':2}}");
        AUTO(object) *b = test_object(KIND_INGRESSROUTE, "{'spec':{'strategy':2,'routes':1},"
                                                         "'metadata':{'namespace':'n','name':'a'}}");
        assert_int_equal(a->problem_count, 2);
        for (size_t i = 0; i < 2; i++)
                assert_string_equal(a->problems[i].field, b->problems[i].field);
}

static void normalise_host__capitals_and_dot__go(void **state)
{
        (void)state;
        static const struct {
                const char *host, *normal;
        } cases[] = {
                {"a.example", "a.example"}, {"A.Example.", "a.example"}, {"a..", "a.."}, {".", ""}, {"", ""},
        };
        AUTO(arena) *a = arena_new(256);
        for (size_t i = 0; i < COUNT_OF(cases); i++)
                assert_string_equal(object_normalise_host(a, cases[i].host), cases[i].normal);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(kind_find__every_kind__is_found_by_its_group_and_name),
                cmocka_unit_test(kind_find__other_group_or_name__is_none_of_ours),
                cmocka_unit_test(decode__key_missing_or_unusable__is_an_error_that_names_it),
                cmocka_unit_test(decode__name_longer_than_kubernetes_allows__is_an_error),
                cmocka_unit_test(decode__manifest_without_namespace__takes_the_default),
                cmocka_unit_test(decode__metadata__is_read),
                cmocka_unit_test(decode__metadata_of_wrong_types__is_problems_and_unset),
                cmocka_unit_test(annotations__of_the_kind__are_kept_in_order),
                cmocka_unit_test(annotations__of_another_kind__are_dropped),
                cmocka_unit_test(annotations__of_the_wrong_type__stay_empty),
                cmocka_unit_test(contour_annotation__both_prefixes__projectcontour_wins),
                cmocka_unit_test(decode__any_field_of_a_wrong_type__is_one_problem_with_its_path),
                cmocka_unit_test(decode__null__counts_as_absent),
                cmocka_unit_test(decode__unknown_field__is_reported_when_asked_for),
                cmocka_unit_test(decode__unknown_field_beside_spec__is_reported_when_asked_for),
                cmocka_unit_test(decode__unusual_key__is_shown_cut_on_one_line),
                cmocka_unit_test(decode__nul_in_a_string__is_kept_as_c0_80),
                cmocka_unit_test(decode__integers__have_the_width_of_their_type),
                cmocka_unit_test(decode__very_many_wrong_fields__are_listed_up_to_the_limit),
                cmocka_unit_test(decode__order_of_members__makes_no_difference),
                cmocka_unit_test(normalise_host__capitals_and_dot__go),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
