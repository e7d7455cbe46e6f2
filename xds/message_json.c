/* SPDX-License-Identifier: Apache-2.0 */
/* Source: Protocol Buffers, "ProtoJSON Format". */
#include "xds/message_json.h"

#include "base/json_text.h"
#include "xds/message_field.h"
#include "xds/message_text.h"

#include <google/protobuf/any.pb-c.h>
#include <google/protobuf/duration.pb-c.h>
#include <google/protobuf/struct.pb-c.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

static void add_message(struct buf *out, const ProtobufCMessage *m, unsigned depth);

/* ---- names ---- */

/* "route_config" becomes "routeConfig". */
static void add_name(struct buf *out, const char *name)
{
        buf_append_char(out, '"');
        for (const char *p = name; *p; p++) {
                if (*p == '_' && p[1] >= 'a' && p[1] <= 'z')
                        buf_append_char(out, (char)(*++p - 'a' + 'A'));
                else if (*p != '_')
                        buf_append_char(out, *p);
        }
        buf_append_str(out, "\":");
}

/* ---- values ---- */

static void add_enum(struct buf *out, const ProtobufCEnumDescriptor *type, int value)
{
        const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(type, value);
        if (v)
                buf_printf(out, "\"%s\"", v->name);
        else
                buf_printf(out, "%d", value);
}

static void add_double(struct buf *out, double value)
{
        if (isfinite(value))
                buf_printf(out, "%.17g", value);
        else
                buf_append_str(out, isnan(value) ? "\"NaN\"" : value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
}

static void add_bytes(struct buf *out, const ProtobufCBinaryData *b)
{
        json_text_base64(out, b->len ? (const char *)b->data : "", b->len);
}

/* The types that stand in our subset. */
static void add_scalar(struct buf *out, const ProtobufCFieldDescriptor *f, const void *at)
{
        if (f->type == PROTOBUF_C_TYPE_STRING)
                json_text_string(out, *(const char *const *)at);
        else if (f->type == PROTOBUF_C_TYPE_BYTES)
                add_bytes(out, at);
        else if (f->type == PROTOBUF_C_TYPE_ENUM)
                add_enum(out, f->descriptor, *(const int *)at);
        else if (f->type == PROTOBUF_C_TYPE_INT64)
                buf_printf(out, "\"%" PRId64 "\"", *(const int64_t *)at);
        else if (f->type == PROTOBUF_C_TYPE_DOUBLE)
                add_double(out, *(const double *)at);
        else if (!message_field_plain(out, f, at))
                buf_append_str(out, "null");
}

static void add_value(struct buf *out, const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, const void *at,
                      unsigned depth)
{
        if (message_field_is_private_key(m, f))
                buf_append_str(out, "\"not shown\"");
        else if (f->type == PROTOBUF_C_TYPE_MESSAGE)
                add_message(out, *(const ProtobufCMessage *const *)at, depth);
        else
                add_scalar(out, f, at);
}

/* ---- maps: repeated messages of a key and a value ---- */

static bool is_map(const ProtobufCFieldDescriptor *f)
{
        if (f->type != PROTOBUF_C_TYPE_MESSAGE || f->label != PROTOBUF_C_LABEL_REPEATED)
                return false;
        const ProtobufCMessageDescriptor *type = f->descriptor;
        return type->n_fields == 2 && str_has_suffix(type->short_name, "Entry") &&
               str_equal(type->fields[0].name, "key") && type->fields[0].type == PROTOBUF_C_TYPE_STRING &&
               str_equal(type->fields[1].name, "value");
}

static void add_map(struct buf *out, const ProtobufCMessage *const *entries, size_t n, unsigned depth)
{
        buf_append_char(out, '{');
        for (size_t i = 0; i < n; i++) {
                const ProtobufCMessageDescriptor *type = entries[i]->descriptor;
                const ProtobufCFieldDescriptor *value = &type->fields[1];
                const char *key =
                        *(const char *const *)(const void *)((const char *)entries[i] + type->fields[0].offset);
                const char *at = (const char *)entries[i] + value->offset;
                if (i)
                        buf_append_char(out, ',');
                json_text_string(out, key);
                buf_append_char(out, ':');
                /* A message that is not there is the empty one. */
                if (value->type == PROTOBUF_C_TYPE_MESSAGE && !message_field_is_set(entries[i], value))
                        buf_append_str(out, "{}");
                else
                        add_value(out, entries[i], value, at, depth);
        }
        buf_append_char(out, '}');
}

/* ---- fields ---- */

static void add_field(struct buf *out, const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, const char *values,
                      size_t n, unsigned depth)
{
        add_name(out, f->name);
        if (f->label != PROTOBUF_C_LABEL_REPEATED) {
                add_value(out, m, f, values, depth);
                return;
        }
        if (is_map(f)) {
                add_map(out, (const ProtobufCMessage *const *)(const void *)values, n, depth);
                return;
        }
        buf_append_char(out, '[');
        for (size_t k = 0; k < n; k++) {
                if (k)
                        buf_append_char(out, ',');
                add_value(out, m, f, values + k * message_field_size(f), depth);
        }
        buf_append_char(out, ']');
}

static void add_fields(struct buf *out, const ProtobufCMessage *m, bool first, unsigned depth)
{
        for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
                size_t n;
                const char *values = message_field_values(m, &m->descriptor->fields[i], &n);
                if (!n)
                        continue;
                if (!first)
                        buf_append_char(out, ',');
                first = false;
                add_field(out, m, &m->descriptor->fields[i], values, n, depth);
        }
}

/* ---- messages with a form of their own ---- */

static bool is_well_known(const ProtobufCMessageDescriptor *type)
{
        return str_has_prefix(type->name, "google.protobuf.");
}

static void add_any(struct buf *out, const Google__Any *any, unsigned depth)
{
        const ProtobufCMessageDescriptor *type = depth < MESSAGE_DEPTH_MAX ? message_type_find(any->type_url) : NULL;
        ProtobufCMessage *inner = type ? protobuf_c_message_unpack(type, NULL, any->value.len, any->value.data) : NULL;
        buf_append_str(out, "{\"@type\":");
        json_text_string(out, any->type_url);
        if (inner) {
                add_fields(out, inner, false, depth + 1);
                protobuf_c_message_free_unpacked(inner, NULL);
        } else if (any->value.len) {
                buf_append_str(out, ",\"value\":");
                add_bytes(out, &any->value);
        }
        buf_append_char(out, '}');
}

/* As many digits behind the point as it takes, in threes. */
static void add_duration(struct buf *out, const Google__Duration *d)
{
        const bool negative = d->seconds < 0 || d->nanos < 0;
        const uint64_t seconds = d->seconds < 0 ? 0 - (uint64_t)d->seconds : (uint64_t)d->seconds;
        const uint32_t nanos = d->nanos < 0 ? 0 - (uint32_t)d->nanos : (uint32_t)d->nanos;
        buf_printf(out, "\"%s%" PRIu64, negative ? "-" : "", seconds);
        if (nanos % 1000)
                buf_printf(out, ".%09" PRIu32, nanos);
        else if (nanos % 1000000)
                buf_printf(out, ".%06" PRIu32, nanos / 1000);
        else if (nanos)
                buf_printf(out, ".%03" PRIu32, nanos / 1000000);
        buf_append_str(out, "s\"");
}

/* Any, Duration, Struct and the wrappers; false: it has no form of its own. */
static bool add_well_known(struct buf *out, const ProtobufCMessage *m, unsigned depth)
{
        const ProtobufCMessageDescriptor *type = m->descriptor;
        if (type == &google__any__descriptor) {
                add_any(out, (const Google__Any *)m, depth);
                return true;
        }
        if (type == &google__duration__descriptor) {
                add_duration(out, (const Google__Duration *)m);
                return true;
        }
        const bool wraps = is_well_known(type) && type->n_fields == 1;
        if (!wraps)
                return false;
        /* Struct wraps a map, Value a string, UInt32Value and so on a scalar: each is what it wraps. */
        const ProtobufCFieldDescriptor *f = &type->fields[0];
        size_t n;
        const char *values = message_field_values(m, f, &n);
        if (is_map(f))
                add_map(out, (const ProtobufCMessage *const *)(const void *)values, n, depth);
        else if (type == &google__value__descriptor && !n)
                buf_append_str(out, "null");
        else
                add_value(out, m, f, (const char *)m + f->offset, depth);
        return true;
}

static void add_message(struct buf *out, const ProtobufCMessage *m, unsigned depth)
{
        if (add_well_known(out, m, depth))
                return;
        buf_append_char(out, '{');
        add_fields(out, m, true, depth);
        buf_append_char(out, '}');
}

void message_json(struct buf *out, const ProtobufCMessage *m)
{
        add_message(out, m, 0);
}
