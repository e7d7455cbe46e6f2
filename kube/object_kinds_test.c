/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of the smaller kinds: TLSCertificateDelegation, Ingress, IngressClass, Service, EndpointSlice, Endpoints.
 */
#include "kube/object_testing.h"

/* ---- TLSCertificateDelegation ---- */

static void decode__delegations__are_read(void **state)
{
        (void)state;
        AUTO(object) *o = test_file_object(KIND_TLSCERTIFICATEDELEGATION, "tlscertificatedelegation.json");
        const struct tlscertificatedelegation *t = o->tlscertificatedelegation;
        assert_int_equal(t->delegation_count, 2);
        assert_string_equal(t->delegations[0].secret_name, "shop");
        assert_int_equal(t->delegations[0].target_count, 2);
        assert_string_equal(t->delegations[0].target_namespaces[0], "shop");
        assert_string_equal(t->delegations[0].target_namespaces[1], "*");
        assert_string_equal(t->delegations[1].secret_name, "wild.card");
}

static void decode__target_namespace_of_the_wrong_type__grants_nothing(void **state)
{
        (void)state;
        AUTO(object) *o = test_object(KIND_TLSCERTIFICATEDELEGATION,
                                      "{'metadata':{'name':'a','namespace':'n'},'spec':{'delegations':[{"
                                      "'secretName':'s','targetNamespaces':[7,'b']}]}}");
        assert_problem(o, "spec.delegations[0].targetNamespaces[0]", "must be a string");
        const struct tcd_delegation *d = &o->tlscertificatedelegation->delegations[0];
        assert_int_equal(d->target_count, 2);
        assert_string_equal(d->target_namespaces[0], "");
        assert_string_equal(d->target_namespaces[1], "b");
}

/* ---- Ingress ---- */

static void decode__ingress__is_read(void **state)
{
        (void)state;
        AUTO(object) *o = test_file_object(KIND_INGRESS, "ingress.json");
        const struct ingress *in = o->ingress;
        assert_string_equal(in->class_name, "gatehouse");
        assert_string_equal(in->default_backend->service, "fallback");
        assert_int_equal(in->default_backend->port_number, 80);
        assert_int_equal(in->rule_count, 2);
        assert_string_equal(in->rules[0].host, "shop.example.com");
        assert_int_equal(in->rules[0].path_count, 3);
        const struct ingress_path *paths = in->rules[0].paths;
        assert_string_equal(paths[0].path, "/a");
        assert_int_equal(paths[0].type, PATH_EXACT);
        assert_string_equal(paths[0].backend.service, "a");
        assert_string_equal(paths[0].backend.port_name, "http");
        assert_int_equal(paths[0].backend.port_number, 0);
        assert_int_equal(paths[1].type, PATH_PREFIX);
        assert_int_equal(paths[1].backend.port_number, 81);
        assert_null(paths[1].backend.port_name);
        assert_string_equal(paths[2].path, "/");
        assert_int_equal(paths[2].type, PATH_IMPLEMENTATION_SPECIFIC);
        assert_null(paths[2].backend.service);
        assert_int_equal(in->tls_count, 1);
        assert_string_equal(in->tls[0].hosts[0], "shop.example.com");
        assert_string_equal(in->tls[0].hosts[1], "www.example.com");
        assert_string_equal(in->tls[0].secret_name, "shop-tls");
}

static void decode__rule_without_host_path_or_type__has_kubernetes_defaults(void **state)
{
        (void)state;
        AUTO(object) *o = test_file_object(KIND_INGRESS, "ingress.json");
        const struct ingress_rule *rule = &o->ingress->rules[1];
        assert_string_equal(rule->host, "*");
        assert_string_equal(rule->paths[0].path, "/");
        assert_int_equal(rule->paths[0].type, PATH_IMPLEMENTATION_SPECIFIC);
}

static void decode__host_or_path_of_the_wrong_type__never_widens_the_rule(void **state)
{
        (void)state;
        AUTO(object) *o = test_object(KIND_INGRESS, "{'metadata':{'name':'a','namespace':'n'},'spec':{'rules':["
                                                    "{'host':7},'x',{'host':''},{'http':{'paths':[{'path':7},1]}}]}}");
        assert_int_equal(o->problem_count, 4);
        assert_string_equal(o->ingress->rules[0].host, "");
        assert_string_equal(o->ingress->rules[1].host, "");
        assert_string_equal(o->ingress->rules[2].host, "*");
        assert_string_equal(o->ingress->rules[3].paths[0].path, "");
        assert_string_equal(o->ingress->rules[3].paths[1].path, "");
}

static void decode__ingress_of_v1beta1__is_read(void **state)
{
        (void)state;
        AUTO(object) *o = test_object(KIND_INGRESS,
                                      "{'metadata':{'name':'a','namespace':'n'},'spec':{"
                                      "'backend':{'serviceName':'d','servicePort':'web'},'rules':[{'http':{'paths':["
                                      "{'path':'/x','backend':{'serviceName':'s','servicePort':8080}}]}}]}}");
        assert_int_equal(o->problem_count, 0);
        assert_string_equal(o->ingress->default_backend->service, "d");
        assert_string_equal(o->ingress->default_backend->port_name, "web");
        assert_string_equal(o->ingress->rules[0].paths[0].backend.service, "s");
        assert_int_equal(o->ingress->rules[0].paths[0].backend.port_number, 8080);
}

static void decode__ingressclass__is_read(void **state)
{
        (void)state;
        AUTO(object) *o = test_file_object(KIND_INGRESSCLASS, "ingressclass.json");
        assert_string_equal(o->namespace, "");
        assert_string_equal(o->ingressclass->controller, "gatehouse.io/ingress-controller");
        assert_true(o->ingressclass->is_default);
        AUTO(object) *other = test_object(KIND_INGRESSCLASS, "{'metadata':{'name':'a'}}");
        assert_string_equal(other->ingressclass->controller, "");
        assert_false(other->ingressclass->is_default);
}

/* ---- Service ---- */

static void decode__service__is_read(void **state)
{
        (void)state;
        AUTO(object) *o = test_file_object(KIND_SERVICE, "service.json");
        assert_string_equal(o->service->external_name, "www.example.org");
        assert_int_equal(o->service->port_count, 2);
        const struct service_port *ports = o->service->ports;
        assert_string_equal(ports[0].name, "http");
        assert_int_equal(ports[0].port, 80);
        assert_string_equal(ports[0].protocol, "SCTP");
        assert_string_equal(ports[0].app_protocol, "kubernetes.io/h2c");
        assert_string_equal(ports[1].name, "");
        assert_string_equal(ports[1].protocol, "TCP");
        assert_null(ports[1].app_protocol);
        assert_string_equal(object_contour_annotation(o, "max-connections"), "7");
}

static void decode__external_name__counts_only_for_its_type(void **state)
{
        (void)state;
        static const struct {
                const char *spec, *expected;
        } cases[] = {
                {"{'externalName':'x'}", NULL},
                {"{'type':'ClusterIP','externalName':'x'}", NULL},
                {"{'type':'ExternalName'}", ""},
                {"{'externalName':'x','type':'ExternalName'}", "x"},
        };
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
                AUTO_STR *text = mem_printf("{'metadata':{'name':'a','namespace':'n'},'spec':%s}", cases[i].spec);
                AUTO(object) *o = test_object(KIND_SERVICE, text);
                assert_true(str_equal(o->service->external_name, cases[i].expected));
        }
}

/* ---- EndpointSlice and Endpoints ---- */

static void decode__endpointslice__is_read(void **state)
{
        (void)state;
        AUTO(object) *o = test_file_object(KIND_ENDPOINTSLICE, "endpointslice.json");
        assert_string_equal(o->endpoint_set->service, "web");
        assert_int_equal(o->endpoint_set->group_count, 1);
        const struct endpoint_group *g = o->endpoint_set->groups;
        assert_int_equal(g->type, ADDRESS_IPV6);
        assert_int_equal(g->endpoint_count, 3);
        assert_string_equal(g->endpoints[0].addresses[0], "fd00::1");
        assert_string_equal(g->endpoints[0].zone, "b");
        assert_int_equal(g->endpoints[1].address_count, 2);
        assert_null(g->endpoints[1].zone);
        assert_string_equal(g->endpoints[2].zone, "a");
        assert_string_equal(g->ports[0].name, "http");
        assert_int_equal(g->ports[0].port, 8080);
        assert_string_equal(g->ports[1].name, "");
}

static void decode__conditions_not_given__are_ready_and_serving_follows(void **state)
{
        (void)state;
        static const struct {
                const char *conditions;
                bool ready, serving, terminating;
        } cases[] = {
                {"{}", true, true, false},
                {"null", true, true, false},
                {"{'ready':false}", false, false, false},
                {"{'ready':false,'serving':true,'terminating':true}", false, true, true},
                {"{'ready':null,'serving':false}", true, false, false},
        };
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
                AUTO_STR *text = mem_printf("{'metadata':{'name':'a','namespace':'n'},'endpoints':[{'conditions':%s}]}",
                                            cases[i].conditions);
                AUTO(object) *o = test_object(KIND_ENDPOINTSLICE, text);
                const struct endpoint *e = &o->endpoint_set->groups[0].endpoints[0];
                assert_int_equal(e->ready, cases[i].ready);
                assert_int_equal(e->serving, cases[i].serving);
                assert_int_equal(e->terminating, cases[i].terminating);
        }
}

static void decode__endpointslice_of_no_service__belongs_to_none(void **state)
{
        (void)state;
        AUTO(object) *o = test_object(KIND_ENDPOINTSLICE, "{'metadata':{'name':'a','namespace':'n'}}");
        assert_null(o->endpoint_set->service);
        assert_int_equal(o->endpoint_set->groups[0].endpoint_count, 0);
}

static void decode__endpoints__are_read_subset_by_subset(void **state)
{
        (void)state;
        AUTO(object) *o = test_file_object(KIND_ENDPOINTS, "endpoints.json");
        assert_string_equal(o->endpoint_set->service, "web");
        assert_int_equal(o->endpoint_set->group_count, 2);
        const struct endpoint_group *g = o->endpoint_set->groups;
        assert_int_equal(g[0].type, ADDRESS_IPV4);
        assert_int_equal(g[0].endpoint_count, 3);
        assert_string_equal(g[0].endpoints[1].addresses[0], "10.0.0.2");
        assert_true(g[0].endpoints[1].ready);
        assert_string_equal(g[0].endpoints[2].addresses[0], "10.0.0.3");
        assert_false(g[0].endpoints[2].ready || g[0].endpoints[2].serving);
        assert_int_equal(g[0].ports[0].port, 8080);
        assert_int_equal(g[1].type, ADDRESS_IPV6);
        assert_string_equal(g[1].ports[0].name, "");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(decode__delegations__are_read),
                cmocka_unit_test(decode__target_namespace_of_the_wrong_type__grants_nothing),
                cmocka_unit_test(decode__ingress__is_read),
                cmocka_unit_test(decode__rule_without_host_path_or_type__has_kubernetes_defaults),
                cmocka_unit_test(decode__host_or_path_of_the_wrong_type__never_widens_the_rule),
                cmocka_unit_test(decode__ingress_of_v1beta1__is_read),
                cmocka_unit_test(decode__ingressclass__is_read),
                cmocka_unit_test(decode__service__is_read),
                cmocka_unit_test(decode__external_name__counts_only_for_its_type),
                cmocka_unit_test(decode__endpointslice__is_read),
                cmocka_unit_test(decode__conditions_not_given__are_ready_and_serving_follows),
                cmocka_unit_test(decode__endpointslice_of_no_service__belongs_to_none),
                cmocka_unit_test(decode__endpoints__are_read_subset_by_subset),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
