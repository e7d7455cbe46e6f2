/* SPDX-License-Identifier: Apache-2.0 */
#include "xds/unpack.h"

#include "base/json_text.h"

#include <errno.h>

/* What libprotobuf-c allocates goes into the arena until the budget is used up: then it fails, cleanly. */
struct budget {
        struct arena *arena;
        size_t left;
        bool exhausted;
};

static void *budget_alloc(void *data, size_t size)
{
        struct budget *b = data;
        if (size > b->left) {
                b->exhausted = true;
                return NULL;
        }
        b->left -= size;
        return arena_alloc(b->arena, size);
}

static void budget_free(void *data, void *p)
{
        (void)data;
        (void)p; /* with the arena */
}

static size_t budget_of(size_t n, size_t max)
{
        if (max < UNPACK_MEMORY_BASE || n > (max - UNPACK_MEMORY_BASE) / UNPACK_MEMORY_FACTOR)
                return max;
        return n * UNPACK_MEMORY_FACTOR + UNPACK_MEMORY_BASE;
}

void *unpack(const ProtobufCMessageDescriptor *type, const void *bytes, size_t n, struct arena *a, size_t max,
             const char *what, struct err *e)
{
        struct budget budget = {.arena = a, .left = budget_of(n, max)};
        ProtobufCAllocator allocator = {budget_alloc, budget_free, &budget};
        void *m = protobuf_c_message_unpack(type, &allocator, n, bytes);
        if (!m && budget.exhausted)
                err_set_code(e, ENOSPC, "%s of %zu bytes takes too much memory", what, n);
        else if (!m)
                err_set(e, "%s is no %s", what, type->short_name);
        return m;
}

bool unpack_text_is_utf8(const char *s)
{
        while (*s) {
                size_t n = json_text_character(s);
                if (!n)
                        return false;
                s += n;
        }
        return true;
}
