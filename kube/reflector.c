/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/reflector.h"

#include "base/json_arena.h"
#include "base/json_read.h"
#include "base/time.h"
#include "kube/line_split.h"
#include "kube/list_page.h"
#include "kube/reflector_state.h"

#include <event2/event.h>

enum {
        WATCH_SECONDS = 300, /* plus up to as much again: then the server ends the watch */
        LIST_SECONDS = 60,   /* a page of large objects from a busy server */
};

struct reflector {
        struct client *client;
        struct reflector_source source;
        const struct reflector_events *events;
        void *arg;
        struct event *timer; /* the next request */
        struct call *call;
        struct reflector_state state;
        struct line_split *lines;
        /* of the watch under way */
        int64_t began;
        bool got_event;
        int error_code;   /* of an ERROR event */
        struct err error; /* what that event said */
};

static void follow(struct reflector *r, const struct reflector_step *step, const struct err *why)
{
        if (step->list_ended)
                r->events->on_list_end(r->arg);
        if (step->reason && r->events->on_restart)
                r->events->on_restart(step->reason, why, r->arg);
        struct timeval t = {step->wait / DURATION_SECOND, step->wait % DURATION_SECOND / DURATION_MICROSECOND};
        event_add(r->timer, &t);
}

static void progress(struct reflector *r)
{
        if (r->events->on_progress)
                r->events->on_progress(r->arg);
}

/* ---- list ---- */

static void tell_object(json_t *object, void *arg)
{
        struct reflector *r = arg;
        r->events->on_object(object, r->arg);
}

static void tell_bad(const char *name, const char *why, void *arg)
{
        struct reflector *r = arg;
        if (r->events->on_bad_object)
                r->events->on_bad_object(name, why, r->arg);
}

/* What the answer means; the version and token it holds are page's. */
static struct page_outcome read_page(const struct response *a, const char *asked, struct list_page *page, struct err *e)
{
        struct page_outcome o = {.code = a->code, .retry_after = a->retry_after};
        o.too_large = a->error.code == CLIENT_TOO_LARGE;
        *e = a->error;
        if (a->code == 200 && list_page_read(page, a->body, a->size, e)) {
                o.version = page->version;
                o.next = page->next;
        } else if (a->code && a->code != 200) {
                err_set_code(e, a->code, "%s was answered with %d: %.200s", asked, a->code, a->body);
        }
        return o;
}

static void on_page(const struct response *a, void *arg)
{
        struct reflector *r = arg;
        struct list_page page = {0};
        struct err e = {0};
        r->call = NULL;
        struct page_outcome o = read_page(a, "the list", &page, &e);
        if (o.version) {
                progress(r);
                list_page_each(&page, tell_object, tell_bad, r);
        }
        struct reflector_step step = reflector_state_page(&r->state, &o);
        follow(r, &step, &e);
        list_page_done(&page);
}

static void on_version(const struct response *a, void *arg)
{
        struct reflector *r = arg;
        struct list_page page = {0};
        struct err e = {0};
        r->call = NULL;
        struct page_outcome o = read_page(a, "the list", &page, &e);
        struct reflector_step step = reflector_state_version(&r->state, &o);
        if (step.reason && o.version)
                err_set(&e, "the server has lost what it knew: it is at resourceVersion %.40s", o.version);
        follow(r, &step, &e);
        list_page_done(&page);
}

/* ---- watch ---- */

static const char *string_in(const json_t *o, const char *key)
{
        const char *s = json_string_value(json_object_get(o, key));
        return s ? s : "";
}

static void handle_event(struct reflector *r, json_t *event)
{
        const char *type = string_in(event, "type");
        json_t *object = json_object_get(event, "object");
        if (str_equal(type, "ERROR")) {
                json_int_t code = json_integer_value(json_object_get(object, "code"));
                r->error_code = code > 0 && code < 1000 ? (int)code : 500;
                err_set_code(&r->error, r->error_code, "the watch ended with %d: %.200s", r->error_code,
                             string_in(object, "message"));
                return;
        }
        r->got_event = true;
        reflector_state_event(&r->state, string_in(json_object_get(object, "metadata"), "resourceVersion"));
        if (str_equal(type, "ADDED") || str_equal(type, "MODIFIED"))
                r->events->on_object(object, r->arg);
        else if (str_equal(type, "DELETED"))
                r->events->on_delete(object, r->arg);
}

/* A watch goes on behind a line that cannot be read: it is one object's misfortune. */
static void handle_bad_line(struct reflector *r, const char *text, size_t n, const char *why)
{
        struct skim line = skim_value(text, n), object, metadata, version;
        AUTO_STR *name = skim_member(&line, "object", &object) ? skim_object_name(&object) : mem_strdup("");
        tell_bad(name, why, r);
        if (!skim_member(&line, "object", &object) || !skim_member(&object, "metadata", &metadata) ||
            !skim_member(&metadata, "resourceVersion", &version))
                return;
        /* Else the next watch would begin with the same line. */
        AUTO_STR *value = skim_string(&version);
        reflector_state_event(&r->state, value ? value : "");
        r->got_event = true;
}

static void read_event(struct reflector *r, const char *text, size_t n)
{
        struct err e = {0};
        AUTO_JSON *event = json_read(text, n, &e);
        if (json_is_object(json_object_get(event, "object")))
                handle_event(r, event);
        else
                handle_bad_line(r, text, n, event ? "no watch event" : e.text);
}

static void on_line(const char *text, size_t n, bool whole, void *arg)
{
        struct reflector *r = arg;
        struct err e = {0};
        if (!n)
                return;
        if (!whole) {
                err_set(&e, "an event of more than %d bytes", REFLECTOR_LINE_MAX);
                handle_bad_line(r, text, n, e.text);
                return;
        }
        /* Hundreds of small pieces between what lives on would leave the heap full of holes. */
        json_arena_begin();
        read_event(r, text, n);
        json_arena_end();
}

static void on_bytes(const char *p, size_t n, void *arg)
{
        struct reflector *r = arg;
        progress(r);
        line_split_feed(r->lines, p, n);
}

static void on_watch_end(const struct response *a, void *arg)
{
        struct reflector *r = arg;
        r->call = NULL;
        line_split_reset(r->lines);
        struct watch_outcome o = {
                .code = a->code,
                .error_code = r->error_code,
                .broken = a->error.text[0] != '\0',
                .got_event = r->got_event,
                .lasted = time_monotonic() - r->began,
                .retry_after = a->retry_after,
        };
        struct err e = r->error_code ? r->error : a->error;
        if (a->code && a->code != 200)
                err_set_code(&e, a->code, "the watch was answered with %d: %.200s", a->code, a->body);
        struct reflector_step step = reflector_state_watch(&r->state, &o);
        follow(r, &step, &e);
}

/* ---- asking ---- */

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
        (void)fd;
        (void)what;
        struct reflector *r = arg;
        int seconds = (int)(backoff_jitter(WATCH_SECONDS * DURATION_SECOND, 1.0) / DURATION_SECOND);
        AUTO_STR *path = reflector_state_path(&r->state, r->source.path, r->source.field_selector, seconds);
        struct request request = {.method = "GET", .path = path, .verb = "list", .resource = r->source.resource};
        switch (reflector_state_ask(&r->state)) {
        case REFLECTOR_ASK_LIST:
                if (reflector_state_begin_page(&r->state))
                        r->events->on_list_begin(r->arg);
                request.timeout = LIST_SECONDS * DURATION_SECOND;
                r->call = client_request(r->client, &request, on_page, r);
                break;
        case REFLECTOR_ASK_VERSION:
                r->call = client_request(r->client, &request, on_version, r);
                break;
        case REFLECTOR_ASK_WATCH:
                request.verb = "watch";
                r->began = time_monotonic();
                r->got_event = false;
                r->error_code = 0;
                r->call = client_stream(r->client, &request, on_bytes, on_watch_end, r);
                break;
        }
}

struct reflector *reflector_new(struct event_base *base, struct client *client, const struct reflector_source *source,
                                const struct reflector_events *events, void *arg)
{
        struct reflector *r = mem_zalloc(sizeof(*r));
        r->client = client;
        r->source = *source;
        r->events = events;
        r->arg = arg;
        r->lines = line_split_new(REFLECTOR_LINE_MAX, on_line, r);
        r->timer = event_new(base, -1, 0, on_timer, r);
        struct timeval now = {0, 0};
        event_add(r->timer, &now);
        return r;
}

void reflector_free(struct reflector *r)
{
        if (!r)
                return;
        client_cancel(r->call);
        event_free(r->timer);
        reflector_state_done(&r->state);
        line_split_free(r->lines);
        mem_free(r);
}
