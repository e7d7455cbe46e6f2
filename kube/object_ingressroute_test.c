/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/object_testing.h"

/* ---- every field ---- */

static void decode__virtualhost__is_read_and_normalised(void **state)
{
        (void)state;
        AUTO(object) *o = test_file_object(KIND_INGRESSROUTE, "ingressroute.json");
        const struct ingressroute *ir = o->ingressroute;
        assert_true(ir->is_root);
        assert_string_equal(ir->fqdn, "Shop.Example.com.");
        assert_string_equal(ir->fqdn_host, "shop.example.com");
        assert_string_equal(ir->tls->secret_name, "certs/shop");
        assert_string_equal(ir->tls->minimum_protocol_version, "1.3");
        assert_true(ir->tls->passthrough);
        assert_string_equal(ir->strategy, "Random");
        assert_string_equal(ir->health_check->path, "/all");
        assert_null(ir->health_check->host);
}

static void decode__services__are_read(void **state)
{
        (void)state;
        AUTO(object) *o = test_file_object(KIND_INGRESSROUTE, "ingressroute.json");
        const struct ir_route *route = &o->ingressroute->routes[0];
        assert_int_equal(route->service_count, 2);
        const struct ir_service *web = &route->services[0];
        assert_string_equal(web->name, "web");
        assert_int_equal(web->port, 8080);
        assert_int_equal(web->weight, 0);
        assert_true(web->has_weight);
        assert_string_equal(web->strategy, "Cookie");
        assert_string_equal(web->health_check->path, "/healthz");
        assert_string_equal(web->health_check->host, "probe");
        assert_int_equal(web->health_check->interval, 1);
        assert_int_equal(web->health_check->timeout, 2);
        assert_int_equal(web->health_check->unhealthy, 3);
        assert_int_equal(web->health_check->healthy, 4);
        assert_string_equal(web->validation->ca_secret, "ca");
        assert_string_equal(web->validation->subject_name, "web.shop");
        const struct ir_service *other = &route->services[1];
        assert_string_equal(other->name, "other");
        assert_int_equal(other->port, 81);
        assert_false(other->has_weight);
        assert_null(other->strategy);
        assert_null(other->health_check);
        assert_null(other->validation);
}

static void decode__routes__are_read(void **state)
{
        (void)state;
        AUTO(object) *o = test_file_object(KIND_INGRESSROUTE, "ingressroute.json");
        const struct ingressroute *ir = o->ingressroute;
        assert_int_equal(ir->route_count, 3);
        assert_string_equal(ir->routes[0].match, "/");
        assert_true(ir->routes[0].enable_websockets);
        assert_true(ir->routes[0].permit_insecure);
        assert_string_equal(ir->routes[0].prefix_rewrite, "/v1");
        assert_string_equal(ir->routes[0].request_timeout, "1m30s");
        assert_int_equal(ir->routes[0].retry->count, 5);
        assert_string_equal(ir->routes[0].retry->per_try_timeout, "150ms");
        assert_null(ir->routes[0].delegate);
        assert_string_equal(ir->routes[1].match, "/blog");
        assert_string_equal(ir->routes[1].delegate->name, "blog");
        assert_string_equal(ir->routes[1].delegate->namespace, "writers");
        assert_int_equal(ir->routes[1].service_count, 0);
        assert_false(ir->routes[1].enable_websockets);
        assert_null(ir->routes[1].retry);
        assert_null(ir->routes[1].request_timeout);
}

static void decode__delegate_without_namespace__means_its_own(void **state)
{
        (void)state;
        AUTO(object) *o = test_file_object(KIND_INGRESSROUTE, "ingressroute.json");
        assert_string_equal(o->ingressroute->routes[2].delegate->namespace, "shop");
        AUTO(object) *empty = test_object(KIND_INGRESSROUTE, "{'metadata':{'name':'a','namespace':'n'},'spec':{"
                                                             "'routes':[{'delegate':{'name':'b','namespace':''}}]}}");
        assert_string_equal(empty->ingressroute->routes[0].delegate->namespace, "n");
}

static void decode__tcpproxy__is_read(void **state)
{
        (void)state;
        AUTO(object) *o = test_file_object(KIND_INGRESSROUTE, "ingressroute.json");
        const struct ir_tcpproxy *proxy = o->ingressroute->tcpproxy;
        assert_int_equal(proxy->service_count, 1);
        assert_string_equal(proxy->services[0].name, "tcp");
        assert_int_equal(proxy->services[0].weight, 10);
        assert_string_equal(proxy->delegate->namespace, "elsewhere");
        assert_string_equal(proxy->delegate->name, "tcp");
}

static void decode__status__is_read(void **state)
{
        (void)state;
        AUTO(object) *o = test_file_object(KIND_INGRESSROUTE, "ingressroute.json");
        const struct ir_status *status = o->ingressroute->status;
        assert_string_equal(status->current_status, "valid");
        assert_string_equal(status->description, "valid IngressRoute");
        assert_int_equal(status->observed_generation, 2);
        assert_string_equal(status->condition_status, "True");
        assert_string_equal(status->condition_reason, "Valid");
        assert_string_equal(status->condition_message, "fine");
        assert_string_equal(status->condition_transition, "2026-11-21T09:00:01Z");
        assert_int_equal(status->virtual_host_count, 2);
        assert_string_equal(status->virtual_hosts[1], "www.example.com");
        assert_string_equal(status->claim->fqdn, "shop.example.com");
        assert_true(status->claim->since == INT64_C(1795251600000007));
        assert_string_equal(status->claim->by, "f00d");
}

static void decode__nothing_given__is_all_unset(void **state)
{
        (void)state;
        static const char *const texts[] = {
                "{'metadata':{'name':'a','namespace':'n'}}",
                "{'metadata':{'name':'a','namespace':'n'},'spec':null,'status':{}}",
                "{'metadata':{'name':'a','namespace':'n'},'spec':{'routes':[],'virtualhost':null},'status':null}",
        };
        for (size_t i = 0; i < COUNT_OF(texts); i++) {
                AUTO(object) *o = test_object(KIND_INGRESSROUTE, texts[i]);
                static const struct ingressroute zero;
                assert_memory_equal(o->ingressroute, &zero, sizeof(zero));
                assert_int_equal(o->problem_count, 0);
        }
}

/* ---- what is broken ---- */

static void decode__status_broken__is_no_problem_and_no_claim(void **state)
{
        (void)state;
        static const char *const claims[] = {
                "{'fqdn':'a.example'}",
                "{'since':'2026-11-21T09:00:00Z'}",
                "{'fqdn':'a.example','since':'yesterday'}",
                "{'fqdn':'a.example','since':5}",
                "'a.example'",
        };
        for (size_t i = 0; i < COUNT_OF(claims); i++) {
                AUTO_STR *text = mem_printf("{'metadata':{'name':'a','namespace':'n'},'status':{'claim':%s,"
                                            "'currentStatus':7,'conditions':{},'virtualHosts':'x'}}",
                                            claims[i]);
                AUTO(object) *o = test_object(KIND_INGRESSROUTE, text);
                assert_int_equal(o->problem_count, 0);
                assert_null(o->ingressroute->status->claim);
                assert_null(o->ingressroute->status->current_status);
        }
}

static void decode__what_protects_has_the_wrong_type__is_there_but_empty(void **state)
{
        (void)state;
        AUTO(object) *vhost = test_object(
                KIND_INGRESSROUTE, "{'metadata':{'name':'a','namespace':'n'},'spec':{'virtualhost':'a.example'}}");
        assert_true(vhost->ingressroute->is_root);
        assert_null(vhost->ingressroute->fqdn);
        AUTO(object) *o = test_object(KIND_INGRESSROUTE,
                                      "{'metadata':{'name':'a','namespace':'n'},'spec':{'virtualhost':{'tls':true},"
                                      "'routes':[{'services':[{'validation':'yes'}]}]}}");
        assert_int_equal(o->problem_count, 2);
        assert_non_null(o->ingressroute->tls);
        assert_null(o->ingressroute->tls->secret_name);
        assert_non_null(o->ingressroute->routes[0].services[0].validation);
        assert_null(o->ingressroute->routes[0].services[0].validation->ca_secret);
        AUTO(object) *version =
                test_object(KIND_INGRESSROUTE, "{'metadata':{'name':'a','namespace':'n'},'spec':{'virtualhost':{"
                                               "'tls':{'minimumProtocolVersion':1.3}}}}");
        assert_problem(version, "spec.virtualhost.tls.minimumProtocolVersion", "must be a string");
        assert_string_equal(version->ingressroute->tls->minimum_protocol_version, "");
}

static void decode__element_of_the_wrong_type__keeps_its_place(void **state)
{
        (void)state;
        AUTO(object) *o = test_object(KIND_INGRESSROUTE, "{'metadata':{'name':'a','namespace':'n'},'spec':{"
                                                         "'routes':[{'match':'/a'},null,{'match':'/c'}]}}");
        assert_problem(o, "spec.routes[1]", "must be an object");
        assert_int_equal(o->ingressroute->route_count, 3);
        assert_null(o->ingressroute->routes[1].match);
        assert_string_equal(o->ingressroute->routes[2].match, "/c");
}

static void decode__wrong_weight__is_not_given(void **state)
{
        (void)state;
        AUTO(object) *o = test_object(KIND_INGRESSROUTE, "{'metadata':{'name':'a','namespace':'n'},'spec':{"
                                                         "'routes':[{'services':[{'weight':'9'}]}]}}");
        assert_problem(o, "spec.routes[0].services[0].weight", "must be an integer");
        assert_false(o->ingressroute->routes[0].services[0].has_weight);
}

/* ---- memory ---- */

static void decode__one_route__takes_less_than_a_kibibyte(void **state)
{
        (void)state;
        AUTO(object) *o = test_object(
                KIND_INGRESSROUTE,
                "{'metadata':{'name':'storefront-4711','namespace':'team-blue','resourceVersion':'123456789',"
                "'uid':'0d8f4a5c-1f2e-4b7a-9c3d-5e6f7a8b9c0d','creationTimestamp':'2026-11-21T09:00:00Z'},"
                "'spec':{'virtualhost':{'fqdn':'storefront-4711.shops.example.com','tls':{'secretName':'storefront'}},"
                "'routes':[{'match':'/','services':[{'name':'storefront-4711','port':8080}]}]},"
                "'status':{'currentStatus':'valid','description':'valid IngressRoute','observedGeneration':1,"
                "'conditions':[{'type':'Valid','status':'True','reason':'Valid','message':'valid IngressRoute',"
                "'lastTransitionTime':'2026-11-21T09:00:00Z'}],'virtualHosts':['storefront-4711.shops.example.com'],"
                "'claim':{'fqdn':'storefront-4711.shops.example.com','since':'2026-11-21T09:00:00Z',"
                "'by':'0d8f4a5c1f2e4b7a'}}}");
        print_message("one route: %zu bytes\n", object_size(o));
        assert_true(object_size(o) < 1024);
}

static void decode__one_string_of_the_object_again__costs_nothing(void **state)
{
        (void)state;
        AUTO(object) *o = test_object(KIND_INGRESSROUTE,
                                      "{'metadata':{'name':'a','namespace':'n'},'spec':{'virtualhost':{'fqdn':"
                                      "'long-name.of.a.host.example'}},'status':{'virtualHosts':["
                                      "'long-name.of.a.host.example'],'claim':{'fqdn':'long-name.of.a.host.example',"
                                      "'since':'2026-11-21T09:00:00Z'}}}");
        const struct ingressroute *ir = o->ingressroute;
        assert_ptr_equal(ir->fqdn_host, ir->fqdn);
        assert_ptr_equal(ir->status->virtual_hosts[0], ir->fqdn);
        assert_ptr_equal(ir->status->claim->fqdn, ir->fqdn);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(decode__virtualhost__is_read_and_normalised),
                cmocka_unit_test(decode__services__are_read),
                cmocka_unit_test(decode__routes__are_read),
                cmocka_unit_test(decode__delegate_without_namespace__means_its_own),
                cmocka_unit_test(decode__tcpproxy__is_read),
                cmocka_unit_test(decode__status__is_read),
                cmocka_unit_test(decode__nothing_given__is_all_unset),
                cmocka_unit_test(decode__status_broken__is_no_problem_and_no_claim),
                cmocka_unit_test(decode__what_protects_has_the_wrong_type__is_there_but_empty),
                cmocka_unit_test(decode__element_of_the_wrong_type__keeps_its_place),
                cmocka_unit_test(decode__wrong_weight__is_not_given),
                cmocka_unit_test(decode__one_route__takes_less_than_a_kibibyte),
                cmocka_unit_test(decode__one_string_of_the_object_again__costs_nothing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
