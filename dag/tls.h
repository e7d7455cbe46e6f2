/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls - what a root's or an Ingress's TLS comes out as.
 */
#pragma once

#include "dag/check.h"
#include "dag/host.h"

/* How much of a host's TLS can be had. */
enum tls_state {
        TLS_NONE, /* not asked for */
        TLS_GOOD,
        TLS_UNAVAILABLE, /* the Secret cannot be used: closed on 443, on 80 only what permits plain HTTP */
        TLS_CONFLICTING, /* written wrongly: the whole host answers 503 */
};

/* Judges spec.virtualhost.tls of a root (c->about): all but what depends on time and on the host's name. */
enum tls_state tls_resolve(const struct check *c);

/* The namespace and name of tls.secretName; in c->scratch. */
void tls_secret_name(const struct check *c, const char *written, const char **namespace, const char **name);

/*
 * The Secret as a certificate for c->about: found, of the right type, good. Otherwise there is a finding, and the
 * result is what the Secret last held that was good, or NULL.
 */
const struct secret *tls_find_secret(const struct check *c, const char *field, const char *namespace, const char *name);

/* The same without findings. */
const struct secret *tls_served_secret(const struct view *v, const char *namespace, const char *name);

/*
 * The findings that depend on the host's name and on time: TLSSecretNameMismatch, TLSSecretExpiring. Lowers
 * *recheck_at to when the latter changes.
 */
void tls_judge_certificate(const struct check *c, const char *field, const char *secret_name, const char *host,
                           const struct pair_facts *facts, int64_t now, int64_t *recheck_at);

/* "1.1", "1.2", "1.3" */
bool tls_version_find(const char *text, enum tls_version *version);
/* The higher of what is asked for (NULL: 1.2) and the policy's floor. */
enum tls_version tls_effective_version(const struct policy *policy, const char *asked);
