/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/loop_call.h"

#include "base/log.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_SECONDS = 30 };

struct waiting {
        void (*f)(void *arg);
        void *arg;
        bool done;
        struct waiting *next;
};

struct loop_calls {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        struct waiting *first;
        struct waiting *running;
        bool closed;
        int fd;
        struct event *event;
};

static struct waiting *take(struct loop_calls *c)
{
        pthread_mutex_lock(&c->lock);
        struct waiting *w = c->first;
        if (w)
                c->first = w->next;
        c->running = w;
        pthread_mutex_unlock(&c->lock);
        return w;
}

static void run_waiting(evutil_socket_t fd, short what, void *arg)
{
        (void)what;
        struct loop_calls *c = arg;
        eventfd_t ignored;
        (void)eventfd_read(fd, &ignored);
        for (struct waiting *w; (w = take(c)) != NULL;) {
                w->f(w->arg);
                pthread_mutex_lock(&c->lock);
                w->done = true;
                c->running = NULL;
                pthread_cond_broadcast(&c->changed);
                pthread_mutex_unlock(&c->lock);
        }
}

struct loop_calls *loop_calls_new(struct event_base *base)
{
        struct loop_calls *c = mem_zalloc(sizeof(*c));
        pthread_mutex_init(&c->lock, NULL);
        pthread_condattr_t monotonic;
        pthread_condattr_init(&monotonic);
        pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
        pthread_cond_init(&c->changed, &monotonic);
        pthread_condattr_destroy(&monotonic);
        c->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (c->fd < 0)
                abort();
        c->event = event_new(base, c->fd, EV_READ | EV_PERSIST, run_waiting, c);
        event_add(c->event, NULL);
        return c;
}

void loop_calls_free(struct loop_calls *c)
{
        if (!c)
                return;
        event_free(c->event);
        close(c->fd);
        pthread_cond_destroy(&c->changed);
        pthread_mutex_destroy(&c->lock);
        mem_free(c);
}

static void forget(struct loop_calls *c, const struct waiting *w)
{
        struct waiting **p = &c->first;
        while (*p && *p != w)
                p = &(*p)->next;
        if (*p)
                *p = w->next;
}

bool loop_call(struct loop_calls *c, void (*f)(void *arg), void *arg)
{
        struct waiting w = {.f = f, .arg = arg};
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += PATIENCE_SECONDS;
        pthread_mutex_lock(&c->lock);
        struct waiting **last = &c->first;
        while (*last)
                last = &(*last)->next;
        *last = &w;
        (void)eventfd_write(c->fd, 1);
        bool late = false;
        /* What runs already uses our stack: it is waited for, however long. */
        while (!w.done && (c->running == &w || (!c->closed && !late)))
                late = pthread_cond_timedwait(&c->changed, &c->lock, &until) == ETIMEDOUT;
        forget(c, &w);
        pthread_mutex_unlock(&c->lock);
        return w.done;
}

void loop_calls_close(struct loop_calls *c)
{
        pthread_mutex_lock(&c->lock);
        c->closed = true;
        pthread_cond_broadcast(&c->changed);
        pthread_mutex_unlock(&c->lock);
}
