/* SPDX-License-Identifier: Apache-2.0 */
#include "webhook/admission_review.h"

#include "base/json_arena.h"
#include "base/json_read.h"
#include "base/json_text.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- from JSON to the struct ---- */

static json_t *parse(const char *body, size_t n, struct err *e)
{
        struct err inner = {0};
        json_t *root = json_read(body, n, &inner);
        if (root)
                return root;
        /* jansson says nothing of its own when its memory ends. */
        if (json_arena_exhausted())
                err_set_code(e, 413, "the body needs more than %d MiB to read", JSON_ARENA_MAX / (1024 * 1024));
        else
                err_set_code(e, 400, "the body is %s", inner.text);
        return NULL;
}

/* A string without NUL and of a sane length (an answer repeats some of them); "" when it is not one. */
static const char *string_of(struct arena *a, const json_t *object, const char *key)
{
        const json_t *v = json_object_get(object, key);
        const char *s = json_string_value(v);
        if (!s || strlen(s) != json_string_length(v) || strlen(s) > REVIEW_NAME_MAX)
                return "";
        return arena_strdup(a, s);
}

static bool parse_operation(const char *name, enum operation *operation)
{
        for (int i = 0; i < OPERATION_COUNT; i++) {
                if (str_equal(name, operation_name((enum operation)i))) {
                        *operation = (enum operation)i;
                        return true;
                }
        }
        return false;
}

const char *operation_name(enum operation operation)
{
        switch (operation) {
        case OPERATION_CREATE:
                return "CREATE";
        case OPERATION_UPDATE:
                return "UPDATE";
        case OPERATION_DELETE:
                return "DELETE";
        case OPERATION_CONNECT:
                return "CONNECT";
        }
        assert(false);
        return "";
}

static json_t *object_of(const json_t *request, const char *key)
{
        json_t *v = json_object_get(request, key);
        return json_is_object(v) ? v : NULL;
}

static bool read_request(const json_t *request, struct arena *a, struct admission_review *r, struct err *e)
{
        r->uid = string_of(a, request, "uid");
        if (!r->uid[0])
                return err_set_code(e, 400, "request.uid is missing or not usable");
        const char *operation = string_of(a, request, "operation");
        if (!parse_operation(operation, &r->operation))
                return err_set_code(e, 400, "request.operation \"%.32s\" is not CREATE, UPDATE, DELETE or CONNECT",
                                    operation);
        const json_t *kind = json_object_get(request, "kind");
        r->group = string_of(a, kind, "group");
        r->version = string_of(a, kind, "version");
        r->kind = string_of(a, kind, "kind");
        r->subresource = string_of(a, request, "subResource");
        r->namespace = string_of(a, request, "namespace");
        r->name = string_of(a, request, "name");
        r->dry_run = json_is_true(json_object_get(request, "dryRun"));
        r->object = object_of(request, "object");
        r->old_object = object_of(request, "oldObject");
        return true;
}

static bool read_root(const json_t *root, struct arena *a, struct admission_review *r, struct err *e)
{
        const char *version = string_of(a, root, "apiVersion");
        if (!str_equal(string_of(a, root, "kind"), "AdmissionReview"))
                return err_set_code(e, 400, "the body is not an AdmissionReview");
        if (!str_equal(version, "admission.k8s.io/v1") && !str_equal(version, "admission.k8s.io/v1beta1"))
                return err_set_code(e, 400,
                                    "AdmissionReview version \"%.64s\" is unknown: send admission.k8s.io/v1 or v1beta1",
                                    version);
        r->api_version = version;
        const json_t *request = json_object_get(root, "request");
        if (!json_is_object(request))
                return err_set_code(e, 400, "the AdmissionReview has no request");
        return read_request(request, a, r, e);
}

bool admission_review_read(const char *body, size_t n, struct arena *a, struct admission_review *r, struct err *e)
{
        if (n > REVIEW_BODY_MAX)
                return err_set_code(e, 413, "the body is larger than %d MiB", REVIEW_BODY_MAX / (1024 * 1024));
        struct admission_review read = {0};
        json_arena_begin();
        const json_t *root = parse(body, n, e);
        if (!root || !read_root(root, a, &read, e)) {
                json_arena_end();
                return false;
        }
        *r = read;
        return true;
}

void admission_review_done(struct admission_review *r)
{
        r->object = r->old_object = NULL;
        json_arena_end();
}

/* ---- the answer ---- */

static bool is_continuation(char c)
{
        return ((unsigned char)c & 0xc0) == 0x80;
}

char *admission_review_shorten(struct arena *a, const char *text, size_t max)
{
        static const char dots[] = "...";
        assert(max >= 64);
        size_t n = strlen(text);
        if (n <= max)
                return arena_strndup(a, text, n);
        /* The rule stands at the end, the field at the beginning: both stay. */
        size_t tail = max * 2 / 5, head = max - tail - (sizeof(dots) - 1);
        const char *end = text + n - tail;
        while (head > 0 && is_continuation(text[head]))
                head--;
        while (is_continuation(*end))
                end++;
        return arena_printf(a, "%.*s%s%s", (int)head, text, dots, end);
}

/* A warning travels in an HTTP header: no control characters (RFC 9110, section 5.5). */
static char *warning_text(struct arena *a, const char *text)
{
        char *s = admission_review_shorten(a, text, REVIEW_WARNING_MAX);
        for (char *p = s; *p; p++) {
                if ((unsigned char)*p < 0x20 || *p == 0x7f)
                        *p = ' ';
        }
        return s;
}

static size_t told(size_t count)
{
        return count < REVIEW_LINES_MAX ? count : REVIEW_LINES_MAX;
}

static void append_warnings(const struct admission_answer *answer, struct arena *a, struct buf *out)
{
        size_t n = told(answer->warning_count);
        buf_append_str(out, ",\"warnings\":[");
        for (size_t i = 0; i < n; i++) {
                if (i)
                        buf_append_char(out, ',');
                json_text_string(out, warning_text(a, answer->warnings[i]));
        }
        if (n < answer->warning_count)
                buf_printf(out, ",\"and %zu more warnings\"", answer->warning_count - n);
        buf_append_char(out, ']');
}

static const char *cause_line(struct arena *a, const struct admission_cause *c)
{
        const char *line = c->field[0] ? arena_printf(a, "%s: %s", c->field, c->message) : c->message;
        return admission_review_shorten(a, line, REVIEW_LINE_MAX);
}

static void append_message(const struct admission_answer *answer, struct arena *a, struct buf *out)
{
        size_t n = told(answer->cause_count);
        AUTO(buf) *message = buf_new(REVIEW_ANSWER_MAX);
        for (size_t i = 0; i < n; i++)
                buf_printf(message, "%s%s", i ? "\n" : "", cause_line(a, &answer->causes[i]));
        if (n < answer->cause_count)
                buf_printf(message, "\nand %zu more", answer->cause_count - n);
        json_text_string(out, buf_data(message));
}

/* What `kubectl` 1.20 shows of a 422 are the causes, not the message. */
static void append_details(const struct admission_review *r, const struct admission_answer *answer, struct arena *a,
                           struct buf *out)
{
        buf_append_str(out, ",\"details\":{\"group\":");
        json_text_string(out, r->group);
        buf_append_str(out, ",\"kind\":");
        json_text_string(out, r->kind);
        buf_append_str(out, ",\"name\":");
        json_text_string(out, r->name);
        buf_append_str(out, ",\"causes\":[");
        size_t n = told(answer->cause_count);
        for (size_t i = 0; i < n; i++) {
                buf_append_str(out, i ? ",{\"reason\":" : "{\"reason\":");
                json_text_string(out, answer->code == 403 ? "FieldValueForbidden" : "FieldValueInvalid");
                buf_append_str(out, ",\"message\":");
                json_text_string(out, admission_review_shorten(a, answer->causes[i].message, REVIEW_LINE_MAX));
                buf_append_str(out, ",\"field\":");
                json_text_string(out, admission_review_shorten(a, answer->causes[i].field, REVIEW_LINE_MAX));
                buf_append_char(out, '}');
        }
        buf_append_str(out, "]}");
}

static void append_denial(const struct admission_review *r, const struct admission_answer *answer, struct arena *a,
                          struct buf *out)
{
        buf_printf(out, ",\"status\":{\"status\":\"Failure\",\"code\":%d,\"reason\":\"%s\",\"message\":", answer->code,
                   answer->code == 403 ? "Forbidden" : "Invalid");
        append_message(answer, a, out);
        append_details(r, answer, a, out);
        buf_append_char(out, '}');
}

void admission_review_answer(const struct admission_review *r, const struct admission_answer *answer, struct buf *out)
{
        AUTO(arena) *a = arena_new(1024);
        buf_append_str(out, "{\"apiVersion\":");
        json_text_string(out, r->api_version);
        buf_append_str(out, ",\"kind\":\"AdmissionReview\",\"response\":{\"uid\":");
        json_text_string(out, r->uid);
        buf_append_str(out, answer->allowed ? ",\"allowed\":true" : ",\"allowed\":false");
        if (!answer->allowed)
                append_denial(r, answer, a, out);
        if (answer->warning_count)
                append_warnings(answer, a, out);
        if (answer->patch) {
                buf_append_str(out, ",\"patchType\":\"JSONPatch\",\"patch\":");
                json_text_base64(out, answer->patch, strlen(answer->patch));
        }
        buf_append_str(out, "}}\n");
        assert(!buf_full(out));
}
