/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grpc_client - one gRPC call from a command: messages out, messages in, and how it ended.
 *
 * Blocks, with a deadline (CLOCK_MONOTONIC, nanoseconds) at each wait. What comes may hold keys: it is wiped behind
 * the reader. What the server sends meets limits first.
 */
#pragma once

#include "xds/grpc_dial.h"

enum {
        GRPC_ANSWER_MAX = 64 << 20, /* one RouteConfiguration of 100,000 hosts */
};

struct grpc_client;

/* Dials, and opens the call of that path ("/package.Service/Method"). NULL with an error. */
struct grpc_client *grpc_client_open(const struct dial_options *options, const char *path, int64_t deadline,
                                     struct err *e);
void grpc_client_free(struct grpc_client *c);
AUTO_DEFINE(grpc_client)

/* Sends one message, all of it. */
bool grpc_client_send(struct grpc_client *c, const void *p, size_t n, int64_t deadline, struct err *e);
/*
 * The next message, borrowed until the next call. False when there is none: the call ended (the error says how, also
 * when it ended well) or the deadline passed (e->code is ETIMEDOUT).
 */
bool grpc_client_receive(struct grpc_client *c, const uint8_t **p, size_t *n, int64_t deadline, struct err *e);
