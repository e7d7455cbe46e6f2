/* SPDX-License-Identifier: Apache-2.0 */
/* testdata/verdict: objects in the store, a request, what is expected of it; run through the whole path. */
#include "webhook/job.h"

#include "base/file.h"
#include "base/json_read.h"
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* 2026-11-21T00:00:00Z */
static const int64_t NOW = 1795219200 * INT64_C(1000000);

struct setting {
        pthread_rwlock_t lock;
        struct store *store;
        struct policy policy;
        const char *root_namespaces[4];
        struct webhook_state state;
};

static const char *text(const json_t *o, const char *key)
{
        const char *s = json_string_value(json_object_get(o, key));
        return s ? s : "";
}

/* apiVersion "group/version" or "version". */
static void split_version(const json_t *o, char group[64], char version[64])
{
        const char *both = text(o, "apiVersion"), *slash = strchr(both, '/');
        snprintf(group, 64, "%.*s", slash ? (int)(slash - both) : 0, both);
        snprintf(version, 64, "%s", slash ? slash + 1 : both);
}

static void store_object(struct store *s, const json_t *o)
{
        char group[64], version[64];
        enum kind kind;
        struct err e = {0};
        split_version(o, group, version);
        assert_true(kind_find(group, text(o, "kind"), &kind));
        struct object *object = object_decode(kind, o, &(struct object_options){0}, &e);
        if (!object)
                fail_msg("%s", e.text);
        store_put(s, object, 0, NULL);
}

static void set_policy(struct setting *s, const json_t *p)
{
        const char *id = json_string_value(json_object_get(p, "claim_id"));
        size_t i;
        const json_t *namespace;
        s->policy.claim_id = id;
        s->policy.strict_references = json_is_true(json_object_get(p, "strict_references"));
        s->policy.require_fqdn_grants = json_is_true(json_object_get(p, "require_fqdn_grants"));
        json_array_foreach (json_object_get(p, "root_namespaces"), i, namespace)
                s->root_namespaces[s->policy.root_namespace_count++] = json_string_value(namespace);
        s->policy.root_namespaces = s->root_namespaces;
}

static void set_up(struct setting *s, const json_t *c)
{
        *s = (struct setting){.store = store_new()};
        webhook_state_lock_init(&s->lock);
        size_t i;
        const json_t *o;
        json_array_foreach (json_object_get(c, "store"), i, o)
                store_object(s->store, o);
        set_policy(s, json_object_get(c, "policy"));
        s->state = (struct webhook_state){
                .lock = &s->lock,
                .store = s->store,
                .policy = &s->policy,
                .warn_only = json_is_true(json_object_get(c, "warn_only")),
        };
}

/* The AdmissionReview that an API server would send. */
static char *review_body(const json_t *c)
{
        const json_t *given = json_object_get(c, "request");
        const json_t *object = json_object_get(given, "object");
        if (!object)
                object = json_object_get(given, "oldObject");
        char group[64], version[64];
        split_version(object, group, version);
        const json_t *metadata = json_object_get(object, "metadata");
        json_t *request = json_pack("{s:s, s:{s:s, s:s, s:s}, s:s, s:s}", "uid", "the-uid", "kind", "group", group,
                                    "version", version, "kind", text(object, "kind"), "namespace",
                                    text(metadata, "namespace"), "name", text(metadata, "name"));
        json_t *rest = json_deep_copy(given);
        json_object_del(rest, "kind");
        json_object_update(request, rest);
        json_decref(rest);
        json_t *review = json_pack("{s:s, s:s, s:o}", "apiVersion", "admission.k8s.io/v1", "kind", "AdmissionReview",
                                   "request", request);
        char *body = json_dumps(review, 0);
        json_decref(review);
        return body;
}

/* The "[Rule]" at the end of each line, sorted, as "A B "; "" for a line without one gives "". */
static char *rules_in(const json_t *lines)
{
        const char *names[64];
        size_t n = 0, i;
        const json_t *line;
        json_array_foreach (lines, i, line) {
                const char *s = json_string_value(line), *open = strrchr(s, '[');
                assert_true(n < COUNT_OF(names));
                names[n++] = open && str_has_suffix(s, "]") ? open : "";
        }
        for (i = 1; i < n; i++)
                for (size_t k = i; k > 0 && strcmp(names[k - 1], names[k]) > 0; k--) {
                        const char *swap = names[k];
                        names[k] = names[k - 1];
                        names[k - 1] = swap;
                }
        AUTO(buf) *out = buf_new(8192);
        for (i = 0; i < n; i++)
                buf_append_str(out, names[i]);
        return buf_take_str(out);
}

static json_t *split_lines(const char *s)
{
        json_t *lines = json_array();
        while (*s) {
                size_t n = strcspn(s, "\n");
                json_array_append_new(lines, json_stringn(s, n));
                s += n + (s[n] == '\n');
        }
        return lines;
}

/* "A", "B" -> "[A]", "[B]", so that both sides are read alike. */
static char *expected_rules(const json_t *names)
{
        json_t *lines = json_array();
        size_t i;
        const json_t *name;
        json_array_foreach (names, i, name) {
                const char *s = json_string_value(name);
                AUTO_STR *line = s[0] ? mem_printf("[%s]", s) : mem_strdup("");
                json_array_append_new(lines, json_string(line));
        }
        char *rules = rules_in(lines);
        json_decref(lines);
        return rules;
}

static void compare_rules(const char *about, const char *what, const json_t *want, const json_t *lines, const char *all)
{
        AUTO_STR *expected = expected_rules(want);
        AUTO_STR *got = rules_in(lines);
        if (!str_equal(expected, got))
                fail_msg("%s: %s: expected %s, got %s\n%s", about, what, expected, got, all);
}

static void check_answer(const json_t *c, const char *answer, bool stands)
{
        const char *about = text(c, "about");
        const json_t *expect = json_object_get(c, "expect");
        json_t *root = json_loads(answer, 0, NULL);
        const json_t *response = json_object_get(root, "response"), *status = json_object_get(response, "status");
        bool allowed = json_is_true(json_object_get(expect, "allowed"));
        assert_string_equal(text(response, "uid"), "the-uid");
        if (json_is_true(json_object_get(response, "allowed")) != allowed)
                fail_msg("%s: %s", about, answer);
        if (json_integer_value(json_object_get(status, "code")) != json_integer_value(json_object_get(expect, "code")))
                fail_msg("%s: another code: %s", about, answer);
        json_t *lines = split_lines(text(status, "message"));
        compare_rules(about, "denies", json_object_get(expect, "denies"), lines, answer);
        compare_rules(about, "warns", json_object_get(expect, "warns"), json_object_get(response, "warnings"), answer);
        json_decref(lines);
        if (stands == json_is_true(json_object_get(expect, "early")))
                fail_msg("%s: may be early: %d", about, !stands);
        size_t i;
        const json_t *says;
        json_array_foreach (json_object_get(expect, "says"), i, says)
                if (!strstr(answer, json_string_value(says)))
                        fail_msg("%s: does not say %s: %s", about, json_string_value(says), answer);
        json_decref(root);
}

static void run_case(const json_t *c)
{
        struct setting s;
        struct err e = {0};
        set_up(&s, c);
        char *body = review_body(c);
        struct job *job;
        if (!job_read(&job, JOB_VALIDATE, body, strlen(body), &s.state, &e))
                fail_msg("%s: %s", text(c, "about"), e.text);
        bool stands = job_judge(job, &s.state, NOW);
        AUTO(buf) *out = buf_new(REVIEW_ANSWER_MAX);
        job_answer(job, out);
        job_account(job, NULL, 0);
        check_answer(c, buf_data(out), stands);

        /* Judged again on the same store it is the same. */
        job_judge(job, &s.state, NOW);
        AUTO(buf) *again = buf_new(REVIEW_ANSWER_MAX);
        job_answer(job, again);
        assert_string_equal(buf_data(out), buf_data(again));
        job_free(job);
        free(body);
        store_free(s.store);
        pthread_rwlock_destroy(&s.lock);
}

static void run_file(const char *path, size_t at_least)
{
        struct err e = {0};
        AUTO(buf) *file = file_read(path, 1 << 20, &e);
        json_t *cases = file ? json_read(buf_data(file), buf_len(file), &e) : NULL;
        if (!cases)
                fail_msg("%s: %s", path, e.text);
        assert_true(json_array_size(cases) >= at_least);
        size_t i;
        const json_t *c;
        json_array_foreach (cases, i, c)
                run_case(c);
        json_decref(cases);
}

static void verdict__creations__as_in_the_file(void **state)
{
        (void)state;
        run_file("webhook/testdata/verdict/create.json", 20);
}

static void verdict__updates__as_in_the_file(void **state)
{
        (void)state;
        run_file("webhook/testdata/verdict/update.json", 18);
}

static void verdict__kinds__as_in_the_file(void **state)
{
        (void)state;
        run_file("webhook/testdata/verdict/kinds.json", 10);
}

static void be_silent(const char *line)
{
        (void)line;
}

int main(void)
{
        log_set_sink(be_silent);
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(verdict__creations__as_in_the_file),
                cmocka_unit_test(verdict__updates__as_in_the_file),
                cmocka_unit_test(verdict__kinds__as_in_the_file),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
