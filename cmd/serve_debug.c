/* SPDX-License-Identifier: Apache-2.0 */
/* serve_debug - /debug/dag and /debug/findings: what the loop knows, shown from another thread. */
#include "cmd/serve_internal.h"

#include "base/json_text.h"
#include "base/time.h"
#include "dag/dump.h"

#include <stdlib.h>
#include <string.h>

enum { STATUS_UNAVAILABLE = 503 };

static void unavailable(struct http_answer *answer)
{
        answer->status = STATUS_UNAVAILABLE;
        buf_append_str(answer->body, "the server is starting, ending or too busy: try again\n");
}

/* ---- /debug/dag ---- */

/* Hosts never change: the loop only hands out references, the graph is drawn on this thread. */
struct hosts {
        struct server *server;
        const char *name; /* NULL: all */
        const struct host **items;
        size_t count, room;
};

static void add_host(const struct host *h, void *arg)
{
        struct hosts *hosts = arg;
        if (hosts->name && !str_equal(hosts->name, h->name))
                return;
        if (hosts->count == hosts->room) {
                hosts->room = hosts->room ? hosts->room * 2 : 64;
                hosts->items = mem_resize(hosts->items, hosts->room, sizeof(struct host *));
        }
        hosts->items[hosts->count++] = host_ref(h);
}

static void take_hosts(void *arg)
{
        struct hosts *hosts = arg;
        pipeline_each_host(hosts->server->pipeline, add_host, hosts);
}

static int by_name(const void *x, const void *y)
{
        const struct host *const *a = x;
        const struct host *const *b = y;
        return strcmp((*a)->name, (*b)->name);
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
        struct server *s = arg;
        const char *namespace = http_query(r, "namespace");
        struct hosts hosts = {.server = s, .name = http_query(r, "host")};
        if (!loop_call(s->calls, take_hosts, &hosts)) {
                unavailable(answer);
                return;
        }
        if (hosts.count)
                qsort(hosts.items, hosts.count, sizeof(*hosts.items), by_name);
        answer->content_type = "text/vnd.graphviz; charset=utf-8";
        dump_begin(answer->body);
        for (size_t i = 0; i < hosts.count; i++) {
                if (!namespace || concerns_namespace(hosts.items[i], namespace))
                        dump_host(answer->body, hosts.items[i]);
                host_unref(hosts.items[i]);
        }
        dump_end(answer->body);
        mem_free(hosts.items);
}

/* ---- /debug/findings ---- */

/* How long the loop writes at a time. */
#define SLICE (2 * DURATION_MILLISECOND)

struct findings_page {
        struct server *server;
        struct buf *out;
        const char *namespace; /* NULL: all */
        struct pipeline_cursor cursor;
        bool complete; /* all IngressRoutes are there */
        struct arena *arena;
        struct object_ref *others; /* objects of other kinds to look at; names in the arena */
        size_t other_count, other_room, next_other;
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

static void append_state(struct findings_page *page, const struct object_state *state)
{
        for (size_t i = 0; i < state->finding_count; i++)
                append_finding(page, &state->findings[i]);
}

static bool is_asked_for(const struct findings_page *page, const struct object *o)
{
        return !page->namespace || str_equal(page->namespace, o->namespace);
}

static void append_ingressroute(const struct object *o, void *arg)
{
        struct findings_page *page = arg;
        if (!is_asked_for(page, o))
                return;
        AUTO(arena) *a = arena_new(1024);
        struct object_state state;
        serve_state(page->server, o, a, &state);
        append_state(page, &state);
}

static void write_ingressroutes(void *arg)
{
        struct findings_page *page = arg;
        page->complete = pipeline_each_object(page->server->pipeline, &page->cursor, time_monotonic() + SLICE,
                                              append_ingressroute, page);
}

/* Of Services and Namespaces only annotations are judged: the many that have none of ours cost nothing. */
static void note_other(const struct object *o, void *arg)
{
        struct findings_page *page = arg;
        bool plain = o->kind == KIND_SERVICE || o->kind == KIND_NAMESPACE;
        if (!is_asked_for(page, o) || (plain && !o->annotation_count && !o->problem_count))
                return;
        if (page->other_count == page->other_room) {
                page->other_room = page->other_room ? 2 * page->other_room : 64;
                page->others = mem_resize(page->others, page->other_room, sizeof(*page->others));
        }
        page->others[page->other_count++] = (struct object_ref){o->kind, arena_strdup(page->arena, o->namespace),
                                                                arena_strdup(page->arena, o->name)};
}

static void note_others(void *arg)
{
        static const enum kind kinds[] = {KIND_TLSCERTIFICATEDELEGATION, KIND_INGRESS, KIND_SERVICE, KIND_NAMESPACE};
        struct findings_page *page = arg;
        for (size_t i = 0; i < COUNT_OF(kinds); i++)
                store_each(page->server->store, kinds[i], note_other, page);
}

/* One that has gone meanwhile has nothing to say. */
static void append_other(struct findings_page *page, const struct object_ref *ref)
{
        const struct view view = {.store = page->server->store};
        const struct object *o = view_get(&view, ref->kind, ref->namespace, ref->name);
        if (!o)
                return;
        AUTO(arena) *a = arena_new(1024);
        struct object_state state = {0};
        pipeline_findings(page->server->pipeline, o, false, a, &state);
        append_state(page, &state);
}

static void write_others(void *arg)
{
        struct findings_page *page = arg;
        int64_t deadline = time_monotonic() + SLICE;
        while (page->next_other < page->other_count && time_monotonic() < deadline)
                append_other(page, &page->others[page->next_other++]);
}

static bool write_findings(struct findings_page *page)
{
        struct loop_calls *calls = page->server->calls;
        while (!page->complete) {
                if (!loop_call(calls, write_ingressroutes, page))
                        return false;
        }
        if (!loop_call(calls, note_others, page))
                return false;
        while (page->next_other < page->other_count) {
                if (!loop_call(calls, write_others, page))
                        return false;
        }
        return true;
}

void serve_debug_findings(const struct http_request *r, struct http_answer *answer, void *arg)
{
        struct server *s = arg;
        AUTO(arena) *a = arena_new(4096);
        struct findings_page page = {
                .server = s, .out = answer->body, .namespace = http_query(r, "namespace"), .arena = a};
        answer->content_type = "application/json";
        buf_append_str(answer->body, "{\"findings\":[");
        bool written = write_findings(&page);
        mem_free(page.others);
        if (!written) {
                buf_clear(answer->body);
                answer->content_type = "text/plain";
                unavailable(answer);
                return;
        }
        buf_append_str(answer->body, page.count ? "\n]}\n" : "]}\n");
}
