/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client - requests to the Kubernetes API server, on libcurl's multi interface in the loop.
 *
 * Everything happens on the loop thread; callbacks run from the loop, never from within the call that starts a request.
 * Short requests share keep-alive connections and always have a deadline. A stream (a watch) has none of its own: a
 * server that is quiet for too long is asked for its version, and when it does not answer every stream ends with an
 * error, so that a stopped server is noticed although its kernel still acknowledges.
 */
#pragma once

#include "base/err.h"
#include "kube/kubeconfig.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct client;
struct call; /* one request under way */

enum {
        CLIENT_BODY_MAX = 16 * 1024 * 1024, /* one object has at most 1.5 MiB in etcd, as JSON up to 9 */
        CLIENT_TOO_LARGE = EMSGSIZE,        /* response.error.code of an answer beyond that */
        CLIENT_QUIET_SECONDS = 20,          /* then the server is asked whether it still answers */
        CLIENT_PROBE_SECONDS = 10,          /* how long it may take to */
        CLIENT_SILENCE_SECONDS = 90,        /* a watch without a byte is ended: bookmarks come every minute */
};

/* Called once for every answer (code 0: there was none), for metrics. */
typedef void client_observer_fn(const char *verb, const char *resource, int code, void *arg);

/* A client of the server that config names; takes config. Files named there are read anew when they change. */
struct client *client_new(struct event_base *base, struct kubeconfig *config, struct err *e);
/* Ends every call without calling back. */
void client_free(struct client *c);
AUTO_DEFINE(client)
void client_observe(struct client *c, client_observer_fn *observer, void *arg);

struct request {
        const char *method; /* "GET", "POST", "PUT", "PATCH", "DELETE" */
        const char *path;   /* with query: "/api/v1/namespaces?limit=500" */
        const char *body;   /* NULL: none */
        size_t body_size;
        const char *content_type;    /* of the body */
        int64_t timeout;             /* nanoseconds; 0: 30 s. Of a stream: until its answer begins */
        const char *verb, *resource; /* for the observer: "list", "ingressroutes"; literals */
};

struct response {
        int code;         /* HTTP status; 0: no answer, see error */
        const char *body; /* valid during the callback */
        size_t size;
        int64_t retry_after; /* nanoseconds; 0: not said */
        int64_t date;        /* the server's clock, microseconds since 1970 (RFC 9110, 6.6.1); 0: not said */
        struct err error;    /* set when code is 0, or when the body ended before its time */
};

typedef void client_done_fn(const struct response *response, void *arg);

/* Starts a request; everything in it is copied. done is called once, unless the call is cancelled before. */
struct call *client_request(struct client *c, const struct request *r, client_done_fn *done, void *arg);

/* Called with the bytes of a 200 answer as they come. */
typedef void client_bytes_fn(const char *p, size_t n, void *arg);

/* Starts a stream; done is called when it ends, with the body of an answer other than 200. */
struct call *client_stream(struct client *c, const struct request *r, client_bytes_fn *bytes, client_done_fn *done,
                           void *arg);

/* The callback will not be called any more; call is gone. Not from within its own done callback. NULL is fine. */
void client_cancel(struct call *call);

/* A part of a path or query with everything but unreserved characters escaped (RFC 3986); for mem_free(). */
char *client_escape(const char *s) __attribute__((returns_nonnull));
