/* SPDX-License-Identifier: Apache-2.0 */
#include "webhook/server_internal.h"

#include "base/time.h"

#include <time.h>
#include <utlist.h>

static int64_t deadline(const struct request *q)
{
        return q->started + q->server->limits.wait;
}

/* With the mutex held, so that nobody resumes before it is suspended. */
static void suspend(struct request *q)
{
        struct webhook_server *s = q->server;
        DL_APPEND(s->waiting, q);
        s->waiting_count++;
        server_connection_set(q->connection, CONNECTION_WAITING);
        MHD_suspend_connection(q->connection->mhd);
        pthread_cond_signal(&s->wake);
}

static void resume(struct request *q, bool over)
{
        struct webhook_server *s = q->server;
        DL_DELETE(s->waiting, q);
        s->waiting_count--;
        q->expired = q->expired || over;
        server_connection_set(q->connection, CONNECTION_REQUEST);
        MHD_resume_connection(q->connection->mhd);
}

enum wait_result server_wait(struct request *q, uint64_t changes)
{
        struct webhook_server *s = q->server;
        enum wait_result result = WAIT_OVER;
        pthread_mutex_lock(&s->mutex);
        bool over = q->expired || s->stopping || time_monotonic() >= deadline(q);
        if (!over && atomic_load(&s->changes) != changes) {
                result = WAIT_AGAIN;
        } else if (!over && s->waiting_count < s->limits.waiting) {
                suspend(q);
                result = WAIT_SUSPENDED;
        }
        pthread_mutex_unlock(&s->mutex);
        return result;
}

void server_wait_resume_all(struct webhook_server *s, bool over)
{
        struct request *q, *next;
        DL_FOREACH_SAFE(s->waiting, q, next)
        resume(q, over);
}

void webhook_server_store_changed(struct webhook_server *s)
{
        pthread_mutex_lock(&s->mutex);
        atomic_fetch_add(&s->changes, 1);
        server_wait_resume_all(s, false);
        pthread_mutex_unlock(&s->mutex);
}

static void end_overdue(struct webhook_server *s, int64_t now)
{
        struct request *q, *next;
        DL_FOREACH_SAFE(s->waiting, q, next)
        {
                if (now >= deadline(q))
                        resume(q, true);
        }
}

static int64_t next_look(const struct webhook_server *s, int64_t now)
{
        /* Deadlines of connections are seconds: looking a few times a second is exact enough. */
        int64_t next = now + 250 * DURATION_MILLISECOND;
        const struct request *q;
        DL_FOREACH (s->waiting, q) {
                if (deadline(q) < next)
                        next = deadline(q);
        }
        return next;
}

void *server_wait_housekeeper(void *arg)
{
        struct webhook_server *s = arg;
        pthread_mutex_lock(&s->mutex);
        while (!s->stopping) {
                int64_t now = time_monotonic();
                end_overdue(s, now);
                server_connection_expire(s, now);
                int64_t at = next_look(s, now);
                struct timespec until = {.tv_sec = at / DURATION_SECOND, .tv_nsec = at % DURATION_SECOND};
                pthread_cond_timedwait(&s->wake, &s->mutex, &until);
        }
        pthread_mutex_unlock(&s->mutex);
        return NULL;
}
