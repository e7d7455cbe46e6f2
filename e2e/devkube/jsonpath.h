/* SPDX-License-Identifier: Apache-2.0 */
/* jsonpath - the simple paths of a CRD's printer columns: .spec.routes[0].match, .metadata.labels.a\.b, [*]. */
#pragma once

#include <jansson.h>

/* What the path leads to, as an array of borrowed-from-value items: a new reference, empty when nothing is there. */
json_t *jsonpath_find(const json_t *value, const char *path);
