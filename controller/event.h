/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event - what Kubernetes Events say of our objects, and how many of them there may be. Pure.
 *
 * An event's name is a hash of what it says: written again, by a new leader or after a restart, it is the same one and
 * the API server answers 409.
 */
#pragma once

#include "base/buf.h"
#include "kube/object.h"

#include <stdint.h>

enum {
        EVENT_MESSAGE_MAX = 1024, /* Kubernetes API reference, Event v1: `note` */
        EVENT_BODY_MAX = 16 * 1024,
};

struct event_note {
        const struct object *object; /* whom it is about */
        bool warning;                /* else of type Normal */
        const char *reason, *message;
        const char *occasion; /* what makes two events with the same words different; "" when nothing does */
};

/* The Event (core v1) for a POST, in body. instance names this replica. */
void event_body(struct buf *body, const struct event_note *note, const char *instance, int64_t now_micros);

/*
 * Token buckets: an object that turns back and forth, and a mistake that turns thousands of objects, leave the API
 * server alone. Zeroed: full.
 */
enum {
        EVENT_OBJECT_BURST = 10,
        EVENT_BURST = 100,
        EVENT_OBJECT_SLOTS = 1024, /* objects share a bucket by their hash */
};
#define EVENT_OBJECT_INTERVAL (60 * DURATION_SECOND) /* one more a minute for each object */
#define EVENT_INTERVAL (100 * DURATION_MILLISECOND)  /* and ten a second for all */

struct event_limit {
        /* When the bucket would be full again: monotonic nanoseconds. */
        int64_t all, objects[EVENT_OBJECT_SLOTS];
};
/* Whether an event about the object may be written now; then it counts. */
bool event_limit_take(struct event_limit *l, const struct object *o, int64_t now);
