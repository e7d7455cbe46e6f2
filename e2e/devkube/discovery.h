/* SPDX-License-Identifier: Apache-2.0 */
/* discovery - /version, /api, /apis and the resource lists of each group's version. */
#pragma once

#include <jansson.h>

/* A new reference, or NULL when path is none of these. */
json_t *discovery_document(const char *path);
