/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/status_queue.h"

#include "base/heap.h"
#include "base/json_arena.h"
#include "base/json_read.h"
#include "base/map.h"
#include "controller/status_plan.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* How long the watch may take to bring what was written or collided with. */
#define WATCH_PATIENCE (10 * DURATION_SECOND)
#define CONFLICT_PATIENCE (250 * DURATION_MILLISECOND)
#define PENDING_DELAY (5 * DURATION_MILLISECOND)
#define BACKOFF_MIN (200 * DURATION_MILLISECOND)
#define BACKOFF_MAX (30 * DURATION_SECOND)
#define PAUSE_MAX (10 * DURATION_SECOND) /* a server that comes back is noticed soon */
#define RETRY_AFTER_MAX (5 * DURATION_MINUTE)

enum item_state {
        ITEM_QUEUED,   /* planned when due */
        ITEM_WAITING,  /* for an object newer than version; when due, planned all the same */
        ITEM_FLYING,   /* not in the heap */
        ITEM_HELD_OFF, /* planned when due and not before */
};

struct item {
        struct heap_node due;
        enum item_state state;
        bool again; /* touched while flying */
        bool gone;  /* deleted, or the office lost, while flying */
        unsigned failures;
        char version[sizeof((struct status_write){0}.version)]; /* of the object that the last write was planned from */
        uint64_t wanted, held;
        int64_t patience; /* ITEM_WAITING: until when */
        char key[];
};

/* What the API server does not keep (or refuses) is not written again while nothing changes. */
struct refusal {
        uint64_t wanted, held;
};

struct status_queue {
        const struct status_queue_ops *ops;
        void *arg;
        bool leader;
        struct map *items, *refusals;
        struct heap due;
        size_t flying;
        unsigned failures;    /* of the API server, in a row */
        int64_t paused_until; /* monotonic */
        struct buf *body;
};

struct status_queue *status_queue_new(const struct status_queue_ops *ops, void *arg)
{
        struct status_queue *q = mem_zalloc(sizeof(*q));
        q->ops = ops;
        q->arg = arg;
        q->items = map_new();
        q->refusals = map_new();
        q->body = buf_new(STATUS_BODY_MAX);
        return q;
}

static void free_value(const char *key, void *value, void *arg)
{
        (void)key;
        (void)arg;
        mem_free(value);
}

void status_queue_free(struct status_queue *q)
{
        if (!q)
                return;
        map_each(q->items, free_value, NULL);
        map_free(q->items);
        map_each(q->refusals, free_value, NULL);
        map_free(q->refusals);
        heap_done(&q->due);
        buf_free(q->body);
        mem_free(q);
}

static void drop(struct status_queue *q, struct item *item)
{
        heap_remove(&q->due, &item->due);
        map_remove(q->items, item->key);
        mem_free(item);
}

static void schedule(struct status_queue *q, struct item *item, enum item_state state, int64_t due)
{
        item->state = state;
        heap_set(&q->due, &item->due, due);
}

/* ---- who may write ---- */

static void forget(const char *key, void *value, void *arg)
{
        (void)key;
        struct item *item = value;
        if (item->state == ITEM_FLYING)
                item->gone = true;
        else
                drop(arg, item);
}

static void forget_refusal(const char *key, void *value, void *arg)
{
        map_remove(((struct status_queue *)arg)->refusals, key);
        mem_free(value);
}

void status_queue_set_leader(struct status_queue *q, bool leader)
{
        q->leader = leader;
        if (leader)
                return;
        map_each(q->items, forget, q);
        map_each(q->refusals, forget_refusal, q);
        q->failures = 0;
        q->paused_until = 0;
}

/* ---- changes ---- */

static struct item *add(struct status_queue *q, const char *key)
{
        size_t size = strlen(key) + 1;
        struct item *item = mem_zalloc(sizeof(*item) + size);
        memcpy(item->key, key, size);
        map_set(q->items, key, item);
        return item;
}

void status_queue_touch(struct status_queue *q, const char *key, int64_t now)
{
        if (!q->leader)
                return;
        struct item *item = map_get(q->items, key);
        if (!item) {
                schedule(q, add(q, key), ITEM_QUEUED, now);
                return;
        }
        switch (item->state) {
        case ITEM_FLYING:
                item->again = true;
                item->gone = false;
                return;
        case ITEM_WAITING:
                /* Before what has not had its turn: mostly it is our own write that comes back, and the item may go. */
                schedule(q, item, ITEM_WAITING, 0);
                return;
        case ITEM_QUEUED:
        case ITEM_HELD_OFF:
                return;
        }
}

void status_queue_gone(struct status_queue *q, const char *key)
{
        mem_free(map_remove(q->refusals, key));
        struct item *item = map_get(q->items, key);
        if (item)
                forget(key, item, q);
}

/* ---- writing ---- */

static bool is_refused(const struct status_queue *q, const struct item *item, const struct status_write *w)
{
        const struct refusal *r = map_get(q->refusals, item->key);
        return r && r->wanted == w->wanted && r->held == w->held;
}

static void send(struct status_queue *q, struct item *item, const struct status_write *w)
{
        item->state = ITEM_FLYING;
        item->again = false;
        memcpy(item->version, w->version, sizeof(item->version));
        item->wanted = w->wanted;
        item->held = w->held;
        q->flying++;
        q->ops->send(item->key, w, q->arg);
}

static void plan(struct status_queue *q, struct item *item, int64_t now)
{
        struct status_write w = {.body = q->body};
        buf_clear(q->body);
        heap_remove(&q->due, &item->due);
        switch (q->ops->plan(item->key, &w, q->arg)) {
        case STATUS_LATER:
                schedule(q, item, item->state, now + PENDING_DELAY);
                return;
        case STATUS_FINE:
        case STATUS_GONE:
                drop(q, item);
                return;
        case STATUS_WRITE:
                break;
        }
        if (item->state == ITEM_WAITING && strcmp(item->version, w.version) == 0 && now < item->patience)
                schedule(q, item, ITEM_WAITING, item->patience);
        else if (is_refused(q, item, &w))
                drop(q, item);
        else
                send(q, item, &w);
}

static struct item *first_item(const struct status_queue *q)
{
        struct heap_node *n = heap_first(&q->due);
        return n ? (struct item *)(void *)((char *)n - offsetof(struct item, due)) : NULL;
}

void status_queue_pump(struct status_queue *q, int64_t now)
{
        for (unsigned n = 0; n < STATUS_PLANS_MAX && now >= q->paused_until && q->flying < STATUS_IN_FLIGHT_MAX; n++) {
                struct item *item = first_item(q);
                if (!item || item->due.key > now)
                        return;
                plan(q, item, now);
        }
}

int64_t status_queue_due(const struct status_queue *q, int64_t now)
{
        const struct item *item = first_item(q);
        if (!item || q->flying == STATUS_IN_FLIGHT_MAX)
                return INT64_MAX;
        int64_t due = item->due.key > q->paused_until ? item->due.key : q->paused_until;
        return due <= now ? 0 : due;
}

uint64_t status_queue_under_way(const struct status_queue *q, const char *key)
{
        const struct item *item = map_get(q->items, key);
        return item && item->state == ITEM_FLYING ? item->wanted : 0;
}

/* ---- answers ---- */

enum outcome { WRITTEN, CONFLICT, THROTTLED, REFUSED, MISSING, FORBIDDEN, FAILED };

static enum outcome outcome_of(const struct status_answer *answer)
{
        int code = answer->code;
        if (code >= 200 && code < 300)
                return WRITTEN;
        if (code == 409)
                return CONFLICT;
        if (code == 429)
                return THROTTLED;
        if (code == 404)
                return MISSING;
        if (code == 401 || code == 403)
                return FORBIDDEN;
        return code >= 400 && code < 500 && code != 408 ? REFUSED : FAILED;
}

const char *status_key_split(const char *key, struct arena *a, const char **namespace)
{
        const char *slash = strchr(key, '/');
        *namespace = arena_strndup(a, key, (size_t)(slash - key));
        return slash + 1;
}

struct object *status_answer_object(enum kind kind, const char *body, size_t n)
{
        /* Hundreds of small pieces between what lives on would leave the heap full of holes. */
        json_arena_begin();
        json_t *json = json_read(body, n, NULL);
        struct err e;
        struct object *o = json ? object_decode(kind, json, &(struct object_options){0}, &e) : NULL;
        json_decref(json);
        json_arena_end();
        return o;
}

const char *status_answer_result(const struct status_answer *answer)
{
        static const char *const names[] = {
                [WRITTEN] = "written", [CONFLICT] = "conflict",   [THROTTLED] = "throttled", [REFUSED] = "refused",
                [MISSING] = "missing", [FORBIDDEN] = "forbidden", [FAILED] = "failed",
        };
        return names[outcome_of(answer)];
}

/* Doubled with each failure, between one half and the whole of it. */
static int64_t backoff(struct status_queue *q, int64_t first, unsigned failures)
{
        int64_t delay = failures > 8 ? BACKOFF_MAX : first << failures;
        if (delay > BACKOFF_MAX)
                delay = BACKOFF_MAX;
        return delay / 2 + (int64_t)((double)delay / 2 * q->ops->random(q->arg) / UINT32_MAX);
}

static void wait_for_watch(struct status_queue *q, struct item *item, int64_t now, int64_t patience)
{
        item->patience = now + patience;
        schedule(q, item, ITEM_WAITING, item->again ? now : item->patience);
}

static void refuse(struct status_queue *q, const struct item *item, uint64_t held)
{
        struct refusal *r = mem_zalloc(sizeof(*r));
        *r = (struct refusal){item->wanted, held};
        mem_free(map_set(q->refusals, item->key, r));
}

/* Done with what was sent; a change that came meanwhile is looked at. */
static void conclude(struct status_queue *q, struct item *item, int64_t now)
{
        if (item->again)
                schedule(q, item, ITEM_QUEUED, now);
        else
                drop(q, item);
}

static void note_written(struct status_queue *q, struct item *item, const struct status_answer *answer, int64_t now)
{
        item->failures = 0;
        if (answer->incomplete)
                refuse(q, item, answer->held);
        else
                mem_free(map_remove(q->refusals, item->key));
        /* The same version: nothing has changed there, so no watch will tell. */
        if (answer->version && strcmp(answer->version, item->version) == 0)
                conclude(q, item, now);
        else
                wait_for_watch(q, item, now, WATCH_PATIENCE);
}

/*
 * Nothing else will fare better: the whole queue waits. Of those that were under way together only the first counts as
 * a failure, the others wait with it.
 */
static void pause_all(struct status_queue *q, struct item *item, int64_t now, int64_t retry_after)
{
        if (now >= q->paused_until) {
                int64_t delay = backoff(q, BACKOFF_MIN, q->failures++);
                q->paused_until = now + (delay < PAUSE_MAX ? delay : PAUSE_MAX);
        }
        if (retry_after > RETRY_AFTER_MAX)
                retry_after = RETRY_AFTER_MAX;
        if (now + retry_after > q->paused_until)
                q->paused_until = now + retry_after;
        schedule(q, item, ITEM_HELD_OFF, q->paused_until);
}

void status_queue_answered(struct status_queue *q, const char *key, const struct status_answer *answer, int64_t now)
{
        struct item *item = map_get(q->items, key);
        assert(item && item->state == ITEM_FLYING);
        q->flying--;
        enum outcome outcome = outcome_of(answer);
        if (outcome != FAILED && outcome != THROTTLED)
                q->failures = 0;
        if (item->gone) {
                drop(q, item);
                return;
        }
        switch (outcome) {
        case WRITTEN:
                note_written(q, item, answer, now);
                return;
        case CONFLICT:
                wait_for_watch(q, item, now, backoff(q, CONFLICT_PATIENCE, item->failures++));
                return;
        case REFUSED:
                refuse(q, item, item->held);
                conclude(q, item, now);
                return;
        case MISSING:
                conclude(q, item, now);
                return;
        case FORBIDDEN:
                schedule(q, item, ITEM_HELD_OFF, now + backoff(q, DURATION_SECOND, item->failures++));
                return;
        case THROTTLED:
        case FAILED:
                pause_all(q, item, now, answer->retry_after);
                return;
        }
}

size_t status_queue_count(const struct status_queue *q)
{
        return map_count(q->items);
}

size_t status_queue_in_flight(const struct status_queue *q)
{
        return q->flying;
}
