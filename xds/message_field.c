/* SPDX-License-Identifier: Apache-2.0 */
/* Source: libprotobuf-c's reflection: quantifier_offset is the count, has_ flag or oneof case; bool is an int. */
#include "xds/message_field.h"

#include <envoy/extensions/transport_sockets/tls/v3/tls.pb-c.h>
#include <inttypes.h>

bool message_field_is_set(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
        const void *at = (const char *)m + f->offset;
        const void *quantifier = (const char *)m + f->quantifier_offset;
        if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
                return *(const uint32_t *)quantifier == f->id;
        if (f->type == PROTOBUF_C_TYPE_STRING)
                return *(const char *const *)at && **(const char *const *)at;
        if (f->type == PROTOBUF_C_TYPE_MESSAGE)
                return *(const void *const *)at != NULL;
        if (f->type == PROTOBUF_C_TYPE_BYTES)
                return ((const ProtobufCBinaryData *)at)->len > 0;
        if (f->type == PROTOBUF_C_TYPE_DOUBLE || f->type == PROTOBUF_C_TYPE_INT64)
                return *(const uint64_t *)at != 0;
        return *(const uint32_t *)at != 0;
}

const char *message_field_values(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, size_t *n)
{
        const char *at = (const char *)m + f->offset;
        if (f->label != PROTOBUF_C_LABEL_REPEATED) {
                *n = message_field_is_set(m, f);
                return at;
        }
        *n = *(const size_t *)(const void *)((const char *)m + f->quantifier_offset);
        return *(const char *const *)(const void *)at;
}

size_t message_field_size(const ProtobufCFieldDescriptor *f)
{
        if (f->type == PROTOBUF_C_TYPE_BYTES)
                return sizeof(ProtobufCBinaryData);
        if (f->type == PROTOBUF_C_TYPE_STRING || f->type == PROTOBUF_C_TYPE_MESSAGE)
                return sizeof(void *);
        return f->type == PROTOBUF_C_TYPE_UINT32 ? sizeof(uint32_t) : sizeof(uint64_t);
}

bool message_field_plain(struct buf *out, const ProtobufCFieldDescriptor *f, const void *at)
{
        if (f->type == PROTOBUF_C_TYPE_BOOL)
                return buf_append_str(out, *(const protobuf_c_boolean *)at ? "true" : "false"), true;
        if (f->type == PROTOBUF_C_TYPE_UINT32)
                return buf_printf(out, "%" PRIu32, *(const uint32_t *)at), true;
        if (f->type == PROTOBUF_C_TYPE_INT32)
                return buf_printf(out, "%" PRId32, *(const int32_t *)at), true;
        return false;
}

bool message_field_is_private_key(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
        return m->descriptor == &envoy__tls_certificate__descriptor && str_equal(f->name, "private_key");
}
