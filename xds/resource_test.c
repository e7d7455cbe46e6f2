/* SPDX-License-Identifier: Apache-2.0 */
#include "xds/resource.h"

#include <envoy/config/route/v3/route.pb-c.h>

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka needs those before it */
#include <cmocka.h>

static void new__same_bytes__same_version(void **state)
{
        (void)state;
        struct resource *a = resource_new(RESOURCE_CLUSTER, "a", "bytes", 5);
        struct resource *b = resource_new(RESOURCE_CLUSTER, "b", "bytes", 5);
        struct resource *c = resource_new(RESOURCE_CLUSTER, "a", "other", 5);
        assert_string_equal(a->version, b->version);
        assert_string_not_equal(a->version, c->version);
        assert_false(resource_equal(a, b));
        assert_false(resource_equal(a, c));
        assert_false(resource_equal(a, NULL));
        assert_true(resource_equal(NULL, NULL));
        assert_string_equal(a->name, "a");
        assert_memory_equal(a->bytes, "bytes", 5);
        resource_unref(a);
        resource_unref(b);
        resource_unref(c);
}

/* The version goes over the wire: it must be the same on every replica, whatever its machine or its seed. */
static void new__version__is_the_published_xxh3_128(void **state)
{
        (void)state;
        struct resource *empty = resource_new(RESOURCE_CLUSTER, "a", NULL, 0);
        assert_string_equal(empty->version, "99aa06d3014798d86001c324468d497f");
        resource_unref(empty);
}

static void ref__two_owners__lives_until_the_second_lets_go(void **state)
{
        (void)state;
        struct resource *a = resource_new(RESOURCE_SECRET, "n/s", "key", 3);
        struct resource *shared = resource_ref(a);
        resource_unref(a);
        assert_memory_equal(shared->bytes, "key", 3);
        resource_unref(shared);
        resource_unref(NULL);
}

static void type_find__each_served_type__is_found_by_its_url(void **state)
{
        (void)state;
        for (unsigned i = 0; i < RESOURCE_SERVED_TYPES; i++) {
                enum resource_type type;
                assert_true(resource_type_find(resource_type_url((enum resource_type)i), &type));
                assert_int_equal(type, i);
        }
        enum resource_type type;
        assert_false(resource_type_find(resource_type_url(RESOURCE_VIRTUAL_HOST), &type));
        assert_false(resource_type_find("type.googleapis.com/envoy.api.v2.Cluster", &type));
        assert_false(resource_type_find(NULL, &type));
}

static struct resource *virtual_host(const char *name, size_t domains)
{
        Envoy__VirtualHost host = ENVOY__VIRTUAL_HOST__INIT;
        const char *list[100];
        for (size_t i = 0; i < domains; i++)
                list[i] = name;
        host.name = name;
        host.domains = list;
        host.n_domains = domains;
        return resource_pack(RESOURCE_VIRTUAL_HOST, name, &host.base);
}

static void assemble__parts_of_all_lengths__unpack_as_if_packed_at_once(void **state)
{
        (void)state;
        enum { HOST_FIELD = 2 };
        const size_t domains[] = {0, 1, 20, 100};
        struct resource *parts[4];
        for (size_t i = 0; i < 4; i++)
                parts[i] = virtual_host(i ? "long.enough.to.need.two.bytes.of.length.example.com" : "", domains[i]);
        Envoy__RouteConfiguration shell = ENVOY__ROUTE_CONFIGURATION__INIT;
        shell.name = "ingress_http";
        shell.ignore_port_in_host_matching = true;
        struct resource *all = resource_assemble(RESOURCE_ROUTE_CONFIGURATION, "ingress_http", &shell.base, HOST_FIELD,
                                                 (const struct resource *const *)parts, 4);
        Envoy__RouteConfiguration *read = envoy__route_configuration__unpack(NULL, all->size, all->bytes);
        assert_non_null(read);
        assert_string_equal(read->name, "ingress_http");
        assert_true(read->ignore_port_in_host_matching);
        assert_int_equal(read->n_virtual_hosts, 4);
        for (size_t i = 0; i < 4; i++)
                assert_int_equal(read->virtual_hosts[i]->n_domains, domains[i]);
        assert_int_equal(envoy__route_configuration__get_packed_size(read), all->size);
        envoy__route_configuration__free_unpacked(read, NULL);
        resource_unref(all);
        for (size_t i = 0; i < 4; i++)
                resource_unref(parts[i]);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(new__same_bytes__same_version),
                cmocka_unit_test(new__version__is_the_published_xxh3_128),
                cmocka_unit_test(ref__two_owners__lives_until_the_second_lets_go),
                cmocka_unit_test(type_find__each_served_type__is_found_by_its_url),
                cmocka_unit_test(assemble__parts_of_all_lengths__unpack_as_if_packed_at_once),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
