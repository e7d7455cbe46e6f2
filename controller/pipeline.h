/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pipeline - changes of the store in, compiled hosts and judged objects out: only those that the changes touch.
 *
 * Belongs to the loop thread; others only read the store, holding the lock for reading. Changes are queued and applied
 * by pipeline_turn() in short holds of the write lock; compiling happens outside it. Nothing is compiled before
 * pipeline_start(), which is called when every kind has been listed. The first change after quiet is compiled at once,
 * under churn changes come together: 10 ms without another one, at most 100 ms.
 * There is no clock and no I/O in here but what the options give.
 */
#pragma once

#include "dag/compile.h"

#include <pthread.h>

struct pipeline;

struct pipeline_options {
        struct store *store;
        pthread_rwlock_t *lock;      /* held for writing while the store changes */
        const struct policy *policy; /* changed only under that lock; then pipeline_recompile() */
        int64_t (*wall)(void);       /* microseconds since 1970 */
        int64_t (*monotonic)(void);  /* nanoseconds */
        /* Called when pipeline_due() may have become earlier, but not from within pipeline_turn(). */
        void (*wake)(void *arg);
        void *arg;
};

struct pipeline *pipeline_new(const struct pipeline_options *options) __attribute__((returns_nonnull));
void pipeline_free(struct pipeline *p);
AUTO_DEFINE(pipeline)

/* ---- who wants to know; each may be NULL ---- */

struct pipeline_reader {
        /*
         * Objects of any kind come (old is NULL), change and go (new is NULL): called with the write lock held and both
         * valid during the call, so it only takes notes.
         */
        void (*stored)(const struct object *old, const struct object *new, void *arg);
        /* The store has changed, its lock is free again. */
        void (*store_changed)(void *arg);
        /* old is NULL for a new host, new for one that nobody asks for any more. References belong to the pipeline. */
        void (*host_changed)(const struct host *old, const struct host *new, void *arg);
        /* The IngressRoute or its state may have changed; o is valid during the call. */
        void (*object_changed)(const struct object *o, void *arg);
        void (*object_gone)(const char *namespace, const char *name, void *arg);
        /* Everything that was dirty is compiled and told. */
        void (*settled)(void *arg);
        void *arg;
};
/* At most PIPELINE_READERS_MAX, before the first turn. */
enum { PIPELINE_READERS_MAX = 6 };
void pipeline_add_reader(struct pipeline *p, const struct pipeline_reader *reader);

/* ---- changes; see kube/store.h ---- */

void pipeline_put(struct pipeline *p, struct object *o, unsigned source);
void pipeline_remove(struct pipeline *p, enum kind kind, const char *namespace, const char *name, unsigned source);
void pipeline_sweep_begin(struct pipeline *p, enum kind kind, unsigned source);
void pipeline_sweep_end(struct pipeline *p, enum kind kind, unsigned source);

/* ---- work ---- */

/* Everything has been listed: compile all. */
void pipeline_start(struct pipeline *p);
/* The policy has changed: compile all again. */
void pipeline_recompile(struct pipeline *p);
/* Rule EnvoyRejected: an Envoy has refused what the host says now, or that is over. A host that is gone is fine. */
void pipeline_set_refused(struct pipeline *p, const char *host, bool refused);
/* Started, and everything has been compiled at least once. */
bool pipeline_is_built(const struct pipeline *p);

/* When pipeline_turn() wants to be called: on the monotonic clock, 0 for now, INT64_MAX for never. */
int64_t pipeline_due(const struct pipeline *p);
/* Something has come that is not compiled and told yet. */
bool pipeline_is_busy(const struct pipeline *p);
/* Does what is due, for about PIPELINE_TURN at most. */
void pipeline_turn(struct pipeline *p);

/* ---- results ---- */

/* The host called name, or NULL: borrowed until the next turn. */
const struct host *pipeline_find_host(const struct pipeline *p, const char *name);
/* Every host, in no order that means anything. */
void pipeline_each_host(const struct pipeline *p, void (*each)(const struct host *h, void *arg), void *arg);
size_t pipeline_host_count(const struct pipeline *p);

enum pipeline_answer {
        PIPELINE_READY,
        PIPELINE_PENDING, /* changes that concern the object are not compiled yet: ask again a little later */
        PIPELINE_GONE,    /* not stored */
};
/* The state of an IngressRoute, and the object; both are valid until the next turn and for as long as a is. */
enum pipeline_answer pipeline_state(struct pipeline *p, const char *namespace, const char *name, struct arena *a,
                                    struct object_state *state, const struct object **o);
/*
 * The state of any stored object, in a, judged anew: not for the hot path. With as_candidate what only admission asks
 * is asked too (whether it closes a cycle that no root reaches).
 */
void pipeline_findings(struct pipeline *p, const struct object *o, bool as_candidate, struct arena *a,
                       struct object_state *state);

/*
 * Every IngressRoute, in slices: begins with the zero value, goes on until true is returned, and stops at the deadline
 * (monotonic) each time. Objects that come or go between two slices may be left out or told twice.
 */
struct pipeline_cursor {
        size_t slot;
};
bool pipeline_each_object(const struct pipeline *p, struct pipeline_cursor *cursor, int64_t deadline,
                          void (*each)(const struct object *o, void *arg), void *arg);

/* Wall clock of the last compile in microseconds; 0 when there was none. */
int64_t pipeline_compiled_at(const struct pipeline *p);
