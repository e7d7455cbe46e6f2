/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grant - who may use what of others: host names, delegations, certificates, heirs; and whose class an object is.
 *
 * A grant that cannot be read grants nothing.
 */
#pragma once

#include "dag/check.h"

/* Whether the namespace may ask for host (a name, "*" or "*.x"): its annotation allowed-fqdns. */
bool grant_host(const struct view *v, const struct policy *policy, const char *namespace, const char *host);
/* Whether roots may stand in the namespace. */
bool grant_root_namespace(const struct policy *policy, const char *namespace);
/* Whether target accepts that delegator (both IngressRoutes) delegates to it: its annotation delegated-from. */
bool grant_delegation(const struct policy *policy, const struct object *target, const struct object *delegator);
/* Whether a namespace may use a Secret of another one: a TLSCertificateDelegation there. */
bool grant_secret(const struct check *c, const char *secret_namespace, const char *secret, const char *namespace);
/* Whether owner's annotation fqdn-handover names heir. */
bool grant_handover(const struct object *owner, const struct object *heir);

/* Contour's annotation (its name behind the prefix), or NULL when it is not there or cannot be read. */
const char *grant_readable_annotation(const struct object *o, const char *name);

/* AnnotationInvalid for every annotation of c->about that cannot be read, all kinds. */
void grant_judge_annotations(const struct check *c);
