/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status_queue - which status is written next: the state machine of the status writer, without I/O and clock.
 *
 * An object stands in the queue at most once; what is written is planned when its turn comes, so the latest wins. After
 * an answer the object waits for the watch to bring what the API server now holds: planned from older data nothing is
 * sent, unless the watch stays away for too long (then the API server's 409 is the judge: each PATCH carries its
 * resourceVersion). A 429 and a network that fails hold back the whole queue, anything else only its object.
 */
#pragma once

#include "base/buf.h"
#include "base/time.h"
#include "kube/object.h"

#include <stdint.h>

enum {
        STATUS_IN_FLIGHT_MAX = 32,
        STATUS_PLANS_MAX = 256, /* planned in one call of status_queue_pump(): the loop has other things to do */
};

enum status_decision {
        STATUS_WRITE,
        STATUS_FINE,  /* nothing differs */
        STATUS_LATER, /* the state is not known yet */
        STATUS_GONE,  /* there is no such object */
};

struct status_write {
        struct buf *body;      /* to be filled by plan() */
        char version[64];      /* resourceVersion that the body names */
        uint64_t wanted, held; /* status_plan_wanted(), status_plan_held() */
        bool turns;            /* status_plan_turns() */
};

/* What the queue asks of its owner; key is "namespace/name". */
struct status_queue_ops {
        enum status_decision (*plan)(const char *key, struct status_write *write, void *arg);
        /* Sends write->body; status_queue_answered() follows, but not from within. */
        void (*send)(const char *key, const struct status_write *write, void *arg);
        uint32_t (*random)(void *arg);
};

struct status_queue;
struct status_queue *status_queue_new(const struct status_queue_ops *ops, void *arg) __attribute__((returns_nonnull));
void status_queue_free(struct status_queue *q);
AUTO_DEFINE(status_queue)

/* Only a leader queues and writes. Losing the office forgets all; a new leader is told of every object anew. */
void status_queue_set_leader(struct status_queue *q, bool leader);

/* The object or its state may have changed. Times are nanoseconds on the monotonic clock. */
void status_queue_touch(struct status_queue *q, const char *key, int64_t now);
/* The object is gone. */
void status_queue_gone(struct status_queue *q, const char *key);

/* Sends what is due. */
void status_queue_pump(struct status_queue *q, int64_t now);
/* When there is something to do: 0 for now, INT64_MAX for never. */
int64_t status_queue_due(const struct status_queue *q, int64_t now);

struct status_answer {
        int code;            /* of HTTP; 0: no answer */
        int64_t retry_after; /* nanoseconds; 0: not given */
        const char *version; /* 2xx: the resourceVersion that the API server now holds; NULL: unknown */
        bool incomplete;     /* 2xx: something of what was written is not in the answer */
        uint64_t held;       /* then: status_plan_held() of the answer */
};

/* For the owners of queues: the name in a key, and its namespace in a. */
const char *status_key_split(const char *key, struct arena *a, const char **namespace);
/* The object in a 2xx answer; NULL when there is none to be read. */
struct object *status_answer_object(enum kind kind, const char *body, size_t n);

/* What became of a write, as the label `result` of gatehouse_status_writes_total. */
const char *status_answer_result(const struct status_answer *answer);

void status_queue_answered(struct status_queue *q, const char *key, const struct status_answer *answer, int64_t now);

/* What the write that is under way wants: status_write.wanted; 0: there is none. */
uint64_t status_queue_under_way(const struct status_queue *q, const char *key);

/* Objects that are queued or under way. */
size_t status_queue_count(const struct status_queue *q);
size_t status_queue_in_flight(const struct status_queue *q);
