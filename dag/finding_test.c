/* SPDX-License-Identifier: Apache-2.0 */
#include "dag/finding.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
/* cmocka needs those before it */
#include <cmocka.h>

static struct finding make(enum rule rule, const char *field, const char *message)
{
        return (struct finding){.rule = rule,
                                .about = {KIND_INGRESSROUTE, "a", "x"},
                                .field = field,
                                .message = message,
                                .subject = "s"};
}

static void sort__worst_status_first_then_fields_as_people_count(void **state)
{
        (void)state;
        AUTO(arena) *a = arena_new(256);
        struct findings list = {.arena = a};
        static const struct {
                enum rule rule;
                const char *field;
        } in[] = {
                {RULE_AnnotationInvalid, "metadata.annotations[x]"}, {RULE_PathInvalid, "spec.routes[10].match"},
                {RULE_PathInvalid, "spec.routes[2].match"},          {RULE_Orphaned, "spec"},
                {RULE_ServiceNotFound, "spec.routes[2].match"},      {RULE_PathInvalid, "spec.routes[10].match"},
        };
        for (size_t i = 0; i < COUNT_OF(in); i++) {
                struct finding f = make(in[i].rule, in[i].field, "m");
                findings_add(&list, &f);
        }
        findings_sort(&list);
        static const char *const expected[] = {"spec: m [Orphaned]", "spec.routes[2].match: m [PathInvalid]",
                                               "spec.routes[2].match: m [ServiceNotFound]",
                                               "spec.routes[10].match: m [PathInvalid]",
                                               "metadata.annotations[x]: m [AnnotationInvalid]"};
        assert_int_equal(list.count, COUNT_OF(expected));
        for (size_t i = 0; i < COUNT_OF(expected); i++)
                assert_string_equal(finding_text(a, &list.items[i]), expected[i]);
}

static void sort__equal_findings__the_denying_one_stays(void **state)
{
        (void)state;
        AUTO(arena) *a = arena_new(256);
        struct findings list = {.arena = a};
        for (int i = 0; i < 3; i++) {
                struct finding f = make(RULE_PathInvalid, "spec", "m");
                f.denies = i == 1;
                findings_add(&list, &f);
        }
        findings_sort(&list);
        assert_int_equal(list.count, 1);
        assert_true(list.items[0].denies);
}

static void add__copies__nothing_is_borrowed(void **state)
{
        (void)state;
        AUTO(arena) *a = arena_new(256);
        struct findings list = {.arena = a};
        char field[] = "field", message[] = "message", subject[] = "subject", namespace[] = "ns", name[] = "name";
        struct finding f = {.rule = RULE_PathInvalid,
                            .about = {KIND_INGRESS, namespace, name},
                            .field = field,
                            .message = message,
                            .subject = subject};
        findings_add(&list, &f);
        field[0] = message[0] = subject[0] = namespace[0] = name[0] = '!';
        assert_string_equal(finding_text(a, &list.items[0]), "field: message [PathInvalid]");
        assert_string_equal(list.items[0].subject, "subject");
        assert_string_equal(list.items[0].about.namespace, "ns");
        assert_string_equal(list.items[0].about.name, "name");
}

static void same__rule_and_subject__whatever_field_and_message(void **state)
{
        (void)state;
        struct finding x = make(RULE_PathInvalid, "spec.routes[0].match", "m");
        struct finding y = make(RULE_PathInvalid, "spec.routes[7].match", "n");
        assert_true(finding_same(&x, &y));
        y.subject = "other";
        assert_false(finding_same(&x, &y));
        y = make(RULE_PathDuplicate, "spec.routes[0].match", "m");
        assert_false(finding_same(&x, &y));
}

static void quote__control_bytes_nul_and_length__are_made_readable(void **state)
{
        (void)state;
        AUTO(arena) *a = arena_new(256);
        assert_string_equal(finding_quote(a, ""), "\"\"");
        assert_string_equal(finding_quote(a, "a\"b\\c"), "\"a\\\"b\\\\c\"");
        assert_string_equal(finding_quote(a, "a\nb\x7f"), "\"a\\u000ab\\u007f\"");
        assert_string_equal(finding_quote(a, "nul\xc0\x80!"), "\"nul\\u0000!\"");
        assert_string_equal(finding_quote(a, "gr\xc3\xbc\xc3\x9f"), "\"gr\xc3\xbc\xc3\x9f\"");
        char text[300];
        memset(text, 'x', sizeof(text));
        text[128] = '\0';
        assert_int_equal(strlen(finding_quote(a, text)), 130);
        text[128] = 'x';
        text[299] = '\0';
        assert_true(str_has_suffix(finding_quote(a, text), "x...\""));
        /* Never half of a character. */
        memcpy(text + 127, "\xc3\xbc", 2);
        assert_true(str_has_suffix(finding_quote(a, text), "x...\""));
}

static void ref_compare__kind_namespace_name(void **state)
{
        (void)state;
        static const struct object_ref sorted[] = {{KIND_INGRESSROUTE, "a", "b"},
                                                   {KIND_INGRESSROUTE, "a", "c"},
                                                   {KIND_INGRESSROUTE, "b", "a"},
                                                   {KIND_INGRESS, "a", "a"}};
        for (size_t i = 0; i < COUNT_OF(sorted); i++) {
                for (size_t k = 0; k < COUNT_OF(sorted); k++) {
                        int order = object_ref_compare(&sorted[i], &sorted[k]);
                        assert_true(i < k ? order < 0 : i > k ? order > 0 : order == 0);
                        assert_int_equal(object_ref_equal(&sorted[i], &sorted[k]), i == k);
                }
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(sort__worst_status_first_then_fields_as_people_count),
                cmocka_unit_test(sort__equal_findings__the_denying_one_stays),
                cmocka_unit_test(add__copies__nothing_is_borrowed),
                cmocka_unit_test(same__rule_and_subject__whatever_field_and_message),
                cmocka_unit_test(quote__control_bytes_nul_and_length__are_made_readable),
                cmocka_unit_test(ref_compare__kind_namespace_name),
        };
        return cmocka_run_group_tests_name("dag/finding", tests, NULL, NULL);
}
