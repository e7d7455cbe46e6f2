/* SPDX-License-Identifier: Apache-2.0 */
/*
 * patch - the three ways in which kubectl changes an object. Pure.
 *
 * JSON Patch: RFC 6902. Merge patch: RFC 7386. Strategic: Kubernetes' own, where lists merge by a key of their items.
 */
#pragma once

#include "base/err.h"

#include <jansson.h>

/* A new document, or NULL and an error. */
json_t *patch_json(const json_t *document, const json_t *operations, struct err *e);
json_t *patch_merge(const json_t *document, const json_t *patch);
json_t *patch_strategic(const json_t *document, const json_t *patch, struct err *e);
