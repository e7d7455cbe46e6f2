/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grpc - a gRPC server in the loop thread, whatever it carries: nghttp2 over libevent and OpenSSL.
 *
 * A service is a path and callbacks. Writing is a pull: when the connection has room the server asks next() for a
 * message; a service that has one after having said "none" calls grpc_call_wake(). Nothing is called back from within
 * grpc_call_wake() and grpc_call_end(), so both may be called anywhere, also inside callbacks. Limits: grpc_limits.h.
 */
#pragma once

#include "base/mem.h"
#include "certs/keypair.h"

#include <event2/event.h>
#include <stdint.h>
#include <sys/uio.h>

struct grpc_server;
struct grpc_call; /* one stream */

/* The codes that we send (gRPC, "Status codes and their use"). */
enum grpc_status {
        GRPC_OK = 0,
        GRPC_INVALID_ARGUMENT = 3,
        GRPC_NOT_FOUND = 5,
        GRPC_RESOURCE_EXHAUSTED = 8,
        GRPC_UNIMPLEMENTED = 12,
        GRPC_INTERNAL = 13,
        GRPC_UNAVAILABLE = 14,
};

enum grpc_close {
        GRPC_CLOSE_ENDED,      /* by grpc_call_end() or by the server, and the client was told */
        GRPC_CLOSE_CANCELLED,  /* by the client */
        GRPC_CLOSE_STALLED,    /* nothing could be sent for GRPC_STALL_WAIT */
        GRPC_CLOSE_CONNECTION, /* with its connection */
};
const char *grpc_close_name(enum grpc_close reason);

/* Borrowed until release(owner), which is called once, also when the stream ends before. */
struct grpc_message {
        const struct iovec *parts;
        size_t part_count;
        void (*release)(void *owner); /* may be NULL */
        void *owner;
};

struct grpc_service {
        const char *path; /* "/package.Service/Method" */
        /* A call begins; what it returns is the state of those below. It may end the call at once. */
        void *(*open)(struct grpc_call *c, void *arg);
        /* A whole message came; p is borrowed. */
        void (*message)(struct grpc_call *c, void *state, const uint8_t *p, size_t n);
        /* The client sends no more. */
        void (*half_close)(struct grpc_call *c, void *state);
        /* The next message to send; false: none now. Ending the call here sends *out first, if true. */
        bool (*next)(struct grpc_call *c, void *state, struct grpc_message *out);
        /* The connection took bytes of a message; may be NULL. */
        void (*progress)(void *state);
        /* The last callback: frees state. c is gone. */
        void (*close)(void *state, enum grpc_close reason);
        void *arg;
};

struct grpc_options {
        struct event_base *base;
        const char *address; /* an IP address: "127.0.0.1", "::1" */
        uint16_t port;       /* 0: a free one */
        /* Ours and the CA of the clients, looked at again for each connection. NULL: plain HTTP/2, on loopback only. */
        struct keypair *keypair;
        const char *const *client_names; /* a client's certificate holds one of these DNS names */
        size_t client_name_count;
        int64_t (*clock)(void); /* for tests; NULL: time_monotonic() */
};

/* Listens. Copies the options but for base and keypair, which outlive it. */
struct grpc_server *grpc_server_new(const struct grpc_options *options, struct err *e);
/* Ends everything at once. */
void grpc_server_free(struct grpc_server *s);
AUTO_DEFINE(grpc_server)

/* Adds a service; *service is borrowed as long as s lives. */
void grpc_server_add(struct grpc_server *s, const struct grpc_service *service);
uint16_t grpc_server_port(const struct grpc_server *s);
/*
 * Graceful end: no more connections, GOAWAY, and each stream ends at its own time within GRPC_DRAIN_SPREAD. Then done()
 * is called from the loop, once.
 */
void grpc_server_drain(struct grpc_server *s, void (*done)(void *arg), void *arg);
/* Looks at all waits; the server does so itself every GRPC_TICK. */
void grpc_server_tick(struct grpc_server *s);

struct grpc_counts {
        size_t connections, calls;
        uint64_t refused; /* connections that broke a limit or did not show who they are */
        uint64_t stalled; /* streams and connections cut by GRPC_STALL_WAIT */
};
struct grpc_counts grpc_server_counts(const struct grpc_server *s);

/* There may be a message now: next() will be called when there is room. */
void grpc_call_wake(struct grpc_call *c);
/* Ends the call after the message that is being sent. The first end counts. */
void grpc_call_end(struct grpc_call *c, enum grpc_status status, const char *message);
/* The client's address as text, for logs; borrowed from c. */
const char *grpc_call_peer(const struct grpc_call *c);
