/* SPDX-License-Identifier: Apache-2.0 */
#include "e2e/devkube/schema.h"
#include "e2e/devkube/failure.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* ---- the short form ---- */

static json_t *expand_type(const char **p);

static void expand_properties(const char **p, json_t *properties)
{
        for (;;) {
                while (isspace((unsigned char)**p))
                        (*p)++;
                if (!**p || **p == '}')
                        return;
                size_t n = strcspn(*p, ":");
                const char *name = *p;
                *p += n + 1;
                json_object_setn_new(properties, name, n, expand_type(p));
        }
}

static void expect(const char **p, char c)
{
        assert(**p == c);
        (void)c;
        (*p)++;
}

static json_t *expand_type(const char **p)
{
        json_t *inner;
        switch (*(*p)++) {
        case 's':
                return json_pack("{s:s}", "type", "string");
        case 'i':
                return json_pack("{s:s, s:s}", "type", "integer", "format", "int32");
        case 'b':
                return json_pack("{s:s}", "type", "boolean");
        case 't':
                return json_pack("{s:s, s:s}", "type", "string", "format", "date-time");
        case 'y':
                return json_pack("{s:s, s:s}", "type", "string", "format", "byte");
        case 'x':
                return json_pack("{s:b}", "x-kubernetes-int-or-string", 1);
        case 'q':
                return json_pack("{s:b, s:s}", "x-kubernetes-int-or-string", 1, "format", "quantity");
        case '*':
                return json_pack("{s:b}", "x-kubernetes-preserve-unknown-fields", 1);
        case '[':
                inner = expand_type(p);
                expect(p, ']');
                return json_pack("{s:s, s:o}", "type", "array", "items", inner);
        case '<':
                inner = expand_type(p);
                expect(p, '>');
                return json_pack("{s:s, s:o}", "type", "object", "additionalProperties", inner);
        case '{':
                inner = json_object();
                expand_properties(p, inner);
                expect(p, '}');
                return json_pack("{s:s, s:o}", "type", "object", "properties", inner);
        default:
                assert(false && "a type of the short form");
                return NULL;
        }
}

static const char METADATA[] =
        "name:s generateName:s namespace:s selfLink:s uid:s resourceVersion:s generation:i creationTimestamp:t "
        "deletionTimestamp:t deletionGracePeriodSeconds:i labels:<s> annotations:<s> finalizers:[s] "
        "ownerReferences:[{apiVersion:s kind:s name:s uid:s controller:b blockOwnerDeletion:b}] managedFields:[*]";

json_t *schema_of_metadata(void)
{
        static json_t *metadata;
        if (!metadata) {
                json_t *properties = json_object();
                const char *p = METADATA;
                expand_properties(&p, properties);
                metadata =
                        json_pack("{s:s, s:s, s:o}", "type", "object", "description",
                                  "Name, namespace, labels, annotations, and what the server keeps about the object.",
                                  "properties", properties);
        }
        return metadata;
}

static void set_common(json_t *properties)
{
        json_object_set_new(properties, "apiVersion",
                            json_pack("{s:s, s:s}", "type", "string", "description",
                                      "Group and version that this object is written in."));
        json_object_set_new(properties, "kind",
                            json_pack("{s:s, s:s}", "type", "string", "description", "What this object is."));
        json_object_set(properties, "metadata", schema_of_metadata());
}

json_t *schema_expand(const char *brief)
{
        json_t *properties = json_object();
        set_common(properties);
        expand_properties(&brief, properties);
        return json_pack("{s:s, s:o}", "type", "object", "properties", properties);
}

json_t *schema_of_custom(const json_t *schema)
{
        json_t *copy = json_deep_copy(schema);
        set_common(js_object(copy, "properties"));
        return copy;
}

/* ---- walking ---- */

static bool preserves(const json_t *schema)
{
        return !schema || js_true(schema, "x-kubernetes-preserve-unknown-fields");
}

/* The schema of a key: declared, or that of the map's values. */
static const json_t *schema_of_key(const json_t *schema, const char *key)
{
        const json_t *own = json_object_get(json_object_get(schema, "properties"), key);
        if (own)
                return own;
        const json_t *more = json_object_get(schema, "additionalProperties");
        return json_is_object(more) ? more : NULL;
}

static char *path_key(const char *path, const char *key)
{
        return *path ? mem_printf("%s.%s", path, key) : mem_strdup(key);
}

/* An embedded object's own metadata is pruned like any other's; nothing here needs that. */
static void prune(const json_t *schema, json_t *value, const char *path, json_t *unknown)
{
        if (json_is_array(value)) {
                const json_t *items = json_object_get(schema, "items");
                for (size_t i = 0; items && i < json_array_size(value); i++) {
                        AUTO_STR *at = mem_printf("%s[%zu]", path, i);
                        prune(items, json_array_get(value, i), at, unknown);
                }
                return;
        }
        const char *key;
        json_t *child;
        void *next;
        json_object_foreach_safe(value, next, key, child)
        {
                const json_t *own = schema_of_key(schema, key);
                AUTO_STR *at = path_key(path, key);
                if (own) {
                        prune(own, child, at, unknown);
                } else if (!preserves(schema) && !json_is_true(json_object_get(schema, "additionalProperties"))) {
                        if (unknown)
                                json_array_append_new(unknown, json_string_nocheck(at));
                        json_object_del(value, key);
                }
        }
}

void schema_prune(const json_t *schema, json_t *value, json_t *unknown)
{
        if (schema)
                prune(schema, value, "", unknown);
}

void schema_default(const json_t *schema, json_t *value)
{
        size_t i;
        json_t *item;
        json_array_foreach (value, i, item) {
                schema_default(json_object_get(schema, "items"), item);
        }
        if (!json_is_object(value) || !schema)
                return;
        const char *key;
        json_t *child;
        json_object_foreach (json_object_get(schema, "properties"), key, child) {
                json_t *preset = json_object_get(child, "default");
                /* null is nothing, unless the schema says that it is something. */
                if (json_is_null(json_object_get(value, key)) && !js_true(child, "nullable"))
                        json_object_del(value, key);
                if (preset && !json_object_get(value, key))
                        json_object_set_new(value, key, json_deep_copy(preset));
        }
        json_object_foreach (value, key, child) {
                schema_default(schema_of_key(schema, key), child);
        }
}

void schema_drop_nulls(json_t *value)
{
        size_t i;
        const char *key;
        json_t *child;
        void *next;
        json_array_foreach (value, i, child) {
                schema_drop_nulls(child);
        }
        json_object_foreach_safe(value, next, key, child)
        {
                if (json_is_null(child))
                        json_object_del(value, key);
                else
                        schema_drop_nulls(child);
        }
}
