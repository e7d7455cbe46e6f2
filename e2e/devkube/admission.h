/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admission - the webhooks of stored Mutating- and ValidatingWebhookConfigurations, called over TLS.
 *
 * Webhooks are called one after the other, by configuration name and in their order; never with the store locked.
 */
#pragma once

#include "e2e/devkube/call.h"

struct admission {
        const char *operation; /* CREATE, UPDATE, DELETE */
        const char *name;      /* as in the URL; "" when it is generated */
        json_t *object;        /* NULL for DELETE; replaced by what mutating webhooks make of it */
        const json_t *old;     /* NULL for CREATE */
};

void admission_init(void);
bool admission_mutate(struct call *c, struct admission *a);
bool admission_validate(struct call *c, struct admission *a);

/* Where a service reference of a webhook leads: "namespace/name" to "host:port". */
void admission_set_service(const char *service, const char *address);
