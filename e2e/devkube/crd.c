/* SPDX-License-Identifier: Apache-2.0 */
/* What kube-apiserver makes of a CustomResourceDefinition before it serves it (resource.h). */
#include "e2e/devkube/resource.h"

#include "base/time.h"

#include <ctype.h>
#include <string.h>

void crd_default(json_t *crd)
{
        json_t *names = js_object(js_object(crd, "spec"), "names");
        const char *kind = js_text_or_empty(names, "kind");
        AUTO_STR *singular = mem_strdup(kind), *list = mem_printf("%sList", kind);
        for (char *p = singular; *p; p++)
                *p = (char)tolower((unsigned char)*p);
        js_default(names, "singular", json_string(singular));
        js_default(names, "listKind", json_string(list));
        js_default(js_object(crd, "spec"), "conversion", json_pack("{s:s}", "strategy", "None"));
        /* false is the only value that is allowed, and it is not stored. */
        if (json_is_false(js_get(crd, "spec.preserveUnknownFields")))
                json_object_del(js_object(crd, "spec"), "preserveUnknownFields");
        crd_establish(crd);
}

static bool has_condition(const json_t *conditions, const char *type)
{
        size_t i;
        json_t *c;
        json_array_foreach (conditions, i, c) {
                if (str_equal(js_str(c, "type"), type))
                        return true;
        }
        return false;
}

static void set_condition(json_t *status, const char *type, const char *reason, const char *message)
{
        char now[TIME_TEXT_MAX];
        time_format_seconds(time_now_micros(), now);
        js_default(status, "conditions", json_array());
        json_t *conditions = json_object_get(status, "conditions");
        if (!has_condition(conditions, type))
                json_array_append_new(conditions,
                                      json_pack("{s:s, s:s, s:s, s:s, s:s}", "type", type, "status", "True",
                                                "lastTransitionTime", now, "reason", reason, "message", message));
}

void crd_establish(json_t *crd)
{
        json_t *status = js_object(crd, "status");
        json_object_set(status, "acceptedNames", js_get(crd, "spec.names"));
        set_condition(status, "NamesAccepted", "NoConflicts", "no conflicts found");
        set_condition(status, "Established", "InitialNamesAccepted", "the initial names have been accepted");
        size_t i;
        json_t *v;
        json_array_foreach (js_get(crd, "spec.versions"), i, v) {
                if (js_true(v, "storage"))
                        js_default(status, "storedVersions", json_pack("[s]", js_text_or_empty(v, "name")));
        }
}

static void need(const json_t *crd, const char *path, json_t *causes)
{
        if (!*js_text_or_empty(crd, path))
                cause_required(causes, path, "");
}

/* The root of a structural schema is an object, and every part of it has a type. */
static void check_schema(const json_t *schema, const char *path, json_t *causes)
{
        const char *type = js_str(schema, "type");
        if (!type && !js_true(schema, "x-kubernetes-int-or-string") &&
            !js_true(schema, "x-kubernetes-preserve-unknown-fields")) {
                AUTO_STR *at = mem_printf("%s.type", path);
                cause_required(causes, at, "must not be empty for specified object fields");
        }
        const char *key;
        json_t *child;
        json_object_foreach (json_object_get(schema, "properties"), key, child) {
                AUTO_STR *at = mem_printf("%s.properties[%s]", path, key);
                check_schema(child, at, causes);
        }
        const json_t *items = json_object_get(schema, "items"), *more = json_object_get(schema, "additionalProperties");
        AUTO_STR *items_at = mem_printf("%s.items", path), *more_at = mem_printf("%s.additionalProperties", path);
        if (json_is_object(items))
                check_schema(items, items_at, causes);
        else if (str_equal(type, "array"))
                cause_required(causes, items_at, "must be specified");
        if (json_is_object(more))
                check_schema(more, more_at, causes);
}

static void check_versions(const json_t *crd, json_t *causes)
{
        size_t i, storage = 0;
        json_t *v;
        json_array_foreach (js_get(crd, "spec.versions"), i, v) {
                AUTO_STR *at = mem_printf("spec.versions[%zu].schema.openAPIV3Schema", i);
                const json_t *schema = js_get(v, "schema.openAPIV3Schema");
                storage += js_true(v, "storage");
                if (!schema)
                        cause_required(causes, at, "schemas are required");
                else if (!str_equal(js_str(schema, "type"), "object"))
                        cause_invalid_str(causes, at, js_text_or_empty(schema, "type"), "must be object at the root");
                else
                        check_schema(schema, at, causes);
        }
        if (storage != 1)
                cause_add(causes, "FieldValueInvalid", "spec.versions",
                          "Invalid value: must have exactly one version marked as storage version");
        if (i > VERSIONS_MAX)
                cause_add(causes, "FieldValueTooMany", "spec.versions", "Too many: devkube serves at most %d versions",
                          VERSIONS_MAX);
}

void crd_validate(const json_t *crd, json_t *causes)
{
        need(crd, "spec.group", causes);
        need(crd, "spec.names.plural", causes);
        need(crd, "spec.names.kind", causes);
        const char *scope = js_text_or_empty(crd, "spec.scope");
        if (!str_equal(scope, "Namespaced") && !str_equal(scope, "Cluster"))
                cause_add(causes, "FieldValueNotSupported", "spec.scope",
                          "Unsupported value: \"%s\": supported values: \"Cluster\", \"Namespaced\"", scope);
        if (js_true(crd, "spec.preserveUnknownFields"))
                cause_add(causes, "FieldValueInvalid", "spec.preserveUnknownFields",
                          "Invalid value: true: must be false");
        AUTO_STR *name =
                mem_printf("%s.%s", js_text_or_empty(crd, "spec.names.plural"), js_text_or_empty(crd, "spec.group"));
        if (!str_equal(js_str(crd, "metadata.name"), name))
                cause_invalid_str(causes, "metadata.name", js_text_or_empty(crd, "metadata.name"),
                                  "must be spec.names.plural+\".\"+spec.group");
        check_versions(crd, causes);
}
