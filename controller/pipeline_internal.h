/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pipeline_internal - what the pipeline's parts share: what is known of each host and object. Only for pipeline*.c.
 */
#pragma once

#include "base/coalesce.h"
#include "base/heap.h"
#include "base/map.h"
#include "base/metric.h"
#include "controller/pipeline.h"
#include "base/table.h"

enum {
        BATCH_MAX = 64,           /* compiled between two holds of the write lock */
        EVENTS_BETWEEN_LOOKS = 8, /* at the clock while the lock is held */
        SWEEP_STEP = 32,          /* objects that the end of a list removes count as one event */
};
/* Readers wait this long at most; design.md allows 5 ms. */
#define HOLD_MAX (2 * DURATION_MILLISECOND)
/* The loop has other things to do. */
#define TURN_MAX (10 * DURATION_MILLISECOND)

/* How long a deleted Secret is served (rules.md, TLSSecretInvalid). */
#define SECRET_LINGER (60 * DURATION_SECOND)

enum node_type { NODE_HOST, NODE_OBJECT };

/* What is computed from the store: a host or what an object says of itself. */
struct node {
        struct store_reader reader;
        struct node *next_dirty;
        uint8_t type; /* enum node_type */
        bool dirty;   /* on the dirty list */
        bool gone;    /* out of its table: to be freed once it is on no list */
        bool changed; /* an object: on the changed list */
};

struct host_entry {
        struct node node;
        const struct host *host; /* NULL before the first compile */
        struct heap_node recheck;
        uint64_t mark; /* when it was last put among an object's hosts */
        bool refused;  /* by an Envoy */
        char name[];
};

/* One IngressRoute. */
struct object_entry {
        struct node node;
        struct object_entry *next_changed;
        const struct object *object; /* the store's; NULL when gone */
        struct findings *own;        /* judge_object()'s; NULL when there are none */
};

enum event_type { EVENT_PUT, EVENT_REMOVE, EVENT_SWEEP_BEGIN, EVENT_SWEEP_END };

struct event {
        struct object *object;  /* EVENT_PUT */
        char *namespace, *name; /* EVENT_REMOVE */
        uint8_t type, kind;
        uint16_t source;
};

struct pipeline_metrics {
        struct metric_cell *compile_duration, *hosts, *objects[KIND_COUNT];
};

struct pipeline {
        struct pipeline_options options;
        struct store_hooks hooks;
        struct pipeline_reader readers[PIPELINE_READERS_MAX];
        size_t reader_count;
        struct pipeline_metrics metrics;

        struct event *events;
        size_t event_count, event_room, event_next;

        struct table hosts, objects;
        size_t refused_count; /* hosts */
        struct heap rechecks; /* by wall clock */
        struct node *dirty_first, **dirty_last;
        struct object_entry *changed_first, **changed_last;
        struct object_entry *telling; /* what object_changed() is being called for */

        struct linger *lingers; /* the first to end first */
        struct map *lingers_by_key;

        bool started, built, in_turn, unsettled;
        struct coalesce dirty;
        bool only_status;    /* of the object that is being stored */
        int64_t compiled_at; /* wall */

        struct reads *reads[BATCH_MAX];
        const struct host **found; /* pipeline_hosts_of()'s answer */
        size_t found_count, found_room;
        uint64_t mark;
};

/* pipeline_index.c: entries */
void pipeline_index_init(struct pipeline *p);
void pipeline_index_done(struct pipeline *p);
void pipeline_index_all(struct pipeline *p);
void pipeline_on_dirty(struct store_reader *reader, void *arg);
void pipeline_on_change(const struct object *old, const struct object *new, void *arg);
void pipeline_mark_dirty(struct pipeline *p, struct node *node);
void pipeline_mark_changed(struct pipeline *p, struct object_entry *entry);
void pipeline_mark_delegates(struct pipeline *p, const struct object *o);
struct object_entry *pipeline_find_object(const struct pipeline *p, const char *namespace, const char *name);
struct host_entry *pipeline_find_host_entry(const struct pipeline *p, const char *name);
void pipeline_drop_host(struct pipeline *p, struct host_entry *entry);
/* Frees the entry when it is gone and on no list. */
void pipeline_release(struct node *node);

/* pipeline_linger.c: Secrets that are gone */
bool pipeline_lingers(const struct object *o, void *arg); /* a store_linger_fn */
int64_t pipeline_linger_due(const struct pipeline *p);    /* monotonic */
/* Ends those whose time is over, for HOLD_MAX at most. */
void pipeline_expire(struct pipeline *p);
void pipeline_linger_done(struct pipeline *p);

/* pipeline_state.c */
size_t pipeline_hosts_of(const struct object_ref *ref, const struct host *const **hosts, void *arg);

/* pipeline_compile.c: compiles what is dirty until the deadline (monotonic); whether all is done. */
bool pipeline_compile(struct pipeline *p, int64_t deadline);
