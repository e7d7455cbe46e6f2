/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server - HTTPS for POST /validate and POST /mutate, on libmicrohttpd.
 *
 * Worker threads read what webhook_state names, under its lock, and change nothing. A denial that a store which lags
 * behind may turn is judged again at each webhook_server_store_changed() for up to 300 ms, its connection suspended.
 * Open it only when the store has synced: what is not stored yet would count as missing.
 */
#pragma once

#include "certs/keypair.h"
#include "webhook/job.h"

/* Durations in nanoseconds. Tests take smaller ones. */
struct webhook_limits {
        unsigned connections; /* beyond, the longest idle one gives way */
        unsigned waiting;     /* denials that wait for the store; beyond, they are sent at once */
        size_t bodies;        /* bytes of unfinished bodies in all; beyond, 503 */
        int64_t wait;         /* for the store */
        int64_t handshake;    /* from accept to the first request */
        int64_t request;      /* from the request line to the last byte of the body */
        int64_t answer;       /* until the client has taken it */
        int64_t idle;         /* between requests; also what a request line may take to drip in */
};
extern const struct webhook_limits WEBHOOK_LIMITS;

struct webhook_server_options {
        const char *address;     /* "0.0.0.0", "127.0.0.1", "::" */
        uint16_t port;           /* 0: any free one */
        unsigned workers;        /* 0: one a core, at most 8 */
        struct keypair *keypair; /* polled by its owner; a reload is seen by the next handshake */
        bool verify_clients;     /* against the keypair's CA bundle */
        const struct webhook_state *state;
        const struct webhook_limits *limits; /* NULL: WEBHOOK_LIMITS */
};

struct webhook_server;

/* Listens and serves. What options point to must outlive the server (the struct itself need not). Loop thread. */
struct webhook_server *webhook_server_new(const struct webhook_server_options *options, struct err *e);

uint16_t webhook_server_port(const struct webhook_server *s);

/* The store has changed and its lock is free again: loop thread, after each batch. Cheap when nobody waits. */
void webhook_server_store_changed(struct webhook_server *s);

/* Open connections, and denials that wait for the store. Any thread. */
unsigned webhook_server_connections(struct webhook_server *s);
unsigned webhook_server_waiting(struct webhook_server *s);

/* A stop is near: from now on every answer ends its connection. New ones are still served. */
void webhook_server_drain(struct webhook_server *s);

/*
 * Stops: no new connections, idle ones are closed, requests under way get their answers, for at most grace
 * nanoseconds. NULL is fine.
 */
void webhook_server_stop(struct webhook_server *s, int64_t grace);
void webhook_server_free(struct webhook_server *s); /* stop without grace */
AUTO_DEFINE(webhook_server)
