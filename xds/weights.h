/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weights - the clusters of one route with their shares, as Envoy wants them: each name once, in order of names, and
 * no share of 0.
 *
 * When no service has a weight, all get the same (api.md, services[].weight).
 */
#pragma once

#include "base/arena.h"
#include "xds/translate_cluster.h"

struct weight {
        const char *cluster;
        uint32_t weight;
};

struct weights {
        struct weight *items;
        size_t count;
};

/* n is at least 1, and so is the result's count; it lives in a. */
struct weights weights_of(struct arena *a, const struct cluster *clusters, size_t n, enum cluster_use use);
