/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status_writer - what the pipeline finds, written into the status of IngressRoutes by the leader.
 *
 * Thin: the pipeline says which objects changed, status_plan what is to be written, status_queue when; sending is the
 * owner's. Loop thread. The writer must go before its pipeline; answers may not come after status_writer_free().
 */
#pragma once

#include "controller/pipeline.h"

struct status_writer;

struct status_writer_options {
        struct pipeline *pipeline;
        struct store *store;
        const struct policy *policy; /* for claim_id */
        int64_t (*wall)(void);       /* microseconds since 1970 */
        int64_t (*monotonic)(void);  /* nanoseconds */
        uint32_t (*random)(void);
        /*
         * Sends body as a JSON merge patch to the /status of IngressRoute namespace/name and calls
         * status_writer_answered() with key later, never from within. Everything but key is borrowed for the call; key
         * lives until the answer.
         */
        void (*send)(const char *key, const char *namespace, const char *name, const char *body, size_t n, void *arg);
        /* A status that says another currentStatus than before is written; o as the API server holds it. May be NULL.
         */
        void (*turned)(const struct object *o, void *arg);
        /* Called when status_writer_due() may have become earlier. */
        void (*wake)(void *arg);
        void *arg;
};

/* Becomes a reader of the pipeline. */
struct status_writer *status_writer_new(const struct status_writer_options *options) __attribute__((returns_nonnull));
void status_writer_free(struct status_writer *w);
AUTO_DEFINE(status_writer)

/* Leader or not (at first not). What is under way when the office is lost is not sent again. */
void status_writer_set_leader(struct status_writer *w, bool leader);

/* When status_writer_turn() wants to be called: on the monotonic clock, 0 for now, INT64_MAX for never. */
int64_t status_writer_due(const struct status_writer *w);
void status_writer_turn(struct status_writer *w);

/* code: of HTTP, 0 when there was no answer; retry_after in nanoseconds, 0: none; body: of a 2xx, the object. */
void status_writer_answered(struct status_writer *w, const char *key, int code, int64_t retry_after, const char *body,
                            size_t n);

/* Objects that are queued or under way. */
size_t status_writer_pending(const struct status_writer *w);
size_t status_writer_in_flight(const struct status_writer *w);
