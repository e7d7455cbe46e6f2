/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch - one HTTP request to a neighbour (a running gatehouse, an Envoy), for commands: blocking, any thread.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

struct fetch {
        const char *url;         /* as it is sent; see fetch_escape() */
        const char *socket_path; /* a Unix socket that it goes to, whatever host the URL names; NULL: TCP */
        bool post;               /* an empty POST, else GET */
        size_t max;              /* bytes of the answer */
};

/* Whatever it is answered, with the status; NULL with an error when there is no whole answer within seconds. */
struct buf *fetch(const struct fetch *f, long *status, struct err *e);

/* A part of a URL's query: escapes only what may not stand there, for the server's line is short. For mem_free(). */
char *fetch_escape(const char *s) __attribute__((returns_nonnull));
