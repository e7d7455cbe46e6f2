/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/ingress_writer.h"

#include "base/json_text.h"
#include "base/log.h"
#include "base/map.h"
#include "base/metric.h"
#include "base/names.h"
#include "controller/status_queue.h"

#include <stdio.h>
#include <string.h>

struct ingress_writer {
        struct ingress_writer_options options;
        struct status_queue *queue;
        struct arena *scratch;
        struct metric *writes;
        struct lb_address fixed;
        int last_failure; /* the code that was logged last; -1: none */
        bool all;         /* what concerns every Ingress has changed */
};

static const struct metric_def writes_def = {
        .name = "gatehouse_ingress_status_writes_total",
        .type = METRIC_COUNTER,
        .help = "Answers to writes of an Ingress's load balancer status, by result.",
        .labels = {"result"},
};
METRIC_LIST(&writes_def, 1);

/* ---- what is wanted ---- */

static struct view view_of(const struct ingress_writer *w)
{
        return (struct view){.store = w->options.store};
}

/* Borrowed until the store changes. */
static const struct lb_address *wanted(const struct ingress_writer *w, size_t *count)
{
        *count = 0;
        if (w->options.address) {
                *count = 1;
                return &w->fixed;
        }
        const struct view v = view_of(w);
        const struct object *service =
                view_get(&v, KIND_SERVICE, w->options.service_namespace, w->options.service_name);
        if (!service)
                return NULL;
        *count = service->service->address_count;
        return service->service->addresses;
}

static bool equal(const struct lb_address *a, size_t a_count, const struct lb_address *b, size_t b_count)
{
        bool same = a_count == b_count;
        for (size_t i = 0; same && i < a_count; i++)
                same = str_equal(a[i].ip, b[i].ip) && str_equal(a[i].hostname, b[i].hostname);
        return same;
}

static uint64_t hash_of(const struct lb_address *items, size_t count)
{
        AUTO(buf) *text = buf_new(LB_ADDRESSES_MAX * 1024);
        for (size_t i = 0; i < count; i++) {
                buf_append_str(text, items[i].ip ? items[i].ip : items[i].hostname);
                buf_append_char(text, '\n');
        }
        return map_hash(buf_data(text), buf_len(text));
}

static void append_patch(struct buf *b, const struct object *o, const struct lb_address *items, size_t count)
{
        buf_append_str(b, "{\"metadata\":{");
        json_text_member(b, "uid", o->uid, ",");
        json_text_member(b, "resourceVersion", o->resource_version, "},\"status\":{\"loadBalancer\":{\"ingress\":[");
        for (size_t i = 0; i < count; i++) {
                buf_append_str(b, i ? ",{" : "{");
                json_text_member(b, items[i].ip ? "ip" : "hostname", items[i].ip ? items[i].ip : items[i].hostname,
                                 "}");
        }
        buf_append_str(b, "]}}}");
}

/* ---- what the queue asks ---- */

static enum status_decision plan(const char *key, struct status_write *write, void *arg)
{
        struct ingress_writer *w = arg;
        arena_reset(w->scratch);
        const char *namespace;
        const char *name = status_key_split(key, w->scratch, &namespace);
        const struct view v = view_of(w);
        const struct object *o = view_get(&v, KIND_INGRESS, namespace, name);
        if (!o)
                return STATUS_GONE;
        size_t count;
        const struct lb_address *items = wanted(w, &count);
        if (!count || !judge_is_ours(&v, w->options.policy, o) ||
            equal(items, count, o->ingress->addresses, o->ingress->address_count))
                return STATUS_FINE;
        append_patch(write->body, o, items, count);
        write->wanted = hash_of(items, count);
        write->held = hash_of(o->ingress->addresses, o->ingress->address_count);
        write->turns = false;
        snprintf(write->version, sizeof(write->version), "%s", o->resource_version);
        return STATUS_WRITE;
}

static void send_patch(const char *key, const struct status_write *write, void *arg)
{
        struct ingress_writer *w = arg;
        const char *namespace;
        const char *name = status_key_split(key, w->scratch, &namespace);
        w->options.send(key, namespace, name, buf_data(write->body), buf_len(write->body), w->options.arg);
}

static uint32_t draw(void *arg)
{
        return ((struct ingress_writer *)arg)->options.random();
}

/* ---- what the store says ---- */

static void touch(const struct object *o, void *arg)
{
        struct ingress_writer *w = arg;
        AUTO_STR *key = mem_printf("%s/%s", o->namespace, o->name);
        status_queue_touch(w->queue, key, w->options.monotonic());
}

static bool is_envoys_service(const struct ingress_writer *w, const struct object *o)
{
        return o->kind == KIND_SERVICE && w->options.service_name &&
               str_equal(o->namespace, w->options.service_namespace) && str_equal(o->name, w->options.service_name);
}

/* Under the store's lock: only notes what is to be looked at. */
static void stored(const struct object *old, const struct object *new, void *arg)
{
        struct ingress_writer *w = arg;
        const struct object *o = new ? new : old;
        if (o->kind == KIND_INGRESS && new) {
                touch(new, w);
        } else if (o->kind == KIND_INGRESS) {
                AUTO_STR *key = mem_printf("%s/%s", o->namespace, o->name);
                status_queue_gone(w->queue, key);
        } else if (o->kind == KIND_INGRESSCLASS || is_envoys_service(w, o)) {
                w->all = true;
        }
}

static void store_changed(void *arg)
{
        struct ingress_writer *w = arg;
        if (w->all)
                store_each(w->options.store, KIND_INGRESS, touch, w);
        w->all = false;
        w->options.wake(w->options.arg);
}

/* ---- the writer ---- */

struct ingress_writer *ingress_writer_new(const struct ingress_writer_options *options)
{
        static const struct status_queue_ops ops = {plan, send_patch, draw};
        struct ingress_writer *w = mem_zalloc(sizeof(*w));
        w->options = *options;
        w->queue = status_queue_new(&ops, w);
        w->scratch = arena_new(1024);
        w->writes = metric_new(&writes_def);
        w->last_failure = -1;
        if (options->address && names_is_ip(options->address))
                w->fixed.ip = options->address;
        else
                w->fixed.hostname = options->address;
        pipeline_add_reader(options->pipeline,
                            &(struct pipeline_reader){.stored = stored, .store_changed = store_changed, .arg = w});
        return w;
}

void ingress_writer_free(struct ingress_writer *w)
{
        if (!w)
                return;
        status_queue_free(w->queue);
        arena_free(w->scratch);
        mem_free(w);
}

void ingress_writer_set_leader(struct ingress_writer *w, bool leader)
{
        status_queue_set_leader(w->queue, leader);
        w->last_failure = -1;
        if (leader)
                store_each(w->options.store, KIND_INGRESS, touch, w);
        w->options.wake(w->options.arg);
}

int64_t ingress_writer_due(const struct ingress_writer *w)
{
        return status_queue_due(w->queue, w->options.monotonic());
}

void ingress_writer_turn(struct ingress_writer *w)
{
        status_queue_pump(w->queue, w->options.monotonic());
}

/* ---- answers ---- */

static void log_failure(struct ingress_writer *w, const char *key, const struct status_answer *answer)
{
        bool fine = (answer->code >= 200 && answer->code < 300) || answer->code == 409 || answer->code == 404;
        if (!fine && answer->code != w->last_failure)
                log_warn("the addresses of an Ingress could not be written", "object", key, "result",
                         status_answer_result(answer), "code", log_int(answer->code), NULL);
        w->last_failure = fine ? -1 : answer->code;
}

void ingress_writer_answered(struct ingress_writer *w, const char *key, int code, int64_t retry_after, const char *body,
                             size_t n)
{
        struct status_answer answer = {.code = code, .retry_after = retry_after};
        AUTO(object) *kept = code >= 200 && code < 300 ? status_answer_object(KIND_INGRESS, body, n) : NULL;
        if (kept)
                answer.version = kept->resource_version;
        metric_add(metric_cell(w->writes, status_answer_result(&answer), NULL, NULL), 1);
        log_failure(w, key, &answer);
        status_queue_answered(w->queue, key, &answer, w->options.monotonic());
        w->options.wake(w->options.arg);
}

size_t ingress_writer_in_flight(const struct ingress_writer *w)
{
        return status_queue_in_flight(w->queue);
}
