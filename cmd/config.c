/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/config.h"

#include "base/file.h"
#include "base/mem.h"

#include <string.h>
#include <yaml.h>

struct reader {
        yaml_parser_t parser;
        struct arena *arena;
        const char *name;
        struct config_entry *entries;
        size_t count;
};

static void event_auto(yaml_event_t *event)
{
        yaml_event_delete(event);
}

#define AUTO_EVENT __attribute__((cleanup(event_auto))) yaml_event_t

static bool next(struct reader *r, yaml_event_t *event, struct err *e)
{
        if (yaml_parser_parse(&r->parser, event))
                return true;
        const char *problem = r->parser.problem ? r->parser.problem : "unreadable";
        return err_set(e, "%s:%zu: no YAML: %s", r->name, r->parser.problem_mark.line + 1, problem);
}

static bool fail_at(const struct reader *r, const yaml_event_t *at, struct err *e, const char *text)
{
        return err_set(e, "%s:%zu: %s", r->name, at->start_mark.line + 1, text);
}

/* A scalar's text, or NULL with an error. */
static const char *scalar(const struct reader *r, const yaml_event_t *event, struct err *e)
{
        if (event->type != YAML_SCALAR_EVENT) {
                fail_at(r, event, e, "a plain value is expected: the file is one flat mapping of options");
                return NULL;
        }
        const char *text = (const char *)event->data.scalar.value;
        if (strlen(text) != event->data.scalar.length) {
                fail_at(r, event, e, "a value holds a NUL byte");
                return NULL;
        }
        return arena_strdup(r->arena, text);
}

static bool read_list(struct reader *r, struct config_entry *entry, struct err *e)
{
        entry->list = true;
        for (;;) {
                AUTO_EVENT event;
                if (!next(r, &event, e))
                        return false;
                if (event.type == YAML_SEQUENCE_END_EVENT) /* an empty list of allowed things must not allow all */
                        return entry->value_count || fail_at(r, &event, e, "the list is empty: leave the key out");
                const char *text = scalar(r, &event, e);
                if (!text)
                        return false;
                if (entry->value_count == CONFIG_ENTRIES_MAX)
                        return fail_at(r, &event, e, "the list is too long");
                *arena_push(r->arena, &entry->values, &entry->value_count) = text;
        }
}

static bool read_value(struct reader *r, struct config_entry *entry, struct err *e)
{
        AUTO_EVENT event;
        if (!next(r, &event, e))
                return false;
        if (event.type == YAML_SEQUENCE_START_EVENT)
                return read_list(r, entry, e);
        const char *text = scalar(r, &event, e);
        if (!text)
                return false;
        *arena_push(r->arena, &entry->values, &entry->value_count) = text;
        return true;
}

static bool read_entry(struct reader *r, const yaml_event_t *at, struct err *e)
{
        const char *key = scalar(r, at, e);
        if (!key)
                return false;
        if (r->count == CONFIG_ENTRIES_MAX)
                return fail_at(r, at, e, "too many keys");
        for (size_t i = 0; i < r->count; i++) {
                if (str_equal(r->entries[i].key, key))
                        return err_set(e, "%s:%zu: \"%s\" stands already in line %zu", r->name, at->start_mark.line + 1,
                                       key, r->entries[i].line);
        }
        struct config_entry *entry = arena_push(r->arena, &r->entries, &r->count);
        entry->key = key;
        entry->line = at->start_mark.line + 1;
        return read_value(r, entry, e);
}

static bool read_mapping(struct reader *r, struct err *e)
{
        for (;;) {
                AUTO_EVENT event;
                if (!next(r, &event, e))
                        return false;
                if (event.type == YAML_MAPPING_END_EVENT)
                        return true;
                if (!read_entry(r, &event, e))
                        return false;
        }
}

/* Up to the end of the stream: an empty file is fine, a second document is not. */
static bool read_stream(struct reader *r, struct err *e)
{
        bool seen = false;
        for (;;) {
                AUTO_EVENT event;
                if (!next(r, &event, e))
                        return false;
                if (event.type == YAML_STREAM_END_EVENT)
                        return true;
                if (event.type == YAML_STREAM_START_EVENT || event.type == YAML_DOCUMENT_START_EVENT ||
                    event.type == YAML_DOCUMENT_END_EVENT)
                        continue;
                if (event.type == YAML_SCALAR_EVENT && event.data.scalar.length == 0 && !seen) {
                        seen = true; /* only comments */
                        continue;
                }
                if (event.type != YAML_MAPPING_START_EVENT || seen)
                        return fail_at(r, &event, e, "one mapping of options is expected (\"name: value\" lines)");
                seen = true;
                if (!read_mapping(r, e))
                        return false;
        }
}

bool config_parse(struct arena *a, const char *name, const char *text, size_t len, struct config_entry **entries,
                  size_t *count, struct err *e)
{
        struct reader r = {.arena = a, .name = name};
        if (!yaml_parser_initialize(&r.parser))
                return err_set(e, "%s: out of memory", name);
        yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, len);
        bool fine = read_stream(&r, e);
        yaml_parser_delete(&r.parser);
        if (!fine)
                return false;
        *entries = r.entries;
        *count = r.count;
        return true;
}

bool config_load(struct arena *a, const char *path, struct config_entry **entries, size_t *count, struct err *e)
{
        AUTO(buf) *text = file_read(path, CONFIG_BYTES_MAX, e);
        return text && config_parse(a, path, buf_data(text), buf_len(text), entries, count, e);
}
