/* SPDX-License-Identifier: Apache-2.0 */
#include "xds/weights.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static int by_name(const void *x, const void *y)
{
        const struct weight *a = x;
        const struct weight *b = y;
        return strcmp(a->cluster, b->cluster);
}

/* 128 services of at most 1,000,000: sums fit. */
static size_t merge(struct weight *items, size_t n)
{
        size_t kept = 1;
        for (size_t i = 1; i < n; i++) {
                if (str_equal(items[i].cluster, items[kept - 1].cluster))
                        items[kept - 1].weight += items[i].weight;
                else
                        items[kept++] = items[i];
        }
        return kept;
}

struct weights weights_of(struct arena *a, const struct cluster *clusters, size_t n, enum cluster_use use)
{
        assert(n > 0);
        bool any = false;
        for (size_t i = 0; i < n; i++)
                any |= clusters[i].weight > 0;
        struct weights w = {.items = arena_calloc(a, n, sizeof(*w.items))};
        for (size_t i = 0; i < n; i++) {
                uint32_t weight = any ? clusters[i].weight : 1;
                if (weight)
                        w.items[w.count++] = (struct weight){cluster_name(a, &clusters[i], use), weight};
        }
        qsort(w.items, w.count, sizeof(*w.items), by_name);
        w.count = merge(w.items, w.count);
        return w;
}
