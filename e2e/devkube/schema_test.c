/* SPDX-License-Identifier: Apache-2.0 */
#include "e2e/devkube/js.h"
#include "e2e/devkube/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static json_t *parse(const char *text)
{
        AUTO_STR *json = mem_strdup(text);
        for (char *p = json; *p; p++)
                *p = *p == '\'' ? '"' : *p;
        json_t *value = js_parse(json, strlen(json), NULL);
        assert_non_null(value);
        return value;
}

static const char SCHEMA[] =
        "{'type':'object','properties':{'spec':{'type':'object','required':['host'],'properties':{"
        "'host':{'type':'string','pattern':'^[a-z]+$','maxLength':5},'port':{'type':'integer','minimum':1,'maximum':9},"
        "'mode':{'type':'string','enum':['a','b'],'default':'a'},'list':{'type':'array','maxItems':2,'items':{"
        "'type':'object','properties':{'x':{'type':'string'}}}},'map':{'type':'object','additionalProperties':{"
        "'type':'string'}},'any':{'type':'object','x-kubernetes-preserve-unknown-fields':true},"
        "'either':{'x-kubernetes-int-or-string':true},'maybe':{'type':'string','nullable':true}}}}}";

static void prune__unknown_fields__gone_and_named(void **state)
{
        (void)state;
        json_auto_t *custom = parse(SCHEMA), *schema = schema_of_custom(custom), *unknown = json_array();
        json_auto_t *value =
                parse("{'apiVersion':'v1','kind':'K','metadata':{'name':'n','foo':1},'bar':1,"
                      "'spec':{'host':'h','baz':1,'list':[{'x':'y','z':1}],'map':{'k':'v'},'any':{'q':1}}}");
        json_auto_t *wanted = parse("{'apiVersion':'v1','kind':'K','metadata':{'name':'n'},"
                                    "'spec':{'host':'h','list':[{'x':'y'}],'map':{'k':'v'},'any':{'q':1}}}");
        schema_prune(schema, value, unknown);
        assert_true(json_equal(value, wanted));
        static const char *const paths[] = {"metadata.foo", "bar", "spec.baz", "spec.list[0].z"};
        assert_int_equal(json_array_size(unknown), COUNT_OF(paths));
        for (size_t i = 0; i < COUNT_OF(paths); i++)
                assert_true(js_array_has(unknown, paths[i]));
}

static void defaults__absent_or_null__filled_and_dropped(void **state)
{
        (void)state;
        json_auto_t *schema = parse(SCHEMA),
                    *value = parse("{'spec':{'host':'h','port':null,'mode':null,'maybe':null}}");
        json_auto_t *wanted = parse("{'spec':{'host':'h','mode':'a','maybe':null}}");
        schema_default(schema, value);
        assert_true(json_equal(value, wanted));
}

static void validate__violations__worded_as_kube_apiserver_words_them(void **state)
{
        (void)state;
        static const struct {
                const char *spec, *field, *message;
        } cases[] = {
                {"{}", "spec.host", "Required value"},
                {"{'host':7}", "spec.host",
                 "Invalid value: \"integer\": spec.host in body must be of type string: \"integer\""},
                {"{'host':'H'}", "spec.host", "Invalid value: \"H\": spec.host in body should match '^[a-z]+$'"},
                {"{'host':'abcdef'}", "spec.host", "Too long: may not be more than 5 bytes"},
                {"{'host':'h','port':'x'}", "spec.port",
                 "Invalid value: \"string\": spec.port in body must be of type integer: \"string\""},
                {"{'host':'h','port':1.5}", "spec.port",
                 "Invalid value: \"number\": spec.port in body must be of type integer: \"number\""},
                {"{'host':'h','port':0}", "spec.port",
                 "Invalid value: 0: spec.port in body should be greater than or equal to 1"},
                {"{'host':'h','port':10}", "spec.port",
                 "Invalid value: 10: spec.port in body should be less than or equal to 9"},
                {"{'host':'h','mode':'c'}", "spec.mode", "Unsupported value: \"c\": supported values: \"a\", \"b\""},
                {"{'host':'h','list':[{},{},{}]}", "spec.list", "Too many: 3: must have at most 2 items"},
                {"{'host':'h','list':[{},{'x':1}]}", "spec.list[1].x",
                 "Invalid value: \"integer\": spec.list[1].x in body must be of type string: \"integer\""},
                {"{'host':'h','map':{'k':1}}", "spec.map.k",
                 "Invalid value: \"integer\": spec.map.k in body must be of type string: \"integer\""},
                {"{'host':'h','either':true}", "spec.either",
                 "Invalid value: \"boolean\": spec.either in body must be of type integer,string: \"boolean\""},
                {"[]", "spec", "Invalid value: \"array\": spec in body must be of type object: \"array\""},
        };
        json_auto_t *schema = parse(SCHEMA);
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
                json_auto_t *spec = parse(cases[i].spec), *value = json_pack("{s:O}", "spec", spec),
                            *causes = json_array();
                schema_validate(schema, value, causes);
                assert_int_equal(json_array_size(causes), 1);
                assert_string_equal(js_str(json_array_get(causes, 0), "field"), cases[i].field);
                assert_string_equal(js_str(json_array_get(causes, 0), "message"), cases[i].message);
        }
}

static void validate__what_the_schema_allows__passes(void **state)
{
        (void)state;
        json_auto_t *schema = parse(SCHEMA), *causes = json_array();
        json_auto_t *value =
                parse("{'spec':{'host':'h','port':9.0,'mode':'b','either':'x','maybe':null,'any':{'q':[1]}}}");
        schema_validate(schema, value, causes);
        assert_int_equal(json_array_size(causes), 0);
}

static void short_form__each_letter__becomes_its_type(void **state)
{
        (void)state;
        json_auto_t *schema = schema_expand("spec:{a:s b:[{c:i d:<b>}] e:x f:*} g:y");
        assert_string_equal(js_str(schema, "properties.spec.properties.a.type"), "string");
        const json_t *item = js_get(schema, "properties.spec.properties.b.items");
        assert_string_equal(js_str(item, "properties.c.type"), "integer");
        assert_string_equal(js_str(item, "properties.d.additionalProperties.type"), "boolean");
        assert_true(js_true(js_get(schema, "properties.spec.properties.e"), "x-kubernetes-int-or-string"));
        assert_true(js_true(js_get(schema, "properties.spec.properties.f"), "x-kubernetes-preserve-unknown-fields"));
        assert_string_equal(js_str(schema, "properties.g.format"), "byte");
        assert_string_equal(js_str(schema, "properties.metadata.properties.labels.type"), "object");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(prune__unknown_fields__gone_and_named),
                cmocka_unit_test(defaults__absent_or_null__filled_and_dropped),
                cmocka_unit_test(validate__violations__worded_as_kube_apiserver_words_them),
                cmocka_unit_test(validate__what_the_schema_allows__passes),
                cmocka_unit_test(short_form__each_letter__becomes_its_type),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
