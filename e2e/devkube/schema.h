/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema - structural OpenAPI v3 schemas: pruning, defaults, validation.
 *
 * The built-in kinds are described in a short form, expanded once at start:
 *     spec:{type:s ports:[{name:s port:i targetPort:x}] selector:<s>}
 * s string, i integer, b boolean, t time, q quantity, x integer or string, y bytes, * anything; [..] array, <..> map,
 * {..} object. A NULL schema is one that knows nothing and accepts everything.
 */
#pragma once

#include <jansson.h>

/* The short form of an object's properties; asserts that it is well formed. */
json_t *schema_expand(const char *brief);
/* metadata as every object has it: borrowed, for ever. */
json_t *schema_of_metadata(void);
/* A copy of a CRD's openAPIV3Schema with apiVersion, kind and metadata as they are for every object. */
json_t *schema_of_custom(const json_t *schema);

/* Removes what the schema does not know; appends its paths ("spec.foo") to unknown (may be NULL). */
void schema_prune(const json_t *schema, json_t *value, json_t *unknown);
void schema_default(const json_t *schema, json_t *value);
/* Appends a cause for each violation (failure.h); decode errors too: wrong types. */
void schema_validate(const json_t *schema, const json_t *value, json_t *causes);
/* Removes nulls, as Go's decoder of typed objects takes them for absent. */
void schema_drop_nulls(json_t *value);
