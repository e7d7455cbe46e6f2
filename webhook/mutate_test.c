/* SPDX-License-Identifier: Apache-2.0 */
/* testdata/mutate.json: options, an object, the patch; each patched object must need no second patch. */
#include "webhook/mutate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct setting {
        struct store *store;
        struct policy policy;
        struct mutate_options options;
        const char *operation, *kind;
};

static json_t *mutate(const struct setting *s, const json_t *object)
{
        json_t *review = json_pack("{s:s, s:s, s:{s:s, s:s, s:{s:s, s:s, s:s}, s:s, s:O, s:O}}", "apiVersion",
                                   "admission.k8s.io/v1", "kind", "AdmissionReview", "request", "uid", "u", "operation",
                                   s->operation, "kind", "group", "contour.heptio.com", "version", "v1beta1", "kind",
                                   s->kind, "namespace", "team-a", "object", object, "oldObject", object);
        char *body = json_dumps(review, 0);
        json_decref(review);
        AUTO(arena) *a = arena_new(1024);
        struct admission_review r;
        struct err e = {0};
        if (!admission_review_read(body, strlen(body), a, &r, &e))
                fail_msg("%s", e.text);
        AUTO(candidate) *c = NULL;
        assert_true(candidate_read(&r, &c, &e));
        char *patch = mutate_review(&r, c, s->store, &s->policy, &s->options, a);
        admission_review_done(&r);
        free(body);
        return patch ? json_loads(patch, JSON_REJECT_DUPLICATES, NULL) : NULL;
}

/* RFC 6902 as far as our own patches go: add and replace of an object's member. */
static void apply(json_t *object, const json_t *operation)
{
        char path[512], *save = NULL;
        snprintf(path, sizeof(path), "%s", json_string_value(json_object_get(operation, "path")));
        const char *name = json_string_value(json_object_get(operation, "op"));
        json_t *at = object;
        char *part = strtok_r(path, "/", &save);
        for (char *next; (next = strtok_r(NULL, "/", &save)) != NULL; part = next) {
                at = json_is_array(at) ? json_array_get(at, strtoul(part, NULL, 10)) : json_object_get(at, part);
                assert_non_null(at);
        }
        char *escaped = strstr(part, "~1");
        if (escaped) {
                *escaped = '/';
                memmove(escaped + 1, escaped + 2, strlen(escaped + 2) + 1);
        }
        assert_true(json_is_object(at));
        assert_true(str_equal(name, json_object_get(at, part) ? "replace" : "add"));
        json_object_set(at, part, json_object_get(operation, "value"));
}

static void check(const char *about, const struct setting *s, const json_t *object, const json_t *want)
{
        json_t *got = mutate(s, object);
        if (!json_equal(got, want) && !(json_is_null(want) && !got)) {
                char *text = got ? json_dumps(got, 0) : NULL;
                fail_msg("%s: got %s", about, text ? text : "no patch");
        }
        json_t *patched = json_deep_copy(object);
        size_t i;
        const json_t *operation;
        json_array_foreach (got, i, operation)
                apply(patched, operation);
        json_t *again = mutate(s, patched);
        if (again)
                fail_msg("%s: the patched object is patched again", about);
        json_decref(patched);
        json_decref(got);
}

static void mutate__files__patched_as_written_and_only_once(void **state)
{
        (void)state;
        json_error_t error;
        json_t *cases = json_load_file("webhook/testdata/mutate.json", JSON_REJECT_DUPLICATES, &error);
        if (!cases)
                fail_msg("%s", error.text);
        assert_true(json_array_size(cases) >= 12);
        size_t i;
        const json_t *c;
        json_array_foreach (cases, i, c) {
                const json_t *o = json_object_get(c, "options");
                const char *operation = json_string_value(json_object_get(c, "operation"));
                const char *kind = json_string_value(json_object_get(c, "kind"));
                struct setting s = {
                        .store = store_new(),
                        .operation = operation ? operation : "CREATE",
                        .kind = kind ? kind : "IngressRoute",
                        .policy.ingress_class = json_string_value(json_object_get(o, "ingress_class")),
                        .policy.strict_ingress_class = json_is_true(json_object_get(o, "strict_ingress_class")),
                        .options.default_ingress_class = json_is_true(json_object_get(o, "default_ingress_class")),
                        .options.write_defaults = json_is_true(json_object_get(o, "write_defaults")),
                };
                check(json_string_value(json_object_get(c, "about")), &s, json_object_get(c, "object"),
                      json_object_get(c, "patch"));
                store_free(s.store);
        }
        json_decref(cases);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(mutate__files__patched_as_written_and_only_once),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
