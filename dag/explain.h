/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain - who serves a URL and why, or what stops whoever would have.
 *
 * A reading of a compiled host as Envoy will read what is made of it (spec/envoy.md, "Resources"): host names exact
 * before wildcard, routes in their order, the delegations that lead to the one that matches. Results live in the arena
 * given and borrow from the host, the view and the URL.
 */
#pragma once

#include "dag/compile.h"
#include "dag/explain_url.h"

enum explain_answer {
        EXPLAIN_FORWARDED,   /* to one of the clusters */
        EXPLAIN_PROXIED,     /* TCP to one of the clusters */
        EXPLAIN_UNAVAILABLE, /* 503 */
        EXPLAIN_NOT_FOUND,   /* 404 */
        EXPLAIN_CLOSED,      /* the TLS connection is closed */
};
const char *explain_answer_name(enum explain_answer answer);

struct explain_input {
        const struct view *view;
        const struct policy *policy;
        /* The compiled host of that name, or NULL. */
        const struct host *(*find_host)(const char *name, void *arg);
        /* How many endpoints Envoy has for the cluster now. */
        size_t (*count_endpoints)(const struct cluster *c, void *arg);
        void *arg;
        const struct object *from;             /* explain from this object's side, too; NULL: not asked for */
        const struct object_state *from_state; /* its state */
};

/* One object on the way from the owner to the one that answers. */
struct explain_step {
        struct object_ref object;
        const char *prefix; /* what was delegated to it; NULL: it is the owner */
        const char *field;  /* by which it hands on, or answers: "spec.routes[1]"; "" when it says neither */
};

struct explain_cluster {
        const struct cluster *cluster;
        double percent; /* of the requests */
        size_t endpoints;
};

/* Somebody who asks for the host or the path and does not have it. */
struct explain_stopped {
        struct object_ref object;
        const char *match; /* NULL: it is about the host */
        const char *rule;  /* NULL: no rule, see message */
        const char *message;
};

struct explain_from {
        struct object_ref object;
        bool answers; /* it is who answers, well or badly */
        const char *reason;
        struct findings findings; /* of its state, those that matter here */
};

struct explanation {
        enum explain_answer answer;
        bool served;             /* forwarded or proxied to something that is there */
        bool redirected;         /* plain HTTP answers 301; all else tells what HTTPS answers then */
        const char *reason;      /* one sentence */
        const struct host *host; /* NULL: nobody has the name */
        const struct route *route;
        const char *forwarded_path; /* what the upstream is asked for; NULL unless forwarded */
        struct explain_step *chain;
        size_t chain_count;
        struct explain_cluster *clusters;
        size_t cluster_count;
        struct findings findings; /* on the way, all objects together */
        struct explain_stopped *stopped;
        size_t stopped_count;
        const struct explain_from *from; /* NULL: not asked for */
};

enum {
        EXPLAIN_STOPPED_MAX = 64,   /* who would have served: more is no help */
        EXPLAIN_FINDINGS_MAX = 100, /* as in a status */
};

/* url lives as long as the result. */
void explain(struct arena *a, const struct explain_input *in, const struct explain_url *url, struct explanation *out);
