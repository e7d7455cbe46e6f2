/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/pipeline.h"

#include "base/map.h"
#include "base/time.h"
#include "controller/status_plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define MILLI DURATION_MILLISECOND

static int64_t clock_wall, clock_monotonic;

static int64_t wall(void)
{
        return clock_wall;
}

static int64_t monotonic(void)
{
        return clock_monotonic;
}

static void pass(int64_t nanos)
{
        clock_monotonic += nanos;
        clock_wall += nanos / DURATION_MICROSECOND;
}

/* A certificate that expires at the seconds that its "bytes" say. */
static void inspect_pair(struct arena *a, const char *crt, size_t crt_size, const char *key, size_t key_size,
                         struct pair_facts *facts)
{
        (void)key, (void)key_size;
        const char **names = arena_alloc(a, sizeof(char *));
        names[0] = "tls.example";
        *facts = (struct pair_facts){.ok = true, .names = names, .name_count = 1};
        facts->not_after = strtoll(arena_strndup(a, crt, crt_size), NULL, 10) * TIME_MICROS_PER_SECOND;
}

static const char *inspect_ca(struct arena *a, const char *ca, size_t ca_size)
{
        (void)a, (void)ca, (void)ca_size;
        return NULL;
}

/* ---- a pipeline on a store in memory ---- */

struct world {
        pthread_rwlock_t lock;
        struct policy policy;
        struct store *store;
        struct pipeline *pipeline;
        struct map *told; /* key -> char *: the state when the object was last told of */
        unsigned hosts_told, objects_told, settled, store_changes, wakes;
};

static void describe(struct world *w, const char *namespace, const char *name, struct buf *out)
{
        AUTO(arena) *a = arena_new(4096);
        struct object_state s = {0};
        const struct object *o = NULL;
        assert_int_equal(pipeline_state(w->pipeline, namespace, name, a, &s, &o), PIPELINE_READY);
        buf_printf(out, "%s/%s ours=%d status=%d claim=%s@%lld", namespace, name, s.ours, s.status,
                   s.claim_fqdn ? s.claim_fqdn : "", (long long)s.claim_since);
        for (size_t i = 0; i < s.virtual_host_count; i++)
                buf_printf(out, " %s", s.virtual_hosts[i]);
        for (size_t i = 0; i < s.finding_count; i++)
                buf_printf(out, "\n    %s", finding_text(a, &s.findings[i]));
        buf_append_str(out, "\n");
}

static void on_object(const struct object *o, void *arg)
{
        struct world *w = arg;
        w->objects_told++;
        AUTO(buf) *b = buf_new(1 << 20);
        describe(w, o->namespace, o->name, b);
        AUTO_STR *key = mem_printf("%s/%s", o->namespace, o->name);
        mem_free(map_set(w->told, key, buf_take_str(b)));
}

static void on_gone(const char *namespace, const char *name, void *arg)
{
        struct world *w = arg;
        AUTO_STR *key = mem_printf("%s/%s", namespace, name);
        mem_free(map_remove(w->told, key));
}

static void on_host(const struct host *old, const struct host *new, void *arg)
{
        assert_true(old || new);
        ((struct world *)arg)->hosts_told++;
}

static void on_settled(void *arg)
{
        ((struct world *)arg)->settled++;
}

static void on_store(void *arg)
{
        ((struct world *)arg)->store_changes++;
}

static void on_wake(void *arg)
{
        ((struct world *)arg)->wakes++;
}

static struct world *world_new(void)
{
        struct world *w = mem_zalloc(sizeof(*w));
        pthread_rwlock_init(&w->lock, NULL);
        w->policy.claim_id = "me";
        w->store = store_new();
        w->told = map_new();
        w->pipeline = pipeline_new(&(struct pipeline_options){
                .store = w->store,
                .lock = &w->lock,
                .policy = &w->policy,
                .wall = wall,
                .monotonic = monotonic,
                .wake = on_wake,
                .arg = w,
        });
        pipeline_add_reader(w->pipeline, &(struct pipeline_reader){
                                                 .object_changed = on_object,
                                                 .object_gone = on_gone,
                                                 .host_changed = on_host,
                                                 .settled = on_settled,
                                                 .store_changed = on_store,
                                                 .arg = w,
                                         });
        return w;
}

static void free_text(const char *key, void *value, void *arg)
{
        (void)key, (void)arg;
        mem_free(value);
}

static void world_free(struct world *w)
{
        pipeline_free(w->pipeline);
        store_free(w->store);
        map_each(w->told, free_text, NULL);
        map_free(w->told);
        pthread_rwlock_destroy(&w->lock);
        mem_free(w);
}
AUTO_DEFINE(world)

static void put(struct world *w, enum kind kind, const char *text)
{
        static const struct object_inspector inspector = {inspect_pair, inspect_ca};
        json_error_t where;
        json_t *json = json_loads(text, 0, &where);
        if (!json)
                fail_msg("%s: %s", where.text, text);
        struct err e = {0};
        struct object *o = object_decode(kind, json, &(struct object_options){.inspector = &inspector}, &e);
        json_decref(json);
        if (!o)
                fail_msg("%s: %s", e.text, text);
        pipeline_put(w->pipeline, o, 0);
}

/* Until nothing is due, however long that takes. */
static void settle(struct world *w)
{
        for (int64_t due; (due = pipeline_due(w->pipeline)) != INT64_MAX;) {
                if (due > clock_monotonic + DURATION_SECOND)
                        return;
                if (due > clock_monotonic)
                        pass(due - clock_monotonic);
                pipeline_turn(w->pipeline);
        }
}

/* meta and spec are what follows in the object. */
static void put_route(struct world *w, const char *namespace, const char *name, unsigned version, const char *spec)
{
        AUTO_STR *text = mem_printf("{\"metadata\":{\"namespace\":\"%s\",\"name\":\"%s\",\"uid\":\"u\","
                                    "\"resourceVersion\":\"%u\",\"generation\":%u},\"spec\":%s}",
                                    namespace, name, version, version, spec);
        put(w, KIND_INGRESSROUTE, text);
}

static void put_service(struct world *w, const char *namespace, const char *name)
{
        AUTO_STR *text = mem_printf("{\"metadata\":{\"namespace\":\"%s\",\"name\":\"%s\",\"uid\":\"u\","
                                    "\"resourceVersion\":\"1\"},\"spec\":{\"ports\":[{\"port\":80}]}}",
                                    namespace, name);
        put(w, KIND_SERVICE, text);
}

static const char *told(struct world *w, const char *key)
{
        const char *text = map_get(w->told, key);
        return text ? text : "";
}

#define SITE(host)                                                                                                     \
        "{\"virtualhost\":{\"fqdn\":\"" host                                                                           \
        "\"},\"routes\":[{\"match\":\"/\",\"services\":[{\"name\":\"s\",\"port\":80}]}]}"

/* ---- single changes ---- */

static void start__objects_listed_before__all_are_built_and_told(void **state)
{
        (void)state;
        AUTO(world) *w = world_new();
        put_route(w, "a", "site", 1, SITE("x.example"));
        put_service(w, "a", "s");
        settle(w);
        assert_null(pipeline_find_host(w->pipeline, "x.example"));
        assert_int_equal(w->objects_told, 0);
        assert_false(pipeline_is_built(w->pipeline));
        pipeline_start(w->pipeline);
        settle(w);
        assert_true(pipeline_is_built(w->pipeline));
        assert_non_null(pipeline_find_host(w->pipeline, "x.example")->owner);
        assert_non_null(strstr(told(w, "a/site"), "status=0"));
        assert_int_equal(w->objects_told, 1);
        assert_int_equal(w->hosts_told, 1);
}

static struct world *started(void)
{
        struct world *w = world_new();
        pipeline_start(w->pipeline);
        settle(w);
        pass(DURATION_SECOND);
        return w;
}

static void start__nothing_stored__is_built(void **state)
{
        (void)state;
        AUTO(world) *w = started();
        assert_true(pipeline_is_built(w->pipeline));
        assert_int_equal(w->settled, 1);
        assert_true(pipeline_due(w->pipeline) == INT64_MAX);
}

static void change__service_arrives__only_its_users_are_told(void **state)
{
        (void)state;
        AUTO(world) *w = started();
        put_route(w, "a", "site", 1, SITE("x.example"));
        put_route(w, "b", "site", 2, SITE("y.example"));
        settle(w);
        assert_non_null(strstr(told(w, "a/site"), "ServiceNotFound"));
        unsigned before = w->objects_told;
        put_service(w, "a", "s");
        settle(w);
        assert_non_null(strstr(told(w, "a/site"), "status=0"));
        assert_non_null(strstr(told(w, "b/site"), "ServiceNotFound"));
        assert_int_equal(w->objects_told, before + 1);
}

static void change__nobody_reads_it__nothing_is_compiled(void **state)
{
        (void)state;
        AUTO(world) *w = started();
        put_route(w, "a", "site", 1, SITE("x.example"));
        settle(w);
        unsigned hosts = w->hosts_told, objects = w->objects_told;
        put_service(w, "a", "other");
        settle(w);
        assert_int_equal(w->hosts_told, hosts);
        assert_int_equal(w->objects_told, objects);
        assert_int_equal(w->store_changes, 2);
}

static void change__owner_goes__loser_takes_the_host(void **state)
{
        (void)state;
        AUTO(world) *w = started();
        put_route(w, "a", "site", 1, SITE("x.example"));
        settle(w);
        put_route(w, "b", "site", 2, SITE("x.example"));
        settle(w);
        assert_non_null(strstr(told(w, "b/site"), "FQDNConflict"));
        pipeline_remove(w->pipeline, KIND_INGRESSROUTE, "a", "site", 0);
        settle(w);
        assert_null(map_get(w->told, "a/site"));
        assert_null(strstr(told(w, "b/site"), "FQDNConflict"));
        pipeline_remove(w->pipeline, KIND_INGRESSROUTE, "b", "site", 0);
        settle(w);
        assert_int_equal(pipeline_host_count(w->pipeline), 0);
        assert_int_equal(map_count(w->told), 0);
}

static void sweep__object_left_out__is_gone(void **state)
{
        (void)state;
        AUTO(world) *w = started();
        put_route(w, "a", "one", 1, SITE("x.example"));
        put_route(w, "a", "two", 1, SITE("y.example"));
        settle(w);
        pipeline_sweep_begin(w->pipeline, KIND_INGRESSROUTE, 0);
        put_route(w, "a", "two", 1, SITE("y.example"));
        settle(w);
        assert_int_equal(map_count(w->told), 2);
        pipeline_sweep_end(w->pipeline, KIND_INGRESSROUTE, 0);
        settle(w);
        assert_int_equal(map_count(w->told), 1);
        assert_null(pipeline_find_host(w->pipeline, "x.example"));
}

static void policy__changes__everything_is_judged_again(void **state)
{
        (void)state;
        AUTO(world) *w = started();
        put_route(w, "a", "site", 1, SITE("x.example"));
        settle(w);
        assert_null(strstr(told(w, "a/site"), "FQDNNotGranted"));
        w->policy.require_fqdn_grants = true;
        pipeline_recompile(w->pipeline);
        settle(w);
        assert_non_null(strstr(told(w, "a/site"), "FQDNNotGranted"));
}

static void state__change_not_compiled_yet__is_pending(void **state)
{
        (void)state;
        AUTO(world) *w = started();
        put_route(w, "a", "site", 1, SITE("x.example"));
        settle(w);
        AUTO(arena) *a = arena_new(1024);
        struct object_state s;
        const struct object *o;
        put_service(w, "a", "s");
        pipeline_turn(w->pipeline); /* too soon after the first change: applied, not compiled */
        assert_int_equal(pipeline_state(w->pipeline, "a", "site", a, &s, &o), PIPELINE_PENDING);
        settle(w);
        assert_int_equal(pipeline_state(w->pipeline, "a", "site", a, &s, &o), PIPELINE_READY);
        assert_int_equal(pipeline_state(w->pipeline, "a", "none", a, &s, &o), PIPELINE_GONE);
}

/* ---- time ---- */

static void coalescing__first_change_after_quiet__is_compiled_at_once(void **state)
{
        (void)state;
        AUTO(world) *w = started();
        put_route(w, "a", "site", 1, SITE("x.example"));
        assert_int_equal(w->wakes, 2); /* start, and this one */
        assert_true(pipeline_due(w->pipeline) == 0);
        pipeline_turn(w->pipeline);
        assert_int_equal(w->objects_told, 1);
}

static void coalescing__churn__waits_ten_ms_and_at_most_a_hundred(void **state)
{
        (void)state;
        AUTO(world) *w = started();
        put_route(w, "a", "site", 1, SITE("x.example"));
        pipeline_turn(w->pipeline);
        int64_t begin = clock_monotonic;
        unsigned version = 2;
        while (w->objects_told == 1) {
                pass(4 * MILLI);
                put_route(w, "a", "site", version++, SITE("x.example"));
                pipeline_turn(w->pipeline);
                assert_true(clock_monotonic - begin < DURATION_SECOND);
        }
        assert_true(clock_monotonic - begin >= 100 * MILLI && clock_monotonic - begin <= 112 * MILLI);
        put_route(w, "a", "site", version++, SITE("y.example"));
        pipeline_turn(w->pipeline);
        assert_int_equal(w->objects_told, 2);
        assert_true(pipeline_due(w->pipeline) == clock_monotonic + 10 * MILLI);
        pass(10 * MILLI);
        pipeline_turn(w->pipeline);
        assert_int_equal(w->objects_told, 3);
}

static void recheck__certificate_nears_its_end__is_told_without_any_change(void **state)
{
        (void)state;
        AUTO(world) *w = started();
        int64_t end = clock_wall / TIME_MICROS_PER_SECOND + 20 * 86400;
        char digits[32] = "", encoded[64] = "";
        snprintf(digits, sizeof(digits), "%012lld", (long long)end);
        static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        for (size_t i = 0, k = 0; digits[i]; i += 3, k += 4) {
                unsigned bits = (unsigned)digits[i] << 16 | (unsigned)digits[i + 1] << 8 | (unsigned)digits[i + 2];
                for (unsigned n = 0; n < 4; n++)
                        encoded[k + n] = base64[bits >> (18 - 6 * n) & 63];
        }
        AUTO_STR *secret =
                mem_printf("{\"metadata\":{\"namespace\":\"a\",\"name\":\"c\",\"uid\":\"u\",\"resourceVersion\":"
                           "\"1\"},\"type\":\"kubernetes.io/tls\",\"data\":{\"tls.crt\":\"%s\",\"tls.key\":"
                           "\"%s\"}}",
                           encoded, encoded);
        put(w, KIND_SECRET, secret);
        put_service(w, "a", "s");
        put_route(w, "a", "site", 1,
                  "{\"virtualhost\":{\"fqdn\":\"tls.example\",\"tls\":{\"secretName\":\"c\"}},\"routes\":[{\"match\":"
                  "\"/\","
                  "\"services\":[{\"name\":\"s\",\"port\":80}]}]}");
        settle(w);
        assert_null(strstr(told(w, "a/site"), "TLSSecretExpiring"));
        for (int hours = 0; hours < 8 * 24 && !strstr(told(w, "a/site"), "TLSSecretExpiring"); hours++) {
                pass(DURATION_HOUR);
                settle(w);
        }
        assert_non_null(strstr(told(w, "a/site"), "TLSSecretExpiring"));
        assert_true(clock_wall / TIME_MICROS_PER_SECOND >= end - 14 * 86400);
        assert_true(clock_wall / TIME_MICROS_PER_SECOND <= end - 14 * 86400 + 3600);
}

/* ---- whatever the order: the same ---- */

static unsigned random_state;

static unsigned draw(unsigned n)
{
        random_state = random_state * 1103515245 + 12345;
        return random_state / 65536 % n;
}

static const char *pick(const char *const *list, size_t n)
{
        return list[draw((unsigned)n)];
}

static const char *const namespaces[] = {"a", "b", "c"};
static const char *const names[] = {"one", "two", "three", "four"};
static const char *const fqdns[] = {"x.example", "y.example", "bad_host"};
static const char *const paths[] = {"/", "/p", "/p/q", "/other", "nonsense"};
#define PICK(list) pick(list, COUNT_OF(list))

enum { THINGS = 3 * 4 + 3 * 2 + 3 + 2 };

/* One of a small set of objects that refer to each other; "" as content removes it. */
struct thing {
        enum kind kind;
        const char *namespace, *name;
        char *content; /* NULL: absent */
};

static void append_route(struct buf *b)
{
        buf_printf(b, "{\"match\":\"%s\",", PICK(paths));
        if (draw(2))
                buf_printf(b, "\"delegate\":{\"name\":\"%s\",\"namespace\":\"%s\"}}", PICK(names), PICK(namespaces));
        else
                buf_printf(b, "\"services\":[{\"name\":\"s%u\",\"port\":%u}]}", draw(2), draw(5) ? 80 : 0);
}

static void append_annotations(struct buf *b)
{
        static const char *const annotations[] = {
                "\"contour.heptio.com/delegated-from\":\"a/one,b/*\"",
                "\"contour.heptio.com/ingress.class\":\"other\"",
                "\"contour.heptio.com/fqdn-handover\":\"b/two\"",
                "\"contour.heptio.com/delegated-from\":\"?\"",
        };
        if (draw(3) == 0)
                buf_append_str(b, PICK(annotations));
}

static void append_claim(struct buf *b)
{
        if (draw(2))
                buf_printf(
                        b,
                        ",\"status\":{\"claim\":{\"fqdn\":\"%s\",\"since\":\"2026-01-0%uT00:00:00Z\",\"by\":\"%s\"}}",
                        PICK(fqdns), 1 + draw(3), draw(4) ? "me" : "forged");
}

static char *random_ingressroute(void)
{
        AUTO(buf) *b = buf_new(65536);
        append_annotations(b);
        buf_printf(b, "}},\"spec\":{");
        if (draw(2))
                buf_printf(b, "\"virtualhost\":{\"fqdn\":\"%s\"},", PICK(fqdns));
        buf_append_str(b, "\"routes\":[");
        for (unsigned i = 0, n = draw(4); i < n; i++) {
                buf_append_str(b, i ? "," : "");
                append_route(b);
        }
        buf_append_str(b, "]}");
        append_claim(b);
        return buf_take_str(b);
}

static char *random_content(enum kind kind)
{
        if (draw(4) == 0)
                return NULL;
        if (kind == KIND_INGRESSROUTE)
                return random_ingressroute();
        if (kind == KIND_SERVICE)
                return mem_printf("}},\"spec\":{\"ports\":[{\"port\":%u}]}", draw(4) ? 80 : 81);
        if (kind == KIND_NAMESPACE)
                return mem_printf("%s}}", draw(3) ? "" : "\"contour.heptio.com/allowed-fqdns\":\"x.example\"");
        return mem_printf(
                "\"kubernetes.io/ingress.class\":\"contour\"}},\"spec\":{\"rules\":[{\"host\":\"%s\",\"http\":{"
                "\"paths\":[{\"path\":\"/p\",\"pathType\":\"Prefix\",\"backend\":{\"service\":{\"name\":\"s0\","
                "\"port\":{\"number\":80}}}}]}}]}",
                PICK(fqdns));
}

static void make_things(struct thing *things)
{
        size_t n = 0;
        for (size_t i = 0; i < COUNT_OF(namespaces); i++) {
                for (size_t k = 0; k < COUNT_OF(names); k++)
                        things[n++] = (struct thing){KIND_INGRESSROUTE, namespaces[i], names[k], NULL};
                things[n++] = (struct thing){KIND_SERVICE, namespaces[i], "s0", NULL};
                things[n++] = (struct thing){KIND_SERVICE, namespaces[i], "s1", NULL};
                things[n++] = (struct thing){KIND_NAMESPACE, "", namespaces[i], NULL};
        }
        things[n++] = (struct thing){KIND_INGRESS, "a", "in", NULL};
        things[n++] = (struct thing){KIND_INGRESS, "c", "in", NULL};
        assert_int_equal(n, THINGS);
}

static void put_thing(struct world *w, const struct thing *t, size_t index, unsigned version)
{
        if (!t->content) {
                pipeline_remove(w->pipeline, t->kind, t->namespace, t->name, 0);
                return;
        }
        AUTO_STR *text =
                mem_printf("{\"metadata\":{\"namespace\":\"%s\",\"name\":\"%s\",\"uid\":\"u\",\"resourceVersion\":"
                           "\"%u\",\"generation\":1,\"creationTimestamp\":\"2025-01-01T00:00:%02zuZ\","
                           "\"annotations\":{%s}",
                           t->namespace, t->name, version, index % 7, t->content);
        put(w, t->kind, text);
}

static void append_host(const struct host *h, void *arg)
{
        AUTO(buf) *b = buf_new(1 << 20);
        host_text(b, h);
        mem_free(map_set(arg, h->name, buf_take_str(b)));
}

/* All hosts, by name. */
static char *all_hosts(const struct world *w)
{
        AUTO(map) *hosts = map_new();
        pipeline_each_host(w->pipeline, append_host, hosts);
        struct map_entry *sorted = map_sorted(hosts);
        AUTO(buf) *b = buf_new(1 << 24);
        for (size_t i = 0; i < map_count(hosts); i++)
                buf_printf(b, "%s\n%s\n", sorted[i].key, (const char *)sorted[i].value);
        mem_free(sorted);
        map_each(hosts, free_text, NULL);
        return buf_take_str(b);
}

/* What was told of all objects, by key. */
static char *all_told(const struct world *w)
{
        struct map_entry *sorted = map_sorted(w->told);
        AUTO(buf) *b = buf_new(1 << 24);
        for (size_t i = 0; i < map_count(w->told); i++)
                buf_printf(b, "%s", (const char *)sorted[i].value);
        mem_free(sorted);
        return buf_take_str(b);
}

static void shuffle(size_t *order, size_t n)
{
        for (size_t i = 0; i < n; i++)
                order[i] = i;
        for (size_t i = n - 1; i > 0; i--) {
                size_t k = draw((unsigned)i + 1);
                size_t swap = order[i];
                order[i] = order[k];
                order[k] = swap;
        }
}

/* A world into which the things come in random order, started before, after or in the middle. */
static struct world *world_of(const struct thing *things)
{
        struct world *w = world_new();
        size_t order[THINGS];
        shuffle(order, THINGS);
        size_t begin = draw(THINGS);
        for (size_t i = 0; i < THINGS; i++) {
                if (i == begin)
                        pipeline_start(w->pipeline);
                if (things[order[i]].content)
                        put_thing(w, &things[order[i]], order[i], 1);
                if (draw(3) == 0)
                        settle(w);
        }
        settle(w);
        return w;
}

static void assert_same(const struct world *a, const struct world *b, unsigned seed, const char *what)
{
        AUTO_STR *hosts_a = all_hosts(a);
        AUTO_STR *hosts_b = all_hosts(b);
        AUTO_STR *told_a = all_told(a);
        AUTO_STR *told_b = all_told(b);
        if (strcmp(hosts_a, hosts_b) != 0)
                fail_msg("seed %u, %s: hosts differ\n--- one\n%s--- other\n%s", seed, what, hosts_a, hosts_b);
        if (strcmp(told_a, told_b) != 0)
                fail_msg("seed %u, %s: states differ\n--- one\n%s--- other\n%s", seed, what, told_a, told_b);
}

static void order__random_arrival_and_changes__hosts_and_states_as_from_scratch(void **state)
{
        (void)state;
        for (unsigned seed = 1; seed <= 60; seed++) {
                random_state = seed;
                struct thing things[THINGS];
                make_things(things);
                AUTO(world) *w = started();
                for (unsigned step = 1; step <= 120; step++) {
                        size_t i = draw(THINGS);
                        mem_free(things[i].content);
                        things[i].content = random_content(things[i].kind);
                        put_thing(w, &things[i], i, step);
                        if (draw(3) == 0)
                                settle(w);
                        if (step % 30)
                                continue;
                        settle(w);
                        AUTO(world) *fresh = world_of(things);
                        assert_same(w, fresh, seed, "changed step by step and from scratch");
                        AUTO(world) *other = world_of(things);
                        assert_same(fresh, other, seed, "two orders of arrival");
                }
                for (size_t i = 0; i < THINGS; i++)
                        mem_free(things[i].content);
        }
}

int main(void)
{
        clock_wall = 1800000000 * TIME_MICROS_PER_SECOND;
        clock_monotonic = 1000 * DURATION_SECOND;
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(start__objects_listed_before__all_are_built_and_told),
                cmocka_unit_test(start__nothing_stored__is_built),
                cmocka_unit_test(change__service_arrives__only_its_users_are_told),
                cmocka_unit_test(change__nobody_reads_it__nothing_is_compiled),
                cmocka_unit_test(change__owner_goes__loser_takes_the_host),
                cmocka_unit_test(sweep__object_left_out__is_gone),
                cmocka_unit_test(policy__changes__everything_is_judged_again),
                cmocka_unit_test(state__change_not_compiled_yet__is_pending),
                cmocka_unit_test(coalescing__first_change_after_quiet__is_compiled_at_once),
                cmocka_unit_test(coalescing__churn__waits_ten_ms_and_at_most_a_hundred),
                cmocka_unit_test(recheck__certificate_nears_its_end__is_told_without_any_change),
                cmocka_unit_test(order__random_arrival_and_changes__hosts_and_states_as_from_scratch),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
