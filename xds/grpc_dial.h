/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grpc_dial - a connection to a gRPC server as bytes in and out, with TLS 1.3 or without; each wait has a deadline.
 *
 * For commands, not for the loop: it blocks. Deadlines are on CLOCK_MONOTONIC in nanoseconds. Its errors say what a
 * person can do: nobody listens, the certificate is whose and why not, who refuses whom.
 */
#pragma once

#include "base/err.h"
#include "certs/pair.h"

#include <stddef.h>
#include <stdint.h>

struct dial;

struct dial_options {
        const char *host; /* an IP address or a DNS name */
        uint16_t port;
        const struct pair *pair; /* our certificate, and the CAs of the server's; NULL: plain HTTP/2 */
        const char *server_name; /* DNS name that the server's certificate holds, exactly */
};

/* Connected, and with TLS agreed on HTTP/2. NULL with an error. */
struct dial *dial_open(const struct dial_options *options, int64_t deadline, struct err *e);
void dial_free(struct dial *d);
AUTO_DEFINE(dial)

/* At most room bytes into *n; 0: the server closed. e->code is ETIMEDOUT when the deadline passed. */
bool dial_read(struct dial *d, void *to, size_t room, size_t *n, int64_t deadline, struct err *e);
/* All of them. */
bool dial_write(struct dial *d, const void *p, size_t n, int64_t deadline, struct err *e);
