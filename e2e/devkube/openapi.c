/* SPDX-License-Identifier: Apache-2.0 */
#include "e2e/devkube/openapi.h"
#include "e2e/devkube/openapi_pb.h"
#include "e2e/devkube/resource.h"

#include <string.h>

enum { DOCUMENT_MAX = 64 << 20 };

/* The query parameters that kubectl looks for before it uses them. */
static const char *const PARAMETERS[] = {"dryRun", "fieldManager", "fieldValidation"};

/* "io.k8s.api.networking.v1.Ingress", "com.heptio.contour.v1beta1.IngressRoute" */
static char *definition_name(const struct resource *r, const struct version *v)
{
        if (!r->custom) {
                AUTO_STR *group =
                        mem_strndup(*r->group ? r->group : "core", strcspn(*r->group ? r->group : "core", "."));
                return mem_printf("io.k8s.api.%s.%s.%s", group, v->name, r->kind);
        }
        AUTO(buf) *name = buf_new(4096);
        for (const char *end = r->group + strlen(r->group); end > r->group;) {
                const char *dot = memrchr(r->group, '.', (size_t)(end - r->group));
                const char *from = dot ? dot + 1 : r->group;
                buf_append(name, from, (size_t)(end - from));
                buf_append_char(name, '.');
                end = dot ? dot : r->group;
        }
        buf_printf(name, "%s.%s", v->name, r->kind);
        return buf_take_str(name);
}

static json_t *gvk_of(const struct resource *r, const struct version *v)
{
        return json_pack("{s:s, s:s, s:s}", "group", r->group, "version", v->name, "kind", r->kind);
}

/* OpenAPI v2 has no nullable, no int-or-string: what kubectl's own checks would refuse is left untyped. */
static void simplify(json_t *schema)
{
        const char *key;
        size_t i;
        json_t *child;
        if (js_true(schema, "x-kubernetes-int-or-string") || js_true(schema, "nullable"))
                json_object_del(schema, "type");
        json_object_del(schema, "nullable");
        if (js_true(schema, "x-kubernetes-preserve-unknown-fields")) {
                json_object_del(schema, "properties");
                json_object_del(schema, "items");
        }
        json_object_foreach (json_object_get(schema, "properties"), key, child) {
                simplify(child);
        }
        child = json_object_get(schema, "items");
        if (child)
                simplify(child);
        child = json_object_get(schema, "additionalProperties");
        if (json_is_object(child))
                simplify(child);
        json_array_foreach (json_object_get(schema, "allOf"), i, child) {
                simplify(child);
        }
}

static json_t *schema_of(const struct resource *r, const struct version *v, bool v2)
{
        json_t *schema = v->schema ? json_deep_copy(v->schema) : json_pack("{s:s}", "type", "object");
        if (v2)
                simplify(schema);
        json_object_set_new(schema, "x-kubernetes-group-version-kind", json_pack("[o]", gvk_of(r, v)));
        return schema;
}

static json_t *parameters(bool v2)
{
        json_t *list = json_array();
        for (size_t i = 0; i < COUNT_OF(PARAMETERS); i++) {
                json_t *p = json_pack("{s:s, s:s}", "name", PARAMETERS[i], "in", "query");
                if (v2)
                        js_set_str(p, "type", "string");
                else
                        json_object_set_new(p, "schema", json_pack("{s:s}", "type", "string"));
                json_array_append_new(list, p);
        }
        return list;
}

static json_t *operation(const struct resource *r, const struct version *v, const char *action, bool v2)
{
        return json_pack("{s:o, s:s, s:o, s:{s:{s:s}}}", "parameters", parameters(v2), "x-kubernetes-action", action,
                         "x-kubernetes-group-version-kind", gvk_of(r, v), "responses", "200", "description", "OK");
}

static char *path_of(const struct resource *r, const struct version *v)
{
        return mem_printf("/%s/%s/%s%s", *r->group ? "apis" : "api", v->api_version,
                          r->namespaced ? "namespaces/{namespace}/" : "", r->plural);
}

static void add_paths(json_t *paths, const struct resource *r, const struct version *v, bool v2)
{
        AUTO_STR *all = path_of(r, v), *one = mem_printf("%s/{name}", all);
        json_object_set_new(
                paths, all,
                json_pack("{s:o, s:o}", "get", operation(r, v, "list", v2), "post", operation(r, v, "post", v2)));
        json_object_set_new(paths, one,
                            json_pack("{s:o, s:o, s:o, s:o}", "get", operation(r, v, "get", v2), "put",
                                      operation(r, v, "put", v2), "patch", operation(r, v, "patch", v2), "delete",
                                      operation(r, v, "delete", v2)));
}

/* Of one group and version ("apis/apps/v1"), or of all (NULL). */
static void collect(const char *group_path, bool v2, json_t *schemas, json_t *paths)
{
        size_t count;
        const struct resource **all = resources_all(&count);
        for (size_t i = 0; i < count; i++) {
                const struct resource *r = all[i];
                for (size_t j = 0; j < r->version_count; j++) {
                        const struct version *v = &r->versions[j];
                        AUTO_STR *own = mem_printf("%s/%s", *r->group ? "apis" : "api", v->api_version);
                        if (group_path && !str_equal(group_path, own))
                                continue;
                        AUTO_STR *name = definition_name(r, v);
                        json_object_set_new(schemas, name, schema_of(r, v, v2));
                        add_paths(paths, r, v, v2);
                }
        }
        mem_free(all);
}

static json_t *info(void)
{
        return json_pack("{s:s, s:s}", "title", "Kubernetes", "version", "v1.32.0");
}

static json_t *document_v2(void)
{
        json_t *definitions = json_object(), *paths = json_object();
        collect(NULL, true, definitions, paths);
        return json_pack("{s:s, s:o, s:o, s:o}", "swagger", "2.0", "info", info(), "paths", paths, "definitions",
                         definitions);
}

/* NULL when nothing is served there. */
static json_t *document_v3(const char *group_path)
{
        json_t *schemas = json_object(), *paths = json_object();
        collect(group_path, false, schemas, paths);
        if (json_object_size(schemas))
                return json_pack("{s:s, s:o, s:o, s:{s:o}}", "openapi", "3.0.0", "info", info(), "paths", paths,
                                 "components", "schemas", schemas);
        json_decref(schemas);
        json_decref(paths);
        return NULL;
}

/* The index of v3: kubectl caches a document by its hash, so a number that never comes again stands for it. */
static json_t *index_v3(void)
{
        size_t count;
        const struct resource **all = resources_all(&count);
        json_t *paths = json_object();
        for (size_t i = 0; i < count; i++) {
                for (size_t j = 0; j < all[i]->version_count; j++) {
                        AUTO_STR *path =
                                mem_printf("%s/%s", *all[i]->group ? "apis" : "api", all[i]->versions[j].api_version);
                        json_object_set_new(
                                paths, path,
                                json_pack("{s:o}", "serverRelativeURL", json_sprintf("/openapi/v3/%s", path)));
                }
        }
        mem_free(all);
        return json_pack("{s:o}", "paths", paths);
}

static void answer(struct answer *a, json_t *document)
{
        AUTO_STR *text = js_text(document);
        a->body = buf_new(DOCUMENT_MAX);
        buf_append_str(a->body, text);
        json_decref(document);
}

bool openapi_handle(const struct request *q, struct answer *a)
{
        static const char v3[] = "/openapi/v3/";
        const char *accept = request_header(q, "Accept");
        bool protobuf = accept && strstr(accept, "protobuf") && !strstr(accept, "application/json");
        if (str_equal(q->path, "/openapi/v2") && protobuf) {
                json_auto_t *document = document_v2();
                a->body = buf_new(DOCUMENT_MAX);
                a->content_type =
                        "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"; /* what newer servers answer to
                                                                                         "@": it is no valid type */
                openapi_pb_write(a->body, document);
        } else if (str_equal(q->path, "/openapi/v2")) {
                answer(a, document_v2());
        } else if (str_equal(q->path, "/openapi/v3")) {
                answer(a, index_v3());
        } else if (str_has_prefix(q->path, v3)) {
                json_t *document = document_v3(q->path + strlen(v3));
                if (!document)
                        return false;
                answer(a, document);
        } else {
                return false;
        }
        return true;
}
