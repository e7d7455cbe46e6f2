/* SPDX-License-Identifier: Apache-2.0 */
#include "webhook/admission_review.h"

#include "base/file.h"
#include "base/json_arena.h"
#include "base/json_read.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define HEAD "{\"apiVersion\":\"admission.k8s.io/v1\",\"kind\":\"AdmissionReview\",\"request\":{\"uid\":\"u1\","
#define KIND "\"kind\":{\"group\":\"contour.heptio.com\",\"version\":\"v1beta1\",\"kind\":\"IngressRoute\"},"

static bool read_text(const char *text, struct arena *a, struct admission_review *r, struct err *e)
{
        *e = (struct err){0};
        return admission_review_read(text, strlen(text), a, r, e);
}

/* ---- reading ---- */

static void read__create__gives_every_part(void **state)
{
        (void)state;
        static const char body[] = HEAD KIND
                "\"operation\":\"CREATE\",\"subResource\":\"scale\",\"namespace\":\"team-a\",\"name\":\"shop\","
                "\"dryRun\":true,\"object\":{\"spec\":{}},\"oldObject\":null}}";
        AUTO(arena) *a = arena_new(64);
        struct admission_review r;
        struct err e;
        assert_true(read_text(body, a, &r, &e));
        assert_string_equal(r.api_version, "admission.k8s.io/v1");
        assert_string_equal(r.uid, "u1");
        assert_int_equal(r.operation, OPERATION_CREATE);
        assert_string_equal(r.group, "contour.heptio.com");
        assert_string_equal(r.version, "v1beta1");
        assert_string_equal(r.kind, "IngressRoute");
        assert_string_equal(r.subresource, "scale");
        assert_string_equal(r.namespace, "team-a");
        assert_string_equal(r.name, "shop");
        assert_true(r.dry_run);
        assert_non_null(json_object_get(r.object, "spec"));
        assert_null(r.old_object);
        admission_review_done(&r);
        assert_null(r.object);
        assert_string_equal(r.uid, "u1");
}

static void read__v1beta1_delete__has_no_object(void **state)
{
        (void)state;
        static const char body[] =
                "{\"apiVersion\":\"admission.k8s.io/v1beta1\",\"kind\":\"AdmissionReview\",\"request\":"
                "{\"uid\":\"u2\",\"operation\":\"DELETE\",\"object\":null}}";
        AUTO(arena) *a = arena_new(64);
        struct admission_review r;
        struct err e;
        assert_true(read_text(body, a, &r, &e));
        assert_string_equal(r.api_version, "admission.k8s.io/v1beta1");
        assert_int_equal(r.operation, OPERATION_DELETE);
        assert_string_equal(r.kind, "");
        assert_false(r.dry_run);
        assert_null(r.object);
        admission_review_done(&r);
}

/* testdata/refused: each file is refused with 400, but one, whose fault is found later. */
static void read__refused_files__give_400(void **state)
{
        (void)state;
        DIR *dir = opendir("webhook/testdata/refused");
        assert_non_null(dir);
        size_t count = 0;
        for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
                if (!str_has_suffix(entry->d_name, ".json") || str_equal(entry->d_name, "no-object.json"))
                        continue;
                struct err e = {0};
                AUTO_STR *path = file_join("webhook/testdata/refused", entry->d_name);
                AUTO(buf) *body = file_read(path, REVIEW_BODY_MAX, &e);
                assert_non_null(body);
                AUTO(arena) *a = arena_new(64);
                struct admission_review r;
                if (admission_review_read(buf_data(body), buf_len(body), a, &r, &e))
                        fail_msg("%s was not refused", path);
                assert_int_equal(e.code, 400);
                assert_true(e.text[0]);
                assert_int_equal(json_arena_used(), 0);
                count++;
        }
        closedir(dir);
        assert_true(count > 15);
}

static void read__too_large__gives_413_before_the_parser(void **state)
{
        (void)state;
        size_t n = REVIEW_BODY_MAX + 1;
        char *body = mem_calloc(n, 1);
        AUTO(arena) *a = arena_new(64);
        struct admission_review r;
        struct err e = {0};
        assert_false(admission_review_read(body, n, a, &r, &e));
        assert_int_equal(e.code, 413);
        mem_free(body);
}

static void read__needs_too_much_memory__gives_413(void **state)
{
        (void)state;
        size_t n = REVIEW_BODY_MAX;
        char *body = mem_calloc(n, 1);
        body[0] = '[';
        for (size_t i = 1; i + 3 < n; i += 3)
                snprintf(body + i, 4, "{},");
        AUTO(arena) *a = arena_new(64);
        struct admission_review r;
        struct err e = {0};
        assert_false(admission_review_read(body, n, a, &r, &e));
        assert_int_equal(e.code, 413);
        mem_free(body);
}

static void read__depth_128__is_accepted(void **state)
{
        (void)state;
        AUTO(buf) *body = buf_new(4096);
        buf_append_str(body, HEAD "\"operation\":\"CREATE\",\"object\":");
        for (int i = 0; i < JSON_READ_DEPTH_MAX - 2; i++)
                buf_append_str(body, "{\"[\\\"\":");
        buf_append_str(body, "1");
        for (int i = 0; i < JSON_READ_DEPTH_MAX; i++)
                buf_append_str(body, "}");
        AUTO(arena) *a = arena_new(64);
        struct admission_review r;
        struct err e;
        assert_true(read_text(buf_data(body), a, &r, &e));
        admission_review_done(&r);
}

static void read__integer_beyond_64_bits__costs_only_its_field(void **state)
{
        (void)state;
        static const char body[] = HEAD
                "\"operation\":\"CREATE\",\"object\":{\"a\":123456789012345678901234567890,\"b\":-9223372036854775808,"
                "\"c\":9223372036854775808,\"d\":\"99999999999999999999\",\"e\":1.25,\"f\":18446744073709551615000}}}";
        AUTO(arena) *a = arena_new(64);
        struct admission_review r;
        struct err e;
        assert_true(read_text(body, a, &r, &e));
        assert_true(json_is_real(json_object_get(r.object, "a")));
        assert_int_equal(json_integer_value(json_object_get(r.object, "b")), INT64_MIN);
        assert_true(json_is_real(json_object_get(r.object, "c")));
        assert_string_equal(json_string_value(json_object_get(r.object, "d")), "99999999999999999999");
        assert_true(json_real_value(json_object_get(r.object, "e")) > 1.2);
        assert_true(json_is_real(json_object_get(r.object, "f")));
        admission_review_done(&r);
}

static void read__nul_in_a_value__is_kept(void **state)
{
        (void)state;
        static const char body[] = HEAD "\"operation\":\"CREATE\",\"object\":{\"a\":\"x\\u0000y\"}}}";
        AUTO(arena) *a = arena_new(64);
        struct admission_review r;
        struct err e;
        assert_true(read_text(body, a, &r, &e));
        assert_int_equal(json_string_length(json_object_get(r.object, "a")), 3);
        admission_review_done(&r);
}

/* ---- answering ---- */

static json_t *answer(const struct admission_answer *answer)
{
        static const struct admission_review review = {
                .api_version = "admission.k8s.io/v1beta1",
                .uid = "a \"uid\"",
                .group = "contour.heptio.com",
                .kind = "IngressRoute",
                .name = "shop",
        };
        AUTO(buf) *out = buf_new(REVIEW_ANSWER_MAX);
        admission_review_answer(&review, answer, out);
        json_error_t error;
        json_t *v = json_loadb(buf_data(out), buf_len(out), JSON_REJECT_DUPLICATES, &error);
        if (!v)
                fail_msg("%s", error.text);
        return v;
}

static const char *text_at(const json_t *v, const char *a, const char *b)
{
        v = json_object_get(json_object_get(v, "response"), a);
        return json_string_value(b ? json_object_get(v, b) : v);
}

static void answer__allowed__echoes_version_and_uid(void **state)
{
        (void)state;
        json_t *v = answer(&(struct admission_answer){.allowed = true});
        assert_string_equal(json_string_value(json_object_get(v, "apiVersion")), "admission.k8s.io/v1beta1");
        assert_string_equal(json_string_value(json_object_get(v, "kind")), "AdmissionReview");
        assert_string_equal(text_at(v, "uid", NULL), "a \"uid\"");
        assert_int_equal(json_object_size(json_object_get(v, "response")), 2);
        json_decref(v);
}

static void answer__denied__tells_all_causes_one_a_line(void **state)
{
        (void)state;
        const struct admission_cause causes[] = {
                {"spec.virtualhost.fqdn", "Invalid value: \"\xc3\xa9\": bad [FQDNInvalid]"},
                {"", "nothing [RootEmpty]"},
        };
        json_t *v = answer(&(struct admission_answer){.code = 422, .causes = causes, .cause_count = 2});
        json_t *status = json_object_get(json_object_get(v, "response"), "status");
        assert_true(json_is_false(json_object_get(json_object_get(v, "response"), "allowed")));
        assert_int_equal(json_integer_value(json_object_get(status, "code")), 422);
        assert_string_equal(text_at(v, "status", "reason"), "Invalid");
        assert_string_equal(
                text_at(v, "status", "message"),
                "spec.virtualhost.fqdn: Invalid value: \"\xc3\xa9\": bad [FQDNInvalid]\nnothing [RootEmpty]");
        json_t *told = json_object_get(json_object_get(status, "details"), "causes");
        assert_int_equal(json_array_size(told), 2);
        assert_string_equal(json_string_value(json_object_get(json_array_get(told, 0), "field")),
                            "spec.virtualhost.fqdn");
        json_decref(v);
}

static void answer__too_many__are_counted(void **state)
{
        (void)state;
        struct admission_cause causes[REVIEW_LINES_MAX + 5];
        const char *warnings[REVIEW_LINES_MAX + 7];
        for (size_t i = 0; i < COUNT_OF(causes); i++)
                causes[i] = (struct admission_cause){"f", "m"};
        for (size_t i = 0; i < COUNT_OF(warnings); i++)
                warnings[i] = "w";
        json_t *v = answer(&(struct admission_answer){.code = 403,
                                                      .causes = causes,
                                                      .cause_count = COUNT_OF(causes),
                                                      .warnings = warnings,
                                                      .warning_count = COUNT_OF(warnings)});
        assert_true(str_has_suffix(text_at(v, "status", "message"), "\nf: m\nand 5 more"));
        assert_string_equal(text_at(v, "status", "reason"), "Forbidden");
        json_t *told = json_object_get(json_object_get(v, "response"), "warnings");
        assert_int_equal(json_array_size(told), REVIEW_LINES_MAX + 1);
        assert_string_equal(json_string_value(json_array_get(told, REVIEW_LINES_MAX)), "and 7 more warnings");
        json_decref(v);
}

/* The worst that could be told still fits: the writer asserts it. */
static void answer__everything_at_its_longest__fits(void **state)
{
        (void)state;
        char *longest = mem_calloc(8192, 1);
        memset(longest, 1, 8191);
        struct admission_cause causes[REVIEW_LINES_MAX + 1];
        const char *warnings[REVIEW_LINES_MAX + 1];
        for (size_t i = 0; i < COUNT_OF(causes); i++) {
                causes[i] = (struct admission_cause){longest, longest};
                warnings[i] = longest;
        }
        json_t *v = answer(&(struct admission_answer){.code = 403,
                                                      .causes = causes,
                                                      .cause_count = COUNT_OF(causes),
                                                      .warnings = warnings,
                                                      .warning_count = COUNT_OF(warnings)});
        json_decref(v);
        mem_free(longest);
}

static void answer__long_warning__keeps_field_and_rule(void **state)
{
        (void)state;
        char text[600] = "spec.routes[3].match: ";
        for (size_t i = strlen(text); i < 560; i += 2)
                snprintf(text + i, 3, "\xc3\xa9");
        snprintf(text + 560, 32, "\t[PathInvalid]");
        const char *warnings[] = {text};
        json_t *v = answer(&(struct admission_answer){.allowed = true, .warnings = warnings, .warning_count = 1});
        const char *told =
                json_string_value(json_array_get(json_object_get(json_object_get(v, "response"), "warnings"), 0));
        assert_true(strlen(told) <= REVIEW_WARNING_MAX);
        assert_true(strlen(told) > REVIEW_WARNING_MAX - 8);
        assert_true(str_has_prefix(told, "spec.routes[3].match: \xc3\xa9"));
        assert_true(str_has_suffix(told, "\xc3\xa9 [PathInvalid]"));
        assert_non_null(strstr(told, "\xc3\xa9...\xc3\xa9"));
        json_decref(v);
}

static void answer__patch__is_base64(void **state)
{
        (void)state;
        json_t *v = answer(&(struct admission_answer){.allowed = true, .patch = "[{\"op\":\"x\"}]"});
        assert_string_equal(text_at(v, "patchType", NULL), "JSONPatch");
        assert_string_equal(text_at(v, "patch", NULL), "W3sib3AiOiJ4In1d");
        json_decref(v);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(read__create__gives_every_part),
                cmocka_unit_test(read__v1beta1_delete__has_no_object),
                cmocka_unit_test(read__refused_files__give_400),
                cmocka_unit_test(read__too_large__gives_413_before_the_parser),
                cmocka_unit_test(read__needs_too_much_memory__gives_413),
                cmocka_unit_test(read__depth_128__is_accepted),
                cmocka_unit_test(read__integer_beyond_64_bits__costs_only_its_field),
                cmocka_unit_test(read__nul_in_a_value__is_kept),
                cmocka_unit_test(answer__allowed__echoes_version_and_uid),
                cmocka_unit_test(answer__denied__tells_all_causes_one_a_line),
                cmocka_unit_test(answer__too_many__are_counted),
                cmocka_unit_test(answer__everything_at_its_longest__fits),
                cmocka_unit_test(answer__long_warning__keeps_field_and_rule),
                cmocka_unit_test(answer__patch__is_base64),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
