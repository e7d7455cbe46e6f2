/* SPDX-License-Identifier: Apache-2.0 */
/* admission_match - which webhooks are asked about a change. */
#pragma once

#include "e2e/devkube/admission.h"

/* The version in which the webhook wants to see the change, or NULL when its rules do not name it. */
const struct version *admission_version(const json_t *webhook, const struct call *c, const char *operation);
/* namespaceSelector and objectSelector (old or new object). */
bool admission_selects(const json_t *webhook, const struct call *c, const struct admission *a);
