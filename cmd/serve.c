/* SPDX-License-Identifier: Apache-2.0 */
/* serve - the whole server: starts its parts in order, turns the loop, ends in order (operations.md, "serve"). */
#include "cmd/serve_internal.h"

#include "base/crash.h"
#include "base/log.h"
#include "base/time.h"
#include "cmd/commands.h"
#include "cmd/connect.h"
#include "cmd/judge_policy.h"

#include <jansson.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define DRAIN_GRACE (5 * DURATION_SECOND)

static struct timeval timeval_of(int64_t nanos)
{
        return (struct timeval){.tv_sec = nanos / DURATION_SECOND,
                                .tv_usec = nanos % DURATION_SECOND / DURATION_MICROSECOND};
}

bool serve_is_enabled(const struct server *s, unsigned part)
{
        return !(s->options->serve.disable & part);
}

void serve_fail(struct server *s, const struct err *e)
{
        log_error("cannot go on", "error", e->text, NULL);
        s->exit_code = 1;
        event_base_loopbreak(s->base);
}

/* ---- the loop's work: pipeline and status writer ---- */

static void arm_work(struct server *s)
{
        int64_t due = pipeline_due(s->pipeline);
        if (s->writer && status_writer_due(s->writer) < due)
                due = status_writer_due(s->writer);
        if (s->ingress_writer && ingress_writer_due(s->ingress_writer) < due)
                due = ingress_writer_due(s->ingress_writer);
        if (due == INT64_MAX) {
                event_del(s->work);
                return;
        }
        /* A timer, even for now: what is active at once would keep sockets waiting. */
        int64_t wait = due - time_monotonic();
        struct timeval t = timeval_of(wait > 0 ? wait : 0);
        event_add(s->work, &t);
}

/* Once: what the first statuses left behind goes back, too. Later this would stop the loop for too long. */
static void trim_after_first_writes(struct server *s)
{
        if (s->trimmed || !leader_is_writing(s->leader) || status_writer_pending(s->writer))
                return;
        s->trimmed = true;
        malloc_trim(0);
}

static void work(evutil_socket_t fd, short what, void *arg)
{
        (void)fd;
        (void)what;
        struct server *s = arg;
        s->working = true;
        pipeline_turn(s->pipeline);
        if (!pipeline_is_busy(s->pipeline))
                s->seen = 0;
        if (s->writer) {
                status_writer_turn(s->writer);
                trim_after_first_writes(s);
        }
        if (s->ingress_writer)
                ingress_writer_turn(s->ingress_writer);
        s->working = false;
        arm_work(s);
}

static void wake(void *arg)
{
        struct server *s = arg;
        if (!s->working)
                arm_work(s);
}

static void on_change(void *arg)
{
        struct server *s = arg;
        if (!s->seen)
                s->seen = time_monotonic();
        wake(s);
}

/* ---- what follows from what ---- */

static bool open_webhook(struct server *s, struct err *e)
{
        const struct serve_options *o = &s->options->serve;
        struct webhook_server_options options = {
                .address = o->webhook_address,
                .port = o->webhook_port,
                .keypair = s->keypair,
                .verify_clients = o->webhook_client_ca_file != NULL,
                .state = &s->webhook_state,
        };
        s->webhook = webhook_server_new(&options, e);
        return s->webhook || err_wrap(e, "webhook");
}

static void become_ready(struct server *s)
{
        struct err e = {0};
        /* What the lists and the first build left behind goes back; later this would stop the loop for too long. */
        malloc_trim(0);
        if (!serve_xds_open(s, &e) || (serve_is_enabled(s, DISABLE_WEBHOOK) && !open_webhook(s, &e))) {
                serve_fail(s, &e);
                return;
        }
        health_report(s->health, "build", HEALTH_GOOD, "built");
        log_info("ready", "hosts", log_int(pipeline_host_count(s->pipeline)), "ingressroutes",
                 log_int(store_count(s->store, KIND_INGRESSROUTE)), NULL);
}

static const char *claims_problem_now(const struct server *s)
{
        if (s->listed && !s->status_writable)
                return "the IngressRoute CRD has no status subresource: statuses are not written, claims on host names "
                       "are not trusted";
        return claims_id(s->claims) ? "" : claims_problem(s->claims);
}

/* Claims count when their id is known, and when nobody but us can write a status. */
static void update_claims(struct server *s)
{
        const char *problem = claims_problem_now(s);
        const char *id = s->status_writable ? claims_id(s->claims) : NULL;
        health_report(s->health, "claims", *problem ? HEALTH_WARNING : HEALTH_GOOD, *problem ? problem : "known");
        if (*problem && problem != s->claims_said)
                log_warn("claims on host names are not trusted", "reason", problem, NULL);
        s->claims_said = problem;
        if (id == s->policy.claim_id)
                return;
        pthread_rwlock_wrlock(&s->lock);
        s->policy.claim_id = id;
        pthread_rwlock_unlock(&s->lock);
        pipeline_recompile(s->pipeline);
}

void serve_advance(struct server *s)
{
        if (!s->listed || !claims_are_settled(s->claims))
                return;
        health_report(s->health, "kubernetes", HEALTH_GOOD, "listed");
        update_claims(s);
        pipeline_start(s->pipeline);
        leader_advance(s->leader);
}

static void on_store_changed(void *arg)
{
        struct server *s = arg;
        if (s->webhook)
                webhook_server_store_changed(s->webhook);
}

static void on_settled(void *arg)
{
        struct server *s = arg;
        if (s->ready || s->stopping)
                return;
        s->ready = true;
        become_ready(s);
        leader_advance(s->leader);
}

/* ---- once a second ---- */

static void tick(evutil_socket_t fd, short what, void *arg)
{
        (void)fd;
        (void)what;
        struct server *s = arg;
        health_beat(s->health);
        feeds_tick(s->feeds);
        serve_check_certificates(s);
}

/* ---- the end ---- */

static void leave(struct server *s)
{
        event_base_loopbreak(s->base);
}

/* Last of the two: stopping the webhook holds up the loop, which ends the streams. */
static void stop_webhook(struct server *s)
{
        webhook_server_stop(mem_take(&s->webhook), DRAIN_GRACE);
        leader_release(s->leader, leave);
}

/* The delay is over: whoever balances load has noticed that we are not ready. */
static void drain(evutil_socket_t fd, short what, void *arg)
{
        (void)fd;
        (void)what;
        serve_xds_drain(arg, stop_webhook);
}

static void on_signal(evutil_socket_t signal_number, short what, void *arg)
{
        (void)what;
        struct server *s = arg;
        if (s->stopping)
                _exit(0);
        s->stopping = true;
        log_info("stopping", "signal", log_int(signal_number), NULL);
        health_report(s->health, "shutdown", HEALTH_BAD, "stopping");
        if (s->webhook)
                webhook_server_drain(s->webhook);
        struct timeval delay = timeval_of(s->options->serve.shutdown_delay);
        event_add(s->stop, &delay);
}

/* ---- the beginning ---- */

static bool start_webhook(struct server *s, struct err *e)
{
        const struct serve_options *o = &s->options->serve;
        if (!serve_is_enabled(s, DISABLE_WEBHOOK))
                return true;
        if (!o->webhook_cert_file || !o->webhook_key_file)
                return err_set(e, "the webhook needs --webhook-cert-file and --webhook-key-file (gatehouse certgen "
                                  "makes them), or --disable webhook");
        struct keypair_files files = {"webhook", o->webhook_cert_file, o->webhook_key_file, o->webhook_client_ca_file};
        s->keypair = keypair_new(&files, time_now_micros(), e);
        if (!s->keypair)
                return err_wrap(e, "webhook");
        return serve_port_is_free(o->webhook_address, o->webhook_port, e) || err_wrap(e, "--webhook-port");
}

static const char *environment(const char *name)
{
        return getenv(name);
}

static bool connect_kubernetes(struct server *s, struct err *e)
{
        struct kubeconfig *config = connect_config(&s->options->kube, environment, e);
        if (!config)
                return false;
        s->client = client_new(s->base, config, e);
        if (!s->client)
                return false;
        serve_observe_client(s);
        return true;
}

static uint32_t draw_random(void)
{
        uint32_t n = 0;
        (void)!getrandom(&n, sizeof(n), 0);
        return n;
}

static void make_pipeline(struct server *s)
{
        s->store = store_new();
        s->policy = judge_policy(&s->options->policy);
        s->pipeline = pipeline_new(&(struct pipeline_options){
                .store = s->store,
                .lock = &s->lock,
                .policy = &s->policy,
                .wall = time_now_micros,
                .monotonic = time_monotonic,
                .wake = on_change,
                .arg = s,
        });
        if (serve_is_enabled(s, DISABLE_STATUS))
                s->writer = status_writer_new(&(struct status_writer_options){
                        .pipeline = s->pipeline,
                        .store = s->store,
                        .policy = &s->policy,
                        .wall = time_now_micros,
                        .monotonic = time_monotonic,
                        .random = draw_random,
                        .send = serve_status_send,
                        .turned = serve_status_turned,
                        .wake = wake,
                        .arg = s,
                });
        if (s->writer) {
                s->events = serve_make_events(s);
                s->ingress_writer = serve_make_ingress_writer(s, draw_random, wake);
        }
        const struct serve_options *o = &s->options->serve;
        s->webhook_state = (struct webhook_state){
                .lock = &s->lock,
                .store = s->store,
                .policy = &s->policy,
                .warn_only = o->admission_mode == ADMISSION_REPORT,
                .mutate = {.default_ingress_class = o->default_ingress_class, .write_defaults = o->write_defaults},
        };
}

/* Behind the xDS part's: what is opened when all has settled has something to tell. */
static void add_reader(struct server *s)
{
        pipeline_add_reader(s->pipeline, &(struct pipeline_reader){
                                                 .store_changed = on_store_changed,
                                                 .settled = on_settled,
                                                 .arg = s,
                                         });
}

static void make_events(struct server *s)
{
        s->work = evtimer_new(s->base, work, s);
        s->stop = evtimer_new(s->base, drain, s);
        s->tick = event_new(s->base, -1, EV_PERSIST, tick, s);
        s->sigterm = evsignal_new(s->base, SIGTERM, on_signal, s);
        s->sigint = evsignal_new(s->base, SIGINT, on_signal, s);
        event_add(s->sigterm, NULL);
        event_add(s->sigint, NULL);
        event_add(s->tick, &(struct timeval){.tv_sec = 1});
        s->calls = loop_calls_new(s->base);
}

static bool start(struct server *s, struct err *e)
{
        s->health = health_new(time_monotonic);
        health_report(s->health, "kubernetes", HEALTH_BAD, "the objects of the cluster are being listed");
        health_report(s->health, "build", HEALTH_BAD, "nothing is built yet");
        health_beat(s->health);
        webhook_state_lock_init(&s->lock);
        s->base = event_base_new();
        make_events(s);
        make_pipeline(s);
        if (!start_webhook(s, e) || !serve_xds_start(s, e))
                return false;
        add_reader(s);
        s->certificates = certificates_new(s);
        serve_check_certificates(s);
        if (!serve_http_start(s, e) || !connect_kubernetes(s, e))
                return false;
        s->leader = leader_new(s);
        s->claims = claims_new(s);
        s->feeds = feeds_new(s);
        return true;
}

static void free_event(struct event *e)
{
        if (e)
                event_free(e);
}

/* In the order of use: first who calls, then who is called. */
static void finish(struct server *s)
{
        loop_calls_close(s->calls);
        http_free(s->http);
        http_free(s->debug_http);
        webhook_server_free(s->webhook);
        leader_free(s->leader);
        claims_free(s->claims);
        feeds_free(s->feeds);
        client_free(s->client);
        serve_xds_free(s->xds);
        status_writer_free(s->writer);
        event_writer_free(s->events);
        ingress_writer_free(s->ingress_writer);
        mem_free(s->envoy_service_namespace);
        pipeline_free(s->pipeline);
        store_free(s->store);
        certificates_free(s->certificates);
        keypair_free(s->keypair);
        keypair_free(s->xds_keypair);
        health_free(s->health);
        loop_calls_free(s->calls);
        struct event *const events[] = {s->work, s->stop, s->tick, s->sigterm, s->sigint};
        for (size_t i = 0; i < COUNT_OF(events); i++)
                free_event(events[i]);
        event_base_free(s->base);
        pthread_rwlock_destroy(&s->lock);
}

int serve_run(const struct options *o)
{
        struct server s = {.options = o};
        struct err e = {0};
        log_set_format((enum log_format)o->log_format);
        log_set_level((enum log_level)o->log_level);
        crash_install();
        json_object_seed(0);
        signal(SIGPIPE, SIG_IGN);
        log_info("starting", "version", GATEHOUSE_VERSION, NULL);
        if (start(&s, &e)) {
                event_base_dispatch(s.base);
        } else {
                log_error("cannot start", "error", e.text, NULL);
                s.exit_code = 1;
        }
        finish(&s);
        log_info("stopped", "code", log_int(s.exit_code), NULL);
        return s.exit_code;
}
