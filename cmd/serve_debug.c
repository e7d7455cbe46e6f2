/* SPDX-License-Identifier: Apache-2.0 */
/* serve_debug - /debug/dag, /debug/tree and /debug/findings: what the loop knows, shown from another thread. */
#include "cmd/serve_internal.h"

#include "base/json_text.h"
#include "dag/dump.h"
#include "dag/tree.h"

#include <stdlib.h>
#include <string.h>

enum { STATUS_BAD_REQUEST = 400, STATUS_NOT_FOUND = 404, STATUS_UNAVAILABLE = 503 };

void serve_unavailable(struct http_answer *answer)
{
        answer->status = STATUS_UNAVAILABLE;
        buf_append_str(answer->body, "the server is starting, ending or too busy: try again\n");
}

/* ---- /debug/dag ---- */

static void add_host(const struct host *h, void *arg)
{
        struct serve_hosts *hosts = arg;
        if (hosts->count == hosts->room) {
                hosts->room = hosts->room ? hosts->room * 2 : 64;
                hosts->items = mem_resize(hosts->items, hosts->room, sizeof(struct host *));
        }
        hosts->items[hosts->count++] = host_ref(h);
}

static void take_hosts(void *arg)
{
        struct serve_hosts *hosts = arg;
        pipeline_each_host(hosts->server->pipeline, add_host, hosts);
}

static void take_host(void *arg)
{
        struct serve_hosts *hosts = arg;
        const struct host *h = pipeline_find_host(hosts->server->pipeline, hosts->name);
        if (h)
                add_host(h, hosts);
}

static int by_name(const void *x, const void *y)
{
        const struct host *const *a = x;
        const struct host *const *b = y;
        return strcmp((*a)->name, (*b)->name);
}

bool serve_hosts_take(struct serve_hosts *hosts)
{
        if (!loop_call(hosts->server->calls, hosts->name ? take_host : take_hosts, hosts))
                return false;
        if (hosts->count)
                qsort(hosts->items, hosts->count, sizeof(*hosts->items), by_name);
        return true;
}

void serve_hosts_done(struct serve_hosts *hosts)
{
        for (size_t i = 0; i < hosts->count; i++)
                host_unref(hosts->items[i]);
        mem_free(hosts->items);
}

static bool concerns_namespace(const struct host *h, const char *namespace)
{
        for (size_t i = 0; i < h->object_count; i++) {
                if (str_equal(h->objects[i].ref.namespace, namespace))
                        return true;
        }
        return false;
}

void serve_debug_dag(const struct http_request *r, struct http_answer *answer, void *arg)
{
        const char *namespace = http_query(r, "namespace");
        struct serve_hosts hosts = {.server = arg, .name = http_query(r, "host")};
        if (!serve_hosts_take(&hosts)) {
                serve_unavailable(answer);
                return;
        }
        answer->content_type = "text/vnd.graphviz; charset=utf-8";
        dump_begin(answer->body);
        for (size_t i = 0; i < hosts.count; i++) {
                if (!namespace || concerns_namespace(hosts.items[i], namespace))
                        dump_host(answer->body, hosts.items[i]);
        }
        dump_end(answer->body);
        serve_hosts_done(&hosts);
}

/* ---- /debug/tree ---- */

struct tree_question {
        struct server *server;
        const char *name;
        struct arena *arena;
        const struct host *host; /* NULL: there is none */
        struct tree tree;
};

static void ask_tree(void *arg)
{
        struct tree_question *q = arg;
        const struct host *h = pipeline_find_host(q->server->pipeline, q->name);
        if (!h)
                return;
        const struct view v = {.store = q->server->store};
        q->host = host_ref(h);
        q->tree = tree_of(q->arena, &v, h, serve_any_state, q->server);
}

void serve_debug_tree(const struct http_request *r, struct http_answer *answer, void *arg)
{
        struct server *s = arg;
        AUTO(arena) *a = arena_new(16 * 1024);
        const char *host = http_query(r, "host");
        struct tree_question q = {.server = s, .arena = a, .name = object_normalise_host(a, host ? host : "")};
        if (!host) {
                answer->status = STATUS_BAD_REQUEST;
                buf_append_str(answer->body, "which host? /debug/tree?host=NAME\n");
        } else if (!loop_call(s->calls, ask_tree, &q)) {
                serve_unavailable(answer);
        } else if (!q.host) {
                answer->status = STATUS_NOT_FOUND;
                buf_printf(answer->body, "no IngressRoute and no Ingress asks for the host %s\n", q.name);
        } else {
                tree_text(answer->body, q.host, &q.tree);
        }
        host_unref(q.host);
}

/* ---- /debug/findings ---- */

struct findings_page {
        struct buf *out;
        size_t count;
};

static void append_finding(struct findings_page *page, const struct finding *f)
{
        struct buf *b = page->out;
        const struct rule_info *rule = rule_info(f->rule);
        const char *const pairs[][2] = {
                {"kind", kind_info(f->about.kind)->name},
                {"namespace", f->about.namespace},
                {"name", f->about.name},
                {"rule", rule->name},
                {"field", f->field},
                {"message", f->message},
        };
        buf_append_str(b, page->count++ ? ",\n" : "\n");
        for (size_t i = 0; i < COUNT_OF(pairs); i++) {
                buf_printf(b, "%s\"%s\":", i ? "," : "{", pairs[i][0]);
                json_text_string(b, pairs[i][1]);
        }
        buf_printf(b, ",\"denies\":%s}", f->denies ? "true" : "false");
}

static void append_state(const struct object *o, const struct object_state *state, void *arg)
{
        (void)o;
        struct findings_page *page = arg;
        for (size_t i = 0; i < state->finding_count; i++)
                append_finding(page, &state->findings[i]);
}

void serve_debug_findings(const struct http_request *r, struct http_answer *answer, void *arg)
{
        struct findings_page page = {.out = answer->body};
        answer->content_type = "application/json";
        buf_append_str(answer->body, "{\"findings\":[");
        if (!serve_survey(arg, http_query(r, "namespace"), append_state, &page)) {
                buf_clear(answer->body);
                answer->content_type = "text/plain";
                serve_unavailable(answer);
                return;
        }
        buf_append_str(answer->body, page.count ? "\n]}\n" : "]}\n");
}
