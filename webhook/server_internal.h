/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server_internal - what the parts of the server share; for webhook/server*.c only.
 *
 * server.c starts and stops, server_tls.c answers GnuTLS, server_connection.c knows every connection and its deadline,
 * server_request.c is libmicrohttpd's handler, server_wait.c lets denials wait. One mutex guards lists and states; it
 * is a leaf: under it only libmicrohttpd's suspend and resume are called.
 */
#pragma once

#include "webhook/server.h"

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <stdatomic.h>

enum connection_state {
        CONNECTION_NEW,       /* TLS handshake, first request line */
        CONNECTION_REQUEST,   /* headers and body arrive; judging */
        CONNECTION_WAITING,   /* suspended until the store changes */
        CONNECTION_ANSWERING, /* the answer leaves */
        CONNECTION_IDLE,
};

struct connection {
        struct webhook_server *server;
        struct MHD_Connection *mhd;
        int fd;
        enum connection_state state;
        int64_t since;                  /* when the state was entered; time_monotonic() */
        bool cut;                       /* shut down by us, until libmicrohttpd notices */
        struct connection *prev, *next; /* by since */
};

struct request {
        struct webhook_server *server;
        struct connection *connection;
        enum job_path path;
        struct buf *body;
        int64_t started; /* when the last byte was here; 0: not yet */
        bool expired;    /* waited long enough */
        struct job *job;
        struct request *prev, *next; /* while waiting */
};

struct webhook_server {
        struct webhook_limits limits;
        struct keypair *keypair;
        bool verify_clients;
        const struct webhook_state *state;
        struct meter *meter;
        struct MHD_Daemon *daemon;
        uint16_t port;
        _Atomic size_t body_bytes;
        _Atomic bool draining;    /* answers end their connections */
        _Atomic bool closed;      /* new connections are turned away */
        _Atomic uint64_t changes; /* of the store, as told */

        pthread_mutex_t mutex; /* guards what follows */
        struct connection *connections;
        unsigned connection_count; /* without those that are cut */
        unsigned connection_total;
        struct request *waiting;
        unsigned waiting_count;
        bool stopping;
        pthread_cond_t wake; /* the housekeeper's */

        pthread_t housekeeper;
        bool has_housekeeper;
};

/* ---- server_tls ---- */

/* A fresh copy of the pair in use for each handshake (gnutls_certificate_retrieve_function3). */
int server_tls_certificate(gnutls_session_t session, const struct gnutls_cert_retr_st *info, gnutls_pcert_st **certs,
                           unsigned *cert_count, gnutls_ocsp_data_st **ocsp, unsigned *ocsp_count,
                           gnutls_privkey_t *key, unsigned *flags);
/* Makes a new session find its connection and, when asked for, demand a certificate. */
void server_tls_prepare(gnutls_session_t session, struct connection *c);

/* ---- server_connection ---- */

/* MHD_OPTION_NOTIFY_CONNECTION. */
void server_connection_notify(void *arg, struct MHD_Connection *mhd, void **context,
                              enum MHD_ConnectionNotificationCode code);
struct connection *server_connection_of(struct MHD_Connection *mhd);
/* With the mutex held; the second one takes it. */
void server_connection_set(struct connection *c, enum connection_state state);
void server_connection_enter(struct connection *c, enum connection_state state);
/* Shuts down idle ones. Takes the mutex. */
void server_connection_close_idle(struct webhook_server *s);
/* Shuts down those past their deadline; with the mutex held. */
void server_connection_expire(struct webhook_server *s, int64_t now);

/* ---- server_request ---- */

/* MHD_AccessHandlerCallback, MHD_OPTION_NOTIFY_COMPLETED, MHD_OPTION_URI_LOG_CALLBACK. */
enum MHD_Result server_request_handle(void *arg, struct MHD_Connection *mhd, const char *url, const char *method,
                                      const char *version, const char *data, size_t *size, void **context);
void server_request_completed(void *arg, struct MHD_Connection *mhd, void **context,
                              enum MHD_RequestTerminationCode code);
void *server_request_begin(void *arg, const char *uri, struct MHD_Connection *mhd);

/* ---- server_wait ---- */

enum wait_result {
        WAIT_SUSPENDED, /* libmicrohttpd will call the handler again */
        WAIT_AGAIN,     /* the store changed meanwhile: judge again */
        WAIT_OVER,      /* answer */
};
/* After a judgement that began when s->changes was changes. */
enum wait_result server_wait(struct request *q, uint64_t changes);
/* Resumes all that wait, for good when over; with the mutex held. */
void server_wait_resume_all(struct webhook_server *s, bool over);
/* The thread that ends waits and deadlines. */
void *server_wait_housekeeper(void *arg);
