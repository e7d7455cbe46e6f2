/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain_json - an explanation as JSON: what /debug/explain answers and `gatehouse explain` reads.
 */
#pragma once

#include "base/buf.h"
#include "dag/explain.h"

/* written is the URL as it was asked for; notes are said beside it, one NULL ends them. The view lends endpoints. */
void explain_json(struct buf *out, const char *written, const struct explain_url *url, const struct explanation *x,
                  const struct view *v, const char *const *notes);
