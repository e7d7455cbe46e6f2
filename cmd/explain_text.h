/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain_text - the JSON of /debug/explain as text for people.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <jansson.h>

/* What the server says is taken as it comes: what is missing is left out, control characters become '?'. */
void explain_text(struct buf *out, const json_t *x);
