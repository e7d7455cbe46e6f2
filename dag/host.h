/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host - one virtual host as compiled: who owns it, what it serves, what was found on the way.
 *
 * The unit of everything: compiled alone from a view of the store, immutable afterwards, reference-counted (atomically:
 * any thread may hold one), in an arena of its own. It borrows nothing from the store. status, webhook, xds, the DOT
 * dump and explain all read the same host.
 */
#pragma once

#include "base/buf.h"
#include "dag/finding.h"
#include "dag/policy.h"
#include "kube/store.h"

#include <stdint.h>

enum cluster_protocol { PROTOCOL_HTTP1, PROTOCOL_H2, PROTOCOL_H2C, PROTOCOL_TLS };
enum cluster_strategy {
        STRATEGY_ROUND_ROBIN,
        STRATEGY_WEIGHTED_LEAST_REQUEST,
        STRATEGY_RANDOM,
        STRATEGY_RING_HASH,
        STRATEGY_MAGLEV,
        STRATEGY_COOKIE,
};

struct health_check {
        const char *path, *host;
        uint32_t interval, timeout;  /* seconds */
        uint32_t unhealthy, healthy; /* thresholds */
};

struct upstream_validation {
        const char *ca_namespace, *ca_secret, *subject_name;
};

/* 0 is a limit; what is not given is CIRCUIT_BREAKER_UNSET. */
#define CIRCUIT_BREAKER_UNSET INT64_C(-1)
struct circuit_breaker {
        int64_t max_connections, max_pending_requests, max_requests, max_retries;
};

/* One weighted upstream of a route. */
struct cluster {
        const char *namespace, *service;
        uint16_t port;
        const char *port_name;     /* of the Service: chooses the endpoints; "" when it has none */
        const char *external_name; /* NULL: endpoints by EDS */
        bool missing;              /* its share of the traffic answers 503 */
        uint32_t weight;           /* as the route's weights come out; all 0: even split */
        enum cluster_protocol protocol;
        enum cluster_strategy strategy;
        const struct health_check *health_check;
        const struct upstream_validation *validation;
        const struct circuit_breaker *circuit_breaker; /* NULL: Envoy's defaults */
};

enum route_action { ROUTE_FORWARD, ROUTE_UNAVAILABLE /* answers 503 */ };

#define TIMEOUT_DEFAULT INT64_C(-1) /* Envoy's 15 s */
#define TIMEOUT_INFINITY INT64_C(0)

struct route {
        const char *match; /* without trailing slash, except "/" */
        bool exact;        /* Ingress pathType Exact; else a prefix at segment boundaries */
        enum route_action action;
        const struct object_ref *source; /* whose route it is */
        uint32_t index; /* spec.routes[index] (IngressRoute), rule and path counted through (Ingress) */
        const struct cluster *clusters;
        size_t cluster_count;
        bool websockets;
        bool insecure;              /* also served on plain HTTP when the host has TLS */
        bool no_http;               /* Ingress allow-http "false": not on plain HTTP at all */
        const char *prefix_rewrite; /* NULL: none */
        int64_t timeout;            /* nanoseconds, TIMEOUT_DEFAULT or TIMEOUT_INFINITY */
        uint32_t retry_count;       /* 0: no retry policy */
        const char *retry_on;       /* "5xx" or what an Ingress says */
        int64_t per_try_timeout;    /* nanoseconds; 0: none */
};

struct host_tls {
        bool broken; /* TLS was asked for and cannot be had: connections for this name are closed, never served plain */
        bool passthrough;
        const char *secret_namespace, *secret_name; /* NULL with passthrough or when broken */
        enum tls_version minimum;
};

struct host_tcpproxy {
        const struct cluster *clusters; /* none: connections are closed */
        size_t cluster_count;
};

/*
 * How a host sees one IngressRoute or Ingress: every object that its walk met, and every root and Ingress that asks
 * for the name.
 */
struct host_object {
        struct object_ref ref;
        bool reached; /* a valid chain from the owner (or it is the owner) */
        bool owner;   /* the root, or an Ingress, whose name this is */

        /* Of reached children: which of its routes at least one chain lets in and nothing shadows; a bit a route. */
        const uint64_t *served;
        size_t served_words;
        /* Findings on its routes that this host does not serve: count only while no host serves the route. */
        const struct host_outside *outside;
        size_t outside_count;

        const struct finding *findings; /* that this host has about the object */
        size_t finding_count;

        /* The claim that the object is to hold on this host (rules.md, "Who owns a host"); 0: none. */
        int64_t claim_since; /* microseconds; CLAIM_NOW: the leader's clock when it writes */
};
#define CLAIM_NOW INT64_MAX

struct host_outside {
        uint32_t route;
        bool shadowed;                   /* let in, but another object of the host has the path; else not let in */
        struct object_ref parent;        /* who delegated */
        const struct finding *finding;   /* about the child */
        const struct finding *at_parent; /* about the parent; counts where the child is served elsewhere */
};

struct host {
        const char *name;               /* "foo.example.com"; "*" or "*.example.com" only for Ingress */
        const struct object_ref *owner; /* NULL: nobody may have the name; then nothing is served */
        const struct host_tls *tls;     /* NULL: plain HTTP only */
        const struct host_tcpproxy *tcpproxy;
        const struct route *routes; /* longest match first, exact before prefix, then by match */
        size_t route_count;
        const struct host_object *objects; /* by object_ref_compare() */
        size_t object_count;
        bool has_outside;   /* some object has host_outside entries */
        size_t work;        /* routes looked at on the walk: what compiling cost, not part of what the host says */
        int64_t recheck_at; /* microseconds: when the passing of time changes the result; INT64_MAX: never */
};

struct host *host_ref(const struct host *h);
void host_unref(const struct host *h);
/* Heap bytes of one host. */
size_t host_size(const struct host *h);

/* The entry of an object, or NULL. */
const struct host_object *host_find_object(const struct host *h, const struct object_ref *ref);
/* Whether two hosts serve and say the same (what readers need to be told about); recheck_at does not count. */
bool host_equal(const struct host *a, const struct host *b);
/* Everything that host_equal() compares, as text: equal hosts give equal bytes. For tests and for people. */
void host_text(struct buf *out, const struct host *h);
