/* SPDX-License-Identifier: Apache-2.0 */
#include "webhook/server_internal.h"

#include "base/log.h"
#include "base/time.h"

#include <assert.h>
#include <sys/socket.h>
#include <utlist.h>

struct connection *server_connection_of(struct MHD_Connection *mhd)
{
        const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
        assert(info && info->socket_context);
        return info->socket_context;
}

/* The socket is libmicrohttpd's to close; it does so when it sees the end. */
static void cut(struct connection *c)
{
        if (c->cut)
                return;
        c->cut = true;
        c->server->connection_count--;
        shutdown(c->fd, SHUT_RDWR);
}

static int64_t patience(const struct webhook_limits *l, enum connection_state state)
{
        switch (state) {
        case CONNECTION_NEW:
                return l->handshake;
        case CONNECTION_REQUEST:
                return l->request;
        case CONNECTION_ANSWERING:
                return l->answer;
        case CONNECTION_IDLE:
                return l->idle;
        case CONNECTION_WAITING:
                return INT64_MAX; /* server_wait() has its own end */
        }
        assert(false);
        return 0;
}

void server_connection_expire(struct webhook_server *s, int64_t now)
{
        struct connection *c = NULL;
        DL_FOREACH (s->connections, c) {
                if (now - c->since > patience(&s->limits, c->state))
                        cut(c);
        }
}

/* The list is in order of since: the first in one of the two states is the one that has been in it longest. */
static struct connection *longest_in(struct webhook_server *s, enum connection_state a, enum connection_state b)
{
        struct connection *c = NULL;
        DL_FOREACH (s->connections, c) {
                if (!c->cut && (c->state == a || c->state == b))
                        return c;
        }
        return NULL;
}

/* The longest idle one gives way; where none is idle, the request that has dripped in longest. */
static void make_room(struct webhook_server *s, struct connection *newcomer)
{
        struct connection *victim = longest_in(s, CONNECTION_IDLE, CONNECTION_NEW);
        if (!victim || victim == newcomer)
                victim = longest_in(s, CONNECTION_REQUEST, CONNECTION_ANSWERING);
        cut(victim ? victim : newcomer);
}

static struct connection *started(struct webhook_server *s, struct MHD_Connection *mhd)
{
        struct connection *c = mem_zalloc(sizeof(*c));
        c->server = s;
        c->mhd = mhd;
        c->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        c->since = time_monotonic();
        server_tls_prepare(MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION)->tls_session, c);
        pthread_mutex_lock(&s->mutex);
        DL_APPEND(s->connections, c);
        s->connection_total++;
        if (++s->connection_count > s->limits.connections)
                make_room(s, c);
        pthread_mutex_unlock(&s->mutex);
        return c;
}

static void closed(struct webhook_server *s, struct connection *c)
{
        pthread_mutex_lock(&s->mutex);
        DL_DELETE(s->connections, c);
        s->connection_total--;
        if (!c->cut)
                s->connection_count--;
        pthread_mutex_unlock(&s->mutex);
        mem_free(c);
}

void server_connection_notify(void *arg, struct MHD_Connection *mhd, void **context,
                              enum MHD_ConnectionNotificationCode code)
{
        struct webhook_server *s = arg;
        if (code == MHD_CONNECTION_NOTIFY_STARTED)
                *context = started(s, mhd);
        else if (*context)
                closed(s, mem_take((struct connection **)context));
}

void server_connection_set(struct connection *c, enum connection_state state)
{
        c->state = state;
        c->since = time_monotonic();
        DL_DELETE(c->server->connections, c);
        DL_APPEND(c->server->connections, c);
}

void server_connection_enter(struct connection *c, enum connection_state state)
{
        pthread_mutex_lock(&c->server->mutex);
        server_connection_set(c, state);
        pthread_mutex_unlock(&c->server->mutex);
}

void server_connection_close_idle(struct webhook_server *s)
{
        struct connection *c = NULL;
        pthread_mutex_lock(&s->mutex);
        DL_FOREACH (s->connections, c) {
                /* A new one may be about to send its first request. */
                if (c->state == CONNECTION_IDLE)
                        cut(c);
        }
        pthread_mutex_unlock(&s->mutex);
}
