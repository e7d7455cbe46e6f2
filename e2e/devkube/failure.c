/* SPDX-License-Identifier: Apache-2.0 */
#include "e2e/devkube/failure.h"
#include "e2e/devkube/resource.h"

#include <string.h>

enum { MESSAGE_MAX = 1 << 20 };

void failure_done(struct failure *f)
{
        json_decref(f->status);
        *f = (struct failure){0};
}

static bool set(struct failure *f, int code, const char *reason, const char *message, json_t *details)
{
        json_t *status = json_pack("{s:s, s:s, s:{}, s:s, s:o}", "kind", "Status", "apiVersion", "v1", "metadata",
                                   "status", "Failure", "message", json_string_nocheck(message));
        if (*reason)
                js_set_str(status, "reason", reason);
        if (details)
                json_object_set_new(status, "details", details);
        json_object_set_new(status, "code", json_integer(code));
        failure_done(f);
        f->code = code;
        f->status = status;
        return false;
}

static bool vset(struct failure *f, int code, const char *reason, const char *format, va_list ap)
        __attribute__((format(printf, 4, 0)));
static bool vset(struct failure *f, int code, const char *reason, const char *format, va_list ap)
{
        AUTO(buf) *text = buf_new(MESSAGE_MAX);
        buf_vprintf(text, format, ap);
        return set(f, code, reason, buf_data(text), NULL);
}

#define VFAIL(f, code, reason, format)                                                                                 \
        do {                                                                                                           \
                va_list ap;                                                                                            \
                va_start(ap, format);                                                                                  \
                vset(f, code, reason, format, ap);                                                                     \
                va_end(ap);                                                                                            \
                return false;                                                                                          \
        } while (0)

bool fail(struct failure *f, int code, const char *reason, const char *format, ...)
{
        VFAIL(f, code, reason, format);
}

bool fail_bad_request(struct failure *f, const char *format, ...)
{
        VFAIL(f, 400, "BadRequest", format);
}

bool fail_expired(struct failure *f, const char *format, ...)
{
        VFAIL(f, 410, "Expired", format);
}

bool fail_status(struct failure *f, json_t *status)
{
        failure_done(f);
        f->code = (int)js_int(status, "code", 500);
        f->status = status;
        return false;
}

/* "ingressroutes.contour.heptio.com", "secrets" */
static char *qualified(const char *name, const char *group)
{
        return *group ? mem_printf("%s.%s", name, group) : mem_strdup(name);
}

static json_t *details_of(const struct resource *r, const char *name, const char *kind)
{
        json_t *details = json_object();
        if (name && *name)
                js_set_str(details, "name", name);
        if (*r->group)
                js_set_str(details, "group", r->group);
        js_set_str(details, "kind", kind);
        return details;
}

bool fail_not_found(struct failure *f, const struct resource *r, const char *name)
{
        AUTO_STR *what = qualified(r->plural, r->group);
        AUTO_STR *message = mem_printf("%s \"%s\" not found", what, name);
        return set(f, 404, "NotFound", message, details_of(r, name, r->plural));
}

bool fail_exists(struct failure *f, const struct resource *r, const char *name)
{
        AUTO_STR *what = qualified(r->plural, r->group);
        AUTO_STR *message = mem_printf("%s \"%s\" already exists", what, name);
        return set(f, 409, "AlreadyExists", message, details_of(r, name, r->plural));
}

bool fail_conflict(struct failure *f, const struct resource *r, const char *name, const char *why)
{
        AUTO_STR *what = qualified(r->plural, r->group);
        AUTO_STR *message = mem_printf("Operation cannot be fulfilled on %s \"%s\": %s", what, name,
                                       why ? why
                                           : "the object has been modified; please apply your changes to the latest "
                                             "version and try again");
        return set(f, 409, "Conflict", message, details_of(r, name, r->plural));
}

void cause_add(json_t *causes, const char *reason, const char *field, const char *format, ...)
{
        AUTO(buf) *text = buf_new(MESSAGE_MAX);
        va_list ap;
        va_start(ap, format);
        buf_vprintf(text, format, ap);
        va_end(ap);
        json_array_append_new(causes, json_pack("{s:s, s:o, s:s}", "reason", reason, "message",
                                                json_string_nocheck(buf_data(text)), "field", field));
}

void cause_required(json_t *causes, const char *field, const char *detail)
{
        cause_add(causes, "FieldValueRequired", field, "Required value%s%s", *detail ? ": " : "", detail);
}

void cause_invalid(json_t *causes, const char *field, const json_t *value, const char *detail)
{
        AUTO_STR *text = js_text(value);
        cause_add(causes, "FieldValueInvalid", field, "Invalid value: %s: %s", text, detail);
}

void cause_invalid_str(json_t *causes, const char *field, const char *value, const char *detail)
{
        json_auto_t *s = json_string_nocheck(value);
        cause_invalid(causes, field, s, detail);
}

bool fail_needs_revision(struct failure *f, const struct resource *r, const char *name)
{
        static const char message[] = "Invalid value: 0x0: must be specified for an update";
        static const char field[] = "metadata.resourceVersion";
        AUTO_STR *what = qualified(r->plural, r->group);
        AUTO_STR *text = mem_printf("%s \"%s\" is invalid: %s: %s", what, name, field, message);
        json_auto_t *causes = json_array();
        cause_add(causes, "FieldValueInvalid", field, "%s", message);
        json_t *details = details_of(r, name, r->plural);
        json_object_set(details, "causes", causes);
        return set(f, 422, "Invalid", text, details);
}

bool fail_webhook(struct failure *f, const char *message)
{
        AUTO_STR *text = mem_printf("Internal error occurred: %s", message);
        return set(f, 500, "InternalError", text, json_pack("{s:[{s:s}]}", "causes", "message", message));
}

static void append_cause(struct buf *text, const json_t *cause)
{
        buf_printf(text, "%s: %s", js_text_or_empty(cause, "field"), js_text_or_empty(cause, "message"));
}

bool fail_if_causes(struct failure *f, const struct resource *r, const char *name, const json_t *causes)
{
        size_t n = json_array_size(causes);
        if (n == 0)
                return true;
        AUTO_STR *what = qualified(r->kind, r->group);
        AUTO(buf) *text = buf_new(MESSAGE_MAX);
        buf_printf(text, "%s \"%s\" is invalid: %s", what, name, n > 1 ? "[" : "");
        for (size_t i = 0; i < n; i++) {
                buf_append_str(text, i ? ", " : "");
                append_cause(text, json_array_get(causes, i));
        }
        buf_append_str(text, n > 1 ? "]" : "");
        json_t *details = details_of(r, name, r->kind);
        json_object_set_new(details, "causes", json_deep_copy(causes));
        return set(f, 422, "Invalid", buf_data(text), details);
}
