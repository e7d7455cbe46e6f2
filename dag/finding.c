/* SPDX-License-Identifier: Apache-2.0 */
#include "dag/finding.h"

#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

enum { QUOTE_MAX = 128 };

bool object_ref_equal(const struct object_ref *a, const struct object_ref *b)
{
        return object_ref_compare(a, b) == 0;
}

int object_ref_compare(const struct object_ref *a, const struct object_ref *b)
{
        if (a->kind != b->kind)
                return a->kind < b->kind ? -1 : 1;
        int order = strcmp(a->namespace, b->namespace);
        return order ? order : strcmp(a->name, b->name);
}

void findings_add(struct findings *list, const struct finding *f)
{
        struct finding *copy = arena_push(list->arena, &list->items, &list->count);
        *copy = *f;
        copy->about.namespace = arena_strdup(list->arena, f->about.namespace);
        copy->about.name = arena_strdup(list->arena, f->about.name);
        copy->field = arena_strdup(list->arena, f->field);
        copy->message = arena_strdup(list->arena, f->message);
        copy->subject = arena_strdup(list->arena, f->subject);
}

bool finding_same(const struct finding *a, const struct finding *b)
{
        return a->rule == b->rule && str_equal(a->subject, b->subject);
}

char *finding_text(struct arena *a, const struct finding *f)
{
        return arena_printf(a, "%s: %s [%s]", f->field, f->message, rule_info(f->rule)->name);
}

/* Digits compare as numbers, so that routes[2] comes before routes[10]. */
static int natural_compare(const char *a, const char *b)
{
        while (*a && *b) {
                if (*a >= '0' && *a <= '9' && *b >= '0' && *b <= '9') {
                        char *end_a, *end_b;
                        unsigned long x = strtoul(a, &end_a, 10);
                        unsigned long y = strtoul(b, &end_b, 10);
                        if (x != y)
                                return x < y ? -1 : 1;
                        a = end_a;
                        b = end_b;
                } else if (*a != *b) {
                        break;
                } else {
                        a++;
                        b++;
                }
        }
        return (int)(unsigned char)*a - (int)(unsigned char)*b;
}

static int by_order_of_telling(const void *x, const void *y)
{
        const struct finding *a = x;
        const struct finding *b = y;
        enum rule_status sa = rule_info(a->rule)->status;
        enum rule_status sb = rule_info(b->rule)->status;
        if (sa != sb)
                return sa > sb ? -1 : 1;
        /* Who may not have the name or the grant is told that first: all else is of no use until it is settled. */
        bool fa = rule_info(a->rule)->admission == ADMISSION_FORBID;
        bool fb = rule_info(b->rule)->admission == ADMISSION_FORBID;
        if (fa != fb)
                return fa ? -1 : 1;
        int order = natural_compare(a->field, b->field);
        if (order)
                return order;
        if (a->rule != b->rule)
                return a->rule < b->rule ? -1 : 1;
        order = strcmp(a->message, b->message);
        /* Of equal ones the one that denies comes first and stays. */
        return order ? order : (int)b->denies - (int)a->denies;
}

void findings_sort(struct findings *list)
{
        if (list->count < 2)
                return;
        qsort(list->items, list->count, sizeof(*list->items), by_order_of_telling);
        size_t kept = 1;
        for (size_t i = 1; i < list->count; i++) {
                const struct finding *last = &list->items[kept - 1];
                const struct finding *f = &list->items[i];
                if (f->rule != last->rule || strcmp(f->field, last->field) || strcmp(f->message, last->message))
                        list->items[kept++] = *f;
        }
        list->count = kept;
}

char *finding_quote(struct arena *a, const char *s)
{
        AUTO(buf) *b = buf_new(6 * (QUOTE_MAX + 8));
        buf_append_char(b, '"');
        const char *end = s + str_cut(s, QUOTE_MAX);
        for (const char *p = s; p < end; p++) {
                unsigned char c = (unsigned char)*p;
                if (c == 0xc0 && (unsigned char)p[1] == 0x80) {
                        buf_append_str(b, "\\u0000");
                        p++;
                } else if (c < 0x20 || c == 0x7f) {
                        buf_printf(b, "\\u%04x", c);
                } else if (c == '"' || c == '\\') {
                        buf_printf(b, "\\%c", c);
                } else {
                        buf_append_char(b, (char)c);
                }
        }
        buf_append_str(b, *end ? "...\"" : "\"");
        return arena_strndup(a, buf_data(b), buf_len(b));
}
