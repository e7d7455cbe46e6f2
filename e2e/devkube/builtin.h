/* SPDX-License-Identifier: Apache-2.0 */
/*
 * builtin - the kinds of Kubernetes that are served without a CRD, as far as gatehouse, its manifests and people need.
 *
 * What is described here is pruned and checked; `*` is stored as it comes (nobody runs a pod here).
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct resource;

struct builtin {
        const char *group, *versions, *plural, *kind, *short_names, *categories; /* lists with spaces */
        bool namespaced, status;
        const char *schema; /* short form of schema.h */
};

extern const struct builtin builtins[];
extern const size_t builtin_count;

/* r is the built-in kind of this name. */
bool builtin_is(const struct resource *r, const char *kind) __attribute__((pure));

/* What kube-apiserver fills in. old NULL: it is created. */
void builtin_default(const struct resource *r, json_t *object, const json_t *old);
/* What it refuses, as causes. */
void builtin_validate(const struct resource *r, const json_t *object, const json_t *old, json_t *causes);
/* Which updates of a kind may come without a resourceVersion, and which PUTs create. */
bool builtin_allows_unconditional_update(const struct resource *r) __attribute__((pure));
bool builtin_creates_on_update(const struct resource *r) __attribute__((pure));
/* A generation is counted for this kind (CRs aside). */
bool builtin_has_generation(const struct resource *r) __attribute__((pure));
