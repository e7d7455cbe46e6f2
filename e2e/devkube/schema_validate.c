/* SPDX-License-Identifier: Apache-2.0 */
/* Worded as go-openapi's validators are, which kube-apiserver passes on. */
#include "e2e/devkube/failure.h"
#include "e2e/devkube/schema.h"

#include <math.h>
#include <regex.h>
#include <string.h>

static void check(const json_t *schema, const json_t *value, const char *path, json_t *causes);

static const char *type_of(const json_t *value)
{
        switch (json_typeof(value)) {
        case JSON_OBJECT:
                return "object";
        case JSON_ARRAY:
                return "array";
        case JSON_STRING:
                return "string";
        case JSON_INTEGER:
                return "integer";
        case JSON_REAL:
                return "number";
        case JSON_TRUE:
        case JSON_FALSE:
                return "boolean";
        case JSON_NULL:
                return "null";
        }
        return "";
}

static bool type_fits(const char *type, const json_t *value)
{
        if (str_equal(type, "number"))
                return json_is_number(value);
        if (str_equal(type, "integer") && json_is_real(value))
                return floor(json_real_value(value)) == json_real_value(value);
        return str_equal(type, type_of(value));
}

static bool check_type(const json_t *schema, const json_t *value, const char *path, json_t *causes)
{
        const char *type = js_str(schema, "type");
        if (json_is_null(value) && js_true(schema, "nullable"))
                return true;
        if (js_true(schema, "x-kubernetes-int-or-string")) {
                if (json_is_integer(value) || json_is_string(value))
                        return true;
                type = "integer,string";
        } else if (!type || type_fits(type, value)) {
                return true;
        }
        cause_add(causes, "FieldValueTypeInvalid", path, "Invalid value: \"%s\": %s in body must be of type %s: \"%s\"",
                  type_of(value), path, type, type_of(value));
        return false;
}

static void check_enum(const json_t *schema, const json_t *value, const char *path, json_t *causes)
{
        const json_t *allowed = json_object_get(schema, "enum");
        if (!allowed)
                return;
        AUTO(buf) *list = buf_new(1 << 16);
        size_t i;
        json_t *item;
        json_array_foreach (allowed, i, item) {
                if (json_equal(item, value))
                        return;
                /* Kubernetes' NotSupported quotes every choice, also a number. */
                AUTO_STR *text = js_text(item);
                buf_printf(list, json_is_string(item) ? "%s%s" : "%s\"%s\"", i ? ", " : "", text);
        }
        AUTO_STR *text = js_text(value);
        cause_add(causes, "FieldValueNotSupported", path, "Unsupported value: %s: supported values: %s", text,
                  buf_data(list));
}

/* Length in code points, as the specification counts. */
static json_int_t length_of(const char *s)
{
        json_int_t n = 0;
        for (; *s; s++)
                n += ((unsigned char)*s & 0xc0) != 0x80;
        return n;
}

static bool is_base64(const char *s)
{
        AUTO(buf) *bytes = js_unbase64(s);
        return bytes;
}

static bool matches(const char *pattern, const char *s)
{
        regex_t re;
        if (regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB))
                return true; /* RE2's dialect is larger than POSIX's: what cannot be judged passes */
        bool found = regexec(&re, s, 0, NULL, 0) == 0;
        regfree(&re);
        return found;
}

static void check_string(const json_t *schema, const json_t *value, const char *path, json_t *causes)
{
        const char *s = json_string_value(value);
        json_int_t max = js_int(schema, "maxLength", -1), min = js_int(schema, "minLength", -1);
        const char *pattern = js_str(schema, "pattern");
        if (max >= 0 && length_of(s) > max)
                cause_add(causes, "FieldValueTooLong", path, "Too long: may not be more than %lld bytes",
                          (long long)max);
        if (min >= 0 && length_of(s) < min) {
                AUTO_STR *why = mem_printf("%s in body should be at least %lld chars long", path, (long long)min);
                cause_invalid(causes, path, value, why);
        }
        if (str_equal(js_str(schema, "format"), "byte") && !is_base64(s))
                cause_invalid(causes, path, value, "illegal base64 data");
        if (pattern && !matches(pattern, s)) {
                AUTO_STR *why = mem_printf("%s in body should match '%s'", path, pattern);
                cause_invalid(causes, path, value, why);
        }
}

static void check_number(const json_t *schema, const json_t *value, const char *path, json_t *causes)
{
        const json_t *max = json_object_get(schema, "maximum"), *min = json_object_get(schema, "minimum");
        if (json_is_number(max) && json_number_value(value) > json_number_value(max)) {
                AUTO_STR *limit = js_text(max);
                AUTO_STR *why = mem_printf("%s in body should be less than or equal to %s", path, limit);
                cause_invalid(causes, path, value, why);
        }
        if (json_is_number(min) && json_number_value(value) < json_number_value(min)) {
                AUTO_STR *limit = js_text(min);
                AUTO_STR *why = mem_printf("%s in body should be greater than or equal to %s", path, limit);
                cause_invalid(causes, path, value, why);
        }
}

static void check_array(const json_t *schema, const json_t *value, const char *path, json_t *causes)
{
        json_int_t max = js_int(schema, "maxItems", -1), min = js_int(schema, "minItems", -1);
        json_int_t n = (json_int_t)json_array_size(value);
        if (max >= 0 && n > max)
                cause_add(causes, "FieldValueTooMany", path, "Too many: %lld: must have at most %lld items",
                          (long long)n, (long long)max);
        if (min >= 0 && n < min)
                cause_add(causes, "FieldValueInvalid", path,
                          "Invalid value: %lld: %s in body should have at least %lld items", (long long)n, path,
                          (long long)min);
        const json_t *items = json_object_get(schema, "items");
        size_t i;
        json_t *item;
        json_array_foreach (value, i, item) {
                AUTO_STR *at = mem_printf("%s[%zu]", path, i);
                check(items, item, at, causes);
        }
}

static void check_object(const json_t *schema, const json_t *value, const char *path, json_t *causes)
{
        size_t i;
        json_t *name;
        json_array_foreach (json_object_get(schema, "required"), i, name) {
                const char *key = json_string_value(name);
                AUTO_STR *at = *path ? mem_printf("%s.%s", path, key) : mem_strdup(key);
                if (!json_object_get(value, key))
                        cause_required(causes, at, "");
        }
        const json_t *properties = json_object_get(schema, "properties");
        const json_t *more = json_object_get(schema, "additionalProperties");
        const char *key;
        json_t *child;
        json_object_foreach (js_unconst(value), key, child) {
                const json_t *own = json_object_get(properties, key);
                AUTO_STR *at = *path ? mem_printf("%s.%s", path, key) : mem_strdup(key);
                check(own ? own : more, child, at, causes);
        }
}

static void check(const json_t *schema, const json_t *value, const char *path, json_t *causes)
{
        if (!json_is_object(schema) || !check_type(schema, value, path, causes) || json_is_null(value))
                return;
        check_enum(schema, value, path, causes);
        if (json_is_string(value))
                check_string(schema, value, path, causes);
        else if (json_is_number(value))
                check_number(schema, value, path, causes);
        else if (json_is_array(value))
                check_array(schema, value, path, causes);
        else if (json_is_object(value))
                check_object(schema, value, path, causes);
}

void schema_validate(const json_t *schema, const json_t *value, json_t *causes)
{
        check(schema, value, "", causes);
}
