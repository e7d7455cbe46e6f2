/* SPDX-License-Identifier: Apache-2.0 */
#include "e2e/devkube/openapi_pb.h"
#include "e2e/devkube/js.h"

#include <string.h>

enum { MESSAGE_MAX = 64 << 20 };
/* Field numbers, by message. */
enum { DOCUMENT_SWAGGER = 1, DOCUMENT_INFO = 2, DOCUMENT_PATHS = 8, DOCUMENT_DEFINITIONS = 9 };
enum { INFO_TITLE = 1, INFO_VERSION = 2 };
enum { NAMED_NAME = 1, NAMED_VALUE = 2, LIST_ITEM = 1, PATHS_PATH = 2, ANY_YAML = 2 };
enum {
        SCHEMA_FORMAT = 2,
        SCHEMA_DESCRIPTION = 4,
        SCHEMA_REQUIRED = 19,
        SCHEMA_ADDITIONAL = 21,
        SCHEMA_TYPE = 22,
        SCHEMA_ITEMS = 23,
        SCHEMA_PROPERTIES = 25,
        SCHEMA_EXTENSION = 31,
};
enum { OPERATION_PARAMETERS = 8, OPERATION_EXTENSION = 13 };
enum { PARAMETER_ITEM = 1, PARAMETER_NON_BODY = 2, NON_BODY_QUERY = 3, QUERY_IN = 2, QUERY_NAME = 4, QUERY_TYPE = 6 };

static void write_varint(struct buf *out, uint64_t n)
{
        for (; n >= 0x80; n >>= 7)
                buf_append_char(out, (char)(n | 0x80));
        buf_append_char(out, (char)n);
}

static void write_bytes(struct buf *out, unsigned field, const void *p, size_t n)
{
        write_varint(out, (uint64_t)field << 3 | 2); /* wire type 2: length-delimited */
        write_varint(out, n);
        buf_append(out, p, n);
}

static void write_text(struct buf *out, unsigned field, const char *s)
{
        if (s && *s)
                write_bytes(out, field, s, strlen(s));
}

typedef void writer(struct buf *out, const json_t *value);

static void write_message(struct buf *out, unsigned field, const json_t *value, writer *write)
{
        AUTO(buf) *message = buf_new(MESSAGE_MAX);
        write(message, value);
        write_bytes(out, field, buf_data(message), buf_len(message));
}

/* name = 1, value = 2 */
static void write_named(struct buf *out, unsigned field, const char *name, const json_t *value, writer *write)
{
        AUTO(buf) *message = buf_new(MESSAGE_MAX);
        write_text(message, NAMED_NAME, name);
        write_message(message, NAMED_VALUE, value, write);
        write_bytes(out, field, buf_data(message), buf_len(message));
}

/* JSON is YAML. */
static void write_any(struct buf *out, const json_t *value)
{
        AUTO_STR *text = js_text(value);
        write_text(out, ANY_YAML, text);
}

static void write_extensions(struct buf *out, unsigned field, const json_t *object)
{
        const char *key;
        json_t *value;
        json_object_foreach (js_unconst(object), key, value) {
                if (str_has_prefix(key, "x-"))
                        write_named(out, field, key, value, write_any);
        }
}

static void write_schema(struct buf *out, const json_t *schema);

static void write_properties(struct buf *out, const json_t *properties)
{
        const char *key;
        json_t *value;
        json_object_foreach (js_unconst(properties), key, value) {
                write_named(out, LIST_ITEM, key, value, write_schema);
        }
}

static void write_as_item(struct buf *out, const json_t *schema)
{
        write_message(out, LIST_ITEM, schema, write_schema);
}

static void write_type(struct buf *out, const json_t *type)
{
        write_text(out, LIST_ITEM, json_string_value(type));
}

static void write_schema(struct buf *out, const json_t *schema)
{
        size_t i;
        json_t *name;
        write_text(out, SCHEMA_FORMAT, js_str(schema, "format"));
        write_text(out, SCHEMA_DESCRIPTION, js_str(schema, "description"));
        json_array_foreach (json_object_get(schema, "required"), i, name) {
                write_text(out, SCHEMA_REQUIRED, json_string_value(name));
        }
        const json_t *more = json_object_get(schema, "additionalProperties"), *type = json_object_get(schema, "type");
        if (json_is_object(more))
                write_message(out, SCHEMA_ADDITIONAL, more, write_as_item);
        if (type)
                write_message(out, SCHEMA_TYPE, type, write_type);
        if (json_object_get(schema, "items"))
                write_message(out, SCHEMA_ITEMS, json_object_get(schema, "items"), write_as_item);
        if (json_object_get(schema, "properties"))
                write_message(out, SCHEMA_PROPERTIES, json_object_get(schema, "properties"), write_properties);
        write_extensions(out, SCHEMA_EXTENSION, schema);
}

static void write_query(struct buf *out, const json_t *p)
{
        write_text(out, QUERY_IN, "query");
        write_text(out, QUERY_NAME, js_str(p, "name"));
        write_text(out, QUERY_TYPE, "string");
}

static void write_non_body(struct buf *out, const json_t *p)
{
        write_message(out, NON_BODY_QUERY, p, write_query);
}

static void write_parameter(struct buf *out, const json_t *p)
{
        write_message(out, PARAMETER_NON_BODY, p, write_non_body);
}

static void write_parameter_item(struct buf *out, const json_t *p)
{
        write_message(out, PARAMETER_ITEM, p, write_parameter);
}

static void write_operation(struct buf *out, const json_t *operation)
{
        size_t i;
        json_t *p;
        json_array_foreach (json_object_get(operation, "parameters"), i, p) {
                write_message(out, OPERATION_PARAMETERS, p, write_parameter_item);
        }
        write_extensions(out, OPERATION_EXTENSION, operation);
}

static void write_path(struct buf *out, const json_t *path)
{
        static const struct {
                const char *method;
                unsigned field;
        } methods[] = {{"get", 2}, {"put", 3}, {"post", 4}, {"delete", 5}, {"patch", 8}};
        for (size_t i = 0; i < COUNT_OF(methods); i++) {
                const json_t *operation = json_object_get(path, methods[i].method);
                if (operation)
                        write_message(out, methods[i].field, operation, write_operation);
        }
}

static void write_paths(struct buf *out, const json_t *paths)
{
        const char *name;
        json_t *path;
        json_object_foreach (js_unconst(paths), name, path) {
                write_named(out, PATHS_PATH, name, path, write_path);
        }
}

static void write_info(struct buf *out, const json_t *info)
{
        write_text(out, INFO_TITLE, js_str(info, "title"));
        write_text(out, INFO_VERSION, js_str(info, "version"));
}

void openapi_pb_write(struct buf *out, const json_t *document)
{
        write_text(out, DOCUMENT_SWAGGER, js_str(document, "swagger"));
        write_message(out, DOCUMENT_INFO, json_object_get(document, "info"), write_info);
        write_message(out, DOCUMENT_PATHS, json_object_get(document, "paths"), write_paths);
        write_message(out, DOCUMENT_DEFINITIONS, json_object_get(document, "definitions"), write_properties);
}
