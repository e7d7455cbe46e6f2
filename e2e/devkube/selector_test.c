/* SPDX-License-Identifier: Apache-2.0 */
#include "e2e/devkube/selector.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char SET[] = "app=web\ntier=front\nempty=\n";

static void label_selector__each_operator__selects_as_kubernetes_does(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                bool fits;
        } cases[] = {
                {"app=web", true},
                {"app==web", true},
                {"app = web", true},
                {"app=webx", false},
                {"app=we", false},
                {"app!=web", false},
                {"missing!=web", true},
                {"app", true},
                {"missing", false},
                {"!missing", true},
                {"!app", false},
                {"app in (db, web)", true},
                {"app in (db)", false},
                {"app notin (db)", true},
                {"app notin (db,web)", false},
                {"missing notin (db)", true},
                {"missing in (db)", false},
                {"empty=", true},
                {"empty", true},
                {"app=web,tier=front", true},
                {"app=web,tier=back", false},
                {"app in (web,db),!missing,tier", true},
        };
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
                struct err e = {0};
                AUTO(selector) *s = selector_parse(cases[i].text, &e);
                assert_string_equal(e.text, "");
                assert_non_null(s);
                if (selector_matches(s, SET) != cases[i].fits)
                        fail_msg("%s", cases[i].text);
        }
}

static void label_selector__empty__selects_everything(void **state)
{
        (void)state;
        struct err e = {0};
        assert_null(selector_parse(" ", &e));
        assert_string_equal(e.text, "");
        assert_true(selector_matches(NULL, SET));
}

static void label_selector__malformed__error(void **state)
{
        (void)state;
        static const char *const cases[] = {"a in b", "a in (b", "=b", "a,,b", "!!", "a b", "a=b,"};
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
                struct err e = {0};
                assert_null(selector_parse(cases[i], &e));
                if (!*e.text)
                        fail_msg("%s was taken", cases[i]);
        }
}

static void field_selector__only_equality__others_are_refused(void **state)
{
        (void)state;
        struct err e = {0};
        AUTO(selector) *s = selector_parse_fields("metadata.name=x,type!=y", &e);
        assert_true(selector_matches(s, "metadata.name=x\ntype=z\n"));
        assert_false(selector_matches(s, "metadata.name=x\ntype=y\n"));
        assert_null(selector_parse_fields("metadata.name", &e));
        assert_true(*e.text);
}

static void json_selector__labels_and_expressions__all_must_hold(void **state)
{
        (void)state;
        json_auto_t *empty = json_object();
        assert_null(selector_of_json(empty));
        json_auto_t *value = json_pack("{s:{s:s}, s:[{s:s, s:s, s:[s, s]}, {s:s, s:s}]}", "matchLabels", "app", "web",
                                       "matchExpressions", "key", "tier", "operator", "NotIn", "values", "back", "side",
                                       "key", "missing", "operator", "DoesNotExist");
        AUTO(selector) *s = selector_of_json(value);
        assert_true(selector_matches(s, SET));
        assert_false(selector_matches(s, "app=web\ntier=back\n"));
        assert_false(selector_matches(s, "app=web\nmissing=1\n"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(label_selector__each_operator__selects_as_kubernetes_does),
                cmocka_unit_test(label_selector__empty__selects_everything),
                cmocka_unit_test(label_selector__malformed__error),
                cmocka_unit_test(field_selector__only_equality__others_are_refused),
                cmocka_unit_test(json_selector__labels_and_expressions__all_must_hold),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
