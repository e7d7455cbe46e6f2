/* SPDX-License-Identifier: Apache-2.0 */
/* What the golden files cannot show: what makes names differ, and what must not matter. */
#include "dag/fixture_test.h"

#include "xds/access_log.h"
#include "xds/translate.h"
#include "xds/translate_cluster.h"
#include "xds/translate_endpoint.h"
#include "xds/translate_listener.h"
#include "xds/translate_route.h"
#include "xds/translate_secret.h"
#include "xds/weights.h"

#include <envoy/extensions/transport_sockets/tls/v3/tls.pb-c.h>
#include <setjmp.h>
#include <stdarg.h>
/* cmocka needs those before it */
#include <cmocka.h>

static const struct health_check health = {
        .path = "/", .host = "h", .interval = 5, .timeout = 2, .unhealthy = 3, .healthy = 2};
static const struct upstream_validation validation = {"a", "ca", "web.example"};

static struct cluster plain(void)
{
        return (struct cluster){.namespace = "a", .service = "web", .port = 80, .port_name = ""};
}

/* ---- names of clusters ---- */

static bool same_name(const struct cluster *x, const struct cluster *y)
{
        AUTO(arena) *a = arena_new(256);
        return str_equal(cluster_name(a, x, USE_PROTOCOL), cluster_name(a, y, USE_PROTOCOL));
}

static void cluster_name__what_a_route_says_differs__names_differ(void **state)
{
        (void)state;
        const struct cluster base = plain();
        struct cluster other = base;
        other.strategy = STRATEGY_COOKIE;
        assert_false(same_name(&base, &other));
        other = base;
        other.port = 81;
        assert_false(same_name(&base, &other));
        other = base;
        other.validation = &validation;
        assert_false(same_name(&base, &other));

        struct cluster checked = base;
        checked.health_check = &health;
        assert_false(same_name(&base, &checked));
        for (int i = 0; i < 6; i++) {
                struct health_check h = health;
                *(i == 0 ? &h.interval : i == 1 ? &h.timeout : i == 2 ? &h.unhealthy : &h.healthy) += i < 4;
                h.path = i == 4 ? "/other" : h.path;
                h.host = i == 5 ? "other" : h.host;
                other = base;
                other.health_check = &h;
                assert_false(same_name(&checked, &other));
        }
}

/* Else a changed annotation would drain every connection of the Service. */
static void cluster_name__what_the_service_says_differs__names_are_equal(void **state)
{
        (void)state;
        static const struct circuit_breaker limits = {1, 1, 1, 1};
        const struct cluster base = plain();
        struct cluster other = base;
        other.protocol = PROTOCOL_H2C;
        other.circuit_breaker = &limits;
        other.external_name = "example.org";
        other.port_name = "http";
        other.weight = 7;
        other.missing = true;
        assert_true(same_name(&base, &other));
}

static void cluster_name__two_texts_run_together__names_differ(void **state)
{
        (void)state;
        struct health_check x = health, y = health;
        x.path = "/a 1 b";
        x.host = "c";
        y.path = "/a";
        y.host = "1 b 1 c";
        struct cluster one = plain(), two = plain();
        one.health_check = &x;
        two.health_check = &y;
        assert_false(same_name(&one, &two));
}

static void cluster_name__passthrough__is_another_cluster_whatever_the_checks(void **state)
{
        (void)state;
        AUTO(arena) *a = arena_new(256);
        struct cluster one = plain(), checked = plain();
        checked.health_check = &health;
        assert_string_not_equal(cluster_name(a, &one, USE_PROTOCOL), cluster_name(a, &one, USE_PASSTHROUGH));
        assert_string_equal(cluster_name(a, &checked, USE_PASSTHROUGH), cluster_name(a, &one, USE_PASSTHROUGH));
}

/* ---- weights ---- */

static void weights__all_zero__are_even(void **state)
{
        (void)state;
        AUTO(arena) *a = arena_new(256);
        struct cluster list[2] = {plain(), plain()};
        list[0].service = "z";
        struct weights w = weights_of(a, list, 2, USE_PROTOCOL);
        assert_int_equal(w.count, 2);
        assert_int_equal(w.items[0].weight, 1);
        assert_int_equal(w.items[1].weight, 1);
        assert_true(strcmp(w.items[0].cluster, w.items[1].cluster) < 0);
}

static void weights__some_zero__take_no_share(void **state)
{
        (void)state;
        AUTO(arena) *a = arena_new(256);
        struct cluster list[3] = {plain(), plain(), plain()};
        list[0].weight = 1000000;
        list[1].service = "none";
        list[2].weight = 1000000;
        struct weights w = weights_of(a, list, 3, USE_PROTOCOL);
        assert_int_equal(w.count, 1);
        assert_int_equal(w.items[0].weight, 2000000);
}

/* ---- hosts ---- */

static void host__nobody_owns_it__gives_nothing(void **state)
{
        (void)state;
        const struct host h = {.name = "a.example.com"};
        AUTO(translation) *t = translate_host(&h, &xds_options_default);
        assert_null(t->virtual_host);
        assert_null(t->https_routes);
        assert_null(t->filter_chain);
        assert_int_equal(t->cluster_count, 0);
        assert_int_equal(t->secret_count, 0);
}

static void host__all_its_services_are_missing__has_no_cluster_and_says_503(void **state)
{
        (void)state;
        const struct object_ref owner = {.kind = KIND_INGRESSROUTE, .namespace = "a", .name = "root"};
        struct cluster gone = plain();
        gone.missing = true;
        const struct route route = {
                .match = "/", .clusters = &gone, .cluster_count = 1, .source = &owner, .timeout = TIMEOUT_DEFAULT};
        const struct host h = {.name = "a.example.com", .owner = &owner, .routes = &route, .route_count = 1};
        AUTO(translation) *t = translate_host(&h, &xds_options_default);
        assert_non_null(t->virtual_host);
        assert_int_equal(t->cluster_count, 0); /* Envoy answers 503 for a cluster that it does not know */
}

/* When the Service comes, only its cluster is new: the routes' bytes, and so everyone's, stay as they are. */
static void host__missing_service_appears__routes_keep_their_bytes(void **state)
{
        (void)state;
        const struct object_ref owner = {.kind = KIND_INGRESSROUTE, .namespace = "a", .name = "root"};
        struct cluster c = plain();
        const struct route route = {
                .match = "/", .clusters = &c, .cluster_count = 1, .source = &owner, .timeout = TIMEOUT_DEFAULT};
        const struct host h = {.name = "a.example.com", .owner = &owner, .routes = &route, .route_count = 1};
        c.missing = true;
        struct resource *before = translate_virtual_host(&h);
        c.missing = false;
        struct resource *after = translate_virtual_host(&h);
        assert_true(resource_equal(before, after));
        resource_unref(before);
        resource_unref(after);
}

/* ---- endpoints ---- */

static void put_slice(struct store *s, const char *name, const char *address)
{
        json_t *json = json_pack("{s:{s:s, s:s, s:{s:s}}, s:s, s:[{s:i}], s:[{s:[s]}]}", "metadata", "namespace", "a",
                                 "name", name, "labels", "kubernetes.io/service-name", "web", "addressType", "IPv4",
                                 "ports", "port", 8080, "endpoints", "addresses", address);
        struct err e = {0};
        struct object *o = object_decode(KIND_ENDPOINTSLICE, json, NULL, &e);
        assert_non_null(o);
        json_decref(json);
        store_put(s, o, 0, NULL);
}

static void endpoints__slices_in_any_order_and_split__same_bytes(void **state)
{
        (void)state;
        AUTO(store) *one = store_new();
        AUTO(store) *two = store_new();
        put_slice(one, "x", "10.0.0.2");
        put_slice(one, "y", "10.0.0.1");
        put_slice(two, "q", "10.0.0.1");
        put_slice(two, "b", "10.0.0.2");
        put_slice(two, "c", "10.0.0.1");
        struct resource *a = translate_endpoints(&(struct view){.store = one}, "a", "web", "");
        struct resource *b = translate_endpoints(&(struct view){.store = two}, "a", "web", "");
        assert_true(resource_equal(a, b));
        resource_unref(a);
        resource_unref(b);
}

static void endpoints__unknown_service__are_an_empty_answer(void **state)
{
        (void)state;
        AUTO(store) *s = store_new();
        struct resource *r = translate_endpoints(&(struct view){.store = s}, "a", "web", "http");
        assert_string_equal(r->name, "a/web/http");
        assert_true(r->size > 0);
        resource_unref(r);
}

/* ---- secrets ---- */

static struct object *secret(bool keep_keys)
{
        json_t *json = json_pack("{s:{s:s, s:s}, s:s, s:{s:s, s:s, s:s}}", "metadata", "namespace", "a", "name", "cert",
                                 "type", "kubernetes.io/tls", "stringData", "tls.crt", "chain", "tls.key", "key",
                                 "ca.crt", "bundle");
        struct err e = {0};
        struct object *o = object_decode(KIND_SECRET, json, &(struct object_options){.keep_keys = keep_keys}, &e);
        json_decref(json);
        return o;
}

static void secret__keys_kept__is_served_under_a_name_without_hash(void **state)
{
        (void)state;
        AUTO(object) *o = secret(true);
        struct resource *pair = translate_pair(o);
        struct resource *ca = translate_ca(o);
        assert_string_equal(pair->name, "a/cert");
        assert_string_equal(ca->name, "a/cert/ca");
        Envoy__Secret *m = envoy__secret__unpack(NULL, pair->size, pair->bytes);
        assert_int_equal(m->tls_certificate->private_key->inline_bytes.len, 3);
        assert_memory_equal(m->tls_certificate->private_key->inline_bytes.data, "key", 3);
        envoy__secret__free_unpacked(m, NULL);
        resource_unref(pair);
        resource_unref(ca);
}

static void secret__keys_not_kept_or_no_secret__gives_nothing(void **state)
{
        (void)state;
        AUTO(object) *o = secret(false);
        assert_null(translate_pair(o));
        assert_null(translate_ca(o));
        assert_null(translate_pair(NULL));
        assert_null(translate_ca(NULL));
}

/* ---- access log ---- */

static void access_log__fields__are_names_or_have_a_format(void **state)
{
        (void)state;
        assert_true(access_log_field_is_known("path"));
        assert_true(access_log_field_is_known("tenant=%REQ(X-TENANT)%"));
        assert_false(access_log_field_is_known("nonsense"));
        assert_false(access_log_field_is_known("=x"));
        assert_false(access_log_field_is_known("x="));
        assert_false(access_log_field_is_known(""));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(cluster_name__what_a_route_says_differs__names_differ),
                cmocka_unit_test(cluster_name__what_the_service_says_differs__names_are_equal),
                cmocka_unit_test(cluster_name__two_texts_run_together__names_differ),
                cmocka_unit_test(cluster_name__passthrough__is_another_cluster_whatever_the_checks),
                cmocka_unit_test(weights__all_zero__are_even),
                cmocka_unit_test(weights__some_zero__take_no_share),
                cmocka_unit_test(host__nobody_owns_it__gives_nothing),
                cmocka_unit_test(host__all_its_services_are_missing__has_no_cluster_and_says_503),
                cmocka_unit_test(host__missing_service_appears__routes_keep_their_bytes),
                cmocka_unit_test(endpoints__slices_in_any_order_and_split__same_bytes),
                cmocka_unit_test(endpoints__unknown_service__are_an_empty_answer),
                cmocka_unit_test(secret__keys_kept__is_served_under_a_name_without_hash),
                cmocka_unit_test(secret__keys_not_kept_or_no_secret__gives_nothing),
                cmocka_unit_test(access_log__fields__are_names_or_have_a_format),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
