/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server - what Envoys connect to: streams of discovery over gRPC, and the gRPC health service.
 *
 * The aggregated service and one per type, each State of the World and Delta. It reads a cache that somebody else
 * fills, and never changes it: after cache_commit() or cache_open() call xds_server_cache_changed(). Belongs to the
 * loop thread.
 */
#pragma once

#include "xds/grpc.h"
#include "xds/stream.h"

enum {
        XDS_NODE_MAX = 256, /* bytes of a node's id that are kept, for logs and pages */
};

struct xds_server;

struct xds_server_options {
        struct event_base *base;
        struct cache *cache;
        const char *address; /* as in grpc_options, and all that follow */
        uint16_t port;
        struct keypair *keypair;
        const char *const *client_names;
        size_t client_name_count;
        int64_t (*clock)(void);
        /*
         * What a client says about a tracked resource (outcome->tracked is not 0), or which one it refuses
         * (outcome->culprit); may change the cache and commit it.
         * NULL: nobody asks.
         */
        void (*answered)(enum resource_type type, const struct stream_outcome *outcome, int64_t now, void *arg);
        void *arg;
};

/* Listens. The options are copied but for base, cache and keypair, which outlive it. */
struct xds_server *xds_server_new(const struct xds_server_options *options, struct err *e);
/* Ends everything at once. */
void xds_server_free(struct xds_server *s);
AUTO_DEFINE(xds_server)

uint16_t xds_server_port(const struct xds_server *s);
/*
 * The cache was committed or opened: whom that concerns is answered soon, not from within. seen is when the first of
 * these changes came to our knowledge (CLOCK_MONOTONIC), for gatehouse_xds_push_latency_seconds; 0: not to be measured.
 */
void xds_server_cache_changed(struct xds_server *s, int64_t seen);
/* Graceful end, as grpc_server_drain(). */
void xds_server_drain(struct xds_server *s, void (*done)(void *arg), void *arg);

/* ---- for people ---- */

/* What one stream has of one type. */
struct xds_client_type {
        struct stream_info info;
        const char *sent, *accepted; /* versions, "" for none */
        const char *refused;         /* the last NACK's message, or NULL */
        int64_t refused_at;          /* microseconds since 1970 */
};

/* A connected stream; borrowed during the call. */
struct xds_client {
        const char *node, *cluster; /* what it calls itself, "" when it has not said */
        const char *peer;           /* its address */
        const char *service;        /* "aggregated", or the type's name */
        enum stream_variant variant;
        int64_t since; /* microseconds since 1970 */
        const struct xds_stream *stream;
};
/* The oldest first. */
void xds_server_each(const struct xds_server *s, void (*each)(const struct xds_client *c, void *arg), void *arg);
/* False when the client asked for nothing of that type. */
bool xds_client_describe(const struct xds_client *c, enum resource_type type, struct xds_client_type *out);
size_t xds_server_clients(const struct xds_server *s);
