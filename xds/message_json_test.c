/* SPDX-License-Identifier: Apache-2.0 */
/* That official descriptors read it, for all that is served: e2e/test_cli.py. */
#include "xds/message_json.h"

#include "base/arena.h"
#include "xds/message.h"
#include "xds/message_field.h"
#include "xds/message_text.h"

#include <envoy/config/cluster/v3/cluster.pb-c.h>
#include <envoy/extensions/transport_sockets/tls/v3/tls.pb-c.h>
#include <google/protobuf/struct.pb-c.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka needs those before it */
#include <cmocka.h>

static void expect(const ProtobufCMessage *m, const char *json)
{
        AUTO(buf) *out = buf_new(1 << 20);
        message_json(out, m);
        assert_string_equal(buf_data(out), json);
        json_t *parsed = json_loads(buf_data(out), JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(parsed);
        json_decref(parsed);
}

static void durations__any_fraction__in_threes(void **state)
{
        (void)state;
        static const struct {
                int64_t seconds;
                int32_t nanos;
                const char *json;
        } cases[] = {
                {0, 0, "\"0s\""},
                {3, 0, "\"3s\""},
                {1, 500000000, "\"1.500s\""},
                {0, 1000, "\"0.000001s\""},
                {0, 1, "\"0.000000001s\""},
                {-1, -250000000, "\"-1.250s\""},
                {0, -1, "\"-0.000000001s\""},
                {INT64_MIN, INT32_MIN, "\"-9223372036854775808.2147483648s\""}, /* no duration, and no overflow */
        };
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
                Google__Duration d = GOOGLE__DURATION__INIT;
                d.seconds = cases[i].seconds;
                d.nanos = cases[i].nanos;
                expect(&d.base, cases[i].json);
        }
}

static void wrappers__are_what_they_wrap(void **state)
{
        (void)state;
        AUTO(arena) *a = arena_new(1024);
        Google__DoubleValue number = GOOGLE__DOUBLE_VALUE__INIT;
        expect(&message_uint32(a, 7)->base, "7");
        expect(&message_uint32(a, 0)->base, "0");
        expect(&message_true(a)->base, "true");
        number.value = 0.5;
        expect(&number.base, "0.5");
        number.value = -1.0 / 0.0;
        expect(&number.base, "\"-Infinity\"");
}

static void struct__map_of_values__an_object(void **state)
{
        (void)state;
        Google__Value text = GOOGLE__VALUE__INIT, none = GOOGLE__VALUE__INIT;
        text.kind_case = GOOGLE__VALUE__KIND_STRING_VALUE;
        text.string_value = "a \"b\"";
        Google__Struct__FieldsEntry first = GOOGLE__STRUCT__FIELDS_ENTRY__INIT, second = first;
        first.key = "snake_key";
        first.value = &text;
        second.key = "none";
        second.value = &none;
        Google__Struct__FieldsEntry *entries[] = {&first, &second};
        Google__Struct m = GOOGLE__STRUCT__INIT;
        m.fields = entries;
        m.n_fields = 2;
        expect(&m.base, "{\"snake_key\":\"a \\\"b\\\"\",\"none\":null}");
}

static void message__names_enums_and_defaults__as_the_mapping_has_them(void **state)
{
        (void)state;
        AUTO(arena) *a = arena_new(1024);
        Envoy__Cluster m = ENVOY__CLUSTER__INIT;
        expect(&m.base, "{}");
        m.name = "a\x01\xff";
        m.cluster_discovery_type_case = ENVOY__CLUSTER__CLUSTER_DISCOVERY_TYPE_TYPE;
        m.type = ENVOY__CLUSTER__DISCOVERY_TYPE__STATIC; /* 0, and the chosen one of a oneof */
        m.connect_timeout = message_duration(a, 250000000);
        expect(&m.base, "{\"name\":\"a\\u0001\\ufffd\",\"type\":\"STATIC\",\"connectTimeout\":\"0.250s\"}");
}

static void any__known_and_unknown_types__fields_or_bytes(void **state)
{
        (void)state;
        AUTO(arena) *a = arena_new(1024);
        Envoy__Cluster cluster = ENVOY__CLUSTER__INIT;
        cluster.name = "x";
        expect(&message_any(a, &cluster.base)->base,
               "{\"@type\":\"type.googleapis.com/envoy.config.cluster.v3.Cluster\",\"name\":\"x\"}");
        Google__Any stranger = GOOGLE__ANY__INIT;
        stranger.type_url = "type.googleapis.com/who.Knows";
        expect(&stranger.base, "{\"@type\":\"type.googleapis.com/who.Knows\"}");
        stranger.value = (ProtobufCBinaryData){3, (uint8_t[]){1, 2, 3}};
        expect(&stranger.base, "{\"@type\":\"type.googleapis.com/who.Knows\",\"value\":\"AQID\"}");
}

/* A stranger's Any in an Any in an Any: each level is a TransportSocket of a Cluster. */
static void any__nested_without_end__ends(void **state)
{
        (void)state;
        AUTO(arena) *a = arena_new(1024);
        Envoy__Cluster cluster = ENVOY__CLUSTER__INIT;
        cluster.name = "x";
        Google__Any *any = message_any(a, &cluster.base);
        for (int i = 0; i < 3 * MESSAGE_DEPTH_MAX; i++) {
                Envoy__TransportSocket socket = ENVOY__TRANSPORT_SOCKET__INIT;
                socket.config_type_case = ENVOY__TRANSPORT_SOCKET__CONFIG_TYPE_TYPED_CONFIG;
                socket.typed_config = any;
                Envoy__Cluster outer = ENVOY__CLUSTER__INIT;
                outer.transport_socket = &socket;
                any = message_any(a, &outer.base);
        }
        AUTO(buf) *json = buf_new(1 << 20);
        AUTO(buf) *text = buf_new(1 << 20);
        message_json(json, &any->base);
        message_text(text, &any->base);
        assert_non_null(strstr(buf_data(json), "\"value\":\""));
        assert_non_null(strstr(buf_data(text), "bytes"));
        assert_false(buf_full(json) || buf_full(text));
}

static void private_key__never_shown(void **state)
{
        (void)state;
        Envoy__DataSource key = ENVOY__DATA_SOURCE__INIT, chain = ENVOY__DATA_SOURCE__INIT;
        key.specifier_case = chain.specifier_case = ENVOY__DATA_SOURCE__SPECIFIER_INLINE_BYTES;
        key.inline_bytes = (ProtobufCBinaryData){6, (uint8_t[]){"secret"}};
        chain.inline_bytes = (ProtobufCBinaryData){3, (uint8_t[]){"crt"}};
        Envoy__TlsCertificate m = ENVOY__TLS_CERTIFICATE__INIT;
        m.private_key = &key;
        m.certificate_chain = &chain;
        expect(&m.base, "{\"certificateChain\":{\"inlineBytes\":\"Y3J0\"},\"privateKey\":\"not shown\"}");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(durations__any_fraction__in_threes),
                cmocka_unit_test(wrappers__are_what_they_wrap),
                cmocka_unit_test(struct__map_of_values__an_object),
                cmocka_unit_test(message__names_enums_and_defaults__as_the_mapping_has_them),
                cmocka_unit_test(any__known_and_unknown_types__fields_or_bytes),
                cmocka_unit_test(any__nested_without_end__ends),
                cmocka_unit_test(private_key__never_shown),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
