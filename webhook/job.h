/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job - one request's way from bytes to answer: read, judge (as often as needed), answer.
 *
 * What the server, the fuzz target and the bench share. A job holds no lock between calls and borrows nothing from the
 * store, so it may wait. It is used by one thread at a time; job_new() and what it reads stay on one thread.
 */
#pragma once

#include "webhook/meter.h"
#include "webhook/mutate.h"
#include "webhook/verdict.h"

#include <pthread.h>

/*
 * What a webhook reads. The loop thread holds the lock for writing while it changes the store, what policy points to,
 * or the pointers themselves; judging holds it for reading, and for nothing else.
 */
struct webhook_state {
        pthread_rwlock_t *lock; /* writer-preferring, see webhook_state_lock_init() */
        const struct store *store;
        const struct policy *policy;
        bool warn_only; /* --admission-mode warn */
        struct mutate_options mutate;
};

/* Makes lock one on which a waiting writer comes before new readers; pthread_rwlock_destroy() ends it. */
void webhook_state_lock_init(pthread_rwlock_t *lock);

enum job_path { JOB_VALIDATE, JOB_MUTATE };

struct job;

/* Reads n bytes (and, for JOB_MUTATE, takes the lock). False with e->code an HTTP status when they are no review. */
bool job_read(struct job **out, enum job_path path, const char *body, size_t n, const struct webhook_state *state,
              struct err *e);
void job_free(struct job *j);
AUTO_DEFINE(job)

/*
 * Judges (takes the lock); nothing to do for JOB_MUTATE. True when the answer stands; false for a denial that a store
 * which catches up may turn: judge again after a change, or answer.
 */
bool job_judge(struct job *j, const struct webhook_state *state, int64_t now);

/* Appends the answer's body to out (maximum REVIEW_ANSWER_MAX). */
void job_answer(const struct job *j, struct buf *out);

/* Counts the answered job, which took nanos, and logs a denial. m may be NULL. */
void job_account(const struct job *j, struct meter *m, int64_t nanos);
