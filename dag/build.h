/* SPDX-License-Identifier: Apache-2.0 */
/*
 * build - a host while it is being compiled: the objects met, the routes collected in the order that decides.
 *
 * Everything that stays lies in the host's arena; the rest in the scratch arena. Used by the parts of host_compile()
 * only: walk (IngressRoutes), ingress, tcpproxy.
 */
#pragma once

#include "base/map.h"
#include "dag/check.h"
#include "dag/claim.h"
#include "dag/delegation.h"
#include "dag/host_build.h"

/* One object that the host has to do with. */
struct build_entry {
        const struct object *object;
        struct object_ref *ref; /* in the host's arena */
        bool reached, owner;
        const struct planned_route *plan; /* in scratch; NULL until it is walked */
        struct delegations delegations;   /* likewise */
        uint64_t *served;                 /* a bit a route, in the host's arena; NULL until it is walked */
        uint64_t *told;                   /* a bit a route, in scratch: its delegation has a finding already */
        struct host_outside *outside;     /* in scratch */
        size_t outside_count;
        struct findings findings; /* in the host's arena */
        int64_t claim_since;
};

/* A route with its place in the order that decides. */
struct build_route {
        struct route route;
        struct build_entry *entry;
        struct build_entry *parent; /* who delegated; NULL: nobody, it is the owner's */
        size_t parent_route;
        bool weak; /* a prefix cut off: gives way to whatever is served there */
        size_t order;
};

struct build {
        struct check check; /* about and list change with what is being looked at */
        struct host *host;
        struct arena *arena; /* the host's */
        int64_t now;
        struct build_entry **entries; /* in scratch */
        size_t entry_count;
        struct map *by_object;      /* "namespace/name" -> entry; made when the first delegation is followed */
        struct map *walked;         /* "namespace/name prefix" of what has been walked */
        struct build_route *routes; /* in scratch */
        size_t route_count;
        struct build_entry *parent; /* of the routes that are being added, and the route by which it delegates */
        size_t parent_route;
        size_t walk_count, outside_count;
        size_t looked; /* routes looked at, let in or not */
        bool full;     /* DelegationTooLarge: nothing more is followed */
};

/* The object's entry, made when there is none. */
struct build_entry *build_entry(struct build *b, const struct object *o) __attribute__((returns_nonnull));
/* A check about the entry's object whose findings the host keeps. */
struct check build_check(const struct build *b, struct build_entry *entry);
/* The same without findings: judge_object() has them. */
struct check build_quiet(const struct build *b, const struct build_entry *entry);

/* Adds a route; match is copied, route->source set. */
void build_add_route(struct build *b, struct build_entry *entry, size_t index, const char *match,
                     const struct route *route, bool weak);
/* Adds a prefix that answers 503. */
void build_add_unavailable(struct build *b, struct build_entry *entry, size_t index, const char *match, bool insecure,
                           bool weak);

/* Sorts the routes, drops what is shadowed (PathShadowed), and writes routes and objects into the host. */
void build_finish(struct build *b);

/* ---- the parts ---- */

/* Walks root and all that it delegates to. */
void walk_root(struct build *b, struct build_entry *root);
/* Judges spec.tcpproxy of c->about as an object alone. */
void tcpproxy_judge(const struct check *c);
/* Follows the root's tcpproxy to its services; sets host->tcpproxy when serve. */
void tcpproxy_build(struct build *b, struct build_entry *root, bool serve);
/* Adds what the Ingresses of the host's namespace say, and their TLS where the host has none. */
void ingress_build(struct build *b, const struct claims *claims);
/* Judges an Ingress (c->about) as an object alone. */
void ingress_judge(const struct check *c);
