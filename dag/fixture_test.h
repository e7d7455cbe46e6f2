/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fixture - objects in a shorthand, and a small controller around them, for the tests of dag/.
 *
 * Shorthand (dag/testdata/README.md): {"ir": "ns/name", "fqdn": ..., "routes": ["/ web", "/a -> ns/child", {...}]},
 * {"svc": ...}, {"secret": ...}, {"tcd": ...}, {"ing": ...}, {"class": ...}, {"ns": ...}; "spec" overrides what is
 * spelled out. Only tests, fuzz targets and benchmarks include this: all functions are static.
 */
#pragma once

#include "base/map.h"
#include "base/time.h"
#include "dag/compile.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIXTURE_FN static __attribute__((unused))
/* Times in the shorthand are seconds after this one (2026-01-01). */
#define FIXTURE_EPOCH INT64_C(1767225600)

FIXTURE_FN int64_t fixture_micros(int64_t seconds)
{
        return (FIXTURE_EPOCH + seconds) * TIME_MICROS_PER_SECOND;
}

/* ---- shorthand to Kubernetes' JSON ---- */

/* "web" is port 80, "web:8080*3" port 8080 with weight 3. */
FIXTURE_FN json_t *fixture_service(const char *text)
{
        char name[256];
        int port = 80, weight = -1;
        size_t n = strcspn(text, ":*");
        assert(n < sizeof(name));
        memcpy(name, text, n);
        name[n] = '\0';
        if (text[n] == ':')
                port = atoi(text + n + 1);
        const char *star = strchr(text, '*');
        if (star)
                weight = atoi(star + 1);
        json_t *service = json_pack("{s:s, s:i}", "name", name, "port", port);
        if (weight >= 0)
                json_object_set_new(service, "weight", json_integer(weight));
        return service;
}

FIXTURE_FN json_t *fixture_delegate(const char *target)
{
        const char *slash = strchr(target, '/');
        if (!slash)
                return json_pack("{s:s}", "name", target);
        return json_pack("{s:s, s:s%}", "name", slash + 1, "namespace", target, (size_t)(slash - target));
}

/* "/path web api:8080*2 insecure" or "/path -> ns/name"; an object is taken as it is. */
FIXTURE_FN json_t *fixture_route(const json_t *written)
{
        if (!json_is_string(written))
                return json_deep_copy(written);
        AUTO_STR *text = mem_strdup(json_string_value(written));
        char *rest = text;
        json_t *route = json_pack("{s:s}", "match", strsep(&rest, " "));
        json_t *services = NULL;
        for (char *word; (word = strsep(&rest, " "));) {
                if (str_equal(word, "->")) {
                        json_object_set_new(route, "delegate", fixture_delegate(strsep(&rest, " ")));
                } else if (str_equal(word, "insecure")) {
                        json_object_set_new(route, "permitInsecure", json_true());
                } else {
                        if (!services)
                                json_object_set_new(route, "services", services = json_array());
                        json_array_append_new(services, fixture_service(word));
                }
        }
        return route;
}

FIXTURE_FN json_t *fixture_routes(const json_t *written)
{
        json_t *routes = json_array();
        size_t i;
        const json_t *route;
        json_array_foreach (written, i, route)
                json_array_append_new(routes, fixture_route(route));
        return routes;
}

/* "-> ns/name" or a service, or an object as it is. */
FIXTURE_FN json_t *fixture_tcpproxy(const json_t *written)
{
        if (!json_is_string(written))
                return json_deep_copy(written);
        const char *text = json_string_value(written);
        if (str_has_prefix(text, "-> "))
                return json_pack("{s:o}", "delegate", fixture_delegate(text + 3));
        return json_pack("{s:[o]}", "services", fixture_service(text));
}

FIXTURE_FN json_t *fixture_ir_spec(const json_t *o)
{
        json_t *spec = json_object();
        const json_t *tls = json_object_get(o, "tls");
        if (json_object_get(o, "fqdn") || tls) {
                json_t *virtualhost = json_object();
                if (json_object_get(o, "fqdn"))
                        json_object_set(virtualhost, "fqdn", json_object_get(o, "fqdn"));
                if (json_is_string(tls))
                        json_object_set_new(virtualhost, "tls", json_pack("{s:O}", "secretName", tls));
                else if (tls)
                        json_object_set_new(virtualhost, "tls", json_deep_copy(tls));
                json_object_set_new(spec, "virtualhost", virtualhost);
        }
        if (json_object_get(o, "routes"))
                json_object_set_new(spec, "routes", fixture_routes(json_object_get(o, "routes")));
        if (json_object_get(o, "tcpproxy"))
                json_object_set_new(spec, "tcpproxy", fixture_tcpproxy(json_object_get(o, "tcpproxy")));
        return spec;
}

/* "ports": [80, {...}], "external": "example.com" */
FIXTURE_FN json_t *fixture_svc_spec(const json_t *o)
{
        json_t *ports = json_array();
        size_t i;
        const json_t *port;
        json_array_foreach (json_object_get(o, "ports"), i, port)
                json_array_append_new(ports,
                                      json_is_integer(port) ? json_pack("{s:O}", "port", port) : json_deep_copy(port));
        if (!json_array_size(ports))
                json_array_append_new(ports, json_pack("{s:i}", "port", 80));
        json_t *spec = json_pack("{s:o}", "ports", ports);
        const json_t *external = json_object_get(o, "external");
        if (external)
                json_object_update_new(spec, json_pack("{s:s, s:O}", "type", "ExternalName", "externalName", external));
        return spec;
}

/* "hosts": {"name or empty": ["/path service[:port] [Exact]"]}, "tls": {"secret": ["host"]}, "default": "service" */
FIXTURE_FN json_t *fixture_ing_backend(const char *text)
{
        json_t *s = fixture_service(text);
        json_t *port = json_pack("{s:O}", "number", json_object_get(s, "port"));
        if (strchr(text, ':') && !atoi(strchr(text, ':') + 1))
                json_object_update_new(port, json_pack("{s:s, s:n}", "name", strchr(text, ':') + 1, "number"));
        json_t *backend = json_pack("{s:{s:O, s:o}}", "service", "name", json_object_get(s, "name"), "port", port);
        json_decref(s);
        return backend;
}

FIXTURE_FN json_t *fixture_ing_path(const char *written)
{
        AUTO_STR *text = mem_strdup(written);
        char *rest = text;
        const char *path = strsep(&rest, " ");
        const char *backend = strsep(&rest, " ");
        return json_pack("{s:s, s:s, s:o}", "path", path, "pathType", rest ? rest : "Prefix", "backend",
                         fixture_ing_backend(backend));
}

FIXTURE_FN json_t *fixture_ing_spec(const json_t *o)
{
        json_t *rules = json_array(), *tls = json_array(), *spec = json_object();
        const char *key;
        json_t *value;
        json_object_foreach (json_object_get(o, "hosts"), key, value) {
                json_t *paths = json_array();
                for (size_t i = 0; i < json_array_size(value); i++)
                        json_array_append_new(paths, fixture_ing_path(json_string_value(json_array_get(value, i))));
                json_t *rule = json_pack("{s:{s:o}}", "http", "paths", paths);
                if (*key)
                        json_object_set_new(rule, "host", json_string(key));
                json_array_append_new(rules, rule);
        }
        json_object_foreach (json_object_get(o, "tls"), key, value)
                json_array_append_new(tls, json_pack("{s:s, s:O}", "secretName", key, "hosts", value));
        json_object_update_new(spec, json_pack("{s:o, s:o}", "rules", rules, "tls", tls));
        if (json_object_get(o, "default"))
                json_object_set_new(spec, "defaultBackend",
                                    fixture_ing_backend(json_string_value(json_object_get(o, "default"))));
        if (json_object_get(o, "class_name"))
                json_object_set(spec, "ingressClassName", json_object_get(o, "class_name"));
        return spec;
}

/* The facts stand in tls.crt as JSON, for fixture_pair(). */
FIXTURE_FN void fixture_secret(json_t *out, const json_t *o)
{
        json_t *facts = json_object(), *data = json_object();
        static const char *const keys[] = {"names", "not_after", "problem"};
        for (size_t i = 0; i < COUNT_OF(keys); i++)
                json_object_set(facts, keys[i], json_object_get(o, keys[i]));
        char *text = json_dumps(facts, JSON_COMPACT);
        json_object_set_new(data, "tls.crt", json_string(text));
        json_object_set_new(data, "tls.key", json_string("key"));
        if (json_object_get(o, "ca"))
                json_object_set(data, "ca.crt", json_object_get(o, "ca"));
        const json_t *type = json_object_get(o, "type");
        json_object_set_new(out, "type", type ? json_deep_copy(type) : json_string("kubernetes.io/tls"));
        json_object_set_new(out, "stringData", data);
        free(text);
        json_decref(facts);
}

FIXTURE_FN json_t *fixture_tcd_spec(const json_t *o)
{
        return json_pack("{s:[{s:O, s:O}]}", "delegations", "secretName", json_object_get(o, "secret"),
                         "targetNamespaces", json_object_get(o, "to"));
}

FIXTURE_FN json_t *fixture_annotations(const json_t *written)
{
        json_t *out = json_object();
        const char *key;
        json_t *value;
        json_object_foreach ((json_t *)(uintptr_t)written, key, value) {
                AUTO_STR *full = strchr(key, '/') ? mem_strdup(key) : mem_printf("contour.heptio.com/%s", key);
                json_object_set(out, full, value);
        }
        return out;
}

FIXTURE_FN json_t *fixture_metadata(const json_t *o, const char *key)
{
        json_t *m = json_object();
        const char *slash = strchr(key, '/');
        char text[TIME_TEXT_MAX];
        if (slash)
                json_object_set_new(m, "namespace", json_stringn(key, (size_t)(slash - key)));
        json_object_set_new(m, "name", json_string(slash ? slash + 1 : key));
        json_object_set_new(m, "annotations", fixture_annotations(json_object_get(o, "annotations")));
        time_format_seconds(fixture_micros(json_integer_value(json_object_get(o, "created"))), text);
        json_object_set_new(m, "creationTimestamp", json_string(text));
        if (json_object_get(o, "uid"))
                json_object_set(m, "uid", json_object_get(o, "uid"));
        if (json_is_true(json_object_get(o, "deleting")))
                json_object_set_new(m, "deletionTimestamp", json_string(text));
        return m;
}

/* status.claim as the leader writes it; since in microseconds. */
FIXTURE_FN void fixture_set_claim(json_t *full, const char *fqdn, int64_t since, const char *by)
{
        char text[TIME_TEXT_MAX];
        time_format_micros(since, text);
        json_object_set_new(full, "status",
                            json_pack("{s:{s:s, s:s, s:s}}", "claim", "fqdn", fqdn, "since", text, "by", by));
}

static const struct {
        const char *key;
        enum kind kind;
        json_t *(*spec)(const json_t *o);
} fixture_kinds[] = {
        {"ir", KIND_INGRESSROUTE, fixture_ir_spec},
        {"svc", KIND_SERVICE, fixture_svc_spec},
        {"tcd", KIND_TLSCERTIFICATEDELEGATION, fixture_tcd_spec}, /* has a "secret", too */
        {"secret", KIND_SECRET, NULL},
        {"ing", KIND_INGRESS, fixture_ing_spec},
        {"class", KIND_INGRESSCLASS, NULL},
        {"ns", KIND_NAMESPACE, NULL},
};

FIXTURE_FN json_t *fixture_expand(const json_t *o, enum kind *kind)
{
        size_t i = 0;
        while (!json_object_get(o, fixture_kinds[i].key))
                assert(++i < COUNT_OF(fixture_kinds));
        *kind = fixture_kinds[i].kind;
        json_t *full = json_pack("{s:o}", "metadata",
                                 fixture_metadata(o, json_string_value(json_object_get(o, fixture_kinds[i].key))));
        if (*kind == KIND_SECRET)
                fixture_secret(full, o);
        if (*kind == KIND_INGRESSCLASS)
                json_object_set_new(full, "spec", json_pack("{s:O}", "controller", json_object_get(o, "controller")));
        if (*kind == KIND_INGRESSCLASS && json_is_true(json_object_get(o, "default")))
                json_object_set_new(json_object_get(full, "metadata"), "annotations",
                                    json_pack("{s:s}", "ingressclass.kubernetes.io/is-default-class", "true"));
        const json_t *spec = json_object_get(o, "spec");
        if (fixture_kinds[i].spec && !spec)
                json_object_set_new(full, "spec", fixture_kinds[i].spec(o));
        else if (spec)
                json_object_set_new(full, "spec", json_deep_copy(spec));
        const json_t *claim = json_object_get(o, "claim"); /* [fqdn, seconds, by] */
        if (claim)
                fixture_set_claim(full, json_string_value(json_array_get(claim, 0)),
                                  fixture_micros(0) + (int64_t)(json_number_value(json_array_get(claim, 1)) * 1e6),
                                  json_string_value(json_array_get(claim, 2)));
        return full;
}

/* ---- decoding ---- */

FIXTURE_FN void fixture_pair(struct arena *a, const char *crt, size_t crt_size, const char *key, size_t key_size,
                             struct pair_facts *facts)
{
        (void)key;
        (void)key_size;
        json_t *json = json_loadb(crt, crt_size, 0, NULL);
        const json_t *names = json_object_get(json, "names");
        const char **list = arena_calloc(a, json_array_size(names), sizeof(*list));
        for (size_t i = 0; i < json_array_size(names); i++)
                list[facts->name_count++] = arena_strdup(a, json_string_value(json_array_get(names, i)));
        facts->names = list;
        const json_t *end = json_object_get(json, "not_after");
        facts->not_after = fixture_micros(end ? json_integer_value(end) : 365 * 24 * 3600);
        facts->problem = arena_strdup(a, json_string_value(json_object_get(json, "problem")));
        facts->ok = !facts->problem;
        json_decref(json);
}

FIXTURE_FN const char *fixture_ca(struct arena *a, const char *ca, size_t ca_size)
{
        return str_equal(ca, "good") ? NULL : arena_strndup(a, ca, ca_size);
}

FIXTURE_FN struct object *fixture_decode(enum kind kind, const json_t *full, bool report_unknown)
{
        static const struct object_inspector inspector = {fixture_pair, fixture_ca};
        struct object_options options = {.inspector = &inspector, .report_unknown = report_unknown};
        struct err e = {0};
        struct object *o = object_decode(kind, full, &options, &e);
        if (!o)
                fprintf(stderr, "fixture: %s\n", e.text);
        assert(o);
        return o;
}

/* ---- a small controller ---- */

struct fixture {
        struct store *store;
        struct policy policy;
        int64_t now;
        struct map *written;   /* "kind ns/name" -> the object's JSON, for whoever changes its status */
        const json_t *refused; /* names of hosts that an Envoy has refused; or NULL */
        const struct host **hosts;
        size_t host_count;
        const struct host **found; /* of the last fixture_hosts_of() */
};

FIXTURE_FN void fixture_init(struct fixture *f)
{
        *f = (struct fixture){.store = store_new(), .written = map_new(), .now = fixture_micros(1000)};
        f->found = mem_calloc(1, sizeof(*f->found));
}

FIXTURE_FN void fixture_forget_hosts(struct fixture *f)
{
        for (size_t i = 0; i < f->host_count; i++)
                host_unref(f->hosts[i]);
        f->host_count = 0;
}

FIXTURE_FN void fixture_forget_json(const char *key, void *value, void *arg)
{
        (void)key;
        (void)arg;
        json_decref(value);
}

FIXTURE_FN void fixture_done(struct fixture *f)
{
        fixture_forget_hosts(f);
        mem_free(f->hosts);
        mem_free(f->found);
        map_each(f->written, fixture_forget_json, NULL);
        map_free(f->written);
        store_free(f->store);
}

/* Takes full. */
FIXTURE_FN void fixture_put_full(struct fixture *f, enum kind kind, json_t *full, const struct store_hooks *hooks)
{
        const json_t *m = json_object_get(full, "metadata");
        const char *namespace = json_string_value(json_object_get(m, "namespace"));
        AUTO_STR *key = mem_printf("%d %s/%s", (int)kind, namespace ? namespace : "",
                                   json_string_value(json_object_get(m, "name")));
        store_put(f->store, fixture_decode(kind, full, false), 0, hooks);
        json_decref(map_set(f->written, key, full));
}

FIXTURE_FN void fixture_put(struct fixture *f, const json_t *shorthand, const struct store_hooks *hooks)
{
        enum kind kind;
        json_t *full = fixture_expand(shorthand, &kind);
        fixture_put_full(f, kind, full, hooks);
}

FIXTURE_FN void fixture_add_host(enum term term, const char *name, void *arg)
{
        struct fixture *f = arg;
        if (term != TERM_FQDN)
                return;
        for (size_t i = 0; i < f->host_count; i++) {
                if (str_equal(f->hosts[i]->name, name))
                        return;
        }
        struct view v = {.store = f->store};
        f->hosts = mem_resize(f->hosts, f->host_count + 1, sizeof(*f->hosts));
        f->found = mem_resize(f->found, f->host_count + 1, sizeof(*f->found));
        f->hosts[f->host_count++] = host_compile(&v, &f->policy, name, f->now);
}

FIXTURE_FN void fixture_add_hosts_of(const struct object *o, void *arg)
{
        object_terms(o, fixture_add_host, arg);
}

/* Every host that an object asks for, from scratch. */
FIXTURE_FN void fixture_compile(struct fixture *f)
{
        fixture_forget_hosts(f);
        store_each(f->store, KIND_INGRESSROUTE, fixture_add_hosts_of, f);
        store_each(f->store, KIND_INGRESS, fixture_add_hosts_of, f);
}

FIXTURE_FN const struct host *fixture_host(const struct fixture *f, const char *name)
{
        for (size_t i = 0; i < f->host_count; i++) {
                if (str_equal(f->hosts[i]->name, name))
                        return f->hosts[i];
        }
        return NULL;
}

FIXTURE_FN size_t fixture_hosts_of(const struct object_ref *ref, const struct host *const **hosts, void *arg)
{
        struct fixture *f = arg;
        size_t n = 0;
        for (size_t i = 0; i < f->host_count; i++) {
                if (host_find_object(f->hosts[i], ref))
                        f->found[n++] = f->hosts[i];
        }
        *hosts = f->found;
        return n;
}

FIXTURE_FN void fixture_judge_refused(const struct fixture *f, const struct object *o, struct findings *list)
{
        const struct object_ref ref = {o->kind, o->namespace, o->name};
        size_t i;
        const json_t *name;
        json_array_foreach (f->refused, i, name) {
                const struct host *h = fixture_host(f, json_string_value(name));
                if (h && h->owner && object_ref_equal(h->owner, &ref))
                        judge_refused(h, list);
        }
}

FIXTURE_FN void fixture_state(struct fixture *f, struct arena *a, const struct object *o, struct object_state *state)
{
        struct view v = {.store = f->store};
        struct findings own = {.arena = a};
        judge_object(&v, &f->policy, o, &own);
        fixture_judge_refused(f, o, &own);
        object_state(a, &v, &f->policy, o, &own, fixture_hosts_of, f, state);
}

struct fixture_claims {
        struct fixture *f;
        struct arena *a;
        bool changed;
};

FIXTURE_FN void fixture_write_claim(const struct object *o, void *arg)
{
        struct fixture_claims *c = arg;
        struct object_state s;
        fixture_state(c->f, c->a, o, &s);
        const struct ir_status *held = o->ingressroute->status;
        const struct ir_claim *claim = held ? held->claim : NULL;
        bool same = claim ? s.claim_fqdn && str_equal(s.claim_fqdn, claim->fqdn) && s.claim_since == claim->since &&
                                    str_equal(claim->by, c->f->policy.claim_id)
                          : !s.claim_fqdn;
        if (same)
                return;
        c->changed = true;
        AUTO_STR *key = mem_printf("%d %s/%s", (int)o->kind, o->namespace, o->name);
        json_t *full = map_get(c->f->written, key);
        json_object_del(full, "status");
        if (s.claim_fqdn)
                fixture_set_claim(full, s.claim_fqdn, s.claim_since == CLAIM_NOW ? c->f->now : s.claim_since,
                                  c->f->policy.claim_id);
}

FIXTURE_FN void fixture_put_again(const char *key, void *value, void *arg)
{
        struct fixture *f = arg;
        store_put(f->store, fixture_decode((enum kind)atoi(key), value, false), 0, NULL);
}

/* What the leader does: writes claims until nothing changes. The clock goes on by a second a round. */
FIXTURE_FN void fixture_lead(struct fixture *f)
{
        for (int round = 0; round < 10; round++) {
                AUTO(arena) *a = arena_new(4096);
                struct fixture_claims c = {.f = f, .a = a};
                f->now += TIME_MICROS_PER_SECOND;
                fixture_compile(f);
                store_each(f->store, KIND_INGRESSROUTE, fixture_write_claim, &c);
                if (!c.changed)
                        return;
                map_each(f->written, fixture_put_again, f);
        }
        assert(false && "claims do not settle");
}
