/* SPDX-License-Identifier: Apache-2.0 */
#include "e2e/devkube/api.h"
#include "e2e/devkube/call.h"
#include "e2e/devkube/control.h"
#include "e2e/devkube/discovery.h"
#include "e2e/devkube/fault.h"
#include "e2e/devkube/openapi.h"
#include "e2e/devkube/selector.h"
#include "e2e/devkube/table.h"

#include <string.h>

enum { ANSWER_MAX = 1 << 30 };

static const char *token;

void api_init(const char *expected_token)
{
        token = expected_token;
}

static bool authenticated(const struct request *q)
{
        const char *given = request_header(q, "Authorization");
        return given && str_has_prefix(given, "Bearer ") && str_equal(given + strlen("Bearer "), token);
}

/* ---- answering ---- */

static void answer_text(struct answer *a, int code, const char *text)
{
        a->code = code;
        a->content_type = "text/plain; charset=utf-8";
        a->body = buf_new(ANSWER_MAX);
        buf_append_str(a->body, text);
}

static void answer_json(struct answer *a, int code, const json_t *value)
{
        AUTO_STR *text = js_text(value);
        a->code = code;
        a->content_type = "application/json";
        buf_free(a->body);
        a->body = buf_new(ANSWER_MAX);
        buf_append_str(a->body, text);
        buf_append_char(a->body, '\n');
}

static void answer_failure(struct answer *a, const struct failure *f)
{
        answer_json(a, f->code, f->status);
        a->retry_after = f->retry_after;
}

void call_answer(struct call *c, int code, const json_t *value)
{
        answer_json(c->answer, code, value);
}

void call_answer_object(struct call *c, int code, const json_t *object)
{
        if (!table_wanted(c->request)) {
                call_answer(c, code, object);
                return;
        }
        json_auto_t *table = table_new(c->resource, c->version, true);
        table_add(table, c->resource, c->version, object);
        call_answer(c, code, table);
}

void call_warn(struct call *c, const char *format, ...)
{
        AUTO(buf) *text = buf_new(1 << 16);
        va_list ap;
        va_start(ap, format);
        buf_vprintf(text, format, ap);
        va_end(ap);
        if (!c->answer->warnings)
                c->answer->warnings = json_array();
        if (!js_array_has(c->answer->warnings, buf_data(text)))
                json_array_append_new(c->answer->warnings, json_string_nocheck(buf_data(text)));
}

/* ---- what a list is narrowed to ---- */

static bool may_select(const void *resource, const char *field)
{
        return object_field_is_selectable(resource, field);
}

bool call_query(struct call *c, struct query *q, struct selector **labels, struct selector **fields)
{
        const char *l = request_query(c->request, "labelSelector"), *f = request_query(c->request, "fieldSelector");
        struct err e = {0};
        *labels = l ? selector_parse(l, &e) : NULL;
        if (*e.text)
                return fail_bad_request(&c->failure, "%s", e.text);
        *fields = f ? selector_parse_fields(f, &e) : NULL;
        if (*e.text)
                return fail_bad_request(&c->failure, "%s", e.text);
        const char *refused = selector_refused_key(*fields, may_select, c->resource);
        if (refused)
                return fail_bad_request(&c->failure,
                                        "Unable to find \"%s/%s, Resource=%s\" that match label selector \"%s\", field "
                                        "selector \"%s\": field label not supported: %s",
                                        c->resource->group, c->version->name, c->resource->plural, l ? l : "", f,
                                        refused);
        *q = (struct query){.ns = c->ns, .name = c->name, .labels = *labels, .fields = *fields};
        return true;
}

/* ---- routing ---- */

static void take_word(const char **p, char **word)
{
        size_t n = strcspn(*p, "/");
        *word = mem_strndup(*p, n);
        *p += n;
        if (**p)
                (*p)++;
}

struct route {
        char *group, *version, *plural, *words[3]; /* words: name, subresource */
};

static void route_done(struct route *r)
{
        mem_free(r->group);
        mem_free(r->version);
        mem_free(r->plural);
        for (size_t i = 0; i < COUNT_OF(r->words); i++)
                mem_free(r->words[i]);
}

/* /api/v1/... and /apis/GROUP/VERSION/...; fills c's ns, name and sub. */
static bool parse_path(const char *path, struct call *c, struct route *r)
{
        const char *p = path;
        if (str_has_prefix(p, "/api/")) {
                p += strlen("/api/");
                r->group = mem_strdup("");
        } else {
                p += strlen("/apis/");
                take_word(&p, &r->group);
        }
        take_word(&p, &r->version);
        take_word(&p, &r->plural);
        if (*p)
                take_word(&p, &c->name);
        if (*p)
                take_word(&p, &c->sub);
        bool of_namespace = str_equal(c->sub, "status") || str_equal(c->sub, "finalize");
        if (str_equal(r->plural, "namespaces") && c->sub && !of_namespace) {
                mem_free(r->plural);
                c->ns = mem_take(&c->name);
                r->plural = mem_take(&c->sub);
                if (*p)
                        take_word(&p, &c->name);
                if (*p)
                        take_word(&p, &c->sub);
        }
        return *r->plural && !*p;
}

static const char *verb_of(const struct call *c)
{
        const char *m = c->request->method, *watch = request_query(c->request, "watch");
        if (str_equal(m, "GET") && !c->name && (str_equal(watch, "true") || str_equal(watch, "1")))
                return "watch";
        if (str_equal(m, "GET"))
                return c->name ? "get" : "list";
        if (c->resource && c->resource->namespaced && !c->ns)
                return NULL; /* across namespaces there is only reading */
        if (str_equal(m, "POST"))
                return c->name ? NULL : "create";
        if (str_equal(m, "PUT"))
                return c->name ? "update" : NULL;
        if (str_equal(m, "PATCH"))
                return c->name ? "patch" : NULL;
        if (str_equal(m, "DELETE"))
                return c->name ? "delete" : "deletecollection";
        return NULL;
}

static const char *options_kind(const char *verb)
{
        return str_equal(verb, "create")   ? "CreateOptions"
               : str_equal(verb, "update") ? "UpdateOptions"
               : str_equal(verb, "patch")  ? "PatchOptions"
                                           : "DeleteOptions";
}

static bool read_options(struct call *c)
{
        const char *dry = request_query(c->request, "dryRun"), *v = request_query(c->request, "fieldValidation");
        if (dry && !str_equal(dry, "All"))
                return fail(&c->failure, 422, "Invalid",
                            "%s.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: []string{\"%s\"}: supported "
                            "values: \"All\"",
                            options_kind(c->verb), dry);
        c->dry_run = dry;
        if (v && !str_equal(v, "Strict") && !str_equal(v, "Warn") && !str_equal(v, "Ignore") && *v)
                return fail(&c->failure, 422, "Invalid",
                            "%s.meta.k8s.io \"\" is invalid: fieldValidation: Unsupported value: \"%s\": supported "
                            "values: \"\", \"Ignore\", \"Strict\", \"Warn\"",
                            options_kind(c->verb), v);
        c->validation = str_equal(v, "Strict") ? FIELDS_STRICT : str_equal(v, "Ignore") ? FIELDS_IGNORE : FIELDS_WARN;
        return true;
}

static const struct {
        const char *verb;
        bool (*handle)(struct call *c);
} VERBS[] = {
        {"get", read_get},        {"list", read_list},    {"watch", watch_start}, {"create", write_create},
        {"update", write_update}, {"patch", write_patch}, {"delete", delete_one}, {"deletecollection", delete_many},
};

static bool run(struct call *c)
{
        if (!read_options(c))
                return false;
        for (size_t i = 0; i < COUNT_OF(VERBS); i++) {
                if (str_equal(VERBS[i].verb, c->verb))
                        return VERBS[i].handle(c);
        }
        return false;
}

static bool path_exists(const struct call *c)
{
        if (!c->resource || c->resource->namespaced ? !c->resource || (!c->ns && c->name) : c->ns != NULL)
                return false;
        bool finalize = str_equal(c->sub, "finalize") && str_equal(c->resource->plural, "namespaces");
        return !c->sub || finalize || (str_equal(c->sub, "status") && c->version->status);
}

static void handle_resource(struct request *q, struct answer *a)
{
        struct route r = {0};
        struct call c = {.request = q, .answer = a};
        bool parsed = parse_path(q->path, &c, &r);
        c.resource = parsed ? resource_find(r.group, r.version, r.plural) : NULL;
        c.version = c.resource ? resource_version(c.resource, r.version) : NULL;
        c.verb = verb_of(&c);
        if (!path_exists(&c) && !resource_group_served(r.group, r.version)) {
                answer_text(a, 404, "404 page not found\n");
        } else if (!path_exists(&c)) {
                fail(&c.failure, 404, "NotFound", "the server could not find the requested resource");
                answer_failure(a, &c.failure);
        } else if (!c.verb) {
                fail(&c.failure, 405, "MethodNotAllowed",
                     "the server does not allow this method on the requested resource");
                answer_failure(a, &c.failure);
        } else if (fault_strikes(&c)) {
                if (!a->drop)
                        answer_failure(a, &c.failure);
        } else {
                if (!run(&c))
                        answer_failure(a, &c.failure);
                fault_loses_answer(&c);
        }
        failure_done(&c.failure);
        route_done(&r);
        mem_free(c.ns);
        mem_free(c.name);
        mem_free(c.sub);
}

void api_handle(struct request *q, struct answer *a)
{
        const char *path = q->path;
        struct failure f = {0};
        json_auto_t *document = NULL;
        if (!authenticated(q)) {
                fail(&f, 401, "Unauthorized", "Unauthorized");
                answer_failure(a, &f);
        } else if (str_has_prefix(path, "/devkube/")) {
                control_handle(q, a);
        } else if (openapi_handle(q, a)) {
                return;
        } else if ((document = discovery_document(path))) {
                answer_json(a, 200, document);
        } else if (str_has_prefix(path, "/api/") || str_has_prefix(path, "/apis/")) {
                handle_resource(q, a);
        } else if (str_equal(path, "/readyz") || str_equal(path, "/healthz") || str_equal(path, "/livez")) {
                answer_text(a, 200, "ok");
        } else {
                answer_text(a, 404, "404 page not found\n");
        }
        failure_done(&f);
}
