/* SPDX-License-Identifier: Apache-2.0 */
#include "e2e/devkube/js.h"
#include "e2e/devkube/patch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

/* Single quotes stand for double ones. */
static json_t *parse(const char *text)
{
        AUTO_STR *json = mem_strdup(text);
        for (char *p = json; *p; p++)
                *p = *p == '\'' ? '"' : *p;
        json_t *value = js_parse(json, strlen(json), NULL);
        assert_non_null(value);
        return value;
}

static void expect(json_t *result, const char *wanted)
{
        json_auto_t *want = parse(wanted);
        AUTO_STR *is = result ? js_text(result) : mem_strdup("nothing");
        AUTO_STR *text = js_text(want);
        if (!result || !json_equal(result, want))
                assert_string_equal(is, text);
        json_decref(result);
}

static json_t *apply_json(const char *document, const char *patch, struct err *e)
{
        json_auto_t *d = parse(document), *p = parse(patch);
        return patch_json(d, p, e);
}

static json_t *apply_strategic(const char *document, const char *patch)
{
        json_auto_t *d = parse(document), *p = parse(patch);
        struct err e = {0};
        return patch_strategic(d, p, &e);
}

/* RFC 6902, appendix A. */
static void json_patch__examples_of_the_rfc__give_its_results(void **state)
{
        (void)state;
        static const struct {
                const char *document, *patch, *result;
        } cases[] = {
                {"{'foo':'bar'}", "[{'op':'add','path':'/baz','value':'qux'}]", "{'baz':'qux','foo':'bar'}"},
                {"{'foo':['bar','baz']}", "[{'op':'add','path':'/foo/1','value':'qux'}]",
                 "{'foo':['bar','qux','baz']}"},
                {"{'baz':'qux','foo':'bar'}", "[{'op':'remove','path':'/baz'}]", "{'foo':'bar'}"},
                {"{'foo':['bar','qux','baz']}", "[{'op':'remove','path':'/foo/1'}]", "{'foo':['bar','baz']}"},
                {"{'baz':'qux','foo':'bar'}", "[{'op':'replace','path':'/baz','value':'boo'}]",
                 "{'baz':'boo','foo':'bar'}"},
                {"{'foo':{'bar':'baz','waldo':'fred'},'qux':{'corge':'grault'}}",
                 "[{'op':'move','from':'/foo/waldo','path':'/qux/thud'}]",
                 "{'foo':{'bar':'baz'},'qux':{'corge':'grault','thud':'fred'}}"},
                {"{'foo':['all','grass','cows','eat']}", "[{'op':'move','from':'/foo/1','path':'/foo/3'}]",
                 "{'foo':['all','cows','eat','grass']}"},
                {"{'foo':'bar'}", "[{'op':'add','path':'/child','value':{'grandchild':{}}}]",
                 "{'foo':'bar','child':{'grandchild':{}}}"},
                {"{'/':9,'~1':10}", "[{'op':'test','path':'/~01','value':10}]", "{'/':9,'~1':10}"},
                {"{'foo':['bar']}", "[{'op':'add','path':'/foo/-','value':['abc','def']}]",
                 "{'foo':['bar',['abc','def']]}"},
                {"{'a':{'b':1}}", "[{'op':'copy','from':'/a','path':'/c'},{'op':'replace','path':'/c/b','value':2}]",
                 "{'a':{'b':1},'c':{'b':2}}"},
                {"{'a':1}", "[{'op':'replace','path':'','value':[]}]", "[]"},
        };
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
                struct err e = {0};
                expect(apply_json(cases[i].document, cases[i].patch, &e), cases[i].result);
        }
}

static void json_patch__path_missing_or_test_failed__error_and_document_untouched(void **state)
{
        (void)state;
        static const char *const patches[] = {
                "[{'op':'add','path':'/baz/bat','value':1}]",
                "[{'op':'remove','path':'/nope'}]",
                "[{'op':'replace','path':'/nope','value':1}]",
                "[{'op':'test','path':'/foo','value':'x'}]",
                "[{'op':'add','path':'/list/9','value':1}]",
                "[{'op':'remove','path':'/list/-'}]",
                "[{'op':'remove','path':'/list/01'}]",
                "[{'op':'move','from':'/nope','path':'/foo'}]",
                "[{'op':'frob','path':'/foo'}]",
                "[{'op':'add','path':'foo','value':1}]",
                "[{'op':'add','value':1}]",
                "{'op':'add'}",
        };
        for (size_t i = 0; i < COUNT_OF(patches); i++) {
                json_auto_t *d = parse("{'foo':'bar','list':[1]}"), *p = parse(patches[i]);
                json_auto_t *before = json_deep_copy(d);
                struct err e = {0};
                assert_null(patch_json(d, p, &e));
                assert_true(*e.text);
                assert_true(json_equal(d, before));
        }
}

/* RFC 7386, appendix A. */
static void merge_patch__examples_of_the_rfc__give_its_results(void **state)
{
        (void)state;
        static const char *const cases[][3] = {
                {"{'a':'b'}", "{'a':'c'}", "{'a':'c'}"},
                {"{'a':'b'}", "{'b':'c'}", "{'a':'b','b':'c'}"},
                {"{'a':'b'}", "{'a':null}", "{}"},
                {"{'a':'b','b':'c'}", "{'a':null}", "{'b':'c'}"},
                {"{'a':['b']}", "{'a':'c'}", "{'a':'c'}"},
                {"{'a':'c'}", "{'a':['b']}", "{'a':['b']}"},
                {"{'a':{'b':'c'}}", "{'a':{'b':'d','c':null}}", "{'a':{'b':'d'}}"},
                {"{'a':[{'b':'c'}]}", "{'a':[1]}", "{'a':[1]}"},
                {"['a','b']", "['c','d']", "['c','d']"},
                {"{'e':null}", "{'a':1}", "{'e':null,'a':1}"},
                {"{}", "{'a':{'bb':{'ccc':null}}}", "{'a':{'bb':{}}}"},
        };
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
                json_auto_t *d = parse(cases[i][0]), *p = parse(cases[i][1]);
                expect(patch_merge(d, p), cases[i][2]);
        }
}

static void strategic__list_with_a_merge_key__items_merge_by_it(void **state)
{
        (void)state;
        expect(apply_strategic("{'spec':{'ports':[{'port':80,'name':'a'},{'port':81}]}}",
                               "{'spec':{'ports':[{'port':80,'name':'b'},{'port':90}]}}"),
               "{'spec':{'ports':[{'port':80,'name':'b'},{'port':81},{'port':90}]}}");
        expect(apply_strategic("{'webhooks':[{'name':'w','clientConfig':{'url':'u','caBundle':'kept'}}]}",
                               "{'webhooks':[{'name':'w','clientConfig':{'url':'v'}}]}"),
               "{'webhooks':[{'name':'w','clientConfig':{'url':'v','caBundle':'kept'}}]}");
}

static void strategic__list_without_a_merge_key__is_replaced(void **state)
{
        (void)state;
        expect(apply_strategic("{'spec':{'tls':[{'hosts':['a']}]}}", "{'spec':{'tls':[{'hosts':['b']}]}}"),
               "{'spec':{'tls':[{'hosts':['b']}]}}");
}

static void strategic__directives__delete_replace_order_and_retain(void **state)
{
        (void)state;
        expect(apply_strategic("{'spec':{'ports':[{'port':80},{'port':81}]}}",
                               "{'spec':{'ports':[{'$patch':'delete','port':80}]}}"),
               "{'spec':{'ports':[{'port':81}]}}");
        expect(apply_strategic("{'spec':{'ports':[{'port':80},{'port':81}]}}",
                               "{'spec':{'ports':[{'$patch':'replace'},{'port':82}]}}"),
               "{'spec':{'ports':[{'port':82}]}}");
        expect(apply_strategic("{'spec':{'ports':[{'port':80},{'port':81}]}}",
                               "{'spec':{'$setElementOrder/"
                               "ports':[{'port':82},{'port':81},{'port':80}],'ports':[{'port':82}]}}"),
               "{'spec':{'ports':[{'port':82},{'port':81},{'port':80}]}}");
        expect(apply_strategic("{'metadata':{'finalizers':['a','b']}}",
                               "{'metadata':{'$deleteFromPrimitiveList/finalizers':['a'],'finalizers':['c']}}"),
               "{'metadata':{'finalizers':['b','c']}}");
        expect(apply_strategic("{'spec':{'a':1,'b':2}}", "{'spec':{'$retainKeys':['b','c'],'c':3}}"),
               "{'spec':{'b':2,'c':3}}");
        expect(apply_strategic("{'spec':{'a':1}}", "{'spec':{'$patch':'replace','b':2}}"), "{'spec':{'b':2}}");
        expect(apply_strategic("{'spec':{'a':1,'b':2}}", "{'spec':{'a':null}}"), "{'spec':{'b':2}}");
}

static void strategic__item_without_its_merge_key__error(void **state)
{
        (void)state;
        json_auto_t *d = parse("{'spec':{'ports':[]}}"), *p = parse("{'spec':{'ports':[{'name':'x'}]}}");
        struct err e = {0};
        assert_null(patch_strategic(d, p, &e));
        assert_string_equal(e.text, "map: ports does not contain declared merge key: port");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(json_patch__examples_of_the_rfc__give_its_results),
                cmocka_unit_test(json_patch__path_missing_or_test_failed__error_and_document_untouched),
                cmocka_unit_test(merge_patch__examples_of_the_rfc__give_its_results),
                cmocka_unit_test(strategic__list_with_a_merge_key__items_merge_by_it),
                cmocka_unit_test(strategic__list_without_a_merge_key__is_replaced),
                cmocka_unit_test(strategic__directives__delete_replace_order_and_retain),
                cmocka_unit_test(strategic__item_without_its_merge_key__error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
