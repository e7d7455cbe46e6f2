/* SPDX-License-Identifier: Apache-2.0 */
/* delete - objects, collections, and what goes with a namespace or a CRD. */
#pragma once

#include "e2e/devkube/call.h"

/* Removes it and, for a namespace or CRD, what lives in it; false when something else is there by now. */
bool delete_stored(const struct resource *r, const struct object *o, uint64_t *rv);
/* PUT /api/v1/namespaces/NAME/finalize: devkube's namespaces go at once, so there is nothing left to finalize. */
bool delete_finalized(struct call *c);
