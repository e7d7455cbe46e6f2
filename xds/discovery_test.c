/* SPDX-License-Identifier: Apache-2.0 */
#include "xds/discovery.h"

#include "base/buf.h"

#include <envoy/service/discovery/v3/discovery.pb-c.h>
#include <errno.h>
#include <google/rpc/status.pb-c.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka needs those before it */
#include <cmocka.h>

#define CLUSTER "type.googleapis.com/envoy.config.cluster.v3.Cluster"

/* The message's bytes in a. */
static uint8_t *packed(struct arena *a, const ProtobufCMessage *m, size_t *n)
{
        uint8_t *bytes = arena_alloc(a, protobuf_c_message_get_packed_size(m));
        *n = protobuf_c_message_pack(m, bytes);
        return bytes;
}

static void decode__sotw_request__is_read_whole(void **state)
{
        (void)state;
        AUTO(arena) *a = arena_new(1024);
        const char *names[] = {"a", "b/c"};
        Envoy__Node node = ENVOY__NODE__INIT;
        Google__Status status = GOOGLE__STATUS__INIT;
        Envoy__DiscoveryRequest m = ENVOY__DISCOVERY_REQUEST__INIT;
        node.id = "envoy-1";
        node.cluster = "edge";
        node.metadata = (ProtobufCBinaryData){2, (uint8_t[]){0x0a, 0x00}};
        status.message = "no";
        m.node = &node;
        m.type_url = CLUSTER;
        m.response_nonce = "7";
        m.resource_names = names;
        m.n_resource_names = 2;
        m.error_detail = &status;
        size_t n;
        const uint8_t *bytes = packed(a, &m.base, &n);
        struct discovery_request r;
        struct err e = {0};
        assert_true(discovery_decode(STREAM_SOTW, bytes, n, a, &r, &e));
        assert_string_equal(r.node_id, "envoy-1");
        assert_string_equal(r.node_cluster, "edge");
        assert_true(r.type_known);
        assert_int_equal(r.request.type, RESOURCE_CLUSTER);
        assert_string_equal(r.request.nonce, "7");
        assert_string_equal(r.request.refused, "no");
        assert_int_equal(r.request.name_count, 2);
        assert_string_equal(r.request.names[1], "b/c");
        assert_int_equal(r.request.known_count, 0);
}

static void decode__delta_request__is_read_whole(void **state)
{
        (void)state;
        AUTO(arena) *a = arena_new(1024);
        const char *subscribe[] = {"*"}, *unsubscribe[] = {"x", "y"};
        Envoy__DeltaDiscoveryRequest__InitialResourceVersionsEntry entry =
                ENVOY__DELTA_DISCOVERY_REQUEST__INITIAL_RESOURCE_VERSIONS_ENTRY__INIT;
        Envoy__DeltaDiscoveryRequest__InitialResourceVersionsEntry *entries[] = {&entry};
        Envoy__DeltaDiscoveryRequest m = ENVOY__DELTA_DISCOVERY_REQUEST__INIT;
        entry.key = "have";
        entry.value = "version";
        m.type_url = CLUSTER;
        m.resource_names_subscribe = subscribe;
        m.n_resource_names_subscribe = 1;
        m.resource_names_unsubscribe = unsubscribe;
        m.n_resource_names_unsubscribe = 2;
        m.initial_resource_versions = entries;
        m.n_initial_resource_versions = 1;
        size_t n;
        const uint8_t *bytes = packed(a, &m.base, &n);
        struct discovery_request r;
        struct err e = {0};
        assert_true(discovery_decode(STREAM_DELTA, bytes, n, a, &r, &e));
        assert_string_equal(r.node_id, "");
        assert_null(r.request.refused);
        assert_string_equal(r.request.names[0], "*");
        assert_int_equal(r.request.unsubscribe_count, 2);
        assert_string_equal(r.request.unsubscribe[1], "y");
        assert_string_equal(r.request.known[0].name, "have");
        assert_string_equal(r.request.known[0].version, "version");
}

static void decode__empty_message__names_nothing(void **state)
{
        (void)state;
        AUTO(arena) *a = arena_new(1024);
        for (enum stream_variant v = STREAM_SOTW; v <= STREAM_DELTA; v++) {
                struct discovery_request r;
                struct err e = {0};
                assert_true(discovery_decode(v, "", 0, a, &r, &e));
                assert_false(r.type_known);
                assert_string_equal(r.type_url, "");
                assert_int_equal(r.request.name_count, 0);
        }
}

static void decode__not_a_message__is_an_error(void **state)
{
        (void)state;
        AUTO(arena) *a = arena_new(1024);
        struct discovery_request r = {.type_url = "untouched"};
        struct err e = {0};
        assert_false(discovery_decode(STREAM_SOTW, "\x1a\x7f", 2, a, &r, &e));
        assert_string_equal(e.text, "a request is no DiscoveryRequest");
        assert_int_equal(e.code, 0);
        assert_string_equal(r.type_url, "untouched");
}

static void decode__name_is_not_utf8__is_an_error(void **state)
{
        (void)state;
        AUTO(arena) *a = arena_new(1024);
        struct discovery_request r;
        struct err e = {0};
        assert_true(discovery_decode(STREAM_SOTW, "\x1a\x02\xc3\xa4", 4, a, &r, &e));
        assert_false(discovery_decode(STREAM_SOTW, "\x1a\x02\xc3\x28", 4, a, &r, &e));
        assert_string_equal(e.text, "a resource name is not UTF-8");
}

/* The budget grows with the message: a name of 20 bytes, as ours have, must fit however many there are. */
static void decode__very_many_names__fit_into_the_budget(void **state)
{
        (void)state;
        enum { NAMES = 100000, SIZE = 22 };
        AUTO(arena) *a = arena_new(1024);
        uint8_t *bytes = arena_alloc(a, (size_t)NAMES * SIZE);
        for (size_t i = 0; i < NAMES; i++)
                memcpy(bytes + i * SIZE, "\x1a\x14namespace/service-123", SIZE);
        struct discovery_request r;
        struct err e = {0};
        assert_true(discovery_decode(STREAM_SOTW, bytes, (size_t)NAMES * SIZE, a, &r, &e));
        assert_int_equal(r.request.name_count, NAMES);
}

static void decode__millions_of_tiny_unknown_fields__exhaust_the_budget(void **state)
{
        (void)state;
        enum { FIELDS = 4 * 1024 * 1024 };
        AUTO(arena) *a = arena_new(1024);
        uint8_t *bytes = arena_alloc(a, (size_t)FIELDS * 2);
        for (size_t i = 0; i < FIELDS; i++)
                memcpy(bytes + i * 2, "\x78\x01", 2); /* field 15, a varint */
        struct discovery_request r;
        struct err e = {0};
        assert_false(discovery_decode(STREAM_SOTW, bytes, (size_t)FIELDS * 2, a, &r, &e));
        assert_int_equal(e.code, ENOSPC);
        assert_true(arena_size(a) < 2 * (size_t)FIELDS * 2 + DISCOVERY_MEMORY_MAX);
}

/* ---- responses ---- */

static struct resource *resource_of(const char *name, const char *bytes)
{
        return resource_new(RESOURCE_CLUSTER, name, bytes, strlen(bytes));
}

/* The bytes of a message, put together. */
static struct buf *encoded(enum stream_variant variant, const struct stream_response *r)
{
        AUTO(discovery_message) *m = discovery_encode(variant, r);
        struct buf *bytes = buf_new(1 << 20);
        for (size_t i = 0; i < m->part_count; i++)
                buf_append(bytes, m->parts[i].iov_base, m->parts[i].iov_len);
        return bytes;
}

static void encode__sotw__holds_version_nonce_and_resources(void **state)
{
        (void)state;
        struct resource *one = resource_of("a", "one"), *two = resource_of("b", "");
        const struct resource *list[] = {one, two};
        struct stream_response r = {
                .type = RESOURCE_CLUSTER, .nonce = "1f", .version = "abc", .resources = list, .count = 2};
        AUTO(buf) *bytes = encoded(STREAM_SOTW, &r);
        Envoy__DiscoveryResponse *m =
                envoy__discovery_response__unpack(NULL, buf_len(bytes), (const uint8_t *)buf_data(bytes));
        assert_non_null(m);
        assert_string_equal(m->version_info, "abc");
        assert_string_equal(m->nonce, "1f");
        assert_string_equal(m->type_url, CLUSTER);
        assert_int_equal(m->n_resources, 2);
        assert_string_equal(m->resources[0]->type_url, CLUSTER);
        assert_int_equal(m->resources[0]->value.len, 3);
        assert_memory_equal(m->resources[0]->value.data, "one", 3);
        assert_int_equal(m->resources[1]->value.len, 0);
        envoy__discovery_response__free_unpacked(m, NULL);
        resource_unref(one);
        resource_unref(two);
}

static void encode__delta__holds_each_name_and_version_and_what_is_gone(void **state)
{
        (void)state;
        struct resource *one = resource_of("a", "one");
        const struct resource *list[] = {one};
        char gone[] = "gone";
        char *removed[] = {gone};
        struct stream_response r = {.type = RESOURCE_CLUSTER,
                                    .nonce = "1f",
                                    .version = "abc",
                                    .resources = list,
                                    .count = 1,
                                    .removed = removed,
                                    .removed_count = 1};
        AUTO(buf) *bytes = encoded(STREAM_DELTA, &r);
        Envoy__DeltaDiscoveryResponse *m =
                envoy__delta_discovery_response__unpack(NULL, buf_len(bytes), (const uint8_t *)buf_data(bytes));
        assert_non_null(m);
        assert_string_equal(m->system_version_info, "abc");
        assert_string_equal(m->nonce, "1f");
        assert_string_equal(m->type_url, CLUSTER);
        assert_string_equal(m->resources[0]->name, "a");
        assert_string_equal(m->resources[0]->version, one->version);
        assert_memory_equal(m->resources[0]->resource->value.data, "one", 3);
        assert_int_equal(m->n_removed_resources, 1);
        assert_string_equal(m->removed_resources[0], "gone");
        envoy__delta_discovery_response__free_unpacked(m, NULL);
        resource_unref(one);
}

static void encode__bytes_of_resources__are_shared_and_held(void **state)
{
        (void)state;
        struct resource *one = resource_of("a", "one");
        const struct resource *list[] = {one};
        struct stream_response r = {.type = RESOURCE_CLUSTER, .resources = list, .count = 1};
        struct discovery_message *m = discovery_encode(STREAM_DELTA, &r);
        assert_ptr_equal(m->parts[m->part_count - 1].iov_base, one->bytes);
        resource_unref(one);
        assert_memory_equal(m->parts[m->part_count - 1].iov_base, "one", 3);
        discovery_message_free(m);
}

static void encode__nothing_but_an_end__is_one_part(void **state)
{
        (void)state;
        struct stream_response r = {.type = RESOURCE_CLUSTER, .nonce = "1", .version = "v"};
        AUTO(discovery_message) *m = discovery_encode(STREAM_SOTW, &r);
        assert_int_equal(m->part_count, 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(decode__sotw_request__is_read_whole),
                cmocka_unit_test(decode__delta_request__is_read_whole),
                cmocka_unit_test(decode__empty_message__names_nothing),
                cmocka_unit_test(decode__not_a_message__is_an_error),
                cmocka_unit_test(decode__name_is_not_utf8__is_an_error),
                cmocka_unit_test(decode__very_many_names__fit_into_the_budget),
                cmocka_unit_test(decode__millions_of_tiny_unknown_fields__exhaust_the_budget),
                cmocka_unit_test(encode__sotw__holds_version_nonce_and_resources),
                cmocka_unit_test(encode__delta__holds_each_name_and_version_and_what_is_gone),
                cmocka_unit_test(encode__bytes_of_resources__are_shared_and_held),
                cmocka_unit_test(encode__nothing_but_an_end__is_one_part),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
