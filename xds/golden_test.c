/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is sent to Envoy, as text: every file of xds/testdata/ (its README.md says how one is written).
 *
 * GATEHOUSE_GOLDEN_UPDATE=1 rewrites what the files expect, to be read before it is committed.
 */
#include "dag/fixture_test.h"

#include "base/file.h"
#include "xds/access_log.h"
#include "xds/message_text.h"
#include "xds/translate.h"
#include "xds/translate_cluster.h"
#include "xds/translate_endpoint.h"
#include "xds/translate_listener.h"
#include "xds/translate_route.h"
#include "xds/translate_secret.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka needs those before it */
#include <cmocka.h>

#define FOLDER "xds/testdata"
enum { TEXT_MAX = 4 * 1024 * 1024 };

struct run {
        const char *name; /* "retry.txt" */
        struct arena *arena;
        struct fixture f;
        struct xds_options options;
        struct map *resources; /* "<type> <name>" -> resource */
};

/* ---- what the file says ---- */

static const char *text_of(const json_t *o, const char *key, const char *fallback)
{
        const char *text = json_string_value(json_object_get(o, key));
        return text ? text : fallback;
}

static void read_access_log(struct run *r, const json_t *o)
{
        const json_t *fields = json_object_get(o, "access_log_fields");
        size_t n = json_array_size(fields);
        const char **list = arena_calloc(r->arena, n, sizeof(*list));
        for (size_t i = 0; i < n; i++)
                list[i] = json_string_value(json_array_get(fields, i));
        r->options.access_log = (struct xds_access_log){
                .form = fields ? ACCESS_LOG_JSON : ACCESS_LOG_TEXT,
                .format = text_of(o, "access_log_format", NULL),
                .fields = list,
                .field_count = n,
        };
}

static void read_options(struct run *r, const json_t *o)
{
        r->options = xds_options_default;
        r->options.http.address = text_of(o, "http_address", r->options.http.address);
        r->options.http_access_log = text_of(o, "http_access_log", r->options.http_access_log);
        r->options.use_proxy_protocol = json_is_true(json_object_get(o, "use_proxy_protocol"));
        r->options.xff_trusted_hops = (uint32_t)json_integer_value(json_object_get(o, "xff_trusted_hops"));
        r->options.underscores = (enum xds_underscores)json_integer_value(json_object_get(o, "underscores"));
        r->options.escaped_slashes = (enum xds_escaped_slashes)json_integer_value(json_object_get(o, "slashes"));
        r->options.tracing_host = text_of(o, "tracing_host", NULL);
        r->options.tracing_port = 4317;
        read_access_log(r, o);
        r->f.policy.enable_external_name = json_is_true(json_object_get(o, "enable_external_name"));
        r->f.policy.allow_wildcard_hosts = json_is_true(json_object_get(o, "allow_wildcard_hosts"));
}

/* Shorthand, or an object as Kubernetes writes it when it has a "kind". */
static void put(struct run *r, const json_t *written)
{
        static const struct object_inspector inspector = {fixture_pair, fixture_ca};
        static const struct object_options options = {.inspector = &inspector, .keep_keys = true};
        enum kind kind;
        json_t *full;
        const char *name = text_of(written, "kind", NULL);
        if (name) {
                assert_true(kind_find(str_equal(name, "EndpointSlice") ? "discovery.k8s.io" : "", name, &kind));
                full = json_deep_copy(written);
        } else {
                full = fixture_expand(written, &kind);
        }
        struct err e = {0};
        struct object *o = object_decode(kind, full, &options, &e);
        json_decref(full);
        if (!o)
                fail_msg("%s: %s", r->name, e.text);
        store_put(r->f.store, o, 0, NULL);
}

/* ---- what comes of it ---- */

static void keep(struct run *r, struct resource *resource)
{
        if (!resource)
                return;
        AUTO_STR *key = mem_printf("%s %s", strrchr(resource_type_url(resource->type), '.') + 1, resource->name);
        struct resource *before = map_set(r->resources, key, resource);
        if (before) /* two hosts that use one cluster must mean the same */
                assert_true(resource_equal(before, resource));
        resource_unref(before);
}

struct parts {
        const struct resource *items[64];
        size_t count;
};

static void keep_host(struct run *r, const struct host *h, struct parts *virtual_hosts, struct parts *chains)
{
        struct view v = {.store = r->f.store};
        AUTO(translation) *t = translate_host(h, &r->options);
        if (t->virtual_host)
                virtual_hosts->items[virtual_hosts->count++] = resource_ref(t->virtual_host);
        if (t->filter_chain)
                chains->items[chains->count++] = resource_ref(t->filter_chain);
        if (t->https_routes)
                keep(r, resource_ref(t->https_routes));
        for (size_t i = 0; i < t->cluster_count; i++) {
                const struct translated_cluster *c = &t->clusters[i];
                keep(r, resource_ref(c->resource));
                if (c->endpoints)
                        keep(r, translate_endpoints(&v, c->namespace, c->service, c->port_name));
        }
        for (size_t i = 0; i < t->secret_count; i++) {
                const struct translated_secret *s = &t->secrets[i];
                const struct object *o = view_get(&v, KIND_SECRET, s->namespace, s->secret);
                keep(r, s->ca ? translate_ca(o) : translate_pair(o));
        }
}

static int by_name(const void *x, const void *y)
{
        const struct resource *const *a = x;
        const struct resource *const *b = y;
        return strcmp((*a)->name, (*b)->name);
}

static void done_parts(struct parts *parts)
{
        for (size_t i = 0; i < parts->count; i++)
                resource_unref(parts->items[i]);
}

static void translate_all(struct run *r)
{
        struct parts virtual_hosts = {0}, chains = {0};
        fixture_compile(&r->f);
        for (size_t i = 0; i < r->f.host_count; i++)
                keep_host(r, r->f.hosts[i], &virtual_hosts, &chains);
        qsort(virtual_hosts.items, virtual_hosts.count, sizeof(*virtual_hosts.items), by_name);
        qsort(chains.items, chains.count, sizeof(*chains.items), by_name);
        keep(r, translate_http_routes(virtual_hosts.items, virtual_hosts.count));
        keep(r, translate_http_listener(&r->options));
        keep(r, translate_stats_listener(&r->options));
        keep(r, translate_https_listener(&r->options, chains.items, chains.count));
        keep(r, translate_tracing_cluster(&r->options));
        done_parts(&virtual_hosts);
        done_parts(&chains);
}

/* ---- comparing ---- */

/* "show" lists types, or types with a name, of what the case is about; the rest would be noise. */
static bool is_shown(const json_t *show, const char *key)
{
        for (size_t i = 0; i < json_array_size(show); i++) {
                const char *word = json_string_value(json_array_get(show, i));
                size_t n = strlen(word);
                if (strncmp(key, word, n) == 0 && (key[n] == '\0' || key[n] == ' '))
                        return true;
        }
        return false;
}

static void describe(const struct run *r, const json_t *show, struct buf *out)
{
        struct map_entry *all = map_sorted(r->resources);
        for (size_t i = 0; i < map_count(r->resources); i++) {
                const struct resource *resource = all[i].value;
                if (!is_shown(show, all[i].key))
                        continue;
                buf_printf(out, "\n== %s\n", all[i].key);
                assert_true(resource_text(out, resource));
        }
        mem_free(all);
        assert_false(buf_full(out));
}

static void forget(const char *key, void *value, void *arg)
{
        (void)key;
        (void)arg;
        resource_unref(value);
}

static json_t *parse_case(const char *name, const char *text, size_t n)
{
        size_t skip = 0;
        while (text[skip] == '#')
                skip += strcspn(text + skip, "\n") + 1;
        json_error_t e;
        json_t *json = json_loadb(text + skip, n - skip, 0, &e);
        if (!json)
                fail_msg("%s: %s (line %d after the comment)", name, e.text, e.line);
        return json;
}

static void check_file(const char *name)
{
        struct err e = {0};
        AUTO_STR *path = file_join(FOLDER, name);
        AUTO(buf) *content = file_read(path, TEXT_MAX, &e);
        if (!content)
                fail_msg("%s", e.text);
        const char *mark = strstr(buf_data(content), "\n---\n");
        if (!mark)
                fail_msg("%s: no line of --- between the objects and what is expected", name);
        size_t head = (size_t)(mark - buf_data(content)) + 5;
        json_t *json = parse_case(name, buf_data(content), head - 5);
        struct run r = {.name = name, .arena = arena_new(1024), .resources = map_new()};
        fixture_init(&r.f);
        read_options(&r, json_object_get(json, "options"));
        for (size_t i = 0; i < json_array_size(json_object_get(json, "objects")); i++)
                put(&r, json_array_get(json_object_get(json, "objects"), i));
        translate_all(&r);
        AUTO(buf) *is = buf_new(TEXT_MAX);
        buf_append(is, buf_data(content), head);
        describe(&r, json_object_get(json, "show"), is);
        map_each(r.resources, forget, NULL);
        map_free(r.resources);
        fixture_done(&r.f);
        arena_free(r.arena);
        json_decref(json);
        if (getenv("GATEHOUSE_GOLDEN_UPDATE"))
                assert_true(file_write(path, buf_data(is), buf_len(is), 0644, &e));
        else if (strcmp(buf_data(is), buf_data(content)))
                fail_msg("%s: is now\n%s", path, buf_data(is) + head);
}

static int is_case(const struct dirent *entry)
{
        return str_has_suffix(entry->d_name, ".txt");
}

static void translate__each_case__gives_what_its_file_says(void **state)
{
        (void)state;
        struct dirent **entries;
        int n = scandir(FOLDER, &entries, is_case, alphasort);
        assert_true(n > 0);
        for (int i = 0; i < n; i++) {
                check_file(entries[i]->d_name);
                free(entries[i]);
        }
        free(entries);
}

int main(void)
{
        json_object_seed(1);
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(translate__each_case__gives_what_its_file_says),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
