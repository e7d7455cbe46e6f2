/* SPDX-License-Identifier: Apache-2.0 */
/* cells - the columns behind NAME of the built-in kinds, as kubectl get shows them. */
#pragma once

#include "e2e/devkube/resource.h"

void cells_columns(const struct resource *r, json_t *columns);
void cells_add(const struct resource *r, const json_t *object, json_t *cells);
