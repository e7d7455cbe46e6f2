/* SPDX-License-Identifier: Apache-2.0 */
#include "e2e/devkube/patch.h"
#include "e2e/devkube/js.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ---- merge patch ---- */

json_t *patch_merge(const json_t *document, const json_t *patch)
{
        if (!json_is_object(patch))
                return json_deep_copy(patch);
        json_t *result = json_is_object(document) ? json_copy(js_unconst(document)) : json_object();
        const char *key;
        json_t *value;
        json_object_foreach (js_unconst(patch), key, value) {
                if (json_is_null(value))
                        json_object_del(result, key);
                else
                        json_object_set_new(result, key, patch_merge(json_object_get(result, key), value));
        }
        return result;
}

/* ---- JSON patch ---- */

/* RFC 6901: the reference token at *p, unescaped, for mem_free(); *p moves behind it. */
static char *next_token(const char **p)
{
        (*p)++; /* the slash */
        size_t n = strcspn(*p, "/");
        char *token = mem_strndup(*p, n);
        *p += n;
        char *to = token;
        for (const char *from = token; *from; from++) {
                if (from[0] == '~' && (from[1] == '0' || from[1] == '1'))
                        *to++ = *++from == '0' ? '~' : '/';
                else
                        *to++ = *from;
        }
        *to = '\0';
        return token;
}

/* The index that a token names in an array; `end` is allowed when something is added. */
static bool index_of(const json_t *array, const char *token, bool adding, size_t *index)
{
        assert(token); /* parent_of() sets it with its result */
        size_t n = json_array_size(array);
        if (adding && str_equal(token, "-")) {
                *index = n;
                return true;
        }
        char *end;
        if (!isdigit((unsigned char)*token) || (token[0] == '0' && token[1]))
                return false;
        *index = strtoul(token, &end, 10);
        return !*end && (*index < n || (adding && *index == n));
}

static json_t *child_of(const json_t *value, const char *token)
{
        size_t i;
        if (json_is_array(value))
                return index_of(value, token, false, &i) ? json_array_get(value, i) : NULL;
        return json_object_get(value, token);
}

/* The container of what a pointer names, its last token in *last (set with it); NULL when it does not exist. */
static json_t *parent_of(json_t *root, const char *pointer, char **last)
{
        json_t *at = root;
        const char *p = pointer;
        while (at && *p == '/') {
                AUTO_STR *token = next_token(&p);
                if (*p) {
                        at = child_of(at, token);
                        continue;
                }
                if (!json_is_object(at) && !json_is_array(at))
                        return NULL;
                *last = mem_take(&token);
                return at;
        }
        return NULL;
}

static json_t *value_at(json_t *root, const char *pointer)
{
        if (!*pointer)
                return root;
        AUTO_STR *last = NULL;
        json_t *parent = parent_of(root, pointer, &last);
        return parent ? child_of(parent, last) : NULL;
}

static bool add_at(json_t **root, const char *pointer, json_t *value)
{
        if (!*pointer) {
                json_decref(*root);
                *root = json_incref(value);
                return true;
        }
        AUTO_STR *last = NULL;
        json_t *parent = parent_of(*root, pointer, &last);
        size_t i;
        if (json_is_object(parent))
                return json_object_set(parent, last, value) == 0;
        return json_is_array(parent) && index_of(parent, last, true, &i) && json_array_insert(parent, i, value) == 0;
}

static bool remove_at(json_t *root, const char *pointer)
{
        AUTO_STR *last = NULL;
        json_t *parent = parent_of(root, pointer, &last);
        size_t i;
        if (json_is_object(parent))
                return json_object_del(parent, last) == 0;
        return json_is_array(parent) && index_of(parent, last, false, &i) && json_array_remove(parent, i) == 0;
}

static bool replace_at(json_t **root, const char *pointer, json_t *value)
{
        if (!value_at(*root, pointer))
                return false;
        if (!*pointer)
                return add_at(root, pointer, value);
        AUTO_STR *last = NULL;
        json_t *parent = parent_of(*root, pointer, &last);
        size_t i;
        if (json_is_object(parent))
                return json_object_set(parent, last, value) == 0;
        return index_of(parent, last, false, &i) && json_array_set(parent, i, value) == 0;
}

static bool copy_or_move(json_t **root, const char *from, const char *path, bool move)
{
        json_t *found = value_at(*root, from);
        if (!found)
                return false;
        json_auto_t *value = json_deep_copy(found);
        return (!move || remove_at(*root, from)) && add_at(root, path, value);
}

static bool run_operation(json_t **root, const json_t *operation, struct err *e)
{
        const char *op = js_text_or_empty(operation, "op"), *path = js_str(operation, "path");
        const char *from = js_text_or_empty(operation, "from");
        json_t *given = json_object_get(operation, "value");
        json_auto_t *value = given ? json_deep_copy(given) : json_null();
        if (!path || (*path && *path != '/'))
                return err_set(e, "%s operation does not apply: missing or malformed path", op);
        if (str_equal(op, "test")) {
                const json_t *found = value_at(*root, path);
                return (found ? json_equal(found, value) : !given || json_is_null(given)) ||
                       err_set(e, "testing value %s failed: test failed", path);
        }
        bool done = str_equal(op, "add")       ? add_at(root, path, value)
                    : str_equal(op, "remove")  ? remove_at(*root, path)
                    : str_equal(op, "replace") ? replace_at(root, path, value)
                    : str_equal(op, "move")    ? copy_or_move(root, from, path, true)
                    : str_equal(op, "copy")    ? copy_or_move(root, from, path, false)
                                               : err_set(e, "Unexpected kind: %s", op);
        return done || (e->text[0] ? false
                                   : err_set(e,
                                             "%s operation does not apply: doc is missing path: %s: "
                                             "missing value",
                                             op, path));
}

json_t *patch_json(const json_t *document, const json_t *operations, struct err *e)
{
        if (!json_is_array(operations)) {
                err_set(e, "json: cannot unmarshal object into Go value of type jsonpatch.Patch");
                return NULL;
        }
        json_t *root = json_deep_copy(document);
        size_t i;
        json_t *operation;
        struct err why = {0};
        json_array_foreach (operations, i, operation) {
                if (!run_operation(&root, operation, &why)) {
                        err_set(e, "%s", why.text);
                        json_decref(root);
                        return NULL;
                }
        }
        return root;
}
