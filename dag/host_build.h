/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_build - making a host: only dag/ includes this. A host may be written until host_compile() returns it.
 */
#pragma once

#include "dag/host.h"

/* A host with nothing in it, in an arena whose first block has room for first_size bytes more. */
struct host *host_new(size_t first_size) __attribute__((returns_nonnull));
/* The arena of a host that is being built. */
struct arena *host_arena(struct host *h) __attribute__((returns_nonnull));
