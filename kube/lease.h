/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lease - one leader among several replicas, by a Lease of coordination.k8s.io/v1.
 *
 * Who holds it renews every 2 s; who does not may take it 15 s after it last saw the holder renew, by its own monotonic
 * clock: the times in the Lease are for people. A holder that could not renew for 10 s stops leading by itself, 5 s
 * before anybody else may begin. Writes carry the resourceVersion, so of two that try at once one wins. Losing the
 * Lease calls back and goes on trying. Semantics: client-go, leaderelection.
 */
#pragma once

#include "kube/client.h"

#include <jansson.h>

enum { LEASE_DURATION_SECONDS = 15, LEASE_DEADLINE_SECONDS = 10, LEASE_RETRY_SECONDS = 2 };

/* ---- the decision, pure ---- */

/* What the API server holds. */
struct lease_record {
        bool exists;
        char holder[256]; /* "" when released */
        char renewed[64]; /* spec.renewTime as it stands: only whether it changes matters */
        int64_t transitions;
        char version[64];
};

struct lease_state {
        const char *identity;
        bool leading;
        struct lease_record seen;
        int64_t seen_at;    /* monotonic nanoseconds: when seen last changed */
        int64_t renewed_at; /* when we began the last write that went through */
};

enum lease_action {
        LEASE_WAIT,   /* somebody else holds it */
        LEASE_CREATE, /* there is none */
        LEASE_UPDATE, /* take it, or renew it */
};

/* What to do after the Lease was read as now_read at monotonic time now. */
enum lease_action lease_decide(struct lease_state *s, const struct lease_record *now_read, int64_t now);
/* Our write, begun at wrote_at, went through. Returns whether we lead from now on and did not before. */
bool lease_wrote(struct lease_state *s, const struct lease_record *written, int64_t wrote_at);
/* Whether we led and may not any more: the deadline has passed, or another one holds it. Clears s->leading. */
bool lease_lost(struct lease_state *s, int64_t now);

/* The record in an API object; false when it is none. */
bool lease_parse(const json_t *object, struct lease_record *out);

/* ---- the election ---- */

struct lease;

struct lease_options {
        const char *namespace, *name;
        const char *identity; /* unlike everybody else's: pod name and a random part */
        void (*on_change)(bool leading, void *arg);
        void *arg;
};

/* Begins to try at once. client is borrowed; strings are copied. */
struct lease *lease_new(struct event_base *base, struct client *client, const struct lease_options *options)
        __attribute__((returns_nonnull));
bool lease_is_leader(const struct lease *l);
/* Stops trying; when we lead, gives the Lease back first. done is called once, from the loop. */
void lease_release(struct lease *l, void (*done)(void *arg), void *arg);
/* Without giving it back. */
void lease_free(struct lease *l);
AUTO_DEFINE(lease)
