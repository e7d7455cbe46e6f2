/* SPDX-License-Identifier: Apache-2.0 */
/* Source: Envoy documentation, "Access logging", command operators. */
#include "xds/access_log.h"

#include <envoy/extensions/access_loggers/file/v3/file.pb-c.h>
#include <envoy/extensions/access_loggers/stream/v3/stream.pb-c.h>
#include <google/protobuf/struct.pb-c.h>
#include <stdlib.h>
#include <string.h>

static const struct {
        const char *name, *format;
} table[] = {
        {"@timestamp", "%START_TIME%"},
        {"authority", "%REQ(:AUTHORITY)%"},
        {"bytes_received", "%BYTES_RECEIVED%"},
        {"bytes_sent", "%BYTES_SENT%"},
        {"downstream_local_address", "%DOWNSTREAM_LOCAL_ADDRESS%"},
        {"downstream_remote_address", "%DOWNSTREAM_REMOTE_ADDRESS%"},
        {"duration", "%DURATION%"},
        {"method", "%REQ(:METHOD)%"},
        {"path", "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"},
        {"protocol", "%PROTOCOL%"},
        {"request_id", "%REQ(X-REQUEST-ID)%"},
        {"requested_server_name", "%REQUESTED_SERVER_NAME%"},
        {"response_code", "%RESPONSE_CODE%"},
        {"response_flags", "%RESPONSE_FLAGS%"},
        {"uber_trace_id", "%REQ(UBER-TRACE-ID)%"},
        {"upstream_cluster", "%UPSTREAM_CLUSTER%"},
        {"upstream_host", "%UPSTREAM_HOST%"},
        {"upstream_local_address", "%UPSTREAM_LOCAL_ADDRESS%"},
        {"upstream_service_time", "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%"},
        {"user_agent", "%REQ(USER-AGENT)%"},
        {"x_forwarded_for", "%REQ(X-FORWARDED-FOR)%"},
};

const char *access_log_field_find(const char *name)
{
        for (size_t i = 0; i < COUNT_OF(table); i++) {
                if (str_equal(table[i].name, name))
                        return table[i].format;
        }
        return NULL;
}

bool access_log_field_is_known(const char *field)
{
        const char *equals = strchr(field, '=');
        return equals ? equals > field && equals[1] : access_log_field_find(field) != NULL;
}

/* ---- the messages ---- */

/* Of two fields with one name the first counts. */
static void add_field(struct arena *a, Google__Struct *all, const char *name, const char *format)
{
        for (size_t i = 0; i < all->n_fields; i++) {
                if (str_equal(all->fields[i]->key, name))
                        return;
        }
        Google__Value *value = message_new(a, &google__value__descriptor);
        value->kind_case = GOOGLE__VALUE__KIND_STRING_VALUE;
        value->string_value = format;
        Google__Struct__FieldsEntry *entry = message_new(a, &google__struct__fields_entry__descriptor);
        entry->key = name;
        entry->value = value;
        *arena_push(a, &all->fields, &all->n_fields) = entry;
}

static void add_written(struct arena *a, Google__Struct *all, const char *field)
{
        if (!access_log_field_is_known(field))
                return;
        const char *equals = strchr(field, '=');
        if (equals)
                add_field(a, all, arena_strndup(a, field, (size_t)(equals - field)), equals + 1);
        else
                add_field(a, all, field, access_log_field_find(field));
}

static int by_key(const void *x, const void *y)
{
        const Google__Struct__FieldsEntry *const *a = x;
        const Google__Struct__FieldsEntry *const *b = y;
        return strcmp((*a)->key, (*b)->key);
}

/* A map has no order, its bytes do. */
static Google__Struct *json_format(struct arena *a, const struct xds_access_log *log)
{
        Google__Struct *all = message_new(a, &google__struct__descriptor);
        for (size_t i = 0; i < log->field_count; i++)
                add_written(a, all, log->fields[i]);
        for (size_t i = 0; !log->field_count && i < COUNT_OF(table); i++)
                add_field(a, all, table[i].name, table[i].format);
        if (all->n_fields)
                qsort(all->fields, all->n_fields, sizeof(*all->fields), by_key);
        return all;
}

static Envoy__DataSource *text_format(struct arena *a, const char *format)
{
        Envoy__DataSource *source = message_new(a, &envoy__data_source__descriptor);
        source->specifier_case = ENVOY__DATA_SOURCE__SPECIFIER_INLINE_STRING;
        source->inline_string = str_has_suffix(format, "\n") ? format : arena_printf(a, "%s\n", format);
        return source;
}

/* NULL: Envoy's own format. */
static Envoy__SubstitutionFormatString *format_of(struct arena *a, const struct xds_access_log *log)
{
        if (log->form == ACCESS_LOG_TEXT && !log->format)
                return NULL;
        Envoy__SubstitutionFormatString *m = message_new(a, &envoy__substitution_format_string__descriptor);
        if (log->form == ACCESS_LOG_TEXT) {
                m->format_case = ENVOY__SUBSTITUTION_FORMAT_STRING__FORMAT_TEXT_FORMAT_SOURCE;
                m->text_format_source = text_format(a, log->format);
        } else {
                m->format_case = ENVOY__SUBSTITUTION_FORMAT_STRING__FORMAT_JSON_FORMAT;
                m->json_format = json_format(a, log);
        }
        return m;
}

static Envoy__AccessLog *logger(struct arena *a, const char *name, const ProtobufCMessage *config)
{
        Envoy__AccessLog *m = message_new(a, &envoy__access_log__descriptor);
        m->name = name;
        m->config_type_case = ENVOY__ACCESS_LOG__CONFIG_TYPE_TYPED_CONFIG;
        m->typed_config = message_any(a, config);
        return m;
}

/* Standard output by its own logger: a process of another user may not open /dev/stdout. */
Envoy__AccessLog *access_log(struct arena *a, const char *path, const struct xds_access_log *log)
{
        Envoy__SubstitutionFormatString *format = format_of(a, log);
        if (str_equal(path, "/dev/stdout")) {
                Envoy__StdoutAccessLog *out = message_new(a, &envoy__stdout_access_log__descriptor);
                if (format)
                        out->access_log_format_case = ENVOY__STDOUT_ACCESS_LOG__ACCESS_LOG_FORMAT_LOG_FORMAT;
                out->log_format = format;
                return logger(a, "envoy.access_loggers.stdout", &out->base);
        }
        Envoy__FileAccessLog *file = message_new(a, &envoy__file_access_log__descriptor);
        file->path = path;
        if (format)
                file->access_log_format_case = ENVOY__FILE_ACCESS_LOG__ACCESS_LOG_FORMAT_LOG_FORMAT;
        file->log_format = format;
        return logger(a, "envoy.access_loggers.file", &file->base);
}
