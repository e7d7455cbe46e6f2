/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table - objects as meta.k8s.io/v1 Table, what `kubectl get` shows.
 */
#pragma once

#include "e2e/devkube/http.h"
#include "e2e/devkube/resource.h"

/* The client asked for a Table (Accept: application/json;as=Table;...). */
bool table_wanted(const struct request *q);
/* Without rows; columns: with the column definitions (only the first table of a watch has them). */
json_t *table_new(const struct resource *r, const struct version *v, bool columns);
void table_add(json_t *table, const struct resource *r, const struct version *v, const json_t *object);

/* Go's short duration, as the AGE column has it: "5s", "3m2s", "4h", "12d". For mem_free(). */
char *table_age(int64_t seconds);
