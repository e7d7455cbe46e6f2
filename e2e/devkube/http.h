/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http - HTTPS in front of it all: one thread a connection, so that a handler may block.
 *
 * libmicrohttpd calls http_handler once the whole body is there; the handler fills an answer, whose parts http frees.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <jansson.h>
#include <stdint.h>
#include <sys/types.h>

struct MHD_Connection;

/* Larger bodies are refused: kube-apiserver takes 3 MiB; bulk loads bring more. */
enum { HTTP_BODY_MAX = 1 << 30 };

struct request {
        struct MHD_Connection *connection;
        const char *method, *path; /* path: decoded, without the query */
        struct buf *body;
};

/* NULL when absent. */
const char *request_query(const struct request *q, const char *name);
const char *request_header(const struct request *q, const char *name);
/* The client has gone away. */
bool request_hung_up(const struct request *q);

enum { STREAM_END = -1, STREAM_BROKEN = -2 };
/* A body that is written as it comes about; read() may block, returns bytes (at least 1) or one of the above. */
struct stream {
        ssize_t (*read)(struct stream *s, char *p, size_t max);
        void (*free)(struct stream *s);
};

struct answer {
        int code;
        const char *content_type;
        struct buf *body;
        struct stream *stream; /* instead of body */
        json_t *warnings;      /* strings */
        int retry_after;       /* seconds; 0: none */
        bool drop;             /* close the connection instead of answering */
        void (*sent)(void);    /* called when the answer is out */
};
typedef void http_handler(struct request *q, struct answer *a);

/* Listens on 127.0.0.1; *port 0 takes a free one and says which. */
bool http_start(uint16_t *port, const char *key_pem, const char *cert_pem, http_handler *handler, struct err *e);
/* Closes every connection; waits for the handlers. */
void http_stop(void);
/* Whether http_stop() is waiting: streams end. */
bool http_stopping(void);
