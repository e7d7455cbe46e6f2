/* SPDX-License-Identifier: Apache-2.0 */
#include "dag/check.h"

#include <stdarg.h>
#include <stdio.h>

char *place_field(struct arena *a, struct place at, const char *leaf)
{
        const char *tail = leaf ? leaf : "";
        const char *dot = *tail ? "." : "";
        if (at.part == PLACE_OBJECT)
                return arena_strdup(a, tail);
        char base[48] = "spec.tcpproxy";
        if (at.part == PLACE_ROUTE)
                snprintf(base, sizeof(base), "spec.routes[%zu]", at.route);
        if (at.in_service)
                return arena_printf(a, "%s.services[%zu]%s%s", base, at.service, dot, tail);
        return arena_printf(a, "%s%s%s", base, dot, tail);
}

static bool has_problem(const struct object *o, const char *field)
{
        for (size_t i = 0; i < o->problem_count; i++) {
                if (str_equal(o->problems[i].field, field))
                        return true;
        }
        return false;
}

static bool rule_denies(const struct policy *policy, enum rule rule)
{
        switch (rule_info(rule)->admission) {
        case ADMISSION_FORBID:
        case ADMISSION_DENY:
                return true;
        case ADMISSION_STRICT:
                return policy->strict_references;
        case ADMISSION_WARN:
                return false;
        }
        return true;
}

/* field and message are in the list's arena already. */
static void add(const struct check *c, enum rule rule, const char *field, const char *subject, const char *message)
{
        struct arena *a = c->list->arena;
        struct finding *f = arena_push(a, &c->list->items, &c->list->count);
        *f = (struct finding){
                .rule = rule,
                .denies = rule_denies(c->policy, rule),
                .about = object_ref_dup(a, c->about),
                .field = field,
                .message = message,
                .subject = arena_strdup(a, subject ? subject : ""),
        };
}

void check_add(const struct check *c, enum rule rule, struct place at, const char *leaf, const char *subject,
               const char *format, ...)
{
        if (!c->list)
                return;
        struct arena *a = c->list->arena;
        const char *field = place_field(a, at, leaf);
        if (has_problem(c->about, field))
                return;
        va_list ap;
        va_start(ap, format);
        add(c, rule, field, subject, arena_vprintf(a, format, ap));
        va_end(ap);
}

void check_add_problems(const struct check *c)
{
        if (!c->list)
                return;
        struct arena *a = c->list->arena;
        for (size_t i = 0; i < c->about->problem_count; i++) {
                const struct problem *p = &c->about->problems[i];
                bool unknown = p->type == PROBLEM_UNKNOWN;
                add(c, unknown ? RULE_UnknownField : RULE_FieldInvalid, arena_strdup(a, p->field), p->field,
                    arena_printf(a, "%s: %s", unknown ? "unknown field" : "Invalid value", p->message));
        }
}

const char *check_quote(const struct check *c, const char *s)
{
        return finding_quote(c->scratch, s ? s : "");
}

struct object_ref object_ref_dup(struct arena *a, const struct object *o)
{
        return (struct object_ref){o->kind, arena_strdup(a, o->namespace), arena_strdup(a, o->name)};
}
