/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strategic merge patch. Lists of objects merge by a key that Kubernetes' types declare (patchMergeKey); here it is
 * looked up by the list's name, which is unambiguous for the kinds that devkube has. Other lists are replaced.
 */
#include "e2e/devkube/js.h"
#include "e2e/devkube/patch.h"

#include <string.h>

static const struct {
        const char *parent, *list, *key; /* parent NULL: anywhere */
} MERGE_KEYS[] = {
        {"containers", "ports", "containerPort"},
        {"initContainers", "ports", "containerPort"},
        {"endpoints", "ports", NULL},
        {"subsets", "ports", NULL},
        {"spec", "ports", "port"},
        {NULL, "containers", "name"},
        {NULL, "initContainers", "name"},
        {NULL, "ephemeralContainers", "name"},
        {NULL, "env", "name"},
        {NULL, "volumes", "name"},
        {NULL, "volumeMounts", "mountPath"},
        {NULL, "volumeDevices", "devicePath"},
        {NULL, "hostAliases", "ip"},
        {NULL, "topologySpreadConstraints", "topologyKey"},
        {NULL, "imagePullSecrets", "name"},
        {NULL, "secrets", "name"},
        {NULL, "conditions", "type"},
        {NULL, "ownerReferences", "uid"},
        {NULL, "webhooks", "name"},
};

static const char *const PRIMITIVE_MERGED[] = {"finalizers"};

static const char SET_ORDER[] = "$setElementOrder/", DELETE_PRIMITIVE[] = "$deleteFromPrimitiveList/";

static json_t *merge(const json_t *document, const json_t *patch, const char *name, struct err *e);

static const char *merge_key(const char *parent, const char *list)
{
        for (size_t i = 0; i < COUNT_OF(MERGE_KEYS); i++) {
                if (str_equal(MERGE_KEYS[i].list, list) &&
                    (!MERGE_KEYS[i].parent || str_equal(MERGE_KEYS[i].parent, parent)))
                        return MERGE_KEYS[i].key;
        }
        return NULL;
}

static bool merges_primitives(const char *list)
{
        for (size_t i = 0; i < COUNT_OF(PRIMITIVE_MERGED); i++) {
                if (str_equal(PRIMITIVE_MERGED[i], list))
                        return true;
        }
        return false;
}

static size_t index_by_key(const json_t *array, const char *key, const json_t *value)
{
        size_t i = 0;
        while (i < json_array_size(array)) {
                const json_t *item = json_array_get(array, i);
                if (json_equal(key ? json_object_get(item, key) : item, value))
                        break;
                i++;
        }
        return i;
}

static bool is_directive(const json_t *item, const char *word)
{
        return str_equal(js_str(item, "$patch"), word);
}

static bool merge_item(json_t *result, const json_t *item, const char *list, const char *key, struct err *e)
{
        const json_t *id = json_object_get(item, key);
        if (!id)
                return err_set(e, "map: %s does not contain declared merge key: %s", list, key);
        size_t at = index_by_key(result, key, id);
        bool present = at < json_array_size(result);
        if (is_directive(item, "delete")) {
                if (present)
                        json_array_remove(result, at);
                return true;
        }
        json_t *merged = merge(present ? json_array_get(result, at) : NULL, item, list, e);
        if (!merged)
                return false;
        if (present)
                json_array_set_new(result, at, merged);
        else
                json_array_append_new(result, merged);
        return true;
}

static json_t *merge_list(const json_t *document, const json_t *patch, const char *list, const char *key, struct err *e)
{
        size_t i;
        json_t *item;
        json_array_foreach (patch, i, item) {
                if (is_directive(item, "replace")) {
                        json_t *rest = json_deep_copy(patch);
                        json_array_remove(rest, i);
                        return rest;
                }
        }
        json_t *result = json_is_array(document) ? json_copy(js_unconst(document)) : json_array();
        json_array_foreach (patch, i, item) {
                if (!merge_item(result, item, list, key, e)) {
                        json_decref(result);
                        return NULL;
                }
        }
        return result;
}

static json_t *merge_primitives(const json_t *document, const json_t *patch)
{
        json_t *result = json_is_array(document) ? json_copy(js_unconst(document)) : json_array();
        size_t i;
        json_t *item;
        json_array_foreach (patch, i, item) {
                if (index_by_key(result, NULL, item) == json_array_size(result))
                        json_array_append(result, item);
        }
        return result;
}

/* Items named by the order come in that order; others keep their place behind. */
static void set_order(json_t *object, const char *list, const json_t *order, const char *key)
{
        json_t *items = json_object_get(object, list);
        if (!json_is_array(items))
                return;
        json_t *sorted = json_array();
        json_auto_t *rest = json_copy(items);
        size_t i;
        json_t *wanted;
        json_array_foreach (order, i, wanted) {
                size_t at = index_by_key(rest, key, key ? json_object_get(wanted, key) : wanted);
                if (at < json_array_size(rest)) {
                        json_array_append(sorted, json_array_get(rest, at));
                        json_array_remove(rest, at);
                }
        }
        json_array_extend(sorted, rest);
        json_object_set_new(object, list, sorted);
}

static void delete_primitives(json_t *object, const char *list, const json_t *gone)
{
        json_auto_t *items = json_copy(json_object_get(object, list));
        size_t i;
        json_t *value;
        json_array_foreach (gone, i, value) {
                size_t at = index_by_key(items, NULL, value);
                if (at < json_array_size(items))
                        json_array_remove(items, at);
        }
        if (json_is_array(items))
                json_object_set(object, list, items);
}

static void retain_keys(json_t *object, const json_t *keys)
{
        const char *key;
        json_t *value;
        void *next;
        json_object_foreach_safe(object, next, key, value)
        {
                if (!js_array_has(keys, key))
                        json_object_del(object, key);
        }
}

static bool merge_value(json_t *result, const char *key, const json_t *value, const char *name, struct err *e)
{
        const json_t *present = json_object_get(result, key);
        const char *by = merge_key(name, key);
        json_t *merged;
        if (json_is_array(value) && by)
                merged = merge_list(present, value, key, by, e);
        else if (json_is_array(value) && merges_primitives(key))
                merged = merge_primitives(present, value);
        else if (json_is_object(value))
                merged = merge(json_is_object(present) ? present : NULL, value, key, e);
        else
                merged = json_deep_copy(value);
        if (merged)
                json_object_set_new(result, key, merged);
        return merged;
}

/* After the values: these speak of the merged lists. */
static void run_directives(json_t *result, const json_t *patch, const char *name)
{
        const char *key;
        json_t *value;
        json_object_foreach (js_unconst(patch), key, value) {
                if (str_has_prefix(key, DELETE_PRIMITIVE))
                        delete_primitives(result, key + strlen(DELETE_PRIMITIVE), value);
        }
        json_object_foreach (js_unconst(patch), key, value) {
                const char *list = key + strlen(SET_ORDER);
                if (str_has_prefix(key, SET_ORDER))
                        set_order(result, list, value, merge_key(name, list));
                else if (str_equal(key, "$retainKeys"))
                        retain_keys(result, value);
        }
}

static json_t *merge(const json_t *document, const json_t *patch, const char *name, struct err *e)
{
        if (is_directive(patch, "delete"))
                return json_object();
        bool fresh = is_directive(patch, "replace") || !document;
        json_t *result = fresh ? json_object() : json_copy(js_unconst(document));
        const char *key;
        json_t *value;
        json_object_foreach (js_unconst(patch), key, value) {
                if (*key == '$')
                        continue;
                if (json_is_null(value)) {
                        json_object_del(result, key);
                } else if (!merge_value(result, key, value, name, e)) {
                        json_decref(result);
                        return NULL;
                }
        }
        run_directives(result, patch, name);
        return result;
}

json_t *patch_strategic(const json_t *document, const json_t *patch, struct err *e)
{
        if (!json_is_object(patch)) {
                err_set(e, "invalid JSON document");
                return NULL;
        }
        return merge(document, patch, "", e);
}
