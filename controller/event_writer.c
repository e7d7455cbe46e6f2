/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/event_writer.h"

#include "base/log.h"
#include "base/metric.h"
#include "base/time.h"
#include "controller/event.h"

struct event_writer {
        struct event_writer_options options;
        struct event_limit limit;
        struct metric *events;
        struct buf *body;
        char *instance;
        int last_failure; /* the code that was logged last; -1: none */
        bool leader, limited;
};

static const struct metric_def events_def = {
        .name = "gatehouse_events_total",
        .type = METRIC_COUNTER,
        .help = "Kubernetes Events, by what became of them: written, known, limited or failed.",
        .labels = {"result"},
};
METRIC_LIST(&events_def, 1);

static void count(struct event_writer *w, const char *result)
{
        metric_add(metric_cell(w->events, result, NULL, NULL), 1);
}

static void write_event(struct event_writer *w, const struct event_note *note)
{
        if (!w->leader)
                return;
        bool allowed = event_limit_take(&w->limit, note->object, w->options.monotonic());
        if (!allowed && !w->limited)
                log_info("too many events: some are left out, the statuses have it all", NULL);
        w->limited = !allowed;
        if (!allowed) {
                count(w, "limited");
                return;
        }
        buf_clear(w->body);
        event_body(w->body, note, w->instance, w->options.wall());
        w->options.send(note->object->namespace, buf_data(w->body), buf_len(w->body), w->options.arg);
}

void event_writer_turned(struct event_writer *w, const struct object *o)
{
        const struct ir_status *status = o->ingressroute->status;
        if (!status || !status->condition_reason || !status->description)
                return;
        write_event(w, &(struct event_note){
                               .object = o,
                               .warning = !str_equal(status->current_status, "valid"),
                               .reason = status->condition_reason,
                               .message = status->description,
                               .occasion = o->resource_version,
                       });
}

void event_writer_answered(struct event_writer *w, int code)
{
        bool written = code >= 200 && code < 300;
        bool known = code == 409;
        count(w, written ? "written" : known ? "known" : "failed");
        if (!written && !known && code != w->last_failure)
                log_warn("an event could not be written", "code", log_int(code), NULL);
        w->last_failure = written || known ? -1 : code;
}

/* ---- Ingresses ---- */

/* What a host says of an Ingress that it does not serve; NULL: nothing. */
static const struct finding *refusal(const struct host_object *o)
{
        for (size_t i = 0; o && i < o->finding_count; i++) {
                if (rule_info(o->findings[i].rule)->status == STATUS_INVALID)
                        return &o->findings[i];
        }
        return NULL;
}

static void tell_ingress(struct event_writer *w, const struct object_ref *ref, const struct finding *before,
                         const struct finding *now)
{
        if (before && now ? finding_same(before, now) : before == now)
                return;
        const struct object *o =
                view_get(&(struct view){.store = w->options.store}, ref->kind, ref->namespace, ref->name);
        if (!o)
                return;
        AUTO(arena) *a = arena_new(1024);
        write_event(w, &(struct event_note){
                               .object = o,
                               .warning = now != NULL,
                               .reason = now ? rule_info(now->rule)->name : "Valid",
                               .message = now ? finding_text(a, now)
                                              : arena_printf(a, "no longer: %s", finding_text(a, before)),
                               .occasion = now ? now->subject : o->resource_version,
                       });
}

static void host_changed(const struct host *old, const struct host *new, void *arg)
{
        struct event_writer *w = arg;
        for (size_t i = 0; w->leader && new &&i < new->object_count; i++) {
                const struct host_object *o = &new->objects[i];
                if (o->ref.kind == KIND_INGRESS)
                        tell_ingress(w, &o->ref, old ? refusal(host_find_object(old, &o->ref)) : NULL, refusal(o));
        }
}

/* ---- the writer ---- */

struct event_writer *event_writer_new(const struct event_writer_options *options)
{
        struct event_writer *w = mem_zalloc(sizeof(*w));
        w->options = *options;
        w->events = metric_new(&events_def);
        w->instance = mem_strdup(options->instance);
        w->body = buf_new(EVENT_BODY_MAX);
        w->last_failure = -1;
        pipeline_add_reader(options->pipeline, &(struct pipeline_reader){.host_changed = host_changed, .arg = w});
        return w;
}

void event_writer_free(struct event_writer *w)
{
        if (!w)
                return;
        buf_free(w->body);
        mem_free(w->instance);
        mem_free(w);
}

static void tell_all(const struct host *h, void *arg)
{
        host_changed(NULL, h, arg);
}

void event_writer_set_leader(struct event_writer *w, bool leader)
{
        if (leader == w->leader)
                return;
        w->leader = leader;
        w->last_failure = -1;
        if (leader)
                pipeline_each_host(w->options.pipeline, tell_all, w);
}
