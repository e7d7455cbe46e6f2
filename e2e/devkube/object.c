/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of one object (store.h). */
#include "e2e/devkube/store.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { OBJECT_MAX = 64 << 20, SET_MAX = 1 << 20 };

/* What field selectors may ask for, besides metadata.name and metadata.namespace: kind, path, value when absent. */
static const struct {
        const char *kind, *path, *fallback;
} SELECTABLE[] = {
        {"Secret", "type", ""},
        {"Namespace", "status.phase", ""},
        {"Pod", "spec.nodeName", ""},
        {"Pod", "status.phase", ""},
        {"Event", "involvedObject.kind", ""},
        {"Event", "involvedObject.namespace", ""},
        {"Event", "involvedObject.name", ""},
        {"Event", "involvedObject.uid", ""},
        {"Event", "involvedObject.apiVersion", ""},
        {"Event", "involvedObject.fieldPath", ""},
        {"Event", "reason", ""},
        {"Event", "type", ""},
};

bool object_field_is_selectable(const struct resource *r, const char *path)
{
        if (str_equal(path, "metadata.name") || (r->namespaced && str_equal(path, "metadata.namespace")))
                return true;
        for (size_t i = 0; i < COUNT_OF(SELECTABLE) && !r->custom; i++) {
                if (str_equal(SELECTABLE[i].kind, r->kind) && str_equal(SELECTABLE[i].path, path))
                        return true;
        }
        return false;
}

static void write_fields(struct buf *out, const struct resource *r, const json_t *value)
{
        buf_printf(out, "metadata.name=%s\n", js_text_or_empty(value, "metadata.name"));
        if (r->namespaced)
                buf_printf(out, "metadata.namespace=%s\n", js_text_or_empty(value, "metadata.namespace"));
        for (size_t i = 0; i < COUNT_OF(SELECTABLE) && !r->custom; i++) {
                const char *s = js_str(value, SELECTABLE[i].path);
                if (str_equal(SELECTABLE[i].kind, r->kind))
                        buf_printf(out, "%s=%s\n", SELECTABLE[i].path, s ? s : SELECTABLE[i].fallback);
        }
}

static void write_labels(struct buf *out, const json_t *value)
{
        const char *key;
        json_t *label;
        json_object_foreach (js_get(value, "metadata.labels"), key, label) {
                if (json_is_string(label))
                        buf_printf(out, "%s=%s\n", key, json_string_value(label));
        }
}

/* {"metadata":{...},...} without what object_write() puts in front: ...},...} */
static char *rest_of(const json_t *value)
{
        json_auto_t *copy = json_copy(js_unconst(value));
        json_auto_t *meta = json_copy(json_object_get(value, "metadata"));
        json_object_del(copy, "apiVersion");
        json_object_del(copy, "kind");
        json_object_del(meta, "resourceVersion");
        json_object_del(meta, "managedFields");
        json_object_del(meta, "selfLink");
        json_object_set(copy, "metadata", meta);
        js_move_first(copy, "metadata");
        AUTO_STR *text = js_text(copy);
        static const char prefix[] = "{\"metadata\":{";
        assert(str_has_prefix(text, prefix));
        return mem_strdup(text + strlen(prefix));
}

struct object *object_new(const struct resource *r, const json_t *value)
{
        AUTO_STR *rest = rest_of(value);
        AUTO(buf) *labels = buf_new(SET_MAX), *fields = buf_new(SET_MAX);
        write_labels(labels, value);
        write_fields(fields, r, value);
        const char *ns = r->namespaced ? js_text_or_empty(value, "metadata.namespace") : "";
        const char *name = js_text_or_empty(value, "metadata.name");
        size_t key_len = strlen(ns) + strlen(name) + 2, rest_len = strlen(rest);
        /* One piece of memory: 100,000 of these must fit. */
        struct object *o = mem_zalloc(sizeof(*o) + key_len + buf_len(labels) + buf_len(fields) + 2 + rest_len + 1);
        char *p = (char *)(o + 1);
        o->key = p;
        p = *ns ? stpcpy(stpcpy(p, ns), "/") : p;
        o->name = p;
        o->labels = p = stpcpy(p, name) + 1;
        o->fields = p = stpcpy(p, buf_data(labels)) + 1;
        o->rest = p = stpcpy(p, buf_data(fields)) + 1;
        memcpy(p, rest, rest_len + 1);
        o->rest_len = rest_len;
        atomic_init(&o->refs, 1);
        return o;
}

struct object *object_ref(struct object *o)
{
        atomic_fetch_add_explicit(&o->refs, 1, memory_order_relaxed);
        return o;
}

void object_unref(struct object *o)
{
        if (o && atomic_fetch_sub_explicit(&o->refs, 1, memory_order_acq_rel) == 1)
                mem_free(o);
}

void object_write(struct buf *out, const struct version *v, const struct object *o, uint64_t rv)
{
        buf_append_str(out, v ? v->head : "{");
        buf_printf(out, "\"metadata\":{\"resourceVersion\":\"%" PRIu64 "\",", rv ? rv : o->rv);
        buf_append(out, o->rest, o->rest_len);
}

json_t *object_json(const struct version *v, const struct object *o)
{
        AUTO(buf) *text = buf_new(OBJECT_MAX);
        object_write(text, v, o, 0);
        json_t *value = json_loadb(buf_data(text), buf_len(text), JSON_ALLOW_NUL, NULL);
        assert(value); /* we wrote it */
        return value;
}
