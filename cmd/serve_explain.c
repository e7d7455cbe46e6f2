/* SPDX-License-Identifier: Apache-2.0 */
/* serve_explain - /debug/explain?url=URL[&from=NAMESPACE/NAME]: who serves a URL and why, or what stops it. */
#include "cmd/serve_internal.h"

#include "cmd/explain_json.h"
#include "xds/translate_endpoint.h"

#include <string.h>

enum { STATUS_BAD_REQUEST = 400, STATUS_NOT_FOUND = 404 };

struct question {
        struct server *server;
        const char *written;   /* the URL */
        const char *namespace; /* of from; NULL: not asked for */
        const char *name;
        struct explain_url url;
        const char *notes[2];
        struct arena *arena;
        struct buf *out;
        bool built, found; /* found: the object that from names is there, or none is named */
};

/* ---- what explain() asks for ---- */

static const struct host *find_host(const char *name, void *arg)
{
        struct question *q = arg;
        return pipeline_find_host(q->server->pipeline, name);
}

static size_t count_endpoints(const struct cluster *c, void *arg)
{
        struct question *q = arg;
        const struct view v = {.store = q->server->store};
        struct endpoints found;
        endpoints_find(&v, q->arena, c->namespace, c->service, c->port_name, &found);
        return endpoints_in_use(&found)->count;
}

static const struct object *find_from(const struct question *q, const struct view *v)
{
        const struct object *o = view_get(v, KIND_INGRESSROUTE, q->namespace, q->name);
        return o ? o : view_get(v, KIND_INGRESS, q->namespace, q->name);
}

/* On the loop thread: hosts and objects are borrowed, so the answer is written here, too. */
static void write_answer(void *arg)
{
        struct question *q = arg;
        const struct view v = {.store = q->server->store};
        struct object_state state = {0};
        struct explain_input in = {
                .view = &v,
                .policy = &q->server->policy,
                .find_host = find_host,
                .count_endpoints = count_endpoints,
                .arg = q,
                .from = q->name ? find_from(q, &v) : NULL,
                .from_state = &state,
        };
        q->built = pipeline_is_built(q->server->pipeline);
        q->found = !q->name || in.from;
        if (!q->built || !q->found)
                return;
        if (in.from)
                pipeline_findings(q->server->pipeline, in.from, false, q->arena, &state);
        struct explanation x;
        explain(q->arena, &in, &q->url, &x);
        explain_json(q->out, q->written, &q->url, &x, &v, q->notes);
}

/* ---- the question ---- */

static bool take_from(struct question *q, const char *from, struct err *e)
{
        if (!from)
                return true;
        const char *slash = strchr(from, '/');
        if (!slash || slash == from || !slash[1] || strchr(slash + 1, '/'))
                return err_set(e, "from: \"%.80s\" is not NAMESPACE/NAME", from);
        q->namespace = arena_strndup(q->arena, from, (size_t)(slash - from));
        q->name = slash + 1;
        return true;
}

static bool take_url(struct question *q, const char *url, struct err *e)
{
        const enum xds_escaped_slashes told = q->server->options->envoy.escaped_slashes;
        if (!url || !*url)
                return err_set(e, "say which URL: /debug/explain?url=https://host/path");
        const enum explain_slashes slashes = told == SLASHES_KEEP ? EXPLAIN_SLASHES_KEEP : EXPLAIN_SLASHES_UNESCAPE;
        q->written = url;
        if (!explain_url_parse(q->arena, url, strlen(url), slashes, &q->url, e))
                return err_wrap(e, "url");
        if (q->url.escaped_slashes && told == SLASHES_REJECT)
                return err_set(e, "url: the path has an escaped slash: Envoy answers 400 (--escaped-slashes reject)");
        if (q->url.escaped_slashes && told == SLASHES_REDIRECT)
                q->notes[0] = "the path has escaped slashes: Envoy redirects (307) to the path with slashes first";
        return true;
}

static void refuse(struct http_answer *answer, unsigned status, const char *text)
{
        answer->status = status;
        buf_clear(answer->body);
        buf_printf(answer->body, "%s\n", text);
}

void serve_debug_explain(const struct http_request *r, struct http_answer *answer, void *arg)
{
        struct server *s = arg;
        AUTO(arena) *a = arena_new(16384);
        struct question q = {.server = s, .arena = a, .out = answer->body};
        struct err e = {0};
        if (!take_from(&q, http_query(r, "from"), &e) || !take_url(&q, http_query(r, "url"), &e)) {
                refuse(answer, STATUS_BAD_REQUEST, e.text);
                return;
        }
        if (!loop_call(s->calls, write_answer, &q) || !q.built)
                serve_unavailable(answer);
        else if (!q.found)
                refuse(answer, STATUS_NOT_FOUND,
                       arena_printf(a, "from: there is no IngressRoute or Ingress %s/%s", q.namespace, q.name));
        else
                answer->content_type = "application/json";
}
