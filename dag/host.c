/* SPDX-License-Identifier: Apache-2.0 */
#include "dag/host_build.h"

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* The public part comes first: a host's address is its box's. */
struct host_box {
        struct host host;
        struct arena *arena;
        atomic_uint refs;
};

static struct host_box *box_of(const struct host *h)
{
        return (struct host_box *)(uintptr_t)h;
}

struct host *host_new(size_t first_size)
{
        struct arena *a = arena_new(sizeof(struct host_box) + first_size);
        struct host_box *box = arena_alloc(a, sizeof(*box));
        box->arena = a;
        box->host.recheck_at = INT64_MAX;
        atomic_init(&box->refs, 1);
        return &box->host;
}

struct arena *host_arena(struct host *h)
{
        return box_of(h)->arena;
}

struct host *host_ref(const struct host *h)
{
        struct host_box *box = box_of(h);
        atomic_fetch_add_explicit(&box->refs, 1, memory_order_relaxed);
        return &box->host;
}

void host_unref(const struct host *h)
{
        if (!h)
                return;
        struct host_box *box = box_of(h);
        unsigned before = atomic_fetch_sub_explicit(&box->refs, 1, memory_order_acq_rel);
        assert(before > 0);
        if (before == 1)
                arena_free(box->arena);
}

size_t host_size(const struct host *h)
{
        return arena_size(box_of(h)->arena);
}

static int by_ref(const void *key, const void *item)
{
        const struct host_object *o = item;
        return object_ref_compare(key, &o->ref);
}

const struct host_object *host_find_object(const struct host *h, const struct object_ref *ref)
{
        return h->object_count ? bsearch(ref, h->objects, h->object_count, sizeof(*h->objects), by_ref) : NULL;
}
