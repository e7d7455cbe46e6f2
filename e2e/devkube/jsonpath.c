/* SPDX-License-Identifier: Apache-2.0 */
#include "e2e/devkube/jsonpath.h"
#include "e2e/devkube/js.h"

#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

/* Behind a dot: up to the next unescaped dot or bracket. */
static char *take_key(const char **p)
{
        AUTO(buf) *key = buf_new(4096);
        while (**p && **p != '.' && **p != '[') {
                if (**p == '\\' && (*p)[1])
                        (*p)++;
                buf_append_char(key, *(*p)++);
        }
        return buf_take_str(key);
}

static void step_key(const json_t *from, const char *key, json_t *to)
{
        size_t i;
        json_t *item;
        json_array_foreach (from, i, item) {
                json_t *child = json_object_get(item, key);
                if (child)
                        json_array_append(to, child);
        }
}

/* [3], [*], ['key'] and ["key"]. */
static void step_index(const json_t *from, const char *index, json_t *to)
{
        size_t i;
        json_t *item;
        if (*index == '\'' || *index == '"') {
                AUTO_STR *key = mem_strndup(index + 1, strlen(index) > 1 ? strlen(index) - 2 : 0);
                step_key(from, key, to);
                return;
        }
        json_array_foreach (from, i, item) {
                if (*index == '*') {
                        json_array_extend(to, item);
                        continue;
                }
                json_t *child = json_array_get(item, strtoul(index, NULL, 10));
                if (child)
                        json_array_append(to, child);
        }
}

json_t *jsonpath_find(const json_t *value, const char *path)
{
        json_t *at = json_array();
        json_array_append(at, js_unconst(value));
        while (*path) {
                json_t *next = json_array();
                if (*path == '[') {
                        size_t n = strcspn(++path, "]");
                        AUTO_STR *index = mem_strndup(path, n);
                        step_index(at, index, next);
                        path += n + (path[n] == ']');
                } else {
                        path += *path == '.';
                        AUTO_STR *key = take_key(&path);
                        if (*key)
                                step_key(at, key, next);
                        else
                                json_array_extend(next, at);
                }
                json_decref(at);
                at = next;
        }
        return at;
}
