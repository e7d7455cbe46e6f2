/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/status_writer.h"

#include "base/log.h"
#include "base/metric.h"
#include "controller/status_plan.h"
#include "controller/status_queue.h"

#include <stdio.h>
#include <string.h>

struct status_writer {
        struct status_writer_options options;
        struct status_queue *queue;
        struct arena *scratch;
        struct metric *writes;
        struct metric_cell *queued;
        const char *turning[STATUS_IN_FLIGHT_MAX]; /* keys of those under way that turn the status; NULL: free */
        int last_failure;                          /* the code that was logged last */
        bool pruned_logged;
};

static const struct metric_def writes_def = {
        .name = "gatehouse_status_writes_total",
        .type = METRIC_COUNTER,
        .help = "Answers to writes of a status: written, conflict, throttled, refused, missing, forbidden or failed.",
        .labels = {"result"},
};
METRIC_LIST(&writes_def, 1);
static const struct metric_def queue_def = {
        .name = "gatehouse_status_queue",
        .type = METRIC_GAUGE,
        .help = "IngressRoutes whose status is queued or being written.",
};
METRIC_LIST(&queue_def, 1);

/* ---- what the queue asks ---- */

static struct status_input input_of(const struct status_writer *w, const struct object *o,
                                    const struct object_state *state)
{
        return (struct status_input){
                .object = o,
                .state = state,
                .claim_id = w->options.policy->claim_id,
                .now = w->options.wall(),
        };
}

static enum status_decision plan(const char *key, struct status_write *write, void *arg)
{
        struct status_writer *w = arg;
        arena_reset(w->scratch);
        const char *namespace;
        const char *name = status_key_split(key, w->scratch, &namespace);
        struct object_state state;
        const struct object *o;
        switch (pipeline_state(w->options.pipeline, namespace, name, w->scratch, &state, &o)) {
        case PIPELINE_PENDING:
                return STATUS_LATER;
        case PIPELINE_GONE:
                return STATUS_GONE;
        case PIPELINE_READY:
                break;
        }
        struct status_input in = input_of(w, o, &state);
        if (!status_plan(&in, write->body))
                return STATUS_FINE;
        write->wanted = status_plan_wanted(&in);
        write->held = status_plan_held(o);
        write->turns = status_plan_turns(&in);
        snprintf(write->version, sizeof(write->version), "%s", o->resource_version);
        return STATUS_WRITE;
}

/* The slot that holds key; NULL finds a free one. */
static const char **find_turning(struct status_writer *w, const char *key)
{
        for (size_t i = 0; i < COUNT_OF(w->turning); i++) {
                if (w->turning[i] == key)
                        return &w->turning[i];
        }
        return NULL;
}

static void send(const char *key, const struct status_write *write, void *arg)
{
        struct status_writer *w = arg;
        const char *namespace;
        const char *name = status_key_split(key, w->scratch, &namespace);
        const char **slot = write->turns ? find_turning(w, NULL) : NULL;
        if (slot)
                *slot = key;
        w->options.send(key, namespace, name, buf_data(write->body), buf_len(write->body), w->options.arg);
}

static uint32_t draw(void *arg)
{
        return ((struct status_writer *)arg)->options.random();
}

/* ---- what the pipeline says ---- */

static void note_queue(struct status_writer *w)
{
        metric_set(w->queued, (int64_t)status_queue_count(w->queue));
}

static void object_changed(const struct object *o, void *arg)
{
        struct status_writer *w = arg;
        arena_reset(w->scratch);
        status_queue_touch(w->queue, arena_printf(w->scratch, "%s/%s", o->namespace, o->name), w->options.monotonic());
}

static void object_gone(const char *namespace, const char *name, void *arg)
{
        struct status_writer *w = arg;
        arena_reset(w->scratch);
        status_queue_gone(w->queue, arena_printf(w->scratch, "%s/%s", namespace, name));
}

static void settled(void *arg)
{
        struct status_writer *w = arg;
        note_queue(w);
        if (w->options.wake)
                w->options.wake(w->options.arg);
}

struct status_writer *status_writer_new(const struct status_writer_options *options)
{
        static const struct status_queue_ops ops = {plan, send, draw};
        struct status_writer *w = mem_zalloc(sizeof(*w));
        w->options = *options;
        w->queue = status_queue_new(&ops, w);
        w->scratch = arena_new(4096);
        w->writes = metric_new(&writes_def);
        w->queued = metric_cell(metric_new(&queue_def), NULL, NULL, NULL);
        pipeline_add_reader(options->pipeline, &(struct pipeline_reader){
                                                       .object_changed = object_changed,
                                                       .object_gone = object_gone,
                                                       .settled = settled,
                                                       .arg = w,
                                               });
        return w;
}

void status_writer_free(struct status_writer *w)
{
        if (!w)
                return;
        status_queue_free(w->queue);
        arena_free(w->scratch);
        mem_free(w);
}

void status_writer_set_leader(struct status_writer *w, bool leader)
{
        status_queue_set_leader(w->queue, leader);
        w->pruned_logged = false;
        w->last_failure = -1;
        if (leader)
                store_each(w->options.store, KIND_INGRESSROUTE, object_changed, w);
        settled(w);
}

/* ---- work ---- */

int64_t status_writer_due(const struct status_writer *w)
{
        return status_queue_due(w->queue, w->options.monotonic());
}

void status_writer_turn(struct status_writer *w)
{
        status_queue_pump(w->queue, w->options.monotonic());
        note_queue(w);
}

/* ---- answers ---- */

/*
 * Compares what the API server now holds with what is wanted: a schema that is too old prunes. When by now something
 * else is wanted than was sent, the answer says nothing about that.
 */
static void check_kept(struct status_writer *w, const char *key, const struct object *kept,
                       struct status_answer *answer)
{
        const char *namespace;
        const char *name = status_key_split(key, w->scratch, &namespace);
        struct object_state state;
        const struct object *o;
        if (pipeline_state(w->options.pipeline, namespace, name, w->scratch, &state, &o) != PIPELINE_READY ||
            o->generation != kept->generation)
                return;
        struct status_input in = input_of(w, kept, &state);
        /* CLAIM_NOW is another time now than when it was written. */
        const struct ir_status *status = kept->ingressroute->status;
        if (state.claim_fqdn && state.claim_since == CLAIM_NOW && status && status->claim)
                state.claim_since = status->claim->since;
        if (status_plan_wanted(&in) != status_queue_under_way(w->queue, key))
                return;
        answer->incomplete = status_plan(&in, NULL);
        answer->held = status_plan_held(kept);
        if (!answer->incomplete || w->pruned_logged)
                return;
        w->pruned_logged = true;
        log_warn("the API server did not keep all of a status: is the IngressRoute CRD the one of this version?",
                 "object", key, NULL);
}

static void log_failure(struct status_writer *w, const char *key, const struct status_answer *answer)
{
        bool written = answer->code >= 200 && answer->code < 300;
        /* Somebody else was faster: a change (409) or a deletion (404), of which the watch tells. */
        if (written || answer->code == 409 || answer->code == 404) {
                w->last_failure = -1;
                return;
        }
        if (answer->code == w->last_failure && answer->code != 422)
                return;
        w->last_failure = answer->code;
        log_warn("a status could not be written", "object", key, "result", status_answer_result(answer), "code",
                 log_int(answer->code), NULL);
}

void status_writer_answered(struct status_writer *w, const char *key, int code, int64_t retry_after, const char *body,
                            size_t n)
{
        arena_reset(w->scratch);
        struct status_answer answer = {.code = code, .retry_after = retry_after};
        AUTO(object) *kept = code >= 200 && code < 300 ? status_answer_object(KIND_INGRESSROUTE, body, n) : NULL;
        if (kept) {
                answer.version = kept->resource_version;
                check_kept(w, key, kept, &answer);
        }
        const char **slot = find_turning(w, key);
        if (slot)
                *slot = NULL;
        if (slot && kept && w->options.turned)
                w->options.turned(kept, w->options.arg);
        metric_add(metric_cell(w->writes, status_answer_result(&answer), NULL, NULL), 1);
        log_failure(w, key, &answer);
        status_queue_answered(w->queue, key, &answer, w->options.monotonic());
        settled(w);
}

size_t status_writer_pending(const struct status_writer *w)
{
        return status_queue_count(w->queue);
}

size_t status_writer_in_flight(const struct status_writer *w)
{
        return status_queue_in_flight(w->queue);
}
