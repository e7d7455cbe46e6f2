/* SPDX-License-Identifier: Apache-2.0 */
/* Source: Protocol Buffers, "Text Format Language Specification"; libprotobuf-c's reflection. */
#include "xds/message_text.h"

#include "xds/message_field.h"

#include <envoy/config/cluster/v3/cluster.pb-c.h>
#include <envoy/config/endpoint/v3/endpoint.pb-c.h>
#include <envoy/config/listener/v3/listener.pb-c.h>
#include <envoy/config/route/v3/route.pb-c.h>
#include <envoy/config/trace/v3/trace.pb-c.h>
#include <envoy/extensions/access_loggers/file/v3/file.pb-c.h>
#include <envoy/extensions/access_loggers/stream/v3/stream.pb-c.h>
#include <envoy/extensions/compression/gzip/compressor/v3/gzip.pb-c.h>
#include <envoy/extensions/filters/http/compressor/v3/compressor.pb-c.h>
#include <envoy/extensions/filters/http/grpc_stats/v3/config.pb-c.h>
#include <envoy/extensions/filters/http/grpc_web/v3/grpc_web.pb-c.h>
#include <envoy/extensions/filters/http/router/v3/router.pb-c.h>
#include <envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol.pb-c.h>
#include <envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.pb-c.h>
#include <envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb-c.h>
#include <envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb-c.h>
#include <envoy/extensions/transport_sockets/tls/v3/tls.pb-c.h>
#include <envoy/extensions/upstreams/http/v3/http_protocol_options.pb-c.h>
#include <google/protobuf/any.pb-c.h>
#include <inttypes.h>
#include <string.h>

#define TYPE_URL "type.googleapis.com/"

const ProtobufCMessageDescriptor *message_type_find(const char *url)
{
        static const ProtobufCMessageDescriptor *const types[] = {
                &envoy__listener__descriptor,
                &envoy__route_configuration__descriptor,
                &envoy__cluster__descriptor,
                &envoy__cluster_load_assignment__descriptor,
                &envoy__secret__descriptor,
                &envoy__virtual_host__descriptor,
                &envoy__filter_chain__descriptor,
                &envoy__http_connection_manager__descriptor,
                &envoy__tcp_proxy__descriptor,
                &envoy__tls_inspector__descriptor,
                &envoy__proxy_protocol__descriptor,
                &envoy__router__descriptor,
                &envoy__compressor__descriptor,
                &envoy__gzip__descriptor,
                &envoy__grpc_web__descriptor,
                &envoy_grpc_stats__filter_config__descriptor,
                &envoy__stdout_access_log__descriptor,
                &envoy__file_access_log__descriptor,
                &envoy__upstream_tls_context__descriptor,
                &envoy__downstream_tls_context__descriptor,
                &envoy__open_telemetry_config__descriptor,
                &envoy_upstream__http_protocol_options__descriptor,
        };
        if (!url || !str_has_prefix(url, TYPE_URL))
                return NULL;
        for (size_t i = 0; i < COUNT_OF(types); i++) {
                if (str_equal(types[i]->name, url + strlen(TYPE_URL)))
                        return types[i];
        }
        return NULL;
}

/* ---- values ---- */

static void add_indent(struct buf *out, unsigned depth)
{
        for (unsigned i = 0; i < depth; i++)
                buf_append_str(out, "  ");
}

static void add_quoted(struct buf *out, const void *bytes, size_t n)
{
        const unsigned char *p = bytes;
        buf_append_char(out, '"');
        for (size_t i = 0; i < n; i++) {
                if (p[i] == '"' || p[i] == '\\')
                        buf_printf(out, "\\%c", p[i]);
                else if (p[i] == '\n')
                        buf_append_str(out, "\\n");
                else if (p[i] < 0x20 || p[i] == 0x7f)
                        buf_printf(out, "\\%03o", p[i]);
                else
                        buf_append_char(out, (char)p[i]);
        }
        buf_append_char(out, '"');
}

static void add_enum(struct buf *out, const ProtobufCEnumDescriptor *type, int value)
{
        const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(type, value);
        if (v)
                buf_append_str(out, v->name);
        else
                buf_printf(out, "%d", value);
}

/* The types that stand in our subset; a new one is seen by the golden files. */
static void add_scalar(struct buf *out, const ProtobufCFieldDescriptor *f, const void *at)
{
        if (f->type == PROTOBUF_C_TYPE_STRING)
                add_quoted(out, *(const char *const *)at, strlen(*(const char *const *)at));
        else if (f->type == PROTOBUF_C_TYPE_BYTES)
                add_quoted(out, ((const ProtobufCBinaryData *)at)->data, ((const ProtobufCBinaryData *)at)->len);
        else if (f->type == PROTOBUF_C_TYPE_ENUM)
                add_enum(out, f->descriptor, *(const int *)at);
        else if (f->type == PROTOBUF_C_TYPE_INT64)
                buf_printf(out, "%" PRId64, *(const int64_t *)at);
        else if (f->type == PROTOBUF_C_TYPE_DOUBLE)
                buf_printf(out, "%g", *(const double *)at);
        else if (!message_field_plain(out, f, at))
                buf_append_char(out, '?');
}

/* ---- messages ---- */

static void add_message(struct buf *out, const ProtobufCMessage *m, unsigned depth);

static void add_any(struct buf *out, const Google__Any *any, unsigned depth)
{
        const ProtobufCMessageDescriptor *type = depth < MESSAGE_DEPTH_MAX ? message_type_find(any->type_url) : NULL;
        ProtobufCMessage *inner = type ? protobuf_c_message_unpack(type, NULL, any->value.len, any->value.data) : NULL;
        add_indent(out, depth);
        if (!inner) {
                buf_printf(out, "[%s] { # %zu bytes\n", any->type_url, any->value.len);
        } else {
                buf_printf(out, "[%s] {\n", any->type_url);
                add_message(out, inner, depth + 1);
                protobuf_c_message_free_unpacked(inner, NULL);
        }
        add_indent(out, depth);
        buf_append_str(out, "}\n");
}

static void add_value(struct buf *out, const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, const void *at,
                      unsigned depth)
{
        add_indent(out, depth);
        if (message_field_is_private_key(m, f)) {
                buf_append_str(out, "private_key { } # not shown\n");
        } else if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
                buf_printf(out, "%s {\n", f->name);
                add_message(out, *(const ProtobufCMessage *const *)at, depth + 1);
                add_indent(out, depth);
                buf_append_str(out, "}\n");
        } else {
                buf_printf(out, "%s: ", f->name);
                add_scalar(out, f, at);
                buf_append_char(out, '\n');
        }
}

static void add_message(struct buf *out, const ProtobufCMessage *m, unsigned depth)
{
        if (m->descriptor == &google__any__descriptor) {
                add_any(out, (const Google__Any *)m, depth);
                return;
        }
        for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
                const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
                size_t n;
                const char *values = message_field_values(m, f, &n);
                for (size_t k = 0; k < n; k++)
                        add_value(out, m, f, values + k * message_field_size(f), depth);
        }
}

void message_text(struct buf *out, const ProtobufCMessage *m)
{
        add_message(out, m, 0);
}

bool resource_text(struct buf *out, const struct resource *r)
{
        const ProtobufCMessageDescriptor *type = message_type_find(resource_type_url(r->type));
        ProtobufCMessage *m = type ? protobuf_c_message_unpack(type, NULL, r->size, r->bytes) : NULL;
        if (!m)
                return false;
        message_text(out, m);
        protobuf_c_message_free_unpacked(m, NULL);
        return true;
}
