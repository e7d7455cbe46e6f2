/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/pipeline_fixture.h"

#define MILLI DURATION_MILLISECOND

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

/* The webhook's threads wait meanwhile. */
static void sweep__very_many_left_out__the_lock_is_given_back_between(void **state)
{
        (void)state;
        enum { OBJECTS = 4000 };
        AUTO(world) *w = started();
        for (int i = 0; i < OBJECTS; i++) {
                AUTO_STR *name = mem_printf("s%d", i);
                put_service(w, "a", name);
        }
        settle(w);
        pipeline_sweep_begin(w->pipeline, KIND_SERVICE, 0);
        pipeline_sweep_end(w->pipeline, KIND_SERVICE, 0);
        clock_step = DURATION_MILLISECOND;
        pipeline_turn(w->pipeline);
        clock_step = 0;
        assert_in_range(store_count(w->store, KIND_SERVICE), 1, OBJECTS - 1);
        assert_true(pipeline_is_busy(w->pipeline));
        settle(w);
        assert_int_equal(store_count(w->store, KIND_SERVICE), 0);
}

/* Also of kinds that no host is compiled from, and before the start: xds reads endpoints from the store itself. */
static void stored__objects_come_change_and_go__each_is_told(void **state)
{
        (void)state;
        AUTO(world) *w = world_new();
        put(w, KIND_ENDPOINTSLICE, "{\"metadata\":{\"namespace\":\"a\",\"name\":\"s-1\"},\"endpoints\":[]}");
        put_service(w, "a", "s");
        settle(w);
        assert_int_equal(w->came, 2);
        put(w, KIND_ENDPOINTSLICE, "{\"metadata\":{\"namespace\":\"a\",\"name\":\"s-1\"},\"endpoints\":[]}");
        pipeline_remove(w->pipeline, KIND_SERVICE, "a", "s", 0);
        settle(w);
        assert_int_equal(w->came, 2);
        assert_int_equal(w->replaced, 1);
        assert_int_equal(w->went, 1);
}

static void refused__by_an_envoy__its_root_is_told_and_is_told_when_it_is_over(void **state)
{
        (void)state;
        AUTO(world) *w = started();
        put_service(w, "a", "s");
        put_route(w, "a", "one", 1, SITE("one.example"));
        put_route(w, "a", "two", 1, SITE("two.example"));
        settle(w);
        unsigned told_before = w->objects_told;
        unsigned hosts_before = w->hosts_told;
        pipeline_set_refused(w->pipeline, "one.example", true);
        pipeline_set_refused(w->pipeline, "none.example", true);
        assert_true(w->wakes > 0);
        settle(w);
        assert_int_equal(w->objects_told, told_before + 1);
        assert_int_equal(w->hosts_told, hosts_before);
        assert_non_null(strstr(told(w, "a/one"), "EnvoyRejected"));
        assert_non_null(strstr(told(w, "a/one"), "status=0")); /* valid */
        assert_null(strstr(told(w, "a/two"), "EnvoyRejected"));
        pipeline_set_refused(w->pipeline, "one.example", false);
        settle(w);
        assert_null(strstr(told(w, "a/one"), "EnvoyRejected"));
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

static void put_with_status(struct world *w, unsigned version, const char *status)
{
        AUTO_STR *text =
                mem_printf("{\"metadata\":{\"namespace\":\"a\",\"name\":\"other\",\"uid\":\"u\",\"generation\":1,"
                           "\"resourceVersion\":\"%u\"},\"spec\":{\"virtualhost\":{\"fqdn\":\"other.example\"}},"
                           "\"status\":{\"currentStatus\":\"%s\"}}",
                           version, status);
        put(w, KIND_INGRESSROUTE, text);
}

static void coalescing__statuses_come_back__a_change_among_them_does_not_wait(void **state)
{
        (void)state;
        AUTO(world) *w = started();
        put_with_status(w, 1, "invalid");
        settle(w);
        pass(DURATION_SECOND);
        for (unsigned version = 2; version < 10; version++) {
                put_with_status(w, version, version % 2 ? "invalid" : "valid");
                pipeline_turn(w->pipeline);
                pass(4 * MILLI);
        }
        size_t told = w->objects_told;
        put_route(w, "a", "site", 1, SITE("x.example"));
        pipeline_turn(w->pipeline);
        assert_int_equal(w->objects_told, told + 1);
}

static void recheck__certificate_nears_its_end__is_told_without_any_change(void **state)
{
        (void)state;
        AUTO(world) *w = started();
        int64_t end = clock_wall / TIME_MICROS_PER_SECOND + 20 * 86400;
        AUTO_STR *data = secret_data(end);
        AUTO_STR *secret =
                mem_printf("{\"metadata\":{\"namespace\":\"a\",\"name\":\"c\",\"uid\":\"u\",\"resourceVersion\":"
                           "\"1\"},\"type\":\"kubernetes.io/tls\",%s}",
                           data);
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
                cmocka_unit_test(sweep__very_many_left_out__the_lock_is_given_back_between),
                cmocka_unit_test(stored__objects_come_change_and_go__each_is_told),
                cmocka_unit_test(refused__by_an_envoy__its_root_is_told_and_is_told_when_it_is_over),
                cmocka_unit_test(policy__changes__everything_is_judged_again),
                cmocka_unit_test(state__change_not_compiled_yet__is_pending),
                cmocka_unit_test(coalescing__first_change_after_quiet__is_compiled_at_once),
                cmocka_unit_test(coalescing__churn__waits_ten_ms_and_at_most_a_hundred),
                cmocka_unit_test(coalescing__statuses_come_back__a_change_among_them_does_not_wait),
                cmocka_unit_test(recheck__certificate_nears_its_end__is_told_without_any_change),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
