/* SPDX-License-Identifier: Apache-2.0 */
/* decode - from a body to an object of the asked kind: types, unknown fields, defaults. */
#pragma once

#include "e2e/devkube/call.h"

/* A new reference, or NULL with c->failure set. */
json_t *decode_body(struct call *c);
/* Pruned, with defaults; unknown fields are refused, warned of or dropped as c->validation says. old: see builtin.h. */
bool decode_object(struct call *c, json_t *object, const json_t *old);
/* The same for what a mutating webhook returned: unknown fields go silently. */
bool decode_again(struct call *c, json_t *object, const json_t *old);
/* 422 for what is wrong with it. */
bool decode_validate(struct call *c, const json_t *object, const json_t *old);
