/* SPDX-License-Identifier: Apache-2.0 */
#include "xds/discovery_client.h"

#include "base/buf.h"
#include "xds/discovery.h"

#include <envoy/config/cluster/v3/cluster.pb-c.h>
#include <envoy/service/discovery/v3/discovery.pb-c.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka needs those before it */
#include <cmocka.h>

#define CLUSTER "type.googleapis.com/envoy.config.cluster.v3.Cluster"

static uint8_t *packed(struct arena *a, const ProtobufCMessage *m, size_t *n)
{
        uint8_t *bytes = arena_alloc(a, protobuf_c_message_get_packed_size(m) + 1);
        *n = protobuf_c_message_pack(m, bytes);
        return bytes;
}

/* A response of one resource, whose type and content are given. */
static uint8_t *response(struct arena *a, const char *type_url, const char *any_url, ProtobufCBinaryData content,
                         const char *name, size_t *n)
{
        Google__Any any = GOOGLE__ANY__INIT;
        Envoy__Resource resource = ENVOY__RESOURCE__INIT;
        Envoy__DeltaDiscoveryResponse m = ENVOY__DELTA_DISCOVERY_RESPONSE__INIT;
        Envoy__Resource *list[] = {&resource};
        any.type_url = any_url;
        any.value = content;
        resource.name = name;
        resource.resource = any_url ? &any : NULL;
        m.type_url = type_url;
        m.resources = list;
        m.n_resources = 1;
        return packed(a, &m.base, n);
}

static ProtobufCBinaryData cluster_bytes(struct arena *a)
{
        Envoy__Cluster cluster = ENVOY__CLUSTER__INIT;
        cluster.name = "a/web/80/x";
        ProtobufCBinaryData out = {0};
        out.data = packed(a, &cluster.base, &out.len);
        return out;
}

static void ask__names_and_node__what_the_server_reads(void **state)
{
        (void)state;
        AUTO(arena) *a = arena_new(1024);
        static const char *const names[] = {"*", "b/c"};
        const struct discovery_ask asks[] = {
                {.type = RESOURCE_SECRET, .node = "me", .names = names, .name_count = 2},
                {.type = RESOURCE_CLUSTER, .nonce = "7"},
        };
        for (size_t i = 0; i < COUNT_OF(asks); i++) {
                size_t n;
                uint8_t *bytes = discovery_ask_pack(&asks[i], &n);
                struct discovery_request r;
                struct err e = {0};
                assert_true(discovery_decode(STREAM_DELTA, bytes, n, a, &r, &e));
                mem_free(bytes);
                assert_true(r.type_known && r.request.type == asks[i].type);
                assert_string_equal(r.node_id, i ? "" : "me");
                assert_string_equal(r.request.nonce, i ? "7" : "");
                assert_int_equal(r.request.name_count, asks[i].name_count);
                assert_null(r.request.refused);
                for (size_t k = 0; k < asks[i].name_count; k++)
                        assert_string_equal(r.request.names[k], names[k]);
        }
}

static struct buf *encoded(const struct stream_response *r)
{
        AUTO(discovery_message) *m = discovery_encode(STREAM_DELTA, r);
        struct buf *bytes = buf_new(1 << 20);
        for (size_t i = 0; i < m->part_count; i++)
                buf_append(bytes, m->parts[i].iov_base, m->parts[i].iov_len);
        return bytes;
}

static void answer__what_the_server_sends__is_read_whole(void **state)
{
        (void)state;
        AUTO(arena) *a = arena_new(1024);
        const ProtobufCBinaryData content = cluster_bytes(a);
        struct resource *resource = resource_new(RESOURCE_CLUSTER, "a/web/80/x", content.data, content.len);
        const struct resource *resources[] = {resource};
        char *removed[] = {(char[]){"gone"}};
        const struct stream_response sent = {.type = RESOURCE_CLUSTER,
                                             .nonce = "5",
                                             .version = "all",
                                             .resources = resources,
                                             .count = 1,
                                             .removed = removed,
                                             .removed_count = 1};
        struct discovery_answer answer;
        struct err e = {0};
        struct buf *bytes = encoded(&sent);
        bool fine = discovery_answer_unpack(RESOURCE_CLUSTER, buf_data(bytes), buf_len(bytes), a, &answer, &e);
        buf_free(bytes); /* nothing is borrowed from them */
        assert_true(fine);
        assert_string_equal(answer.nonce, "5");
        assert_string_equal(answer.version, "all");
        assert_int_equal(answer.found_count, 1);
        assert_string_equal(answer.found[0].name, "a/web/80/x");
        assert_string_equal(answer.found[0].version, resource->version);
        assert_string_equal(((const Envoy__Cluster *)answer.found[0].message)->name, "a/web/80/x");
        assert_int_equal(answer.removed_count, 1);
        assert_string_equal(answer.removed[0], "gone");
        resource_unref(resource);
}

static void answer__not_what_was_asked_for__refused_with_what_it_is(void **state)
{
        (void)state;
        AUTO(arena) *a = arena_new(1024);
        const ProtobufCBinaryData good = cluster_bytes(a);
        const ProtobufCBinaryData bad = {3, (uint8_t[]){0x0a, 0xff, 0x01}};
        const struct {
                const char *type_url, *any_url, *name;
                ProtobufCBinaryData content;
                const char *says;
        } cases[] = {
                {"other", CLUSTER, "n", good, "the response is about \"other\""},
                {CLUSTER, "other", "n", good, "n is no Cluster"},
                {CLUSTER, NULL, "n", good, "n is no Cluster"},
                {CLUSTER, CLUSTER, "n", bad, "a resource is no Cluster"},
                {CLUSTER, CLUSTER, "\xff", good, "not UTF-8"},
        };
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
                size_t n;
                const uint8_t *bytes =
                        response(a, cases[i].type_url, cases[i].any_url, cases[i].content, cases[i].name, &n);
                struct discovery_answer answer;
                struct err e = {0};
                assert_false(discovery_answer_unpack(RESOURCE_CLUSTER, bytes, n, a, &answer, &e));
                if (!strstr(e.text, cases[i].says))
                        fail_msg("\"%s\" does not say \"%s\"", e.text, cases[i].says);
        }
}

static void answer__cut_anywhere__refused_or_less(void **state)
{
        (void)state;
        AUTO(arena) *a = arena_new(1024);
        size_t n;
        const uint8_t *bytes = response(a, CLUSTER, CLUSTER, cluster_bytes(a), "n", &n);
        for (size_t i = 0; i < n; i++) {
                AUTO(arena) *b = arena_new(1024);
                struct discovery_answer answer;
                struct err e = {0};
                assert_false(discovery_answer_unpack(RESOURCE_CLUSTER, bytes, i, b, &answer, &e));
                assert_true(e.text[0]);
        }
}

/* A byte pair on the wire, a pointer and a string each in memory. */
static void answer__many_tiny_fields__memory_is_bounded_by_the_length(void **state)
{
        (void)state;
        enum { FIELDS = 1 << 20 };
        AUTO(arena) *a = arena_new(1024);
        uint8_t *bytes = mem_zalloc(2 * (size_t)FIELDS);
        for (size_t i = 0; i < FIELDS; i++)
                bytes[2 * i] = 0x32; /* removed_resources, of no bytes */
        struct discovery_answer answer;
        struct err e = {0};
        bool fine = discovery_answer_unpack(RESOURCE_CLUSTER, bytes, 2 * (size_t)FIELDS, a, &answer, &e);
        mem_free(bytes);
        assert_false(fine); /* it has no type_url in any case */
        assert_true(arena_size(a) < 32 * (size_t)FIELDS + (1 << 20));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(ask__names_and_node__what_the_server_reads),
                cmocka_unit_test(answer__what_the_server_sends__is_read_whole),
                cmocka_unit_test(answer__not_what_was_asked_for__refused_with_what_it_is),
                cmocka_unit_test(answer__cut_anywhere__refused_or_less),
                cmocka_unit_test(answer__many_tiny_fields__memory_is_bounded_by_the_length),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
