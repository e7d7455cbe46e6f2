/* SPDX-License-Identifier: Apache-2.0 */
/* Which webhooks are asked about a change: rules, matchPolicy, namespaceSelector, objectSelector. */
#include "e2e/devkube/admission_match.h"
#include "e2e/devkube/builtin.h"
#include "e2e/devkube/selector.h"

#include <string.h>

static bool lists(const json_t *list, const char *value)
{
        return js_array_has(list, "*") || js_array_has(list, value);
}

// "pods", "pods/status", "*", "pods/*", "*/status", "*/*"
static bool resource_fits(const json_t *resources, const char *plural, const char *sub)
{
        if (!sub && (js_array_has(resources, "*") || js_array_has(resources, "*/*")))
                return true;
        if (!sub)
                return js_array_has(resources, plural);
        AUTO_STR *exact = mem_printf("%s/%s", plural, sub), *all_subs = mem_printf("%s/*", plural);
        AUTO_STR *any = mem_printf("*/%s", sub);
        return js_array_has(resources, exact) || js_array_has(resources, all_subs) || js_array_has(resources, any) ||
               js_array_has(resources, "*/*");
}

static bool rule_fits(const json_t *rule, const struct call *c, const char *operation, const char *version)
{
        const char *scope = js_text_or_empty(rule, "scope");
        if ((str_equal(scope, "Namespaced") && !c->resource->namespaced) ||
            (str_equal(scope, "Cluster") && c->resource->namespaced))
                return false;
        return lists(json_object_get(rule, "operations"), operation) &&
               lists(json_object_get(rule, "apiGroups"), c->resource->group) &&
               lists(json_object_get(rule, "apiVersions"), version) &&
               resource_fits(json_object_get(rule, "resources"), c->resource->plural, c->sub);
}

static bool any_rule_fits(const json_t *webhook, const struct call *c, const char *operation, const char *version)
{
        size_t i;
        json_t *rule;
        json_array_foreach (json_object_get(webhook, "rules"), i, rule) {
                if (rule_fits(rule, c, operation, version))
                        return true;
        }
        return false;
}

const struct version *admission_version(const json_t *webhook, const struct call *c, const char *operation)
{
        if (any_rule_fits(webhook, c, operation, c->version->name))
                return c->version;
        if (str_equal(js_str(webhook, "matchPolicy"), "Exact"))
                return NULL;
        for (size_t i = 0; i < c->resource->version_count; i++) {
                if (any_rule_fits(webhook, c, operation, c->resource->versions[i].name))
                        return &c->resource->versions[i];
        }
        return NULL;
}

static char *set_of(const json_t *labels)
{
        AUTO(buf) *set = buf_new(1 << 20);
        const char *key;
        json_t *value;
        json_object_foreach (js_unconst(labels), key, value) {
                buf_printf(set, "%s=%s\n", key, json_is_string(value) ? json_string_value(value) : "");
        }
        return buf_take_str(set);
}

static bool namespace_fits(const json_t *webhook, const struct call *c, const struct admission *a)
{
        AUTO(selector) *s = selector_of_json(json_object_get(webhook, "namespaceSelector"));
        if (!s)
                return true;
        const json_t *self = a->object ? a->object : a->old;
        if (builtin_is(c->resource, "Namespace")) {
                AUTO_STR *set = set_of(js_get(self, "metadata.labels"));
                return selector_matches(s, set);
        }
        if (!c->resource->namespaced)
                return true;
        AUTO_OBJECT *ns = store_get(resource_find("", "v1", "namespaces"), NULL, c->ns);
        return selector_matches(s, ns ? ns->labels : "");
}

static bool object_fits(const json_t *webhook, const struct admission *a)
{
        AUTO(selector) *s = selector_of_json(json_object_get(webhook, "objectSelector"));
        AUTO_STR *now = set_of(js_get(a->object, "metadata.labels")),
                 *before = set_of(js_get(a->old, "metadata.labels"));
        return !s || (a->object && selector_matches(s, now)) || (a->old && selector_matches(s, before));
}

bool admission_selects(const json_t *webhook, const struct call *c, const struct admission *a)
{
        return namespace_fits(webhook, c, a) && object_fits(webhook, a);
}
