/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kubeconfig - how to reach an API server, and as whom.
 *
 * Either from a kubeconfig file (the format of kubectl: "Organizing Cluster Access Using kubeconfig Files") or from
 * what a pod is given. exec and auth-provider plugins are refused: they would run programs. So is what would change who
 * we are or where we go if it were left out (impersonation, a proxy). Keys and tokens are wiped.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

enum { KUBECONFIG_BYTES_MAX = 1024 * 1024 }; /* the file, and each that it names */

/* What is read from a file again when it changes: path or, when that is NULL, bytes. */
struct kube_material {
        char *path;
        struct buf *bytes; /* NULL with path NULL: not given */
};

struct kubeconfig {
        char *server;          /* "https://127.0.0.1:6443", without trailing slash */
        char *tls_server_name; /* NULL: as in server */
        bool insecure;         /* insecure-skip-tls-verify */
        char *namespace;       /* of the context or the pod; NULL: not given */
        struct kube_material authority, certificate, key, token;
};

/* From a file, its current context. The caller owns the result. */
struct kubeconfig *kubeconfig_load(const char *path, struct err *e);
/* The same from its bytes; dir is what relative paths in it start from. */
struct kubeconfig *kubeconfig_parse(const char *text, size_t n, const char *dir, struct err *e);
/*
 * From the pod's service account. host and port are KUBERNETES_SERVICE_HOST and _PORT (NULL: an error that says where
 * they come from), dir "/var/run/secrets/kubernetes.io/serviceaccount".
 */
struct kubeconfig *kubeconfig_in_cluster(const char *host, const char *port, const char *dir, struct err *e);
void kubeconfig_free(struct kubeconfig *k);
AUTO_DEFINE(kubeconfig)

/* The present bytes (of the file, or a copy of those given), or NULL with an error; also NULL when not given. */
struct buf *kube_material_read(const struct kube_material *m, struct err *e);
bool kube_material_given(const struct kube_material *m);
