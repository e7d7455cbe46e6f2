/* SPDX-License-Identifier: Apache-2.0 */
/* grpc_internal - what the files of the gRPC server share: server, connection and call from inside. */
#pragma once

#include "xds/grpc.h"
#include "xds/grpc_frame.h"
#include "xds/grpc_limits.h"
#include "xds/grpc_rate.h"

#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>
#include <utlist.h>

struct grpc_server {
        struct event_base *base;
        struct evconnlistener *listener;
        struct event *tick, *flush;
        struct keypair *keypair;
        struct pair *pair; /* what tls was made of */
        SSL_CTX *tls;
        char **names;
        size_t name_count;
        int64_t (*clock)(void);
        uint16_t port;
        const struct grpc_service **services;
        size_t service_count;
        nghttp2_session_callbacks *callbacks;
        nghttp2_option *option;
        struct grpc_connection *connections;
        struct grpc_connection *dirty; /* to be flushed */
        struct grpc_counts counts;
        struct grpc_rate complaints; /* lines of log about peers that are nobody */
        int64_t drain_since;         /* 0: not draining */
        bool goaway_sent;
        void (*drained)(void *arg);
        void *drained_arg;
};

/* Of the request whose headers are being read: a connection has one at a time (RFC 9113, 4.3). */
struct grpc_request {
        size_t bytes, count;
        bool too_much, post, grpc, encoded;
        char path[GRPC_PATH_MAX];
};

struct grpc_connection {
        struct grpc_connection *prev, *next;             /* of the server's */
        struct grpc_connection *dirty_prev, *dirty_next; /* of those to be flushed */
        struct grpc_server *server;
        struct bufferevent *bev;
        nghttp2_session *session; /* NULL until the handshake is done */
        bool dirty, prefaced, dead;
        int64_t since, progress_at;
        struct grpc_request request;
        int32_t last_id;                  /* the highest of a stream that was opened */
        int32_t skipped_from, skipped_to; /* those that the peer last jumped over: [from, to) */
        struct grpc_rate own_resets, pings, settings, empty;
        size_t buffered;           /* of unfinished messages */
        struct grpc_call *calls;   /* all */
        struct grpc_call *reading; /* inside a message, the oldest first */
        struct grpc_call *sending; /* with something to send, the longest without progress first */
        char peer[64];
};

struct grpc_call {
        struct grpc_call *prev, *next;
        struct grpc_call *reading_prev, *reading_next;
        struct grpc_call *sending_prev, *sending_next;
        struct grpc_connection *connection;
        const struct grpc_service *service; /* NULL: refused */
        const struct grpc_plain *plain;     /* how, when that is said in words */
        void *state;
        char *end_message;
        struct grpc_frame in;
        int64_t message_since, sent_at, end_at;
        struct grpc_message out;
        size_t part, offset; /* where in out we are */
        int32_t id;
        uint8_t head[GRPC_FRAME_HEAD];
        uint8_t head_left;
        uint8_t status; /* enum grpc_status */
        bool message_out : 1, waiting : 1, ended : 1, told : 1, stalled : 1;
        bool is_reading : 1, is_sending : 1, encoded : 1;
};

/* ---- grpc_server ---- */

/* The dirty connections are to be flushed. */
void grpc_server_flush_soon(struct grpc_server *s);

/* ---- grpc_tls ---- */

/* A context with what is in the key pair's files now, or the last that could be used; NULL with an error. */
SSL_CTX *grpc_tls_context(struct grpc_server *s, struct err *e);
/* The pair as our own certificate, its CAs as those of the peers; false leaves the reason to ossl_reason(). */
bool grpc_tls_use(SSL_CTX *tls, const struct pair *pair);
/* Did the handshake agree on HTTP/2? */
bool grpc_tls_is_h2(struct bufferevent *bev);

/* ---- grpc_connection ---- */

void grpc_connection_new(struct grpc_server *s, evutil_socket_t fd, const struct sockaddr *address, SSL_CTX *tls);
void grpc_connection_free(struct grpc_connection *k);
/* Sends soon what there is to send. */
void grpc_connection_touch(struct grpc_connection *k);
/* Sends what there is and there is room for; k may be gone afterwards. */
void grpc_connection_pump(struct grpc_connection *k);
/* Looks at its waits; k may be gone afterwards. */
void grpc_connection_tick(struct grpc_connection *k, int64_t now);
/* The peer broke a limit or a rule: GOAWAY with that code (RFC 9113, 7), and the end. */
void grpc_connection_refuse(struct grpc_connection *k, uint32_t code, const char *why);

/* ---- grpc_session ---- */

/* nghttp2's callbacks and options, shared by all connections. */
void grpc_session_prepare(struct grpc_server *s);
void grpc_session_open(struct grpc_connection *k);

/* ---- grpc_call ---- */

struct grpc_call *grpc_call_new(struct grpc_connection *k, int32_t id);
void grpc_call_close(struct grpc_call *c, enum grpc_close reason);
/* The headers are there: finds the service or refuses. */
void grpc_call_begin(struct grpc_call *c);
void grpc_call_read(struct grpc_call *c, const uint8_t *p, size_t n);
void grpc_call_half_close(struct grpc_call *c);
void grpc_call_reset_stalled(struct grpc_call *c);
