/* SPDX-License-Identifier: Apache-2.0 */
/* The rules as cases: every file of dag/testdata/ (its README.md says how one is written). */
#include "dag/fixture_test.h"

#include "base/buf.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka needs those before it */
#include <cmocka.h>

#define FOLDER "dag/testdata"
enum { TEXT_MAX = 1024 * 1024 };

/* ---- what is there, as text ---- */

static void add_clusters(struct buf *out, const struct cluster *c, size_t n)
{
        static const char *const protocols[] = {"", " h2", " h2c", " tls"};
        static const char *const strategies[] = {"",       " WeightedLeastRequest", " Random", " RingHash", " Maglev",
                                                 " Cookie"};
        for (; n; n--, c++) {
                buf_printf(out, " %s:%u", c->service, c->port);
                if (c->weight)
                        buf_printf(out, "*%u", c->weight);
                if (c->missing)
                        buf_append_str(out, "!");
                buf_printf(out, "%s%s", protocols[c->protocol], strategies[c->strategy]);
                if (c->external_name)
                        buf_printf(out, " =%s", c->external_name);
                if (c->health_check)
                        buf_printf(out, " health %s %s %u %u %u %u", c->health_check->path, c->health_check->host,
                                   c->health_check->interval, c->health_check->timeout, c->health_check->unhealthy,
                                   c->health_check->healthy);
                if (c->validation)
                        buf_printf(out, " ca %s/%s %s", c->validation->ca_namespace, c->validation->ca_secret,
                                   c->validation->subject_name);
                if (c->circuit_breaker)
                        buf_printf(out, " limits %lld %lld %lld %lld", (long long)c->circuit_breaker->max_connections,
                                   (long long)c->circuit_breaker->max_pending_requests,
                                   (long long)c->circuit_breaker->max_requests,
                                   (long long)c->circuit_breaker->max_retries);
        }
}

static void add_route(struct buf *out, const struct route *r)
{
        buf_printf(out, "%s%s %s/%s", r->match, r->exact ? " exact" : "", r->source->namespace, r->source->name);
        if (r->action == ROUTE_UNAVAILABLE)
                buf_append_str(out, " 503");
        add_clusters(out, r->clusters, r->cluster_count);
        if (r->websockets)
                buf_append_str(out, " websockets");
        if (r->insecure)
                buf_append_str(out, " insecure");
        if (r->no_http)
                buf_append_str(out, " no_http");
        if (r->prefix_rewrite)
                buf_printf(out, " rewrite %s", r->prefix_rewrite);
        if (r->timeout != TIMEOUT_DEFAULT)
                buf_printf(out, " timeout %lldms", (long long)(r->timeout / DURATION_MILLISECOND));
        if (r->retry_count)
                buf_printf(out, " retry %s %u %lldms", r->retry_on, r->retry_count,
                           (long long)(r->per_try_timeout / DURATION_MILLISECOND));
        buf_append_char(out, '\n');
}

static void add_tls(struct buf *out, const struct host_tls *tls)
{
        static const char *const versions[] = {"1.1", "1.2", "1.3"};
        if (tls->broken)
                buf_append_str(out, "tls broken\n");
        else if (tls->passthrough)
                buf_append_str(out, "tls passthrough\n");
        else
                buf_printf(out, "tls %s/%s %s\n", tls->secret_namespace, tls->secret_name, versions[tls->minimum]);
}

static void describe_host(struct buf *out, const struct host *h)
{
        if (!h || !h->owner) {
                buf_append_str(out, "nobody\n");
                return;
        }
        buf_printf(out, "owner %s%s/%s\n", h->owner->kind == KIND_INGRESS ? "Ingress " : "", h->owner->namespace,
                   h->owner->name);
        if (h->tls)
                add_tls(out, h->tls);
        if (h->tcpproxy) {
                buf_append_str(out, "tcpproxy");
                add_clusters(out, h->tcpproxy->clusters, h->tcpproxy->cluster_count);
                buf_append_str(out, h->tcpproxy->cluster_count ? "\n" : " closed\n");
        }
        for (size_t i = 0; i < h->route_count; i++)
                add_route(out, &h->routes[i]);
}

static void describe_findings(struct buf *out, const struct finding *f, size_t n)
{
        AUTO(arena) *a = arena_new(1024);
        for (size_t i = 0; i < n; i++)
                buf_printf(out, "    %s %s\n", f[i].denies ? "deny" : "warn", finding_text(a, &f[i]));
}

/* ---- comparing ---- */

struct run {
        const char *name;
        struct fixture f;
        struct buf *wrong; /* all that differs, told at the end */
};

static void compare_host(struct run *r, const char *name, const json_t *expected)
{
        AUTO(buf) *is = buf_new(TEXT_MAX);
        AUTO(buf) *want = buf_new(TEXT_MAX);
        describe_host(is, fixture_host(&r->f, name));
        for (size_t i = 0; i < json_array_size(expected); i++)
                buf_printf(want, "%s\n", json_string_value(json_array_get(expected, i)));
        if (strcmp(buf_data(is), buf_data(want)))
                buf_printf(r->wrong, "host %s is\n%sand should be\n%s", name, buf_data(is), buf_data(want));
}

/* A word of an expectation, "Rule" or "Rule@field". */
static bool word_is(const char *word, const struct finding *f)
{
        const char *rule = rule_info(f->rule)->name;
        size_t n = strcspn(word, "@");
        return strlen(rule) == n && memcmp(word, rule, n) == 0 && (!word[n] || str_equal(word + n + 1, f->field));
}

/* Takes the findings that words names off the list; a word that names none, or a finding left, is wrong. */
static bool words_name(char *words, const struct finding *f, size_t n)
{
        bool named[1024] = {false};
        size_t count = 0;
        assert_true(n <= COUNT_OF(named));
        for (char *word; (word = strsep(&words, " "));) {
                size_t i = 0;
                while (*word && i < n && (named[i] || !word_is(word, &f[i])))
                        i++;
                if (*word && i == n)
                        return false;
                if (*word) {
                        named[i] = true;
                        count++;
                }
        }
        return count == n;
}

static bool says(const char *text, const struct finding *f, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                if (strstr(f[i].message, text))
                        return true;
        }
        return false;
}

/* "invalid PathInvalid@spec.routes[0].match Other | text | text" */
static bool findings_are(const char *is, const char *expected, const struct finding *f, size_t n)
{
        AUTO_STR *copy = mem_strdup(expected);
        char *bar = strstr(copy, " | ");
        char *texts = bar ? bar + 3 : NULL;
        if (bar)
                *bar = '\0';
        char *words = copy;
        if (!str_equal(strsep(&words, " "), is) || !words_name(words, f, n))
                return false;
        while (texts) {
                char *next = strstr(texts, " | ");
                if (next)
                        *next = '\0';
                if (!says(texts, f, n))
                        return false;
                texts = next ? next + 3 : NULL;
        }
        return true;
}

static const struct object *find_object(struct run *r, const char *key)
{
        bool ingress = str_has_prefix(key, "Ingress ");
        const char *name = ingress ? key + 8 : key;
        const char *slash = strchr(name, '/');
        AUTO_STR *namespace = mem_strndup(name, (size_t)(slash - name));
        struct view v = {.store = r->f.store};
        const struct object *o = view_get(&v, ingress ? KIND_INGRESS : KIND_INGRESSROUTE, namespace, slash + 1);
        if (!o)
                fail_msg("%s: there is no %s", r->name, key);
        return o;
}

static const char *status_name(const struct object_state *s)
{
        static const char *const names[] = {"valid", "invalid", "orphaned"};
        return s->ours ? names[s->status] : "none";
}

static void compare_status(struct run *r, const char *key, const char *expected)
{
        AUTO(arena) *a = arena_new(4096);
        struct object_state s;
        fixture_state(&r->f, a, find_object(r, key), &s);
        if (findings_are(status_name(&s), expected, s.findings, s.finding_count))
                return;
        buf_printf(r->wrong, "%s is %s\n", key, status_name(&s));
        describe_findings(r->wrong, s.findings, s.finding_count);
        buf_printf(r->wrong, "and should be %s\n", expected);
}

static void compare_virtual_hosts(struct run *r, const char *key, const json_t *expected)
{
        AUTO(arena) *a = arena_new(4096);
        struct object_state s;
        fixture_state(&r->f, a, find_object(r, key), &s);
        bool same = s.virtual_host_count == json_array_size(expected);
        for (size_t i = 0; same && i < s.virtual_host_count; i++)
                same = str_equal(s.virtual_hosts[i], json_string_value(json_array_get(expected, i)));
        if (!same)
                buf_printf(r->wrong, "%s has other virtual hosts (%zu)\n", key, s.virtual_host_count);
}

/* Seconds, "now", or null for none. */
static void compare_claim(struct run *r, const char *key, const json_t *expected)
{
        AUTO(arena) *a = arena_new(4096);
        struct object_state s;
        fixture_state(&r->f, a, find_object(r, key), &s);
        int64_t want =
                json_is_string(expected) ? CLAIM_NOW : fixture_micros(0) + (int64_t)(json_number_value(expected) * 1e6);
        bool same = json_is_null(expected) ? !s.claim_fqdn : s.claim_fqdn && s.claim_since == want;
        if (!same)
                buf_printf(r->wrong, "%s is to claim %s since %lld, not %lld\n", key, s.claim_fqdn ? s.claim_fqdn : "-",
                           (long long)s.claim_since, (long long)want);
}

/* ---- admission ---- */

/* "deny Rule@field Rule@field | text", where denials and warnings are told apart by "warn": "warn Rule". */
static void compare_verdict(struct run *r, const json_t *candidate, const json_t *expected)
{
        AUTO(arena) *a = arena_new(4096);
        enum kind kind;
        json_t *full = fixture_expand(candidate, &kind);
        AUTO(object) *o = fixture_decode(kind, full, true);
        json_decref(full);
        struct view v = {.store = r->f.store, .candidate = o};
        struct findings all = {.arena = a}, denials = {.arena = a}, warnings = {.arena = a};
        judge_candidate(&v, &r->f.policy, r->f.now, &all);
        for (size_t i = 0; i < all.count; i++)
                findings_add(all.items[i].denies ? &denials : &warnings, &all.items[i]);
        bool deny_told = false, warn_told = false, same = true;
        for (size_t i = 0; i < json_array_size(expected); i++) {
                const char *text = json_string_value(json_array_get(expected, i));
                bool deny = str_has_prefix(text, "deny");
                const struct findings *list = deny ? &denials : &warnings;
                same &= findings_are(deny ? "deny" : "warn", text, list->items, list->count);
                *(deny ? &deny_told : &warn_told) = true;
        }
        if (same && (deny_told || !denials.count) && (warn_told || !warnings.count))
                return;
        buf_append_str(r->wrong, "the candidate is told\n");
        describe_findings(r->wrong, all.items, all.count);
        buf_append_str(r->wrong, "and should be told\n");
        for (size_t i = 0; i < json_array_size(expected); i++)
                buf_printf(r->wrong, "    %s\n", json_string_value(json_array_get(expected, i)));
}

/* ---- policy ---- */

static const struct {
        const char *key;
        size_t offset;
} switches[] = {
        {"strict_ingress_class", offsetof(struct policy, strict_ingress_class)},
        {"serve_unclassed_ingress", offsetof(struct policy, serve_unclassed_ingress)},
        {"require_fqdn_grants", offsetof(struct policy, require_fqdn_grants)},
        {"require_delegation_grants", offsetof(struct policy, require_delegation_grants)},
        {"strict_references", offsetof(struct policy, strict_references)},
        {"enable_external_name", offsetof(struct policy, enable_external_name)},
        {"allow_wildcard_hosts", offsetof(struct policy, allow_wildcard_hosts)},
        {"disable_permit_insecure", offsetof(struct policy, disable_permit_insecure)},
};

static void read_policy(struct policy *p, const json_t *from)
{
        static const char *namespaces[8];
        for (size_t i = 0; i < COUNT_OF(switches); i++)
                *((bool *)(void *)((char *)p + switches[i].offset)) =
                        json_is_true(json_object_get(from, switches[i].key));
        p->ingress_class = json_string_value(json_object_get(from, "ingress_class"));
        p->cluster_domain = json_string_value(json_object_get(from, "cluster_domain"));
        p->claim_id = json_string_value(json_object_get(from, "claim_id"));
        if (json_object_get(from, "tls_floor"))
                p->tls_floor = (enum tls_version)json_integer_value(json_object_get(from, "tls_floor"));
        const json_t *roots = json_object_get(from, "root_namespaces");
        p->root_namespaces = namespaces;
        p->root_namespace_count = json_array_size(roots);
        for (size_t i = 0; i < p->root_namespace_count; i++)
                namespaces[i] = json_string_value(json_array_get(roots, i));
}

/* ---- one case ---- */

/* {"repeat": [from, to], "item": ...}: the item for each number, which stands for $ and $+ (the next one). */
static json_t *replaced(const json_t *item, json_int_t i)
{
        char *text = json_dumps(item, JSON_COMPACT | JSON_ENCODE_ANY);
        AUTO(buf) *out = buf_new(TEXT_MAX);
        for (const char *p = text; *p; p++) {
                if (*p != '$') {
                        buf_append_char(out, *p);
                        continue;
                }
                bool next = p[1] == '+';
                buf_printf(out, "%lld", (long long)(i + next));
                p += next;
        }
        free(text);
        return json_loads(buf_data(out), JSON_DECODE_ANY, NULL);
}

static json_t *unrolled(const json_t *value)
{
        if (json_is_object(value)) {
                json_t *out = json_object();
                const char *key;
                json_t *member;
                json_object_foreach ((json_t *)(uintptr_t)value, key, member)
                        json_object_set_new(out, key, unrolled(member));
                return out;
        }
        if (!json_is_array(value))
                return json_deep_copy(value);
        json_t *out = json_array();
        for (size_t i = 0; i < json_array_size(value); i++) {
                const json_t *item = json_array_get(value, i);
                const json_t *range = json_object_get(item, "repeat");
                if (!range) {
                        json_array_append_new(out, unrolled(item));
                        continue;
                }
                json_int_t last = json_integer_value(json_array_get(range, 1));
                for (json_int_t k = json_integer_value(json_array_get(range, 0)); k <= last; k++)
                        json_array_append_new(out, replaced(json_object_get(item, "item"), k));
        }
        return out;
}

static void delete_objects(struct run *r, const json_t *names)
{
        for (size_t i = 0; i < json_array_size(names); i++) {
                const struct object *o = find_object(r, json_string_value(json_array_get(names, i)));
                AUTO_STR *key = mem_printf("%d %s/%s", (int)o->kind, o->namespace, o->name);
                json_decref(map_remove(r->f.written, key));
                AUTO_STR *namespace = mem_strdup(o->namespace);
                AUTO_STR *name = mem_strdup(o->name);
                assert_true(store_remove(r->f.store, o->kind, namespace, name, 0, NULL));
        }
}

static void compare_all(struct run *r, const json_t *step)
{
        const char *key;
        json_t *value;
        json_object_foreach (json_object_get(step, "hosts"), key, value)
                compare_host(r, key, value);
        json_object_foreach (json_object_get(step, "status"), key, value)
                compare_status(r, key, json_string_value(value));
        json_object_foreach (json_object_get(step, "virtual_hosts"), key, value)
                compare_virtual_hosts(r, key, value);
        json_object_foreach (json_object_get(step, "claims"), key, value)
                compare_claim(r, key, value);
        if (json_object_get(step, "candidate"))
                compare_verdict(r, json_object_get(step, "candidate"), json_object_get(step, "admission"));
        const json_t *more = json_object_get(step, "admissions"); /* [[candidate, expected], ...] */
        for (size_t i = 0; i < json_array_size(more); i++)
                compare_verdict(r, json_array_get(json_array_get(more, i), 0),
                                json_array_get(json_array_get(more, i), 1));
}

static void run_step(struct run *r, const json_t *step)
{
        static const char *const known[] = {"about",     "policy",    "objects",    "delete",        "now",
                                            "lead",      "hosts",     "status",     "virtual_hosts", "claims",
                                            "candidate", "admission", "admissions", "steps",         "refused"};
        const char *key;
        json_t *value;
        json_object_foreach ((json_t *)(uintptr_t)step, key, value) {
                size_t i = 0;
                while (i < COUNT_OF(known) && !str_equal(key, known[i]))
                        i++;
                if (i == COUNT_OF(known))
                        fail_msg("%s: \"%s\" means nothing", r->name, key);
        }
        delete_objects(r, json_object_get(step, "delete"));
        const json_t *objects = json_object_get(step, "objects");
        for (size_t i = 0; i < json_array_size(objects); i++)
                fixture_put(&r->f, json_array_get(objects, i), NULL);
        if (json_object_get(step, "now"))
                r->f.now = fixture_micros(json_integer_value(json_object_get(step, "now")));
        if (json_is_true(json_object_get(step, "lead")))
                fixture_lead(&r->f);
        r->f.refused = json_object_get(step, "refused");
        fixture_compile(&r->f);
        compare_all(r, step);
}

struct test {
        const char *name;
        const json_t *json;
};

static void run_case(void **state)
{
        const struct test *t = *state;
        struct run r = {.name = t->name};
        AUTO(buf) *wrong = buf_new(TEXT_MAX);
        r.wrong = wrong;
        json_t *json = unrolled(t->json);
        fixture_init(&r.f);
        read_policy(&r.f.policy, json_object_get(json, "policy"));
        const json_t *steps = json_object_get(json, "steps");
        run_step(&r, json);
        for (size_t i = 0; i < json_array_size(steps); i++) {
                size_t before = buf_len(wrong);
                run_step(&r, json_array_get(steps, i));
                if (buf_len(wrong) > before)
                        buf_printf(wrong, "(in steps[%zu])\n", i);
        }
        fixture_done(&r.f);
        json_decref(json);
        if (buf_len(wrong))
                fail_msg("%s:\n%s", t->name, buf_data(wrong));
}

/* ---- all files ---- */

static int is_case_file(const struct dirent *d)
{
        return str_has_suffix(d->d_name, ".json");
}

static size_t add_tests(const json_t *file, const char *file_name, struct CMUnitTest **tests, size_t n)
{
        const char *key;
        json_t *value;
        json_object_foreach ((json_t *)(uintptr_t)file, key, value) {
                struct test *t = mem_zalloc(sizeof(*t));
                *t = (struct test){mem_printf("%.*s: %s", (int)strcspn(file_name, "."), file_name, key), value};
                *tests = mem_resize(*tests, n + 1, sizeof(**tests));
                (*tests)[n++] = (struct CMUnitTest){.name = t->name, .test_func = run_case, .initial_state = t};
        }
        return n;
}

int main(void)
{
        struct dirent **names;
        int files = scandir(FOLDER, &names, is_case_file, alphasort);
        struct CMUnitTest *tests = NULL;
        size_t n = 0;
        json_t *all = json_array();
        for (int i = 0; i < files; i++) {
                AUTO_STR *path = mem_printf(FOLDER "/%s", names[i]->d_name);
                json_error_t e;
                json_t *file = json_load_file(path, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e);
                if (!file) {
                        fprintf(stderr, "%s:%d: %s\n", path, e.line, e.text);
                        return 1;
                }
                json_array_append_new(all, file);
                n = add_tests(file, names[i]->d_name, &tests, n);
                free(names[i]);
        }
        if (files > 0)
                free(names);
        int failed = _cmocka_run_group_tests("dag/testdata", tests, n, NULL, NULL);
        for (size_t i = 0; i < n; i++) {
                mem_free((char *)(uintptr_t)tests[i].name);
                mem_free(tests[i].initial_state);
        }
        mem_free(tests);
        json_decref(all);
        return failed;
}
