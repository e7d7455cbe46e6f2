/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve_internal - what the parts of `gatehouse serve` share. Only for serve*.c; everything belongs to the loop thread
 * unless it says otherwise.
 */
#pragma once

#include "certs/keypair.h"
#include "cmd/health.h"
#include "cmd/http.h"
#include "cmd/loop_call.h"
#include "cmd/options.h"
#include "controller/event_writer.h"
#include "controller/ingress_writer.h"
#include "controller/pipeline.h"
#include "controller/status_queue.h"
#include "controller/status_writer.h"
#include "kube/client.h"
#include "webhook/server.h"

#include <event2/event.h>

struct feeds;
struct claims;
struct leader;
struct xds;
struct xds_server;

/* One status on its way. */
struct serve_write {
        struct server *server;
        const char *key; /* NULL: free */
        void (*answered)(struct server *s, const char *key, const struct response *r);
};

struct server {
        const struct options *options;
        struct event_base *base;
        struct event *work, *tick, *sigterm, *sigint, *stop;
        bool working, ready, trimmed, stopping;
        int exit_code;

        struct health *health;
        struct http *http, *debug_http;
        struct loop_calls *calls;
        struct keypair *keypair; /* NULL: no webhook */
        struct certificates *certificates;
        struct keypair *xds_keypair; /* NULL: no xDS, or without TLS */

        pthread_rwlock_t lock; /* of store and policy */
        struct store *store;
        struct policy policy;
        struct pipeline *pipeline;
        struct status_writer *writer;          /* NULL: --disable status */
        struct event_writer *events;           /* likewise */
        struct ingress_writer *ingress_writer; /* NULL: no addresses are to be written */
        char *envoy_service_namespace;
        struct serve_write writes[STATUS_IN_FLIGHT_MAX], ingress_writes[STATUS_IN_FLIGHT_MAX];
        struct webhook_state webhook_state;
        struct webhook_server *webhook;
        struct xds *xds; /* NULL: --disable xds */
        int64_t seen;    /* when the oldest change that is not compiled and told yet arrived; monotonic, 0: none */

        struct client *client;
        struct feeds *feeds;
        struct claims *claims;
        struct leader *leader;
        bool listed;             /* every kind that is needed has been listed */
        bool status_writable;    /* the CRD has a status subresource */
        const char *claims_said; /* what was last logged about claims */
};

/* serve.c */
bool serve_is_enabled(const struct server *s, unsigned part); /* DISABLE_* */
/* Something that serving depends on has changed: start what can be started now. */
void serve_advance(struct server *s);
/* Ends the process in order, with that code. */
void serve_fail(struct server *s, const struct err *e);

/* serve_feed.c: Kubernetes to pipeline, one reflector a kind */
struct feeds *feeds_new(struct server *s) __attribute__((returns_nonnull));
void feeds_free(struct feeds *f);
/* "/apis/networking.k8s.io/v1": in which version Ingresses are listed; they must have been. */
const char *feeds_ingress_collection(const struct feeds *f);
/* Once a second: ages for metrics. */
void feeds_tick(struct feeds *f);

/* serve_claims.c: the id that claims are written with, in the Secret gatehouse-claims */
struct claims *claims_new(struct server *s) __attribute__((returns_nonnull));
void claims_free(struct claims *c);
/* Known, or known not to be had for now. */
bool claims_are_settled(const struct claims *c);
/* The id, or NULL: then the problem says why. Both live as long as c. */
const char *claims_id(const struct claims *c);
const char *claims_problem(const struct claims *c);

/* serve_leader.c: who writes status */
struct leader *leader_new(struct server *s) __attribute__((returns_nonnull));
void leader_free(struct leader *l);
/* Gives the office up and calls done once, at the latest after a few seconds. */
void leader_release(struct leader *l, void (*done)(struct server *s));
/* Whether this replica writes status now. */
bool leader_is_writing(const struct leader *l);
/* Something that writing depends on has changed. */
void leader_advance(struct leader *l);

/* serve_xds.c: what Envoys are told, and the port on which they ask */
bool serve_xds_start(struct server *s, struct err *e);
/* All is built: listens. */
bool serve_xds_open(struct server *s, struct err *e);
/* Ends the streams gracefully, then calls done once, after a few seconds at the latest. */
void serve_xds_drain(struct server *s, void (*done)(struct server *s));
void serve_xds_free(struct xds *x);
/* Who listens, or NULL. */
struct xds_server *serve_xds_listener(const struct server *s);
/* Hosts of which an Envoy has refused something: publisher_held(). */
size_t serve_xds_held(const struct server *s);

/* serve_meter.c: counts what the client does; looks after the certificates */
void serve_observe_client(struct server *s);
/* Takes up new files, and says how long what is in use is good. */
/* Looks at their files, and tells health and metrics. */
void serve_check_certificates(struct server *s);

/* Hears of changes of the files, so that they are looked at soon. */
struct certificates;
struct certificates *certificates_new(struct server *s) __attribute__((returns_nonnull));
void certificates_free(struct certificates *c);

/* serve_http.c */
bool serve_http_start(struct server *s, struct err *e);
/* Whether somebody could listen there now: the webhook opens only when all is built, its port is tried at once. */
bool serve_port_is_free(const char *address, uint16_t port, struct err *e);

/* serve_gauges.c: GET /metrics, arg is the server */
void serve_metrics(const struct http_request *r, struct http_answer *answer, void *arg);
/* The state of an IngressRoute for people to see, in a; loop thread. */
void serve_state(const struct server *s, const struct object *o, struct arena *a, struct object_state *state);

/* serve_survey.c */
/* The state of an object of any kind, a tree_state_fn; arg is the server. Loop thread. */
void serve_any_state(const struct object *o, struct arena *a, struct object_state *out, void *arg);
/* For the listener's threads: */
typedef void serve_survey_fn(const struct object *o, const struct object_state *state, void *arg);
/*
 * Calls each() on the loop, in slices, for every IngressRoute, and for objects of other kinds that may have findings;
 * namespace: only those of it, NULL: all. False when the loop does not answer; then some were told.
 */
bool serve_survey(struct server *s, const char *namespace, serve_survey_fn *each, void *arg);

/* serve_debug.c: for the listener's threads */
/* Hosts never change: the loop only hands out references, all else is done on the asking thread. */
struct serve_hosts {
        struct server *server;
        const char *name;          /* the only one wanted; NULL: all */
        const struct host **items; /* by name */
        size_t count, room;
};
/* False when the loop does not answer: then there is nothing to end. */
bool serve_hosts_take(struct serve_hosts *hosts);
void serve_hosts_done(struct serve_hosts *hosts);
/* The answer when the loop does not answer. */
void serve_unavailable(struct http_answer *answer);

/* Handlers, arg is the server; they run on the listener's thread. */
void serve_page(const struct http_request *r, struct http_answer *answer, void *arg);
void serve_debug_tree(const struct http_request *r, struct http_answer *answer, void *arg);
void serve_debug_dag(const struct http_request *r, struct http_answer *answer, void *arg);
void serve_debug_findings(const struct http_request *r, struct http_answer *answer, void *arg);
void serve_debug_xds(const struct http_request *r, struct http_answer *answer, void *arg);
/* serve_explain.c: likewise */
void serve_debug_explain(const struct http_request *r, struct http_answer *answer, void *arg);

/* serve_event.c */
struct event_writer *serve_make_events(struct server *s) __attribute__((returns_nonnull));
void serve_status_turned(const struct object *o, void *arg);

/* serve_status.c */
void serve_status_send(const char *key, const char *namespace, const char *name, const char *body, size_t n, void *arg);
void serve_ingress_send(const char *key, const char *namespace, const char *name, const char *body, size_t n,
                        void *arg);
/* NULL when the options name no address. */
struct ingress_writer *serve_make_ingress_writer(struct server *s, uint32_t (*random)(void), void (*wake)(void *arg));
