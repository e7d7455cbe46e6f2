/* SPDX-License-Identifier: Apache-2.0 */
#include "e2e/devkube/resource.h"
#include "e2e/devkube/builtin.h"
#include "e2e/devkube/schema.h"
#include "e2e/devkube/store.h"

#include <assert.h>
#include <ctype.h>
#include <pthread.h>
#include <string.h>

/* Replaced and removed resources stay in `retired`: requests may still hold them. */
static struct {
        pthread_rwlock_t lock;
        struct resource **served;
        size_t count;
        struct resource **retired;
        size_t retired_count;
} registry = {.lock = PTHREAD_RWLOCK_INITIALIZER};

static void push(struct resource ***list, size_t *count, struct resource *r)
{
        *list = mem_resize(*list, *count + 1, sizeof(**list));
        (*list)[(*count)++] = r;
}

static char *lower(const char *s)
{
        char *copy = mem_strdup(s);
        for (char *p = copy; *p; p++)
                *p = (char)tolower((unsigned char)*p);
        return copy;
}

static struct version *add_version(struct resource *r, const char *name)
{
        assert(r->version_count < VERSIONS_MAX);
        struct version *v = &r->versions[r->version_count++];
        v->name = mem_strdup(name);
        v->api_version = *r->group ? mem_printf("%s/%s", r->group, name) : mem_strdup(name);
        v->head = mem_printf("{\"apiVersion\":\"%s\",\"kind\":\"%s\",", v->api_version, r->kind);
        return v;
}

static json_t *words(const char *s)
{
        json_t *list = json_array();
        while (*s) {
                size_t n = strcspn(s, " ");
                json_array_append_new(list, json_stringn(s, n));
                s += n + (s[n] == ' ');
        }
        return list;
}

static bool is_disabled(const char *const *disabled, const char *group, const char *version)
{
        AUTO_STR *name = *group ? mem_printf("%s/%s", group, version) : mem_strdup(version);
        for (; disabled && *disabled; disabled++) {
                if (str_equal(*disabled, name))
                        return true;
        }
        return false;
}

static void define_builtin(const struct builtin *b, const char *const *disabled)
{
        struct resource *r = mem_zalloc(sizeof(*r));
        r->group = mem_strdup(b->group);
        r->plural = mem_strdup(b->plural);
        r->kind = mem_strdup(b->kind);
        r->singular = lower(b->kind);
        r->list_kind = mem_printf("%sList", b->kind);
        r->short_names = words(b->short_names);
        r->categories = words(b->categories);
        r->namespaced = b->namespaced;
        r->objects = collection_new();
        json_auto_t *versions = words(b->versions);
        size_t i;
        json_t *name;
        json_array_foreach (versions, i, name) {
                if (is_disabled(disabled, b->group, json_string_value(name)))
                        continue;
                struct version *v = add_version(r, json_string_value(name));
                v->schema = schema_expand(b->schema);
                v->status = b->status;
        }
        push(r->version_count ? &registry.served : &registry.retired,
             r->version_count ? &registry.count : &registry.retired_count, r);
}

void resources_init(const char *const *disabled)
{
        for (size_t i = 0; i < builtin_count; i++)
                define_builtin(&builtins[i], disabled);
}

const struct version *resource_version(const struct resource *r, const char *name)
{
        for (size_t i = 0; i < r->version_count; i++) {
                if (str_equal(r->versions[i].name, name))
                        return &r->versions[i];
        }
        return NULL;
}

static size_t find(const char *group, const char *plural)
{
        size_t i = 0;
        while (i < registry.count &&
               !(str_equal(registry.served[i]->plural, plural) && str_equal(registry.served[i]->group, group)))
                i++;
        return i;
}

const struct resource *resource_find(const char *group, const char *version, const char *plural)
{
        pthread_rwlock_rdlock(&registry.lock);
        size_t i = find(group, plural);
        const struct resource *r = i < registry.count ? registry.served[i] : NULL;
        pthread_rwlock_unlock(&registry.lock);
        return r && (!version || resource_version(r, version)) ? r : NULL;
}

const struct resource *resource_find_kind(const char *group, const char *kind)
{
        const struct resource *found = NULL;
        pthread_rwlock_rdlock(&registry.lock);
        for (size_t i = 0; i < registry.count && !found; i++) {
                if (str_equal(registry.served[i]->kind, kind) && str_equal(registry.served[i]->group, group))
                        found = registry.served[i];
        }
        pthread_rwlock_unlock(&registry.lock);
        return found;
}

bool resource_group_served(const char *group, const char *version)
{
        bool served = false;
        pthread_rwlock_rdlock(&registry.lock);
        for (size_t i = 0; i < registry.count && !served; i++) {
                served = str_equal(registry.served[i]->group, group ? group : "") &&
                         resource_version(registry.served[i], version ? version : "");
        }
        pthread_rwlock_unlock(&registry.lock);
        return served;
}

const struct resource **resources_all(size_t *count)
{
        pthread_rwlock_rdlock(&registry.lock);
        const struct resource **all = mem_calloc(registry.count + 1, sizeof(struct resource *));
        memcpy(all, registry.served, registry.count * sizeof(struct resource *));
        *count = registry.count;
        pthread_rwlock_unlock(&registry.lock);
        return all;
}

/* ---- CRDs ---- */

static void define_version(struct resource *r, const json_t *spec)
{
        struct version *v = add_version(r, js_str(spec, "name"));
        const json_t *schema = js_get(spec, "schema.openAPIV3Schema");
        v->schema = schema ? schema_of_custom(schema) : NULL;
        v->columns = json_deep_copy(json_object_get(spec, "additionalPrinterColumns"));
        v->status = js_get(spec, "subresources.status") != NULL;
}

static struct resource *from_crd(const json_t *crd)
{
        const json_t *names = js_get(crd, "spec.names");
        struct resource *r = mem_zalloc(sizeof(*r));
        r->group = mem_strdup(js_text_or_empty(crd, "spec.group"));
        r->plural = mem_strdup(js_text_or_empty(names, "plural"));
        r->singular = mem_strdup(js_text_or_empty(names, "singular"));
        r->kind = mem_strdup(js_text_or_empty(names, "kind"));
        r->list_kind = mem_strdup(js_text_or_empty(names, "listKind"));
        r->short_names = json_deep_copy(json_object_get(names, "shortNames"));
        r->categories = json_deep_copy(json_object_get(names, "categories"));
        r->namespaced = str_equal(js_str(crd, "spec.scope"), "Namespaced");
        r->custom = true;
        size_t i;
        json_t *version;
        json_array_foreach (js_get(crd, "spec.versions"), i, version) {
                if (js_true(version, "served") && r->version_count < VERSIONS_MAX)
                        define_version(r, version);
        }
        return r;
}

void resource_define(const json_t *crd)
{
        struct resource *r = from_crd(crd);
        pthread_rwlock_wrlock(&registry.lock);
        size_t i = find(r->group, r->plural);
        if (i < registry.count) {
                r->objects = registry.served[i]->objects;
                push(&registry.retired, &registry.retired_count, registry.served[i]);
                registry.served[i] = r;
        } else {
                r->objects = collection_new();
                push(&registry.served, &registry.count, r);
        }
        pthread_rwlock_unlock(&registry.lock);
}

const struct resource *resource_undefine(const char *plural, const char *group)
{
        pthread_rwlock_wrlock(&registry.lock);
        size_t i = find(group, plural);
        struct resource *r = i < registry.count && registry.served[i]->custom ? registry.served[i] : NULL;
        if (r) {
                push(&registry.retired, &registry.retired_count, r);
                registry.served[i] = registry.served[--registry.count];
        }
        pthread_rwlock_unlock(&registry.lock);
        return r;
}
