/* SPDX-License-Identifier: Apache-2.0 */
/* tls - a CA and a server certificate for 127.0.0.1 and localhost (ECDSA P-256, a year). */
#pragma once

#include "base/err.h"

/* PEM texts for mem_free(). */
struct tls_pair {
        char *ca, *cert, *key;
};

bool tls_issue(struct tls_pair *pair, struct err *e);
/* The pair that dir holds, else a new one that is kept there: kubeconfigs stay good over a restart. */
bool tls_keep(struct tls_pair *pair, const char *dir, struct err *e);
