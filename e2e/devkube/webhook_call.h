/* SPDX-License-Identifier: Apache-2.0 */
/* webhook_call - one POST of an AdmissionReview over TLS, verified by caBundle. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <jansson.h>

void webhook_call_init(void);
/* Where a service reference leads: "namespace/name" to "host:port". */
void webhook_call_set_service(const char *service, const char *address);
/* The answer's body, or NULL with the error as kube-apiserver words it: `Post "https://...": ...`. */
json_t *webhook_call(const json_t *client_config, int timeout_seconds, const json_t *review, struct err *e);
