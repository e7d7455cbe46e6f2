/* SPDX-License-Identifier: Apache-2.0 */
#include "e2e/devkube/discovery.h"
#include "e2e/devkube/resource.h"

#include <string.h>

/* The release whose behaviour is followed where releases differ. */
static json_t *version_document(void)
{
        return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "major", "1", "minor", "32", "gitVersion",
                         "v1.32.0-devkube", "gitCommit", "", "gitTreeState", "clean", "buildDate",
                         "1970-01-01T00:00:00Z", "goVersion", "", "compiler", "gcc", "platform", "linux/amd64");
}

static json_t *group_version(const char *group, const char *version)
{
        json_t *gv = json_object();
        json_object_set_new(gv, "groupVersion", json_sprintf("%s/%s", group, version));
        js_set_str(gv, "version", version);
        return gv;
}

static bool has_version(const json_t *versions, const char *name)
{
        size_t i;
        json_t *v;
        json_array_foreach (versions, i, v) {
                if (str_equal(js_str(v, "version"), name))
                        return true;
        }
        return false;
}

/* group -> {kind, name, versions, preferredVersion}; the core group aside. */
static json_t *groups_by_name(void)
{
        size_t count;
        const struct resource **all = resources_all(&count);
        json_t *groups = json_object();
        for (size_t i = 0; i < count; i++) {
                const struct resource *r = all[i];
                if (!*r->group)
                        continue;
                json_t *group = json_object_get(groups, r->group);
                if (!group) {
                        group = json_pack("{s:s, s:s, s:s, s:[], s:o}", "kind", "APIGroup", "apiVersion", "v1", "name",
                                          r->group, "versions", "preferredVersion",
                                          group_version(r->group, r->versions[0].name));
                        json_object_set_new(groups, r->group, group);
                }
                json_t *versions = json_object_get(group, "versions");
                for (size_t j = 0; j < r->version_count; j++) {
                        if (!has_version(versions, r->versions[j].name))
                                json_array_append_new(versions, group_version(r->group, r->versions[j].name));
                }
        }
        mem_free(all);
        return groups;
}

static json_t *group_list(void)
{
        json_auto_t *groups = groups_by_name();
        json_t *list = json_array();
        const char *name;
        json_t *group;
        json_object_foreach (groups, name, group) {
                json_auto_t *entry = json_copy(group);
                json_object_del(entry, "kind");
                json_object_del(entry, "apiVersion");
                json_array_append(list, entry);
        }
        return json_pack("{s:s, s:s, s:o}", "kind", "APIGroupList", "apiVersion", "v1", "groups", list);
}

static json_t *resource_entry(const struct resource *r)
{
        json_t *entry = json_pack("{s:s, s:s, s:b, s:s, s:[s,s,s,s,s,s,s,s]}", "name", r->plural, "singularName",
                                  r->singular, "namespaced", (int)r->namespaced, "kind", r->kind, "verbs", "create",
                                  "delete", "deletecollection", "get", "list", "patch", "update", "watch");
        if (json_array_size(r->short_names))
                json_object_set(entry, "shortNames", r->short_names);
        if (json_array_size(r->categories))
                json_object_set(entry, "categories", r->categories);
        return entry;
}

static json_t *resource_list(const char *group, const char *version)
{
        size_t count;
        const struct resource **all = resources_all(&count);
        json_t *list = json_array();
        for (size_t i = 0; i < count; i++) {
                const struct resource *r = all[i];
                const struct version *v = resource_version(r, version);
                if (!v || !str_equal(r->group, group))
                        continue;
                json_array_append_new(list, resource_entry(r));
                if (v->status)
                        json_array_append_new(list, json_pack("{s:o, s:s, s:b, s:s, s:[s,s,s]}", "name",
                                                              json_sprintf("%s/status", r->plural), "singularName", "",
                                                              "namespaced", (int)r->namespaced, "kind", r->kind,
                                                              "verbs", "get", "patch", "update"));
        }
        mem_free(all);
        if (!json_array_size(list)) {
                json_decref(list);
                return NULL;
        }
        return json_pack("{s:s, s:s, s:o, s:o}", "kind", "APIResourceList", "apiVersion", "v1", "groupVersion",
                         *group ? json_sprintf("%s/%s", group, version) : json_string(version), "resources", list);
}

/* /apis/GROUP and /apis/GROUP/VERSION */
static json_t *group_document(const char *rest)
{
        const char *slash = strchr(rest, '/');
        if (slash && slash[1] && strchr(slash + 1, '/'))
                return NULL;
        if (slash && slash[1]) {
                AUTO_STR *group = mem_strndup(rest, (size_t)(slash - rest));
                return resource_list(group, slash + 1);
        }
        AUTO_STR *name = mem_strndup(rest, strcspn(rest, "/"));
        json_auto_t *groups = groups_by_name();
        return json_incref(json_object_get(groups, name));
}

json_t *discovery_document(const char *path)
{
        if (str_equal(path, "/version"))
                return version_document();
        if (str_equal(path, "/api"))
                return json_pack("{s:s, s:[s], s:[]}", "kind", "APIVersions", "versions", "v1",
                                 "serverAddressByClientCIDRs");
        if (str_equal(path, "/apis"))
                return group_list();
        if (str_equal(path, "/api/v1"))
                return resource_list("", "v1");
        return str_has_prefix(path, "/apis/") ? group_document(path + strlen("/apis/")) : NULL;
}
