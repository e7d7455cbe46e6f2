/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_identity - where the API server is, how it proves itself, and how we do.
 *
 * Private to kube/client. Files are read anew when they change: a token lives an hour, a certificate some weeks. While
 * a file cannot be read its last content is used, and a warning says so once.
 */
#pragma once

#include "base/file.h"
#include "kube/kubeconfig.h"

#include <curl/curl.h>

/* The content of a file that may change, or of the kubeconfig itself. */
struct material {
        const struct kube_material *source;
        struct file_stamp stamp;
        struct buf *bytes; /* NULL: not given */
        bool stale;        /* the file could not be read */
};

struct identity {
        const struct kubeconfig *config;
        struct material authority, certificate, key, token;
        char *url;                     /* what paths are appended to */
        char *host;                    /* of the Host header, where url names another one; else NULL */
        struct curl_slist *connect_to; /* the same for the connection */
};

/* Borrows config. False when a file cannot be read, or config names no server; identity_done() in any case. */
bool identity_init(struct identity *id, const struct kubeconfig *config, struct err *e);
void identity_done(struct identity *id);

void identity_refresh(struct identity *id);
/* The server did not take the token: it is read again whatever its file looks like. */
void identity_doubt_token(struct identity *id);
/* Sets options for the server at id->url; headers are appended to *headers. */
void identity_apply(const struct identity *id, CURL *easy, struct curl_slist **headers);
/* curl_slist_free_all() that leaves no token behind. */
void identity_free_headers(struct curl_slist *headers);
