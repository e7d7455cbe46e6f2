/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shutdown_manager - lets an Envoy finish what it is doing before its pod ends.
 *
 * It stands beside Envoy in the pod. When the pod ends the kubelet sends us SIGTERM and, at the same time, runs Envoy's
 * preStop hook, which asks us for /shutdown: that is answered when Envoy has no open connection any more, and only then
 * Envoy gets its own SIGTERM. While it drains Envoy says that it is not ready, so that nobody new is sent to it, and
 * closes each connection behind its next answer (Envoy documentation, "Draining"). Asking for /shutdown only waits: who
 * reaches the port must not be able to drain an Envoy (CVE-2020-15127 was that).
 */
#include "base/log.h"
#include "base/time.h"
#include "cmd/commands.h"
#include "cmd/envoy_admin.h"
#include "cmd/http.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#define ANSWER_WAIT (2 * DURATION_SECOND)

struct manager {
        const struct shutdown_options *options;
        const char *admin;   /* socket of Envoy */
        uint16_t stats_port; /* of Envoy */
        pthread_mutex_t lock;
        pthread_cond_t changed;
        bool drained;
};

static void wait_for(int64_t nanos)
{
        struct timespec t = {.tv_sec = nanos / DURATION_SECOND, .tv_nsec = nanos % DURATION_SECOND};
        nanosleep(&t, NULL);
}

/* Until Envoy has heard it: one that has just started may not listen yet. False: it does not answer. */
static bool tell_envoy(const struct manager *m, int64_t deadline, struct err *e)
{
        while (!envoy_admin_fail_health(m->admin, e)) {
                if (time_monotonic() >= deadline)
                        return false;
                wait_for(m->options->check_interval);
        }
        return true;
}

/* Not before the delay: who balances load needs a moment to notice, and sends connections until then. */
static bool wait_until_idle(const struct manager *m, int64_t begun, int64_t deadline, struct err *e)
{
        size_t open = SIZE_MAX, before = SIZE_MAX;
        for (;;) {
                if (!envoy_admin_open_connections(m->admin, m->stats_port, &open, e))
                        return false;
                int64_t now = time_monotonic();
                if (open != before)
                        log_info("draining", "connections", log_int((int64_t)open), NULL);
                before = open;
                if (open == 0 && now - begun >= m->options->drain_delay)
                        return true;
                if (now >= deadline)
                        return err_set(e, "%zu connections are still open", open);
                wait_for(m->options->check_interval);
        }
}

static void drain(struct manager *m)
{
        struct err e = {0};
        int64_t begun = time_monotonic(), deadline = begun + m->options->drain_timeout;
        log_info("draining begins", "admin", m->admin, NULL);
        if (tell_envoy(m, begun + m->options->drain_delay, &e) && wait_until_idle(m, begun, deadline, &e))
                log_info("drained", NULL);
        else
                log_warn("draining is given up, Envoy may end now", "reason", e.text, NULL);
        pthread_mutex_lock(&m->lock);
        m->drained = true;
        pthread_cond_broadcast(&m->changed);
        pthread_mutex_unlock(&m->lock);
}

/* Runs on the listener's thread, which has nothing else to do: whoever comes meanwhile waits for the same. */
static void handle_shutdown(const struct http_request *r, struct http_answer *answer, void *arg)
{
        (void)r;
        struct manager *m = arg;
        pthread_mutex_lock(&m->lock);
        while (!m->drained)
                pthread_cond_wait(&m->changed, &m->lock);
        pthread_mutex_unlock(&m->lock);
        buf_append_str(answer->body, "drained\n");
}

/* The server's end would cut off the hook's answer. */
static void wait_for_answers(const struct http *http)
{
        int64_t deadline = time_monotonic() + ANSWER_WAIT;
        while (!http_is_idle(http) && time_monotonic() < deadline)
                wait_for(DURATION_MILLISECOND);
}

int shutdown_manager_run(const struct options *o)
{
        struct manager m = {
                .options = &o->shutdown,
                .admin = o->admin_address,
                .stats_port = o->envoy.stats.port,
                .lock = PTHREAD_MUTEX_INITIALIZER,
        };
        const struct http_route routes[] = {{"GET", "/shutdown", handle_shutdown, &m}};
        struct err e = {0};
        log_set_format((enum log_format)o->log_format);
        log_set_level((enum log_level)o->log_level);
        sigset_t signals;
        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGINT);
        pthread_sigmask(SIG_BLOCK, &signals, NULL); /* before there are other threads: they inherit it */
        signal(SIGPIPE, SIG_IGN);
        AUTO(http) *http = http_start(m.options->serve_address, m.options->serve_port, routes, COUNT_OF(routes), &e);
        if (!http) {
                log_error("cannot start", "error", e.text, NULL);
                return 1;
        }
        log_info("waiting for the end of the pod", "port", log_int(http_port(http)), NULL);
        int which;
        sigwait(&signals, &which);
        pthread_sigmask(SIG_UNBLOCK, &signals, NULL); /* a second one ends at once */
        drain(&m);
        wait_for_answers(http);
        return 0;
}
