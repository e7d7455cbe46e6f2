/* SPDX-License-Identifier: Apache-2.0 */
#include "e2e/devkube/table.h"
#include "e2e/devkube/cells.h"
#include "e2e/devkube/jsonpath.h"

#include "base/time.h"

#include <string.h>

bool table_wanted(const struct request *q)
{
        const char *accept = request_header(q, "Accept");
        return accept && strstr(accept, "as=Table");
}

/* As apimachinery's duration.HumanDuration. */
char *table_age(int64_t s)
{
        int64_t m = s / 60, h = s / 3600, d = h / 24, y = d / 365;
        if (s < 0)
                return mem_strdup(s >= -1 ? "0s" : "<invalid>");
        if (s < 120)
                return mem_printf("%ds", (int)s);
        if (m < 10)
                return s % 60 ? mem_printf("%dm%ds", (int)m, (int)(s % 60)) : mem_printf("%dm", (int)m);
        if (h < 3)
                return mem_printf("%dm", (int)m);
        if (h < 8)
                return m % 60 ? mem_printf("%dh%dm", (int)h, (int)(m % 60)) : mem_printf("%dh", (int)h);
        if (h < 48)
                return mem_printf("%dh", (int)h);
        if (d < 8)
                return h % 24 ? mem_printf("%dd%dh", (int)d, (int)(h % 24)) : mem_printf("%dd", (int)d);
        if (d < 365 * 2)
                return mem_printf("%dd", (int)d);
        if (y < 8)
                return d % 365 ? mem_printf("%dy%dd", (int)y, (int)(d % 365)) : mem_printf("%dy", (int)y);
        return mem_printf("%dy", (int)y);
}

/* An RFC 3339 time as its age. */
static json_t *age_cell(const char *time)
{
        int64_t then;
        if (!time || !time_parse(time, &then, NULL))
                return json_string("<unknown>");
        AUTO_STR *age = table_age((time_now_micros() - then) / TIME_MICROS_PER_SECOND);
        return json_string(age);
}

static void add_column(json_t *columns, const char *name, const char *type, const char *description,
                       json_int_t priority)
{
        json_array_append_new(columns, json_pack("{s:s, s:s, s:s, s:s, s:I}", "name", name, "type", type, "format",
                                                 str_equal(name, "Name") ? "name" : "", "description", description,
                                                 "priority", priority));
}

static json_t *columns_of(const struct resource *r, const struct version *v)
{
        json_t *columns = json_array();
        add_column(columns, "Name", "string", "Name must be unique within a namespace.", 0);
        if (!r->custom) {
                cells_columns(r, columns);
                return columns;
        }
        size_t i;
        json_t *c;
        json_array_foreach (v->columns, i, c) {
                add_column(columns, js_text_or_empty(c, "name"), js_text_or_empty(c, "type"),
                           js_text_or_empty(c, "description"), js_int(c, "priority", 0));
        }
        if (!json_array_size(v->columns))
                add_column(columns, "Age", "date", "CreationTimestamp is when this object was created.", 0);
        return columns;
}

json_t *table_new(const struct resource *r, const struct version *v, bool columns)
{
        return json_pack("{s:s, s:s, s:{}, s:o, s:[]}", "kind", "Table", "apiVersion", "meta.k8s.io/v1", "metadata",
                         "columnDefinitions", columns ? columns_of(r, v) : json_null(), "rows");
}

/* A printer column's value: the first that its path finds, in the form of its type. */
static json_t *custom_cell(const json_t *column, const json_t *object)
{
        json_auto_t *found = jsonpath_find(object, js_text_or_empty(column, "jsonPath"));
        json_t *value = json_array_get(found, 0);
        const char *type = js_text_or_empty(column, "type");
        if (!value || json_is_null(value))
                return json_null();
        if (str_equal(type, "date"))
                return age_cell(json_string_value(value));
        if (str_equal(type, "integer") || str_equal(type, "number"))
                return json_is_number(value) ? json_incref(value) : json_null();
        if (str_equal(type, "boolean"))
                return json_is_boolean(value) ? json_incref(value) : json_null();
        if (json_is_string(value))
                return json_incref(value);
        AUTO_STR *text = js_text(value);
        return json_string_nocheck(text);
}

static void add_custom_cells(json_t *cells, const struct version *v, const json_t *object)
{
        size_t i;
        json_t *column;
        json_array_foreach (v->columns, i, column) {
                json_array_append_new(cells, custom_cell(column, object));
        }
        if (!json_array_size(v->columns))
                json_array_append_new(cells, age_cell(js_str(object, "metadata.creationTimestamp")));
}

void table_add(json_t *table, const struct resource *r, const struct version *v, const json_t *object)
{
        json_t *cells = json_array();
        json_array_append_new(cells, json_string(js_text_or_empty(object, "metadata.name")));
        if (r->custom)
                add_custom_cells(cells, v, object);
        else
                cells_add(r, object, cells);
        json_t *row = json_pack("{s:o, s:{s:s, s:s, s:O}}", "cells", cells, "object", "kind", "PartialObjectMetadata",
                                "apiVersion", "meta.k8s.io/v1", "metadata", json_object_get(object, "metadata"));
        json_array_append_new(json_object_get(table, "rows"), row);
        json_t *meta = json_object_get(table, "metadata");
        if (!json_object_get(meta, "resourceVersion"))
                js_set_str(meta, "resourceVersion", js_text_or_empty(object, "metadata.resourceVersion"));
}
