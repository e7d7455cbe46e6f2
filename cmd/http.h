/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http - a small plain HTTP server for metrics, health and debug pages.
 *
 * One listener, one thread of its own, a table of routes. Handlers run on that thread and must only read what may be
 * read from there. It stays answerable: few headers, tiny bodies, and when connections run out the longest idle one
 * gives way, so that nobody can keep the kubelet's probe out.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stdint.h>

enum {
        HTTP_HEADERS_MAX = 8 * 1024,         /* answered by 431 */
        HTTP_BODY_MAX = 1024,                /* of a request; answered by 413 */
        HTTP_CONNECTIONS_MAX = 64,           /* beyond, the longest idle one is closed */
        HTTP_IDLE_SECONDS = 60,              /* Prometheus keeps its connection between scrapes of 30 s */
        HTTP_ANSWER_MAX = 256 * 1024 * 1024, /* a dump of 100,000 hosts fits */
};

struct http;
struct http_query;

struct http_request {
        const char *method, *path;
        const char *body; /* "" unless PUT */
        size_t body_len;
        const struct http_query *query;
};
/* The value of ?name=, decoded; NULL when it is not given. Borrowed for the request. */
const char *http_query(const struct http_request *r, const char *name);

/* Filled by the handler; beforehand status is 200 and the type text/plain. */
struct http_answer {
        unsigned status;
        const char *content_type; /* a literal */
        struct buf *body;         /* empty; at most HTTP_ANSWER_MAX: when that is not enough the answer is 500 */
};

struct http_route {
        const char *method; /* "GET" (answers HEAD too) or "PUT" */
        const char *path;   /* exactly */
        void (*handle)(const struct http_request *r, struct http_answer *answer, void *arg);
        void *arg;
};

/* Listens at once; port 0 takes a free one. routes is copied, its strings are borrowed. NULL with an error. */
struct http *http_start(const char *address, uint16_t port, const struct http_route *routes, size_t count,
                        struct err *e);
/* The port that it listens on. */
uint16_t http_port(const struct http *h);
/* Whether no request is being answered at the moment. Any thread. */
bool http_is_idle(const struct http *h);
/* Ends the listener and its connections; no handler runs afterwards. */
void http_free(struct http *h);
AUTO_DEFINE(http)
