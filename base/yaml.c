/* SPDX-License-Identifier: Apache-2.0 */
#include "base/yaml.h"

#include "base/map.h"
#include "base/yaml_scalar.h"

#include <ctype.h>
#include <string.h>
#include <yaml.h>

struct anchor {
        json_t *value; /* NULL while the node is still being read */
        size_t nodes;
};

struct reader {
        yaml_parser_t parser;
        yaml_event_t event; /* the one in hand */
        bool has_event;
        struct map *anchors; /* of this document: name -> struct anchor */
        size_t nodes;
        size_t documents; /* handed out */
        unsigned *item_lines;
        size_t item_count, item_room;
        struct err *e;
};

static json_t *read_node(struct reader *r, unsigned depth);

static unsigned line_of(const struct reader *r)
{
        return (unsigned)r->event.start_mark.line + 1;
}

static void *refuse(struct reader *r, const char *what)
{
        err_set(r->e, "line %u: %s", line_of(r), what);
        return NULL;
}

static bool next_event(struct reader *r)
{
        if (r->has_event)
                yaml_event_delete(&r->event);
        r->has_event = yaml_parser_parse(&r->parser, &r->event);
        if (r->has_event)
                return true;
        const char *problem = r->parser.problem ? r->parser.problem : "cannot be read";
        size_t line = r->parser.problem_mark.line ? r->parser.problem_mark.line : r->parser.mark.line;
        return err_set(r->e, "line %zu: %s", line + 1, problem);
}

static bool count_nodes(struct reader *r, size_t n)
{
        r->nodes += n;
        return r->nodes <= YAML_NODES_MAX;
}

/* ---- anchors ---- */

static void free_anchor(const char *name, void *value, void *arg)
{
        (void)name;
        (void)arg;
        struct anchor *anchor = value;
        json_decref(anchor->value);
        mem_free(anchor);
}

static void forget_anchors(struct reader *r)
{
        map_each(r->anchors, free_anchor, NULL);
        map_free(r->anchors);
        r->anchors = map_new();
}

/* Sets *out to the anchor that the node in hand defines, NULL when it has none. */
static bool define_anchor(struct reader *r, const yaml_char_t *name, struct anchor **out)
{
        *out = NULL;
        if (!name)
                return true;
        struct anchor *old = map_get(r->anchors, (const char *)name);
        if (old && !old->value)
                return refuse(r, "an anchor inside the node that it names");
        if (old)
                free_anchor("", old, NULL);
        *out = mem_zalloc(sizeof(**out));
        map_set(r->anchors, (const char *)name, *out);
        return true;
}

static json_t *read_alias(struct reader *r)
{
        const struct anchor *anchor = map_get(r->anchors, (const char *)r->event.data.alias.anchor);
        if (!anchor)
                return refuse(r, "an alias to an anchor that is not there");
        if (!anchor->value)
                return refuse(r, "an alias to a node that holds it");
        /* Shared, not copied; but whoever walks the value walks it as often as it is used. */
        if (!count_nodes(r, anchor->nodes))
                return refuse(r, "too many values");
        return json_incref(anchor->value);
}

/* ---- nodes ---- */

static json_t *read_scalar(struct reader *r)
{
        const struct yaml_text text = {
                .text = (const char *)r->event.data.scalar.value,
                .size = r->event.data.scalar.length,
                .tag = (const char *)r->event.data.scalar.tag,
                .plain = r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE,
        };
        const char *problem = NULL;
        json_t *value = yaml_scalar(&text, &problem);
        return value ? value : refuse(r, problem);
}

static void note_item(struct reader *r)
{
        if (r->item_count == r->item_room) {
                r->item_room = r->item_room ? r->item_room * 2 : 16;
                r->item_lines = mem_resize(r->item_lines, r->item_room, sizeof(*r->item_lines));
        }
        r->item_lines[r->item_count++] = line_of(r);
}

static json_t *read_sequence(struct reader *r, unsigned depth, bool items)
{
        json_t *array = json_array();
        while (next_event(r)) {
                if (r->event.type == YAML_SEQUENCE_END_EVENT)
                        return array;
                if (items)
                        note_item(r);
                json_t *value = read_node(r, depth + 1);
                if (!value)
                        break;
                json_array_append_new(array, value);
        }
        json_decref(array);
        return NULL;
}

/* What a merge key brings: keys that are not there yet. */
static bool merge(struct reader *r, json_t *into, const json_t *from)
{
        if (json_is_array(from)) {
                size_t i;
                const json_t *each;
                json_array_foreach (from, i, each) {
                        if (!json_is_object(each) || !merge(r, into, each))
                                return refuse(r, "a merge key takes mappings");
                }
                return true;
        }
        if (!json_is_object(from))
                return refuse(r, "a merge key takes a mapping or a list of mappings");
        /* Cast: iterating does not change the object. */
        json_t *source = (json_t *)(uintptr_t)from;
        for (void *i = json_object_iter(source); i; i = json_object_iter_next(source, i)) {
                if (!json_object_get(into, json_object_iter_key(i)))
                        json_object_set(into, json_object_iter_key(i), json_object_iter_value(i));
        }
        return true;
}

static bool is_merge_key(const yaml_event_t *event)
{
        return event->type == YAML_SCALAR_EVENT && event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
               !event->data.scalar.tag && strcmp((const char *)event->data.scalar.value, "<<") == 0;
}

/* The key in hand as text for mem_free(), NULL after an error. */
static char *read_key(struct reader *r, unsigned depth)
{
        json_t *value = read_node(r, depth + 1);
        if (!value)
                return NULL;
        char *key = yaml_key_text(value);
        json_decref(value);
        if (!key)
                refuse(r, "a key must be a string, a number or a boolean");
        return key;
}

static bool read_pair(struct reader *r, unsigned depth, json_t *object, json_t *merged)
{
        bool is_merge = is_merge_key(&r->event);
        AUTO_STR *key = read_key(r, depth);
        if (!key || !next_event(r))
                return false;
        if (!is_merge && json_object_get(object, key)) {
                err_set(r->e, "line %u: the key \"%s\" is given twice", line_of(r), key);
                return false;
        }
        bool items = depth == 1 && strcmp(key, "items") == 0 && r->event.type == YAML_SEQUENCE_START_EVENT;
        if (items)
                r->item_count = 0;
        json_t *value = items ? read_sequence(r, depth + 1, true) : read_node(r, depth + 1);
        if (!value)
                return false;
        if (!is_merge)
                return json_object_set_new(object, key, value) == 0;
        bool ok = merge(r, merged, value);
        json_decref(value);
        return ok;
}

static json_t *read_mapping(struct reader *r, unsigned depth)
{
        json_t *object = json_object();
        json_t *merged = json_object();
        bool ok = false;
        while (next_event(r)) {
                ok = r->event.type == YAML_MAPPING_END_EVENT;
                if (ok || !read_pair(r, depth, object, merged))
                        break;
        }
        if (ok)
                json_object_update_missing(object, merged);
        json_decref(merged);
        if (!ok) {
                json_decref(object);
                return NULL;
        }
        return object;
}

static const yaml_char_t *anchor_name(const yaml_event_t *event)
{
        if (event->type == YAML_SCALAR_EVENT)
                return event->data.scalar.anchor;
        if (event->type == YAML_SEQUENCE_START_EVENT)
                return event->data.sequence_start.anchor;
        return event->type == YAML_MAPPING_START_EVENT ? event->data.mapping_start.anchor : NULL;
}

static json_t *read_content(struct reader *r, unsigned depth)
{
        yaml_event_type_t type = r->event.type;
        if (type == YAML_ALIAS_EVENT)
                return read_alias(r);
        if (type == YAML_SCALAR_EVENT)
                return read_scalar(r);
        if (type == YAML_SEQUENCE_START_EVENT)
                return read_sequence(r, depth, false);
        if (type == YAML_MAPPING_START_EVENT)
                return read_mapping(r, depth);
        return refuse(r, "a value is missing");
}

/* The node whose first event is in hand; the last one is when it returns. */
static json_t *read_node(struct reader *r, unsigned depth)
{
        if (depth > YAML_DEPTH_MAX)
                return refuse(r, "nested too deeply");
        if (!count_nodes(r, 1))
                return refuse(r, "too many values");
        size_t before = r->nodes;
        struct anchor *anchor;
        if (!define_anchor(r, anchor_name(&r->event), &anchor))
                return NULL;
        json_t *value = read_content(r, depth);
        if (value && anchor) {
                anchor->value = json_incref(value);
                anchor->nodes = r->nodes - before + 1;
        }
        return value;
}

/* ---- documents ---- */

typedef bool each_fn(const struct yaml_document *document, void *arg);

static bool read_document(struct reader *r, each_fn *each, void *arg, bool *stop)
{
        if (!next_event(r))
                return false;
        r->nodes = 0;
        r->item_count = 0;
        struct yaml_document document = {.line = line_of(r)};
        document.value = read_node(r, 1);
        forget_anchors(r);
        if (!document.value)
                return false;
        document.item_lines = r->item_lines;
        document.item_count = r->item_count;
        if (!json_is_null(document.value)) {
                r->documents++;
                *stop = !each(&document, arg);
        }
        json_decref(document.value);
        return next_event(r); /* its end */
}

static bool read_yaml(struct reader *r, each_fn *each, void *arg)
{
        bool stop = false;
        while (!stop) {
                if (!next_event(r))
                        return false;
                if (r->event.type == YAML_STREAM_END_EVENT)
                        return true;
                if (r->event.type == YAML_DOCUMENT_START_EVENT && !read_document(r, each, arg, &stop))
                        return false;
        }
        return true;
}

/* JSON is almost YAML: what differs (pairs of surrogates in escapes) is read by a JSON parser, without the lines. */
static bool read_json(const char *text, size_t n, each_fn *each, void *arg)
{
        while (n && isspace((unsigned char)*text))
                text++, n--;
        if (!n || *text != '{')
                return false;
        struct yaml_document document = {.line = 1};
        document.value = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
        if (!document.value)
                return false;
        each(&document, arg);
        json_decref(document.value);
        return true;
}

bool yaml_read(const char *text, size_t n, each_fn *each, void *arg, struct err *e)
{
        struct reader r = {.e = e, .anchors = map_new()};
        if (!yaml_parser_initialize(&r.parser)) {
                map_free(r.anchors);
                return err_set(e, "out of memory");
        }
        yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, n);
        bool ok = read_yaml(&r, each, arg);
        if (r.has_event)
                yaml_event_delete(&r.event);
        forget_anchors(&r);
        map_free(r.anchors);
        yaml_parser_delete(&r.parser);
        mem_free(r.item_lines);
        return ok || (!r.documents && read_json(text, n, each, arg));
}
