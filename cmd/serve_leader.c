/* SPDX-License-Identifier: Apache-2.0 */
/* serve_leader - who writes status: the holder of the Lease `gatehouse`, or everybody without leader election. */
#include "cmd/serve_internal.h"

#include "base/log.h"
#include "kube/lease.h"

#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

/* How long the end of the process waits for the API server to take the Lease back. */
enum { RELEASE_SECONDS = 3 };

struct leader {
        struct server *server;
        struct lease *lease; /* NULL: no election */
        bool elected, writing;
        struct event *given_up; /* the release has taken too long */
        void (*released)(struct server *s);
};

static void on_change(bool leading, void *arg)
{
        struct leader *l = arg;
        l->elected = leading;
        log_info(leading ? "leading: this replica writes status" : "not leading any more", NULL);
        leader_advance(l);
}

/* Who leads must know everything before it judges. */
void leader_advance(struct leader *l)
{
        struct server *s = l->server;
        bool writing = l->elected && s->ready && s->status_writable && !l->released;
        if (writing == l->writing)
                return;
        l->writing = writing;
        if (!s->writer)
                return;
        event_writer_set_leader(s->events, writing);
        status_writer_set_leader(s->writer, writing);
        if (s->ingress_writer)
                ingress_writer_set_leader(s->ingress_writer, writing);
}

bool leader_is_writing(const struct leader *l)
{
        return l && l->writing;
}

/* The pod's name and something that tells a restarted container from its predecessor. */
static void make_identity(char *out, size_t size)
{
        char host[128] = "gatehouse";
        uint64_t random = 0;
        (void)gethostname(host, sizeof(host) - 1);
        (void)!getrandom(&random, sizeof(random), 0);
        snprintf(out, size, "%s_%016llx", host, (unsigned long long)random);
}

static void finish_release(struct leader *l)
{
        void (*released)(struct server *) = l->released;
        event_del(l->given_up);
        if (released)
                released(l->server);
}

static void on_released(void *arg)
{
        finish_release(arg);
}

static void on_given_up(evutil_socket_t fd, short what, void *arg)
{
        (void)fd;
        (void)what;
        finish_release(arg);
}

struct leader *leader_new(struct server *s)
{
        struct leader *l = mem_zalloc(sizeof(*l));
        l->server = s;
        l->given_up = evtimer_new(s->base, on_given_up, l);
        if (!serve_is_enabled(s, DISABLE_STATUS))
                return l;
        if (s->options->serve.disable_leader_election) {
                l->elected = true;
                return l;
        }
        char identity[256];
        make_identity(identity, sizeof(identity));
        struct lease_options options = {
                .namespace = s->options->kube.namespace,
                .name = "gatehouse",
                .identity = identity,
                .on_change = on_change,
                .arg = l,
        };
        l->lease = lease_new(s->base, s->client, &options);
        return l;
}

void leader_release(struct leader *l, void (*done)(struct server *s))
{
        l->released = done;
        leader_advance(l);
        if (!l->lease) {
                finish_release(l);
                return;
        }
        event_add(l->given_up, &(struct timeval){.tv_sec = RELEASE_SECONDS});
        lease_release(l->lease, on_released, l);
}

void leader_free(struct leader *l)
{
        if (!l)
                return;
        lease_free(l->lease);
        event_free(l->given_up);
        mem_free(l);
}
