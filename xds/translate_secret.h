/* SPDX-License-Identifier: Apache-2.0 */
/*
 * translate_secret - what a Secret of the cluster gives to Envoy by SDS.
 *
 * Names hold no hash: a renewed certificate is one push and drains no connection. The bytes are there only when the
 * object was decoded with keep_keys; resource_unref() wipes them.
 */
#pragma once

#include "base/arena.h"
#include "kube/object.h"
#include "xds/resource.h"

/* "namespace/name" of a certificate and key, "namespace/name/ca" of a CA bundle. */
const char *pair_name(struct arena *a, const char *namespace, const char *name) __attribute__((returns_nonnull));
const char *ca_name(struct arena *a, const char *namespace, const char *name) __attribute__((returns_nonnull));

/* NULL when o (which may be NULL) holds no good pair, or no good bundle. */
struct resource *translate_pair(const struct object *o);
struct resource *translate_ca(const struct object *o);
