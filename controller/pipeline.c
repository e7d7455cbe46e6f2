/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/pipeline_internal.h"

#include "base/time.h"

#include <assert.h>
#include <string.h>

static const struct metric_def duration_def = {
        .name = "gatehouse_dag_compile_duration_seconds",
        .type = METRIC_HISTOGRAM,
        .help = "Time to compile what one batch of changes made dirty.",
};
METRIC_LIST(&duration_def, 1);
static const struct metric_def hosts_def = {
        .name = "gatehouse_dag_hosts",
        .type = METRIC_GAUGE,
        .help = "Virtual hosts that are compiled.",
};
METRIC_LIST(&hosts_def, 1);
static const struct metric_def objects_def = {
        .name = "gatehouse_dag_objects",
        .type = METRIC_GAUGE,
        .help = "Stored objects.",
        .labels = {"kind"},
};
METRIC_LIST(&objects_def, 1);

static void make_metrics(struct pipeline_metrics *m)
{
        m->compile_duration = metric_cell(metric_new(&duration_def), NULL, NULL, NULL);
        m->hosts = metric_cell(metric_new(&hosts_def), NULL, NULL, NULL);
        struct metric *objects = metric_new(&objects_def);
        for (unsigned kind = 0; kind < KIND_COUNT; kind++)
                m->objects[kind] = metric_cell(objects, kind_info((enum kind)kind)->name, NULL, NULL);
}

struct pipeline *pipeline_new(const struct pipeline_options *options)
{
        struct pipeline *p = mem_zalloc(sizeof(*p));
        p->options = *options;
        p->hooks = (struct store_hooks){
                .on_dirty = pipeline_on_dirty, .on_change = pipeline_on_change, .lingers = pipeline_lingers, .arg = p};
        p->lingers_by_key = map_new();
        p->dirty = COALESCE_INIT;
        p->dirty_last = &p->dirty_first;
        p->changed_last = &p->changed_first;
        for (size_t i = 0; i < BATCH_MAX; i++)
                p->reads[i] = reads_new();
        make_metrics(&p->metrics);
        pipeline_index_init(p);
        return p;
}

static void free_event(struct event *e)
{
        object_free(e->object);
        mem_free(e->namespace);
        mem_free(e->name);
}

void pipeline_free(struct pipeline *p)
{
        if (!p)
                return;
        for (size_t i = p->event_next; i < p->event_count; i++)
                free_event(&p->events[i]);
        mem_free(p->events);
        pipeline_index_done(p);
        pipeline_linger_done(p);
        heap_done(&p->rechecks);
        for (size_t i = 0; i < BATCH_MAX; i++)
                reads_free(p->reads[i]);
        mem_free(p->found);
        mem_free(p);
}

void pipeline_add_reader(struct pipeline *p, const struct pipeline_reader *reader)
{
        assert(p->reader_count < PIPELINE_READERS_MAX);
        p->readers[p->reader_count++] = *reader;
}

/* ---- the queue of changes ---- */

static void wake(struct pipeline *p)
{
        if (!p->in_turn && p->options.wake)
                p->options.wake(p->options.arg);
}

static void push_event(struct pipeline *p, const struct event *e)
{
        bool was_empty = p->event_count == 0;
        if (p->event_count == p->event_room) {
                p->event_room = p->event_room ? p->event_room * 2 : 64;
                p->events = mem_resize(p->events, p->event_room, sizeof(*p->events));
        }
        p->events[p->event_count++] = *e;
        if (was_empty)
                wake(p);
}

void pipeline_put(struct pipeline *p, struct object *o, unsigned source)
{
        push_event(p, &(struct event){
                              .type = EVENT_PUT, .object = o, .kind = (uint8_t)o->kind, .source = (uint16_t)source});
}

void pipeline_remove(struct pipeline *p, enum kind kind, const char *namespace, const char *name, unsigned source)
{
        push_event(p, &(struct event){
                              .type = EVENT_REMOVE,
                              .kind = (uint8_t)kind,
                              .source = (uint16_t)source,
                              .namespace = mem_strdup(namespace),
                              .name = mem_strdup(name),
                      });
}

void pipeline_sweep_begin(struct pipeline *p, enum kind kind, unsigned source)
{
        push_event(p, &(struct event){.type = EVENT_SWEEP_BEGIN, .kind = (uint8_t)kind, .source = (uint16_t)source});
}

void pipeline_sweep_end(struct pipeline *p, enum kind kind, unsigned source)
{
        push_event(p, &(struct event){.type = EVENT_SWEEP_END, .kind = (uint8_t)kind, .source = (uint16_t)source});
}

/*
 * Only the status differs, as after each of our own writes: compiled like anything else, but no churn that others would
 * have to wait for. Where only annotations differ the generation is the same too; that is no harm.
 */
static bool is_only_status(struct pipeline *p, const struct object *o)
{
        if (o->kind != KIND_INGRESSROUTE || !o->generation)
                return false;
        const struct object_entry *known = pipeline_find_object(p, o->namespace, o->name);
        return known && known->object && known->object->generation == o->generation &&
               str_equal(known->object->uid, o->uid);
}

/* False when there is more of it: then it is applied again. */
static bool apply_event(struct pipeline *p, struct event *e)
{
        struct store *s = p->options.store;
        enum kind kind = (enum kind)e->kind;
        switch ((enum event_type)e->type) {
        case EVENT_PUT:
                p->only_status = is_only_status(p, e->object);
                store_put(s, mem_take(&e->object), e->source, &p->hooks);
                p->only_status = false;
                return true;
        case EVENT_REMOVE:
                store_remove(s, kind, e->namespace, e->name, e->source, &p->hooks);
                return true;
        case EVENT_SWEEP_BEGIN:
                store_sweep_begin(s, kind, e->source);
                return true;
        case EVENT_SWEEP_END:
                return store_sweep_end(s, kind, e->source, SWEEP_STEP, &p->hooks);
        }
        __builtin_unreachable();
}

/* Applies events in one hold of the lock. */
static void apply_some(struct pipeline *p)
{
        pthread_rwlock_wrlock(p->options.lock);
        int64_t until = p->options.monotonic() + HOLD_MAX;
        for (size_t n = 1; p->event_next < p->event_count; n++) {
                struct event *e = &p->events[p->event_next];
                if (apply_event(p, e)) {
                        free_event(e);
                        p->event_next++;
                }
                if (n % EVENTS_BETWEEN_LOOKS == 0 && p->options.monotonic() >= until)
                        break;
        }
        pthread_rwlock_unlock(p->options.lock);
}

static void tell_store_changed(struct pipeline *p)
{
        for (size_t i = 0; i < p->reader_count; i++) {
                if (p->readers[i].store_changed)
                        p->readers[i].store_changed(p->readers[i].arg);
        }
}

static void apply_events(struct pipeline *p, int64_t deadline)
{
        bool expires = pipeline_linger_due(p) <= p->options.monotonic();
        if (!p->event_count && !expires)
                return;
        uint64_t before = store_generation(p->options.store);
        if (expires)
                pipeline_expire(p);
        while (p->event_next < p->event_count && p->options.monotonic() < deadline)
                apply_some(p);
        if (p->event_next == p->event_count)
                p->event_next = p->event_count = 0;
        if (store_generation(p->options.store) == before)
                return;
        for (unsigned kind = 0; kind < KIND_COUNT; kind++)
                metric_set(p->metrics.objects[kind], (int64_t)store_count(p->options.store, (enum kind)kind));
        tell_store_changed(p);
}

/* ---- when to compile ---- */

void pipeline_mark_dirty(struct pipeline *p, struct node *node)
{
        if (p->only_status)
                coalesce_join(&p->dirty, p->options.monotonic(), !p->dirty_first);
        else
                coalesce_note(&p->dirty, p->options.monotonic(), !p->dirty_first);
        if (node->dirty)
                return;
        node->dirty = true;
        node->next_dirty = NULL;
        *p->dirty_last = node;
        p->dirty_last = &node->next_dirty;
}

static int64_t compile_due(const struct pipeline *p)
{
        return p->built ? coalesce_due(&p->dirty) : 0;
}

/* A recheck is due by the wall clock, which may be set: look at least once a minute. */
static int64_t recheck_due(const struct pipeline *p)
{
        const struct heap_node *first = heap_first(&p->rechecks);
        if (!first)
                return INT64_MAX;
        int64_t left = first->key - p->options.wall(); /* microseconds */
        int64_t minute = DURATION_MINUTE / DURATION_MICROSECOND;
        left = left < 0 ? 0 : left > minute ? minute : left;
        return p->options.monotonic() + left * DURATION_MICROSECOND;
}

int64_t pipeline_due(const struct pipeline *p)
{
        if (p->event_next < p->event_count)
                return 0;
        if (!p->started)
                return INT64_MAX;
        int64_t due = recheck_due(p);
        if (pipeline_linger_due(p) < due)
                due = pipeline_linger_due(p);
        if (p->dirty_first && compile_due(p) < due)
                due = compile_due(p);
        return p->unsettled || (p->changed_first && !p->dirty_first) ? 0 : due;
}

bool pipeline_is_busy(const struct pipeline *p)
{
        return p->event_next < p->event_count || p->unsettled || p->dirty_first || p->changed_first;
}

static void mark_rechecks(struct pipeline *p)
{
        int64_t now = p->options.wall();
        for (struct heap_node *n; (n = heap_first(&p->rechecks)) && n->key <= now;) {
                struct host_entry *entry =
                        (struct host_entry *)(void *)((char *)n - offsetof(struct host_entry, recheck));
                heap_remove(&p->rechecks, n);
                pipeline_mark_dirty(p, &entry->node);
        }
}

/* ---- a turn ---- */

static void tell_object_changed(struct pipeline *p, const struct object *o)
{
        for (size_t i = 0; i < p->reader_count; i++) {
                if (p->readers[i].object_changed)
                        p->readers[i].object_changed(o, p->readers[i].arg);
        }
}

static void tell_changed(struct pipeline *p)
{
        while (p->changed_first) {
                struct object_entry *entry = p->changed_first;
                p->changed_first = entry->next_changed;
                if (!p->changed_first)
                        p->changed_last = &p->changed_first;
                entry->node.changed = false;
                if (entry->object)
                        tell_object_changed(p, entry->object);
                pipeline_release(&entry->node);
        }
}

static void tell_settled(struct pipeline *p)
{
        p->unsettled = false;
        for (size_t i = 0; i < p->reader_count; i++) {
                if (p->readers[i].settled)
                        p->readers[i].settled(p->readers[i].arg);
        }
}

void pipeline_turn(struct pipeline *p)
{
        p->in_turn = true;
        int64_t deadline = p->options.monotonic() + TURN_MAX;
        apply_events(p, deadline);
        if (p->started) {
                mark_rechecks(p);
                if (p->dirty_first && (p->unsettled || p->options.monotonic() >= compile_due(p))) {
                        p->unsettled = true;
                        if (!pipeline_compile(p, deadline)) {
                                p->in_turn = false;
                                return;
                        }
                }
                if (!p->dirty_first && (p->unsettled || p->changed_first)) {
                        p->built = true;
                        tell_changed(p);
                        tell_settled(p);
                }
        }
        p->in_turn = false;
}

static void start_compiling(struct pipeline *p)
{
        pipeline_index_all(p);
        p->unsettled = true;
        wake(p);
}

void pipeline_start(struct pipeline *p)
{
        if (p->started)
                return;
        p->started = true;
        start_compiling(p);
}

void pipeline_recompile(struct pipeline *p)
{
        if (p->started)
                start_compiling(p);
}

void pipeline_set_refused(struct pipeline *p, const char *host, bool refused)
{
        struct host_entry *host_entry = pipeline_find_host_entry(p, host);
        if (!host_entry || host_entry->refused == refused)
                return;
        host_entry->refused = refused;
        p->refused_count += refused ? 1 : (size_t)-1;
        const struct object_ref *owner = host_entry->host ? host_entry->host->owner : NULL;
        if (!owner || owner->kind != KIND_INGRESSROUTE)
                return;
        struct object_entry *entry = pipeline_find_object(p, owner->namespace, owner->name);
        if (entry)
                pipeline_mark_changed(p, entry);
        wake(p);
}

bool pipeline_is_built(const struct pipeline *p)
{
        return p->built;
}

int64_t pipeline_compiled_at(const struct pipeline *p)
{
        return p->compiled_at;
}
