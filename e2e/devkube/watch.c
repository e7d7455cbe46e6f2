/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A watch is a stream in its connection's thread. What each event is depends on the selectors: an object that no longer
 * fits is DELETED for this watcher, one that fits anew is ADDED.
 */
#include "e2e/devkube/call.h"
#include "e2e/devkube/fault.h"
#include "e2e/devkube/selector.h"
#include "e2e/devkube/table.h"
#include "e2e/devkube/watch.h"

#include "base/time.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 64, EVENT_MAX = 256 << 20 };
/* How soon a client that went away, or a fault, is noticed. */
#define POLL (250 * DURATION_MILLISECOND)

static int64_t bookmark_interval = DURATION_SECOND;

void watch_set_bookmark_interval(int64_t nanos)
{
        bookmark_interval = nanos;
}

struct watch {
        struct stream stream;
        struct request request;
        const struct resource *resource;
        const struct version *version;
        char *ns;
        struct selector *labels, *fields;
        struct query query;
        uint64_t seen;
        uint64_t faults; /* fault_drops() at the start */
        bool bookmarks, table, table_begun, over;
        int64_t bookmark_due, deadline; /* deadline 0: none */
        struct buf *out;                /* written, not sent */
};

static void watch_free(struct stream *s)
{
        struct watch *w = (struct watch *)s;
        mem_free(w->ns);
        selector_free(w->labels);
        selector_free(w->fields);
        buf_free(w->out);
        mem_free(w);
}

/* ---- writing ---- */

static void write_object(struct watch *w, const struct object *o, uint64_t rv)
{
        if (!w->table) {
                object_write(w->out, w->version, o, rv);
                return;
        }
        json_auto_t *value = object_json(w->version, o);
        json_auto_t *table = table_new(w->resource, w->version, !w->table_begun);
        w->table_begun = true;
        if (rv)
                json_object_set_new(js_object(value, "metadata"), "resourceVersion", json_sprintf("%" PRIu64, rv));
        table_add(table, w->resource, w->version, value);
        AUTO_STR *text = js_text(table);
        buf_append_str(w->out, text);
}

static void write_event(struct watch *w, const char *type, const struct object *o, uint64_t rv)
{
        size_t start = buf_len(w->out);
        buf_printf(w->out, "{\"type\":\"%s\",\"object\":", type);
        write_object(w, o, rv);
        buf_append_str(w->out, "}\n");
        if (fault_cuts_line(w->resource)) {
                buf_truncate(w->out, start + (buf_len(w->out) - start) / 2);
                w->over = true;
        }
}

static void write_bookmark(struct watch *w)
{
        buf_printf(w->out,
                   "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"%s\",\"apiVersion\":\"%s\",\"metadata\":"
                   "{\"resourceVersion\":\"%" PRIu64 "\",\"creationTimestamp\":null}}}\n",
                   w->resource->kind, w->version->api_version, w->seen);
}

static void write_gone(struct watch *w, uint64_t asked)
{
        struct failure f = {0};
        fail_expired(&f, "too old resource version: %" PRIu64 " (%" PRIu64 ")", asked, store_rv());
        AUTO_STR *status = js_text(f.status);
        buf_printf(w->out, "{\"type\":\"ERROR\",\"object\":%s}\n", status);
        failure_done(&f);
        w->over = true;
}

/* What the change is to this watcher. */
static void write_change(struct watch *w, const struct event *e)
{
        bool fits = e->change != CHANGE_DELETED && query_matches(&w->query, e->object);
        const struct object *before = e->change == CHANGE_DELETED ? e->object : e->before;
        bool fitted = before && query_matches(&w->query, before);
        if (fits)
                write_event(w, fitted ? "MODIFIED" : "ADDED", e->object, e->rv);
        else if (fitted)
                write_event(w, "DELETED", before, e->rv);
}

/* ---- reading ---- */

static void wait_for_changes(struct watch *w)
{
        struct event events[BATCH];
        uint64_t asked = w->seen;
        int64_t now = time_monotonic(), until = now + POLL;
        if (w->bookmarks && w->bookmark_due < until)
                until = w->bookmark_due;
        int n = store_wait(w->resource, &w->seen, events, BATCH, until);
        if (n < 0)
                write_gone(w, asked);
        for (int i = 0; i < n; i++) {
                if (!w->over)
                        write_change(w, &events[i]);
                event_done(&events[i]);
        }
        now = time_monotonic();
        if (w->bookmarks && now >= w->bookmark_due) {
                if (!w->over)
                        write_bookmark(w);
                w->bookmark_due = now + bookmark_interval;
        }
}

/* Its CRD was deleted: kube-apiserver ends the watches, too. */
static bool is_undefined(const struct watch *w)
{
        return !resource_find(w->resource->group, w->version->name, w->resource->plural);
}

static ssize_t watch_read(struct stream *s, char *p, size_t max)
{
        struct watch *w = (struct watch *)s;
        while (!buf_len(w->out)) {
                if (w->over || http_stopping() || fault_drops() != w->faults || request_hung_up(&w->request))
                        return STREAM_BROKEN;
                if ((w->deadline && time_monotonic() >= w->deadline) || is_undefined(w))
                        return STREAM_END;
                wait_for_changes(w);
        }
        size_t n = buf_len(w->out) < max ? buf_len(w->out) : max;
        memcpy(p, buf_data(w->out), n);
        buf_consume(w->out, n);
        return (ssize_t)n;
}

/* Without a revision, or with 0, a watch begins with what is there. */
static void write_present(struct watch *w)
{
        AUTO(listing) *l = listing_new(w->resource, &w->query);
        for (size_t i = 0; i < l->count && !w->over; i++)
                write_event(w, "ADDED", l->objects[i], 0);
        w->seen = l->rv;
}

static bool parse_revision(struct call *c, uint64_t *rv)
{
        const char *text = request_query(c->request, "resourceVersion");
        char *end = NULL;
        *rv = text ? strtoull(text, &end, 10) : 0;
        return !text || !*end ||
               fail(&c->failure, 500, "",
                    "resourceVersion: Invalid value: \"%s\": strconv.ParseUint: parsing \"%s\": "
                    "invalid syntax",
                    text, text);
}

bool watch_start(struct call *c)
{
        uint64_t rv;
        struct query q;
        struct selector *labels = NULL, *fields = NULL;
        if (!parse_revision(c, &rv) || !call_query(c, &q, &labels, &fields)) {
                selector_free(labels);
                selector_free(fields);
                return false;
        }
        struct watch *w = mem_zalloc(sizeof(*w));
        w->stream = (struct stream){watch_read, watch_free};
        w->request.connection = c->request->connection;
        w->resource = c->resource;
        w->version = c->version;
        w->ns = mem_strdup(c->ns);
        w->labels = labels;
        w->fields = fields;
        w->query = (struct query){.ns = w->ns, .labels = labels, .fields = fields};
        w->out = buf_new(EVENT_MAX);
        w->table = table_wanted(c->request);
        w->faults = fault_drops();
        const char *bookmarks = request_query(c->request, "allowWatchBookmarks");
        w->bookmarks = (str_equal(bookmarks, "true") || str_equal(bookmarks, "1")) && !w->table;
        w->bookmark_due = time_monotonic() + bookmark_interval;
        const char *timeout = request_query(c->request, "timeoutSeconds");
        long seconds = timeout ? strtol(timeout, NULL, 10) : 0;
        w->deadline = seconds > 0 ? time_monotonic() + seconds * DURATION_SECOND : 0;
        w->seen = rv;
        if (fault_says_gone(c) || (rv && !store_remembers(rv)))
                write_gone(w, rv);
        else if (!rv)
                write_present(w);
        c->answer->stream = &w->stream;
        return true;
}
