/* SPDX-License-Identifier: Apache-2.0 */
#include "xds/publisher_testing.h"

#include "xds/translate_listener.h"
#include "xds/translate_route.h"

static int setup(void **state)
{
        struct world *w = mem_zalloc(sizeof(*w));
        world_init(w);
        *state = w;
        return 0;
}

static int teardown(void **state)
{
        world_done(*state);
        mem_free(*state);
        return 0;
}

static size_t count(const struct world *w, enum resource_type type)
{
        return cache_count(w->cache, type);
}

/* The only cluster. */
static const struct cache_name *the_cluster(struct world *w)
{
        size_t n;
        struct cache_name *const *list = cache_list(w->cache, RESOURCE_CLUSTER, &n);
        assert_int_equal(n, 1);
        return list[0];
}

#define ROUTES RESOURCE_ROUTE_CONFIGURATION, HTTP_ROUTES_NAME
#define HTTPS RESOURCE_LISTENER, HTTPS_LISTENER_NAME

/* ---- what is there ---- */

static void open__no_objects__what_is_always_there(void **state)
{
        struct world *w = *state;
        assert_false(cache_is_open(w->cache));
        world_settle(w);
        assert_true(cache_is_open(w->cache));
        assert_true(world_has(w, RESOURCE_LISTENER, "ingress_http"));
        assert_true(world_has(w, RESOURCE_LISTENER, "stats-health"));
        assert_true(world_has(w, ROUTES));
        assert_int_equal(count(w, RESOURCE_LISTENER), 2);
        assert_int_equal(count(w, RESOURCE_ROUTE_CONFIGURATION), 1);
        assert_int_equal(count(w, RESOURCE_CLUSTER), 0);
}

static void flush__nothing_noted__changes_nothing(void **state)
{
        struct world *w = *state;
        world_put(w, "{'ir': 'a/root', 'fqdn': 'a.example', 'routes': ['/ web']}");
        world_settle(w);
        assert_int_equal(publisher_flush(w->publisher, 9), 0);
        assert_int_equal(publisher_flush_endpoints(w->publisher, 9), 0);
        assert_true(cache_now(w->cache) < 9);
}

static void host__comes_and_goes__so_does_all_that_it_uses(void **state)
{
        struct world *w = *state;
        world_put(w, "{'svc': 'a/web'}");
        world_put(w, "{'secret': 'a/cert', 'names': ['a.example']}");
        world_settle(w);
        assert_int_equal(count(w, RESOURCE_SECRET), 0);
        world_put(w, "{'ir': 'a/root', 'fqdn': 'a.example', 'tls': 'cert', 'routes': ['/ web']}");
        world_settle(w);
        assert_true(world_shows(w, ROUTES, "a.example"));
        assert_true(world_shows(w, HTTPS, "a.example"));
        assert_true(world_has(w, RESOURCE_ROUTE_CONFIGURATION, "https/a.example"));
        assert_true(world_has(w, RESOURCE_SECRET, "a/cert"));
        assert_true(world_has(w, RESOURCE_CLUSTER_LOAD_ASSIGNMENT, "a/web"));
        assert_string_equal(the_cluster(w)->endpoints->text, "a/web");
        world_remove(w, KIND_INGRESSROUTE, "a", "root");
        world_settle(w);
        assert_false(world_shows(w, ROUTES, "a.example"));
        assert_false(world_has(w, HTTPS)); /* Envoy refuses one without chains */
        assert_int_equal(count(w, RESOURCE_ROUTE_CONFIGURATION), 1);
        assert_int_equal(count(w, RESOURCE_SECRET), 0);
        assert_int_equal(count(w, RESOURCE_CLUSTER), 0);
        assert_int_equal(count(w, RESOURCE_CLUSTER_LOAD_ASSIGNMENT), 0);
}

static void cluster__two_hosts_use_it__is_there_until_both_are_gone(void **state)
{
        struct world *w = *state;
        world_put(w, "{'svc': 'a/web'}");
        world_put(w, "{'ir': 'a/one', 'fqdn': 'one.example', 'routes': ['/ web']}");
        world_put(w, "{'ir': 'a/two', 'fqdn': 'two.example', 'routes': ['/ web']}");
        world_settle(w);
        assert_int_equal(count(w, RESOURCE_CLUSTER), 1);
        world_remove(w, KIND_INGRESSROUTE, "a", "one");
        world_settle(w);
        assert_int_equal(count(w, RESOURCE_CLUSTER), 1);
        assert_true(world_has(w, RESOURCE_CLUSTER_LOAD_ASSIGNMENT, "a/web"));
        world_remove(w, KIND_INGRESSROUTE, "a", "two");
        world_settle(w);
        assert_int_equal(count(w, RESOURCE_CLUSTER), 0);
}

/* Only the cluster and its endpoints are new: nobody's routes are sent again for somebody's Service. */
static void service__its_port_gets_a_name__only_cluster_and_endpoints_change(void **state)
{
        struct world *w = *state;
        world_put(w, "{'svc': 'a/web'}");
        world_put(w, "{'ir': 'a/root', 'fqdn': 'a.example', 'routes': ['/ web']}");
        world_settle(w);
        world_put(w, "{'svc': 'a/web', 'ports': [{'port': 80, 'name': 'http'}]}");
        assert_int_equal(world_settle(w), 3);
        assert_string_equal(the_cluster(w)->endpoints->text, "a/web/http");
        assert_int_equal(count(w, RESOURCE_CLUSTER_LOAD_ASSIGNMENT), 1);
}

/* ---- endpoints and Secrets ---- */

static void slice__of_a_used_service__changes_one_resource_without_a_compile(void **state)
{
        struct world *w = *state;
        world_put(w, "{'svc': 'a/web'}");
        world_put(w, "{'ir': 'a/root', 'fqdn': 'a.example', 'routes': ['/ web']}");
        world_settle(w);
        world_put_slice(w, "a", "web-1", "web", "10.0.0.1");
        world_put_slice(w, "a", "other-1", "other", "10.0.0.2");
        world_put_slice(w, "b", "web-1", "web", "10.0.0.3");
        assert_int_equal(publisher_flush_endpoints(w->publisher, 5), 1);
        assert_true(world_shows(w, RESOURCE_CLUSTER_LOAD_ASSIGNMENT, "a/web", "10.0.0.1"));
        /* It moves to another Service: the one that it has left changes. */
        world_put_slice(w, "a", "web-1", "other", "10.0.0.1");
        assert_int_equal(publisher_flush_endpoints(w->publisher, 6), 1);
        assert_false(world_shows(w, RESOURCE_CLUSTER_LOAD_ASSIGNMENT, "a/web", "10.0.0.1"));
        world_put_slice(w, "a", "web-1", "web", "10.0.0.1");
        assert_int_equal(publisher_flush_endpoints(w->publisher, 7), 1);
        world_remove(w, KIND_ENDPOINTSLICE, "a", "web-1");
        assert_int_equal(publisher_flush_endpoints(w->publisher, 8), 1);
        assert_false(world_shows(w, RESOURCE_CLUSTER_LOAD_ASSIGNMENT, "a/web", "10.0.0.1"));
}

/* A rollout of 5,000 pods is hundreds of changes of one resource that each Envoy is sent whole. */
static void store_changed__endpoints_churn__first_at_once_then_together(void **state)
{
        struct world *w = *state;
        enum { MILLI = DURATION_MILLISECOND };
        world_put(w, "{'svc': 'a/web'}");
        world_put(w, "{'ir': 'a/root', 'fqdn': 'a.example', 'routes': ['/ web']}");
        world_settle(w);
        int64_t now = DURATION_SECOND;
        assert_true(publisher_due(w->publisher) == INT64_MAX);
        world_put_slice(w, "a", "web-1", "web", "10.0.0.1");
        assert_int_equal(publisher_store_changed(w->publisher, now), 1);
        world_put_slice(w, "a", "web-2", "web", "10.0.0.2");
        assert_int_equal(publisher_store_changed(w->publisher, now += MILLI), 0);
        world_put_slice(w, "a", "web-3", "web", "10.0.0.3");
        assert_int_equal(publisher_store_changed(w->publisher, now += MILLI), 0);
        assert_true(publisher_due(w->publisher) == now + 10 * MILLI);
        assert_int_equal(publisher_flush_endpoints(w->publisher, now += 10 * MILLI), 1);
        assert_true(world_shows(w, RESOURCE_CLUSTER_LOAD_ASSIGNMENT, "a/web", "10.0.0.3"));
        assert_true(publisher_due(w->publisher) == INT64_MAX);
        world_put_slice(w, "a", "web-4", "web", "10.0.0.4");
        assert_int_equal(publisher_store_changed(w->publisher, now += MILLI), 1); /* quiet since the last change */
}

/* A change of hosts that is not whole yet must not become visible with somebody's endpoints. */
static void flush_endpoints__a_host_is_noted__it_stays_as_it_was(void **state)
{
        struct world *w = *state;
        world_put(w, "{'svc': 'a/web'}");
        world_put(w, "{'ir': 'a/root', 'fqdn': 'a.example', 'routes': ['/ web']}");
        world_settle(w);
        publisher_host_changed(w->publisher, map_get(w->hosts, "a.example"), NULL);
        world_put_slice(w, "a", "web-1", "web", "10.0.0.1");
        assert_int_equal(publisher_flush_endpoints(w->publisher, 5), 1);
        assert_true(world_shows(w, ROUTES, "a.example"));
        publisher_flush(w->publisher, 6);
        assert_false(world_shows(w, ROUTES, "a.example"));
        assert_int_equal(count(w, RESOURCE_CLUSTER), 0);
        publisher_host_changed(w->publisher, NULL, map_get(w->hosts, "a.example"));
        publisher_flush(w->publisher, 7);
        assert_true(world_shows(w, RESOURCE_CLUSTER_LOAD_ASSIGNMENT, "a/web", "10.0.0.1"));
}

static void secret__renewed__is_one_change(void **state)
{
        struct world *w = *state;
        world_put(w, "{'svc': 'a/web'}");
        world_put(w, "{'secret': 'a/cert', 'names': ['a.example']}");
        world_put(w, "{'ir': 'a/root', 'fqdn': 'a.example', 'tls': 'cert', 'routes': ['/ web']}");
        world_settle(w);
        world_put(w, "{'secret': 'a/cert', 'names': ['a.example', 'b.example']}");
        assert_int_equal(world_settle(w), 1);
        assert_true(world_shows(w, RESOURCE_SECRET, "a/cert", "b.example"));
}

static void secret__turns_bad_while_it_is_read__its_last_good_content_stays(void **state)
{
        struct world *w = *state;
        world_put(w, "{'svc': 'a/web'}");
        world_put(w, "{'secret': 'a/cert', 'names': ['a.example']}");
        world_put(w, "{'ir': 'a/root', 'fqdn': 'a.example', 'tls': 'cert', 'routes': ['/ web']}");
        world_settle(w);
        AUTO(reads) *reads = reads_new();
        view_get(&(struct view){.store = w->store, .reads = reads}, KIND_SECRET, "a", "cert");
        struct store_reader reader = {0};
        store_reader_set(w->store, &reader, reads);
        world_put(w, "{'secret': 'a/cert', 'problem': 'it is broken'}");
        assert_int_equal(world_settle(w), 0);
        assert_true(world_shows(w, RESOURCE_SECRET, "a/cert", "a.example"));
        /* Nobody is left that has read it: it is as if it had never been good. */
        store_reader_set(w->store, &reader, NULL);
        world_settle(w);
        assert_false(world_has(w, RESOURCE_SECRET, "a/cert"));
}

/* ---- what an Envoy refuses ---- */

static void routes__refused__the_new_host_is_held_out_and_named_until_it_changes(void **state)
{
        struct world *w = *state;
        world_put(w, "{'svc': 'a/web'}");
        world_put(w, "{'ir': 'a/good', 'fqdn': 'good.example', 'routes': ['/ web']}");
        world_settle(w);
        assert_int_equal(world_answer(w, ROUTES, STREAM_ACKS), 0);
        world_put(w, "{'ir': 'a/bad', 'fqdn': 'bad.example', 'routes': ['/bad web']}");
        world_settle(w);
        assert_true(world_shows(w, ROUTES, "/bad"));
        assert_int_equal(world_answer(w, ROUTES, STREAM_NACKS), 1);
        assert_true(world_shows(w, ROUTES, "good.example"));
        assert_false(world_shows(w, ROUTES, "/bad"));
        assert_true(world_shows(w, ROUTES, "bad.example")); /* 503, and no wildcard's */
        assert_non_null(map_get(w->refused, "bad.example"));
        assert_int_equal(map_count(w->refused), 1);
        assert_int_equal(publisher_held(w->publisher), 1);
        world_answer(w, ROUTES, STREAM_ACKS);
        world_put(w, "{'ir': 'a/bad', 'fqdn': 'bad.example', 'routes': ['/ web', '/x web']}");
        world_settle(w);
        assert_true(world_shows(w, ROUTES, "/x"));
        assert_int_equal(map_count(w->refused), 0);
}

/* Nothing was accepted yet, as after a restart: by halves, good hosts would be away for a moment. */
static void routes__refused_before_a_restart__no_other_is_ever_away(void **state)
{
        struct world *w = *state;
        world_put(w, "{'svc': 'a/web'}");
        for (const char *name = "abcdefgh"; *name; name++) {
                char root[512];
                snprintf(root, sizeof(root),
                         "{\"metadata\": {\"namespace\": \"a\", \"name\": \"%c\"}, \"spec\": {\"virtualhost\": "
                         "{\"fqdn\": "
                         "\"%c.example\"}, \"routes\": [{\"match\": \"/of-%c\", \"services\": [{\"name\": \"web\", "
                         "\"port\": "
                         "80}]}]}, \"status\": {\"conditions\": [{\"type\": \"Valid\", \"message\": \"%s\"}]}}",
                         *name, *name, *name, *name == 'f' ? "refused by an Envoy [EnvoyRejected]" : "fine");
                world_put_json(w, KIND_INGRESSROUTE, json_loads(root, 0, NULL));
        }
        world_settle(w);
        assert_true(world_shows(w, ROUTES, "/of-f"));
        world_answer(w, ROUTES, STREAM_NACKS);
        for (const char *name = "abcdefgh"; *name; name++)
                assert_int_equal(world_shows(w, ROUTES, (char[]){'/', 'o', 'f', '-', *name, '\0'}), *name != 'f');
        world_answer(w, ROUTES, STREAM_ACKS);
        assert_non_null(map_get(w->refused, "f.example"));
        assert_int_equal(map_count(w->refused), 1);
}

static void routes__refused_host_goes__is_told(void **state)
{
        struct world *w = *state;
        world_settle(w);
        world_answer(w, ROUTES, STREAM_ACKS);
        world_put(w, "{'ir': 'a/bad', 'fqdn': 'bad.example', 'routes': ['/ web']}");
        world_settle(w);
        world_answer(w, ROUTES, STREAM_NACKS);
        assert_int_equal(map_count(w->refused), 1);
        world_remove(w, KIND_INGRESSROUTE, "a", "bad");
        world_settle(w);
        assert_int_equal(map_count(w->refused), 0);
}

/* Two hosts at once, one of them bad: half is held back, closed meanwhile, and has its turn. */
static void https__the_shown_half_is_refused__the_other_is_tried(void **state)
{
        struct world *w = *state;
        world_put(w, "{'svc': 'a/web'}");
        world_put(w, "{'secret': 'a/cert', 'names': ['*.example']}");
        world_put(w, "{'ir': 'a/x', 'fqdn': 'x.example', 'tls': 'cert', 'routes': ['/ web']}");
        world_put(w, "{'ir': 'a/y', 'fqdn': 'y.example', 'tls': 'cert', 'routes': ['/ web']}");
        world_settle(w);
        world_answer(w, HTTPS, STREAM_NACKS);
        bool x_shown = world_shows(w, HTTPS, "https/x.example");
        assert_int_not_equal(x_shown, world_shows(w, HTTPS, "https/y.example"));
        world_answer(w, HTTPS, STREAM_NACKS);
        world_answer(w, HTTPS, STREAM_ACKS); /* both are closed */
        assert_non_null(map_get(w->refused, x_shown ? "x.example" : "y.example"));
        assert_true(world_shows(w, HTTPS, x_shown ? "https/y.example" : "https/x.example"));
        assert_int_equal(map_count(w->refused), 1);
}

/* What a host has on TLS is its own: nothing is held out, the Envoy keeps what it had. */
static void https_routes__refused__their_host_is_named_until_they_change(void **state)
{
        struct world *w = *state;
        world_put(w, "{'svc': 'a/web'}");
        world_put(w, "{'secret': 'a/cert', 'names': ['*.example']}");
        world_put(w, "{'ir': 'a/x', 'fqdn': 'x.example', 'tls': 'cert', 'routes': ['/ web']}");
        world_settle(w);
        const struct stream_outcome refused = {
                .reply = STREAM_NACKS,
                .culprit = cache_name_find(w->cache, RESOURCE_ROUTE_CONFIGURATION, "https/x.example"),
        };
        assert_non_null(refused.culprit);
        assert_int_equal(publisher_answered(w->publisher, RESOURCE_ROUTE_CONFIGURATION, &refused, 5), 0);
        assert_non_null(map_get(w->refused, "x.example"));
        world_put(w, "{'ir': 'a/other', 'fqdn': 'y.example', 'routes': ['/ web']}");
        world_settle(w);
        assert_int_equal(map_count(w->refused), 1);
        world_put(w, "{'ir': 'a/x', 'fqdn': 'x.example', 'tls': 'cert', 'routes': ['/y web']}");
        world_settle(w);
        assert_int_equal(map_count(w->refused), 0);
        assert_int_equal(publisher_answered(w->publisher, RESOURCE_ROUTE_CONFIGURATION, &refused, 9), 0);
        world_remove(w, KIND_INGRESSROUTE, "a", "x");
        world_settle(w);
        assert_int_equal(map_count(w->refused), 0);
}

/* gatehouse restarts, an Envoy comes back before the build: what it has serves as accepted, nothing of it is suspect.
 */
static void answered__before_it_is_open__counts_once_it_is(void **state)
{
        struct world *w = *state;
        struct world before;
        world_init(&before);
        world_put(&before, "{'ir': 'a/good', 'fqdn': 'good.example', 'routes': ['/ web']}");
        world_settle(&before);
        const struct stream_outcome knows = {.reply = STREAM_ASKS,
                                             .tracked = cache_mark(cache_find(before.cache, ROUTES)->version)};
        world_done(&before);

        assert_int_equal(publisher_answered(w->publisher, RESOURCE_ROUTE_CONFIGURATION, &knows, 1), 0);
        world_put(w, "{'ir': 'a/good', 'fqdn': 'good.example', 'routes': ['/ web']}");
        world_settle(w);
        world_put(w, "{'ir': 'a/bad', 'fqdn': 'bad.example', 'routes': ['/ web']}");
        world_settle(w);
        world_answer(w, ROUTES, STREAM_NACKS);
        assert_true(world_shows(w, ROUTES, "good.example"));
        assert_non_null(map_get(w->refused, "bad.example"));
}

static void answered__of_what_is_not_shared__changes_nothing(void **state)
{
        struct world *w = *state;
        world_settle(w);
        const struct stream_outcome none = {.reply = STREAM_NACKS};
        const struct stream_outcome odd = {.reply = STREAM_NACKS, .tracked = 5};
        assert_int_equal(publisher_answered(w->publisher, RESOURCE_ROUTE_CONFIGURATION, &none, 5), 0);
        assert_int_equal(publisher_answered(w->publisher, RESOURCE_ROUTE_CONFIGURATION, &odd, 5), 0);
        assert_int_equal(publisher_answered(w->publisher, RESOURCE_SECRET, &odd, 5), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(open__no_objects__what_is_always_there),
                TEST(flush__nothing_noted__changes_nothing),
                TEST(host__comes_and_goes__so_does_all_that_it_uses),
                TEST(cluster__two_hosts_use_it__is_there_until_both_are_gone),
                TEST(service__its_port_gets_a_name__only_cluster_and_endpoints_change),
                TEST(slice__of_a_used_service__changes_one_resource_without_a_compile),
                TEST(store_changed__endpoints_churn__first_at_once_then_together),
                TEST(flush_endpoints__a_host_is_noted__it_stays_as_it_was),
                TEST(secret__renewed__is_one_change),
                TEST(secret__turns_bad_while_it_is_read__its_last_good_content_stays),
                TEST(routes__refused__the_new_host_is_held_out_and_named_until_it_changes),
                TEST(routes__refused_before_a_restart__no_other_is_ever_away),
                TEST(routes__refused_host_goes__is_told),
                TEST(https__the_shown_half_is_refused__the_other_is_tried),
                TEST(https_routes__refused__their_host_is_named_until_they_change),
                TEST(answered__before_it_is_open__counts_once_it_is),
                TEST(answered__of_what_is_not_shared__changes_nothing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
