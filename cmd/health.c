/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/health.h"

#include "base/time.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

enum { PARTS_MAX = 16, PART_NAME_MAX = 32, PART_TEXT_MAX = 512, STATUS_UNAVAILABLE = 503 };

struct part {
        char name[PART_NAME_MAX];
        enum health_state state;
        char text[PART_TEXT_MAX];
};

struct health {
        int64_t (*clock)(void);
        _Atomic int64_t beat;
        pthread_mutex_t lock; /* for the parts; held for copies only */
        struct part parts[PARTS_MAX];
        size_t count;
};

struct health *health_new(int64_t (*clock)(void))
{
        struct health *h = mem_zalloc(sizeof(*h));
        h->clock = clock;
        atomic_init(&h->beat, clock());
        pthread_mutex_init(&h->lock, NULL);
        return h;
}

void health_free(struct health *h)
{
        if (!h)
                return;
        pthread_mutex_destroy(&h->lock);
        mem_free(h);
}

void health_beat(struct health *h)
{
        atomic_store(&h->beat, h->clock());
}

/* Under the lock: the part of that name, made when there is none; NULL when there is no room. */
static struct part *find_part(struct health *h, const char *name)
{
        for (size_t i = 0; i < h->count; i++) {
                if (str_equal(h->parts[i].name, name))
                        return &h->parts[i];
        }
        if (h->count == PARTS_MAX)
                return NULL;
        struct part *p = &h->parts[h->count++];
        snprintf(p->name, sizeof(p->name), "%s", name);
        return p;
}

void health_report(struct health *h, const char *part, enum health_state state, const char *text)
{
        pthread_mutex_lock(&h->lock);
        struct part *p = find_part(h, part);
        if (p) {
                p->state = state;
                snprintf(p->text, sizeof(p->text), "%s", text);
        }
        pthread_mutex_unlock(&h->lock);
}

static bool is_ready(const struct health *h)
{
        for (size_t i = 0; i < h->count; i++) {
                if (h->parts[i].state == HEALTH_BAD)
                        return false;
        }
        return h->count > 0;
}

bool health_is_ready(struct health *h)
{
        pthread_mutex_lock(&h->lock);
        bool ready = is_ready(h);
        pthread_mutex_unlock(&h->lock);
        return ready;
}

void health_each(struct health *h, void (*each)(const char *part, enum health_state state, const char *text, void *arg),
                 void *arg)
{
        pthread_mutex_lock(&h->lock);
        for (size_t i = 0; i < h->count; i++)
                each(h->parts[i].name, h->parts[i].state, h->parts[i].text, arg);
        pthread_mutex_unlock(&h->lock);
}

void health_serve_healthz(const struct http_request *r, struct http_answer *answer, void *arg)
{
        (void)r;
        struct health *h = arg;
        int64_t silent = h->clock() - atomic_load(&h->beat);
        if (silent <= HEALTH_STALL_SECONDS * DURATION_SECOND) {
                buf_append_str(answer->body, "ok\n");
                return;
        }
        answer->status = STATUS_UNAVAILABLE;
        char text[TIME_TEXT_MAX];
        duration_format(silent, text);
        buf_printf(answer->body, "the loop has not turned for %s\n", text);
}

static const char *mark(enum health_state state)
{
        switch (state) {
        case HEALTH_GOOD:
                return "ok";
        case HEALTH_WARNING:
                return "warning";
        case HEALTH_BAD:
                return "not ready";
        }
        __builtin_unreachable();
}

void health_serve_readyz(const struct http_request *r, struct http_answer *answer, void *arg)
{
        (void)r;
        struct health *h = arg;
        pthread_mutex_lock(&h->lock);
        bool ready = is_ready(h);
        buf_append_str(answer->body, ready ? "ready\n" : "not ready\n");
        for (size_t i = 0; i < h->count; i++) {
                const struct part *p = &h->parts[i];
                buf_printf(answer->body, "%s: %s%s%s\n", p->name, mark(p->state), *p->text ? ": " : "", p->text);
        }
        pthread_mutex_unlock(&h->lock);
        if (!ready)
                answer->status = STATUS_UNAVAILABLE;
}
