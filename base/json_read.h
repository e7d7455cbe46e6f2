/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_read - untrusted JSON text as a jansson value: limits first, then the parser.
 *
 * Refuses duplicate keys and what is nested too deeply. An integer beyond 64 bits, which jansson takes as a reason to
 * refuse the whole document, becomes a real: one field of a wrong type. The caller bounds the size.
 */
#pragma once

#include "base/err.h"

#include <jansson.h>
#include <stddef.h>

enum { JSON_READ_DEPTH_MAX = 128 }; /* Kubernetes' own objects stay below 30; jansson would recurse 2,048 deep */

/* The value (json_decref()), or NULL with what is wrong and where. */
json_t *json_read(const char *text, size_t n, struct err *e);

static inline void json_auto_decref(json_t **v)
{
        json_decref(*v);
}
/* A json_t * owned by its scope. */
#define AUTO_JSON __attribute__((cleanup(json_auto_decref))) json_t
