/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/reflector.h"

#include "base/json_read.h"
#include "base/time.h"
#include "kube/backoff.h"

#include <event2/event.h>
#include <stdio.h>
#include <string.h>

enum {
        WATCH_SECONDS = 300,        /* plus up to as much again: then the server ends the watch */
        LIST_SECONDS = 60,          /* a page of large objects from a busy server */
        TOKEN_SCAN_MAX = 64 * 1024, /* where a list's metadata stands: before its items */
        BEGIN_MAX = 200,
};

struct reflector {
        struct client *client;
        struct reflector_source source;
        const struct reflector_events *events;
        void *arg;
        struct event *timer; /* the next try */
        struct call *call;
        struct backoff backoff;
        char *version;  /* resourceVersion to watch from; NULL: list first */
        char *next;     /* continue token of the list under way; NULL: its first page */
        size_t singles; /* objects still to be asked for one by one, after a page that could not be read */
        bool listing;
        struct buf *line;   /* the unfinished one */
        bool skipping;      /* a line that is too long, up to its end */
        bool relist;        /* the watch said 410 Gone */
        struct err problem; /* of an ERROR event, or of a line */
        bool got_event;
};

static void schedule(struct reflector *r, int64_t wait)
{
        struct timeval t = {wait / DURATION_SECOND, wait % DURATION_SECOND / 1000};
        event_add(r->timer, &t);
}

static void restart(struct reflector *r, const char *reason, const struct err *why, int64_t at_least)
{
        if (r->events->on_restart)
                r->events->on_restart(reason, why, r->arg);
        schedule(r, backoff_next(&r->backoff, at_least));
}

static void set_string(char **slot, const char *value)
{
        char *copy = mem_strdup(value);
        mem_free(*slot);
        *slot = copy;
}

/* ---- list ---- */

static void forget_list(struct reflector *r)
{
        set_string(&r->next, NULL);
        r->listing = false;
        r->singles = 0;
}

static const char *string_in(const json_t *o, const char *key)
{
        const char *s = json_string_value(json_object_get(o, key));
        return s ? s : "";
}

static void tell_items(struct reflector *r, const json_t *page)
{
        size_t i;
        json_t *item;
        json_array_foreach (json_object_get(page, "items"), i, item)
                r->events->on_object(item, r->arg);
}

static void end_list(struct reflector *r, const char *version)
{
        set_string(&r->version, version);
        forget_list(r);
        r->events->on_list_end(r->arg);
        backoff_reset(&r->backoff);
        schedule(r, 0);
}

static void next_page(struct reflector *r, const char *token, const char *version)
{
        if (!*token) {
                end_list(r, version);
                return;
        }
        set_string(&r->next, token);
        schedule(r, 0);
}

/* The value of a string member near the text's beginning, where no parser gets through: for mem_free(), or NULL. */
static char *scan_member(const char *text, size_t n, const char *name)
{
        AUTO_STR *head = mem_strndup(text, n < TOKEN_SCAN_MAX ? n : TOKEN_SCAN_MAX);
        AUTO_STR *key = mem_printf("\"%s\":\"", name);
        const char *p = strstr(head, key);
        if (!p)
                return NULL;
        p += strlen(key);
        return mem_strndup(p, strcspn(p, "\""));
}

static void tell_bad(struct reflector *r, const char *text, size_t n, const struct err *why)
{
        /* The object's own metadata says more than the list's. */
        AUTO_STR *all = mem_strndup(text, n);
        const char *items = strstr(all, "\"items\":[");
        AUTO_STR *begin = mem_strndup(items ? items : all, strnlen(items ? items : all, BEGIN_MAX));
        if (r->events->on_bad_object)
                r->events->on_bad_object(begin, why->text, r->arg);
}

/* One object of a page cannot be read: the page is asked for again, object by object, so that only that one is lost. */
static void handle_bad_page(struct reflector *r, const struct response *a, const struct err *why)
{
        if (r->singles == 0) {
                r->singles = REFLECTOR_PAGE;
                schedule(r, 0);
                return;
        }
        tell_bad(r, a->body, a->size, why);
        AUTO_STR *token = scan_member(a->body, a->size, "continue");
        AUTO_STR *version = scan_member(a->body, a->size, "resourceVersion");
        r->singles--;
        next_page(r, token ? token : "", version ? version : "");
}

static void handle_page(struct reflector *r, const struct response *a)
{
        struct err e = {0};
        AUTO_JSON *page = json_read(a->body, a->size, &e);
        if (!page) {
                handle_bad_page(r, a, &e);
                return;
        }
        if (r->events->on_progress)
                r->events->on_progress(r->arg);
        tell_items(r, page);
        if (r->singles)
                r->singles--;
        const json_t *metadata = json_object_get(page, "metadata");
        next_page(r, string_in(metadata, "continue"), string_in(metadata, "resourceVersion"));
}

static void on_page(const struct response *a, void *arg)
{
        struct reflector *r = arg;
        r->call = NULL;
        struct err e = a->error;
        if (a->code == 200) {
                handle_page(r, a);
                return;
        }
        if (a->code)
                err_set_code(&e, a->code, "the list was answered with %d: %.200s", a->code, a->body);
        /* 410: the continue token has expired, and the list begins anew. Nothing is taken as gone before it ends. */
        forget_list(r);
        restart(r, a->code == 410 ? "gone" : "error", &e, a->retry_after);
}

static void list(struct reflector *r)
{
        if (!r->listing) {
                r->listing = true;
                r->events->on_list_begin(r->arg);
        }
        AUTO_STR *token = r->next ? client_escape(r->next) : NULL;
        AUTO_STR *selector = r->source.field_selector ? client_escape(r->source.field_selector) : NULL;
        AUTO_STR *path = mem_printf("%s?limit=%d%s%s%s%s", r->source.path, r->singles ? 1 : REFLECTOR_PAGE,
                                    selector ? "&fieldSelector=" : "", selector ? selector : "",
                                    token ? "&continue=" : "", token ? token : "");
        struct request request = {
                .method = "GET",
                .path = path,
                .timeout = LIST_SECONDS * DURATION_SECOND,
                .verb = "list",
                .resource = r->source.resource,
        };
        r->call = client_request(r->client, &request, on_page, r);
}

/* ---- watch ---- */

static void handle_error_event(struct reflector *r, const json_t *status)
{
        json_int_t code = json_integer_value(json_object_get(status, "code"));
        err_set_code(&r->problem, (int)code, "the watch ended with %d: %.200s", (int)code,
                     string_in(status, "message"));
        r->relist = r->relist || code == 410;
}

static void handle_event(struct reflector *r, json_t *event)
{
        const char *type = string_in(event, "type");
        json_t *object = json_object_get(event, "object");
        r->got_event = true;
        if (str_equal(type, "ERROR")) {
                handle_error_event(r, object);
                return;
        }
        const char *version = string_in(json_object_get(object, "metadata"), "resourceVersion");
        if (*version)
                set_string(&r->version, version);
        if (str_equal(type, "ADDED") || str_equal(type, "MODIFIED"))
                r->events->on_object(object, r->arg);
        else if (str_equal(type, "DELETED"))
                r->events->on_delete(object, r->arg);
}

static void handle_line(struct reflector *r, const char *text, size_t n)
{
        if (!n)
                return;
        struct err e = {0};
        AUTO_JSON *event = json_read(text, n, &e);
        if (event) {
                handle_event(r, event);
                return;
        }
        /* A watch goes on behind a line that cannot be read: it is one object's misfortune. */
        tell_bad(r, text, n, &e);
        AUTO_STR *version = scan_member(text, n, "resourceVersion");
        if (version)
                set_string(&r->version, version);
}

static void finish_line(struct reflector *r)
{
        if (r->skipping) {
                struct err e = {0};
                err_set(&e, "an event of more than %d bytes", REFLECTOR_LINE_MAX);
                tell_bad(r, buf_data(r->line), buf_len(r->line), &e);
        } else {
                handle_line(r, buf_data(r->line), buf_len(r->line));
        }
        r->skipping = false;
        buf_clear(r->line);
}

static void on_bytes(const char *p, size_t n, void *arg)
{
        struct reflector *r = arg;
        if (r->events->on_progress)
                r->events->on_progress(r->arg);
        while (n) {
                const char *end = memchr(p, '\n', n);
                size_t part = end ? (size_t)(end - p) : n;
                if (end && buf_len(r->line) == 0 && !r->skipping) {
                        handle_line(r, p, part); /* whole: no copy */
                } else {
                        if (!buf_append(r->line, p, part))
                                r->skipping = true;
                        if (end)
                                finish_line(r);
                }
                part += end != NULL;
                p += part;
                n -= part;
        }
}

static void on_watch_end(const struct response *a, void *arg)
{
        struct reflector *r = arg;
        r->call = NULL;
        buf_clear(r->line);
        r->skipping = false;
        bool gone = r->relist || a->code == 410;
        struct err e = r->problem.text[0] ? r->problem : a->error;
        if (a->code && a->code != 200)
                err_set_code(&e, a->code, "the watch was answered with %d: %.200s", a->code, a->body);
        if (gone)
                set_string(&r->version, NULL);
        /* A watch that brought something, or ended as agreed, is no failure. */
        if (r->got_event || (a->code == 200 && !e.text[0]))
                backoff_reset(&r->backoff);
        if (gone || e.text[0])
                restart(r, gone ? "gone" : a->code == 200 ? "closed" : "error", &e, a->retry_after);
        else
                schedule(r, backoff_jitter(DURATION_SECOND / 10, 1.0));
}

static void watch(struct reflector *r)
{
        AUTO_STR *selector = r->source.field_selector ? client_escape(r->source.field_selector) : NULL;
        AUTO_STR *version = client_escape(r->version);
        int seconds = (int)(backoff_jitter(WATCH_SECONDS * DURATION_SECOND, 1.0) / DURATION_SECOND);
        AUTO_STR *path = mem_printf("%s?watch=true&allowWatchBookmarks=true&resourceVersion=%s&timeoutSeconds=%d%s%s",
                                    r->source.path, version, seconds, selector ? "&fieldSelector=" : "",
                                    selector ? selector : "");
        struct request request = {.method = "GET", .path = path, .verb = "watch", .resource = r->source.resource};
        r->problem = (struct err){0};
        r->relist = false;
        r->got_event = false;
        r->call = client_stream(r->client, &request, on_bytes, on_watch_end, r);
}

/* ---- the reflector ---- */

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
        (void)fd;
        (void)what;
        struct reflector *r = arg;
        if (r->version && !r->listing)
                watch(r);
        else
                list(r);
}

struct reflector *reflector_new(struct event_base *base, struct client *client, const struct reflector_source *source,
                                const struct reflector_events *events, void *arg)
{
        struct reflector *r = mem_zalloc(sizeof(*r));
        r->client = client;
        r->source = *source;
        r->events = events;
        r->arg = arg;
        r->line = buf_new(REFLECTOR_LINE_MAX);
        r->timer = event_new(base, -1, 0, on_timer, r);
        schedule(r, 0);
        return r;
}

void reflector_free(struct reflector *r)
{
        if (!r)
                return;
        client_cancel(r->call);
        event_free(r->timer);
        mem_free(r->version);
        mem_free(r->next);
        buf_free(r->line);
        mem_free(r);
}
