/* SPDX-License-Identifier: Apache-2.0 */
#include "xds/message.h"

#include "base/time.h"

void *message_new(struct arena *a, const ProtobufCMessageDescriptor *type)
{
        ProtobufCMessage *m = arena_alloc(a, type->sizeof_message);
        protobuf_c_message_init(type, m);
        return m;
}

void *message_one(struct arena *a, const void *item)
{
        return arena_memdup(a, &item, sizeof(item));
}

const char **message_one_string(struct arena *a, const char *s)
{
        return arena_memdup(a, &s, sizeof(s));
}

Google__Any *message_any(struct arena *a, const ProtobufCMessage *m)
{
        Google__Any *any = message_new(a, &google__any__descriptor);
        any->type_url = arena_printf(a, "type.googleapis.com/%s", m->descriptor->name);
        any->value.data = arena_alloc(a, protobuf_c_message_get_packed_size(m));
        any->value.len = protobuf_c_message_pack(m, any->value.data);
        return any;
}

Google__Any *message_any_empty(struct arena *a, const ProtobufCMessageDescriptor *type)
{
        return message_any(a, message_new(a, type));
}

Google__Duration *message_duration(struct arena *a, int64_t nanoseconds)
{
        Google__Duration *d = message_new(a, &google__duration__descriptor);
        d->seconds = nanoseconds / DURATION_SECOND;
        d->nanos = (int32_t)(nanoseconds % DURATION_SECOND);
        return d;
}

Google__UInt32Value *message_uint32(struct arena *a, uint32_t value)
{
        Google__UInt32Value *v = message_new(a, &google__uint32_value__descriptor);
        v->value = value;
        return v;
}

Google__BoolValue *message_true(struct arena *a)
{
        Google__BoolValue *v = message_new(a, &google__bool_value__descriptor);
        v->value = true;
        return v;
}

Envoy__ConfigSource *message_ads(struct arena *a)
{
        Envoy__ConfigSource *source = message_new(a, &envoy__config_source__descriptor);
        source->resource_api_version = ENVOY__API_VERSION__V3;
        source->config_source_specifier_case = ENVOY__CONFIG_SOURCE__CONFIG_SOURCE_SPECIFIER_ADS;
        source->ads = message_new(a, &envoy__aggregated_config_source__descriptor);
        return source;
}

Envoy__Address *message_address(struct arena *a, const char *address, uint32_t port)
{
        Envoy__SocketAddress *socket = message_new(a, &envoy__socket_address__descriptor);
        socket->address = address;
        socket->ipv4_compat = str_equal(address, "::");
        socket->port_specifier_case = ENVOY__SOCKET_ADDRESS__PORT_SPECIFIER_PORT_VALUE;
        socket->port_value = port;
        Envoy__Address *out = message_new(a, &envoy__address__descriptor);
        out->address_case = ENVOY__ADDRESS__ADDRESS_SOCKET_ADDRESS;
        out->socket_address = socket;
        return out;
}

Envoy__TransportSocket *message_tls_socket(struct arena *a, const ProtobufCMessage *context)
{
        Envoy__TransportSocket *socket = message_new(a, &envoy__transport_socket__descriptor);
        socket->name = "envoy.transport_sockets.tls";
        socket->config_type_case = ENVOY__TRANSPORT_SOCKET__CONFIG_TYPE_TYPED_CONFIG;
        socket->typed_config = message_any(a, context);
        return socket;
}
