/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/status_plan.h"

#include "base/file.h"
#include "base/time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define NOW "2026-11-21T10:00:00Z"

static int64_t micros(const char *text)
{
        int64_t t;
        struct err e = {0};
        if (!time_parse(text, &t, &e))
                fail_msg("%s", e.text);
        return t;
}

/* The object with what every object has. */
static struct object *decode(json_t *json)
{
        json_t *meta = json_object_get(json, "metadata");
        json_object_set_new(meta, "namespace", json_string("ns"));
        json_object_set_new(meta, "name", json_string("site"));
        json_object_set_new(meta, "uid", json_string("u-1"));
        json_object_set_new(meta, "resourceVersion", json_string("77"));
        json_object_set_new(json, "spec", json_pack("{s:{s:s}}", "virtualhost", "fqdn", "a.example"));
        struct err e = {0};
        struct object *o = object_decode(KIND_INGRESSROUTE, json, &(struct object_options){0}, &e);
        if (!o)
                fail_msg("%s", e.text);
        return o;
}

static void read_findings(struct arena *a, const json_t *from, struct object_state *s)
{
        struct findings list = {.arena = a};
        size_t i;
        json_t *item;
        json_array_foreach (from, i, item) {
                struct finding f = {
                        .about = {KIND_INGRESSROUTE, "ns", "site"},
                        .field = json_string_value(json_object_get(item, "field")),
                        .message = json_string_value(json_object_get(item, "message")),
                        .subject = "",
                };
                assert_true(rule_find(json_string_value(json_object_get(item, "rule")), &f.rule));
                findings_add(&list, &f);
        }
        s->findings = list.items;
        s->finding_count = list.count;
}

static struct object_state read_state(struct arena *a, const json_t *from)
{
        struct object_state s = {.ours = !json_is_false(json_object_get(from, "ours"))};
        const char *status = json_string_value(json_object_get(from, "status"));
        s.status = str_equal(status, "invalid")    ? STATUS_INVALID
                   : str_equal(status, "orphaned") ? STATUS_ORPHANED
                                                   : STATUS_NOTICE;
        read_findings(a, json_object_get(from, "findings"), &s);
        const json_t *hosts = json_object_get(from, "virtualHosts");
        const char **names = arena_calloc(a, json_array_size(hosts), sizeof(char *));
        for (; s.virtual_host_count < json_array_size(hosts); s.virtual_host_count++)
                names[s.virtual_host_count] = json_string_value(json_array_get(hosts, s.virtual_host_count));
        s.virtual_hosts = names;
        s.claim_fqdn = json_string_value(json_object_get(from, "claimFqdn"));
        const char *since = json_string_value(json_object_get(from, "claimSince"));
        if (since)
                s.claim_since = str_equal(since, "now") ? CLAIM_NOW : micros(since);
        return s;
}

static void run_case(json_t *c)
{
        const char *name = json_string_value(json_object_get(c, "name"));
        AUTO(arena) *a = arena_new(1024);
        AUTO(object) *o = decode(json_object_get(c, "object"));
        struct object_state state = read_state(a, json_object_get(c, "state"));
        struct status_input in = {
                .object = o,
                .state = &state,
                .claim_id = json_string_value(json_object_get(c, "claimId")),
                .now = micros(NOW),
        };
        AUTO(buf) *body = buf_new(STATUS_BODY_MAX);
        bool write = status_plan(&in, body);
        assert_int_equal(status_plan(&in, NULL), write);
        json_t *wanted = json_object_get(c, "status");
        if (write != (wanted != NULL))
                fail_msg("%s: %s", name, write ? buf_data(body) : "nothing is written");
        if (!write)
                return;
        json_t *got = json_loads(buf_data(body), JSON_REJECT_DUPLICATES, NULL);
        json_t *whole =
                json_pack("{s:{s:s,s:s},s:O}", "metadata", "uid", "u-1", "resourceVersion", "77", "status", wanted);
        if (!json_equal(got, whole))
                fail_msg("%s: %s", name, buf_data(body));
        json_decref(got);
        json_decref(whole);
}

static void plan__cases_of_testdata__write_what_they_say(void **state)
{
        (void)state;
        struct err e = {0};
        AUTO(buf) *text = file_read("controller/testdata/status_plan.json", 1 << 20, &e);
        if (!text)
                fail_msg("%s", e.text);
        json_error_t where;
        json_t *cases = json_loads(buf_data(text), JSON_REJECT_DUPLICATES, &where);
        if (!cases)
                fail_msg("line %d: %s", where.line, where.text);
        size_t i;
        json_t *c;
        json_array_foreach (cases, i, c)
                run_case(c);
        assert_true(i > 10);
        json_decref(cases);
}

/* n findings of size bytes. */
static struct object_state many(struct arena *a, size_t n, size_t size)
{
        struct findings list = {.arena = a};
        char *message = arena_alloc(a, size + 1);
        memset(message, 'x', size);
        for (size_t i = 0; i < n; i++) {
                char field[48];
                snprintf(field, sizeof(field), "spec.routes[%zu]", i);
                struct finding f = {.rule = RULE_PathInvalid, .about = {KIND_INGRESSROUTE, "ns", "site"}};
                f.field = field;
                f.message = message;
                f.subject = "";
                findings_add(&list, &f);
        }
        return (struct object_state){
                .ours = true, .status = STATUS_INVALID, .findings = list.items, .finding_count = list.count};
}

static json_t *patch_of(const struct object_state *s)
{
        json_t *json = json_pack("{s:{s:i}}", "metadata", "generation", 1);
        AUTO(object) *o = decode(json);
        json_decref(json);
        AUTO(buf) *body = buf_new(STATUS_BODY_MAX);
        assert_true(status_plan(&(struct status_input){.object = o, .state = s, .now = 1}, body));
        assert_false(buf_full(body));
        json_t *patch = json_loads(buf_data(body), JSON_ALLOW_NUL, NULL);
        assert_non_null(patch);
        return patch;
}

static const char *message_of(const json_t *patch)
{
        const json_t *status = json_object_get(patch, "status");
        return json_string_value(json_object_get(json_array_get(json_object_get(status, "conditions"), 0), "message"));
}

static void plan__thousands_of_findings__message_is_bounded_and_says_so(void **state)
{
        (void)state;
        AUTO(arena) *a = arena_new(1024);
        struct object_state s = many(a, 5000, 20);
        json_t *patch = patch_of(&s);
        assert_non_null(strstr(message_of(patch), "spec.routes[99]:"));
        assert_null(strstr(message_of(patch), "spec.routes[100]:"));
        assert_true(str_has_suffix(message_of(patch), "\nand 4900 more findings"));
        json_decref(patch);
        s = many(a, 90, 2000);
        patch = patch_of(&s);
        assert_true(strlen(message_of(patch)) <= STATUS_MESSAGE_MAX);
        assert_true(str_has_suffix(message_of(patch), " more findings"));
        json_decref(patch);
}

static void plan__written_back__has_nothing_more_to_write(void **state)
{
        (void)state;
        AUTO(arena) *a = arena_new(1024);
        struct object_state s = many(a, 3, 3000);
        /* The description is cut: not inside a character. */
        char *message = arena_alloc(a, 2049);
        for (size_t i = 0; i < 2047; i += 2)
                memcpy(message + i, "\xc3\xa4", 2);
        memcpy(message + 100, "\xc0\x80", 2);
        ((struct finding *)(uintptr_t)s.findings)[0].message = message;
        json_t *json = patch_of(&s);
        json_object_set_new(json_object_get(json, "metadata"), "generation", json_integer(1));
        AUTO(object) *o = decode(json);
        json_decref(json);
        assert_false(status_plan(&(struct status_input){.object = o, .state = &s, .now = 5}, NULL));
}

static void fingerprint__same_status_at_another_time__is_equal(void **state)
{
        (void)state;
        AUTO(arena) *a = arena_new(1024);
        struct object_state one = many(a, 1, 20);
        struct object_state two = many(a, 2, 20);
        json_t *json = json_pack("{s:{s:i}}", "metadata", "generation", 1);
        AUTO(object) *o = decode(json);
        json_decref(json);
        struct status_input in = {.object = o, .state = &one, .claim_id = "me", .now = 1};
        uint64_t first = status_plan_wanted(&in);
        in.now = 2;
        assert_true(status_plan_wanted(&in) == first);
        in.state = &two;
        assert_false(status_plan_wanted(&in) == first);
        assert_true(status_plan_held(o) == status_plan_held(o));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(plan__cases_of_testdata__write_what_they_say),
                cmocka_unit_test(plan__thousands_of_findings__message_is_bounded_and_says_so),
                cmocka_unit_test(plan__written_back__has_nothing_more_to_write),
                cmocka_unit_test(fingerprint__same_status_at_another_time__is_equal),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
