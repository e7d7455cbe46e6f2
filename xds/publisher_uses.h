/* SPDX-License-Identifier: Apache-2.0 */
/*
 * publisher_uses - what compiled hosts use, counted: clusters, the endpoints of these, and Secrets.
 *
 * Each is in the cache while a host uses it, and its content is what the last one that was taken says: hosts differ
 * only for as long as one of them is not compiled yet after a change. Endpoints and Secrets are read from the store
 * when they are staged. Only for publisher*.c; commits nothing.
 */
#pragma once

#include "xds/cache.h"
#include "xds/translate.h"

struct uses;

struct uses *uses_new(const struct store *store, struct cache *cache) __attribute__((returns_nonnull));
void uses_free(struct uses *u);
AUTO_DEFINE(uses)

/* What one host uses; NULL: nothing. */
struct host_uses;
/* Stages clusters, and notes endpoints and Secrets that are new. Take before what the host had is dropped. */
struct host_uses *uses_take(struct uses *u, const struct translation *t);
/* Stages the removal of what nobody uses any more. NULL is fine. */
void uses_drop(struct uses *u, struct host_uses *h);

/* The store has got or lost that object: notes what is read from it. */
void uses_note(struct uses *u, const struct object *o);
/* Whether endpoints are noted. */
bool uses_has_endpoints(const struct uses *u);
/* Stages what is noted; whether there was something. */
bool uses_stage_endpoints(struct uses *u);
bool uses_stage_secrets(struct uses *u);
