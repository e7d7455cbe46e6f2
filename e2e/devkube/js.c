/* SPDX-License-Identifier: Apache-2.0 */
#include "e2e/devkube/js.h"

#include "base/base64.h"

#include <stdlib.h>
#include <string.h>

static bool too_deep(const char *p, size_t n)
{
        int depth = 0;
        bool quoted = false;
        for (size_t i = 0; i < n; i++) {
                if (quoted) {
                        if (p[i] == '\\')
                                i++;
                        else if (p[i] == '"')
                                quoted = false;
                } else if (p[i] == '"') {
                        quoted = true;
                } else if (p[i] == '{' || p[i] == '[') {
                        if (++depth > JS_DEPTH_MAX)
                                return true;
                } else if (p[i] == '}' || p[i] == ']') {
                        depth--;
                }
        }
        return false;
}

json_t *js_parse(const char *bytes, size_t n, struct err *e)
{
        if (too_deep(bytes, n)) {
                err_set(e, "exceeded max depth");
                return NULL;
        }
        json_error_t why;
        json_t *value = json_loadb(bytes, n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
        if (!value)
                err_set(e, "%s (line %d, column %d)", why.text, why.line, why.column);
        return value;
}

char *js_text(const json_t *value)
{
        char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
        if (!text)
                abort(); /* out of memory: values that were parsed can be dumped */
        char *copy = mem_strdup(text);
        free(text);
        return copy;
}

char *js_quote(const char *s)
{
        json_auto_t *value = json_string_nocheck(s);
        return js_text(value);
}

json_t *js_base64(const void *p, size_t n)
{
        AUTO(buf) *text = buf_new((n + 2) / 3 * 4);
        base64_encode(text, p, n);
        return json_string(buf_data(text));
}

struct buf *js_unbase64(const char *text)
{
        size_t n = strlen(text);
        return base64_decode(text, n, base64_decoded_max(n));
}

json_t *js_get(const json_t *value, const char *path)
{
        while (value && *path) {
                const char *dot = strchrnul(path, '.');
                value = json_object_getn(value, path, (size_t)(dot - path));
                path = *dot ? dot + 1 : dot;
        }
        return js_unconst(value);
}

const char *js_str(const json_t *value, const char *path)
{
        return json_string_value(js_get(value, path));
}

const char *js_text_or_empty(const json_t *value, const char *path)
{
        const char *s = js_str(value, path);
        return s ? s : "";
}

bool js_true(const json_t *value, const char *path)
{
        return json_is_true(js_get(value, path));
}

json_int_t js_int(const json_t *value, const char *path, json_int_t fallback)
{
        const json_t *n = js_get(value, path);
        return json_is_integer(n) ? json_integer_value(n) : fallback;
}

json_t *js_object(json_t *parent, const char *key)
{
        json_t *child = json_object_get(parent, key);
        if (!json_is_object(child)) {
                child = json_object();
                json_object_set_new(parent, key, child);
        }
        return child;
}

void js_set_str(json_t *object, const char *key, const char *value)
{
        json_object_set_new(object, key, json_string_nocheck(value));
}

void js_default(json_t *object, const char *key, json_t *value)
{
        if (!json_object_get(object, key))
                json_object_set(object, key, value);
        json_decref(value);
}

void js_move_first(json_t *object, const char *key)
{
        json_t *value = json_object_get(object, key);
        json_auto_t *rest = json_copy(object);
        json_incref(value);
        json_object_clear(object);
        json_object_set_new(object, key, value);
        json_object_update_missing(object, rest);
}

bool js_array_has(const json_t *array, const char *s)
{
        size_t i;
        json_t *item;
        json_array_foreach (array, i, item) {
                if (str_equal(json_string_value(item), s))
                        return true;
        }
        return false;
}

bool js_empty(const json_t *value)
{
        if (json_is_object(value))
                return json_object_size(value) == 0;
        if (json_is_array(value))
                return json_array_size(value) == 0;
        if (json_is_string(value))
                return json_string_length(value) == 0;
        if (json_is_number(value))
                return json_number_value(value) == 0;
        return !json_is_true(value);
}
