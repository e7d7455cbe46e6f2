/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event_writer - Kubernetes Events on an object when it turns invalid, orphaned or valid again; leader only.
 *
 * Of an IngressRoute the written status is the occasion, so that a restart repeats nothing. An Ingress has no status of
 * ours: it is told when a host starts or ceases to refuse it. Events are a courtesy: one that cannot be written is
 * counted and logged, and not tried again. Loop thread.
 */
#pragma once

#include "controller/pipeline.h"

struct event_writer;

struct event_writer_options {
        struct pipeline *pipeline;
        struct store *store;
        const char *instance;       /* this replica's name; copied */
        int64_t (*wall)(void);      /* microseconds since 1970 */
        int64_t (*monotonic)(void); /* nanoseconds */
        /* Sends body as a POST of an Event into the namespace; event_writer_answered() follows, not from within. */
        void (*send)(const char *namespace, const char *body, size_t n, void *arg);
        void *arg;
};

/* Becomes a reader of the pipeline. */
struct event_writer *event_writer_new(const struct event_writer_options *options) __attribute__((returns_nonnull));
void event_writer_free(struct event_writer *w);
AUTO_DEFINE(event_writer)

/* Leader or not (at first not). */
void event_writer_set_leader(struct event_writer *w, bool leader);
/* The API server has taken a status that says something else than the one before: o, as it holds it now. */
void event_writer_turned(struct event_writer *w, const struct object *o);
/* code: of HTTP, 0 when there was no answer. */
void event_writer_answered(struct event_writer *w, int code);
