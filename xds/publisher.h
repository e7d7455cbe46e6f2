/* SPDX-License-Identifier: Apache-2.0 */
/*
 * publisher - fills the cache: compiled hosts, and the endpoints and Secrets that they use, as Envoy is to see them.
 *
 * Changes are noted, and become visible together in one cache_commit() by publisher_flush(), which is for the moment
 * when every host that a change touches is compiled again. Endpoints compile nothing and may go out before that. What
 * several hosts use (clusters, endpoints, Secrets) is counted, and is there as long as one of them uses it. What is
 * shared by all hosts (the RouteConfiguration of port 80, the HTTPS listener) goes through xds/holdout, so that a host
 * which an Envoy refuses holds back no other.
 *
 *     on host_changed:                       publisher_host_changed()
 *     on stored (under the write lock):      publisher_stored()
 *     on store_changed:                      publisher_store_changed(), and a timer at publisher_due()
 *     on that timer:                         publisher_flush_endpoints()
 *     on settled:                            publisher_open(), at every later one publisher_flush()
 *     on a client's answer:                  publisher_answered()
 *     when one of the last five says != 0:   xds_server_cache_changed()
 *
 * Belongs to the loop thread.
 */
#pragma once

#include "dag/host.h"
#include "xds/cache.h"
#include "xds/options.h"
#include "xds/stream.h"

struct publisher;

struct publisher_options {
        const struct store *store;
        struct cache *cache;
        const struct xds_options *options;
        /*
         * An Envoy has refused what the host says now (rule EnvoyRejected), or that is over: it says something else, or
         * is gone. Called once a change from within flush and answered, when the cache is committed; must not call
         * back. May be NULL.
         */
        void (*refused)(const char *host, bool refused, void *arg);
        void *arg;
};

/* The options are copied, what they point to outlives the publisher; the cache is to be empty. */
struct publisher *publisher_new(const struct publisher_options *options) __attribute__((returns_nonnull));
/* The cache stays as it is. */
void publisher_free(struct publisher *p);
AUTO_DEFINE(publisher)

/* ---- changes ---- */

/* Either may be NULL, as in struct pipeline_reader. */
void publisher_host_changed(struct publisher *p, const struct host *old, const struct host *new);
/* Either may be NULL; objects of any kind. Only notes what is to be read again. */
void publisher_stored(struct publisher *p, const struct object *old, const struct object *new);
/*
 * An ACK, a NACK, or what a client has brought with it, about a tracked resource; or the NACK of the only resource of a
 * response. The number of resources changed.
 */
size_t publisher_answered(struct publisher *p, enum resource_type type, const struct stream_outcome *outcome,
                          int64_t now);

/* ---- making them visible; now is CLOCK_MONOTONIC; the result is the number of resources that changed ---- */

/* All that is noted. Costs nothing when that is nothing. */
size_t publisher_flush(struct publisher *p, int64_t now);
/*
 * Endpoints only, once the cache is open: the first change after quiet at once, under churn together; then
 * publisher_due() says when publisher_flush_endpoints() is to be called.
 */
size_t publisher_store_changed(struct publisher *p, int64_t now);
/* INT64_MAX: nothing waits. */
int64_t publisher_due(const struct publisher *p);
/* Endpoints only, once the cache is open. */
size_t publisher_flush_endpoints(struct publisher *p, int64_t now);
/* The first build is done: flushes and opens the cache. Later ones only flush. */
size_t publisher_open(struct publisher *p, int64_t now);

/* ---- for people ---- */

/* Hosts of which an Envoy has refused something, found or only suspected: what it last accepted is served. */
size_t publisher_held(const struct publisher *p);
