/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <assert.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum {
        ALIGNMENT = 8,         /* of all that is kept here: pointers, int64_t; not long double */
        BLOCK_MAX = 64 * 1024, /* larger requests get a block of their own */
};

struct block {
        struct block *next;
        uint32_t size; /* of bytes[] */
        uint32_t used; /* from the front: aligned memory */
        uint32_t end;  /* text is packed from here towards the front */
        uint32_t next_size;
        alignas(ALIGNMENT) char bytes[];
};

/* The arena itself lies at the start of its first block: one malloc for a small object, with 32 bytes of our own. */
struct arena {
        struct block *blocks; /* the one in use first */
};

static size_t round_up(size_t n)
{
        return (n + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

static struct block *first_of(const struct arena *a)
{
        return (struct block *)((uintptr_t)a - offsetof(struct block, bytes));
}

/* The one that follows it is to have at least next_size bytes. */
static struct block *block_new(size_t size, size_t next_size)
{
        assert(size <= UINT32_MAX);
        struct block *b = mem_resize(NULL, 1, sizeof(*b) + size);
        b->next = NULL;
        b->size = (uint32_t)size;
        b->used = 0;
        b->end = b->size;
        b->next_size = (uint32_t)next_size;
        return b;
}

struct arena *arena_new(size_t first_size)
{
        size_t size = sizeof(struct arena) + round_up(first_size);
        struct block *b = block_new(size, size < BLOCK_MAX ? 2 * size : size);
        struct arena *a = (struct arena *)(void *)b->bytes;
        b->used = sizeof(*a);
        *a = (struct arena){.blocks = b};
        return a;
}

void arena_free(struct arena *a)
{
        if (!a)
                return;
        for (struct block *b = a->blocks, *next; b; b = next) {
                next = b->next;
                mem_free(b);
        }
}

void arena_reset(struct arena *a)
{
        /* Blocks grow, so the one in use is the largest; the first one holds the arena itself. */
        struct block *keep = a->blocks, *first = first_of(a);
        struct block *b = keep->next;
        while (b) {
                struct block *next = b->next;
                if (b != first)
                        mem_free(b);
                b = next;
        }
        first->next = NULL;
        first->used = sizeof(*a);
        first->end = first->size;
        if (keep != first) {
                keep->next = first;
                keep->used = 0;
                keep->end = keep->size;
        }
}

void arena_wipe(struct arena *a)
{
        for (struct block *b = a->blocks; b; b = b->next) {
                size_t own = b == first_of(a) ? sizeof(*a) : 0;
                mem_wipe(b->bytes + own, b->size - own);
        }
}

static void add_block(struct arena *a, size_t size)
{
        size_t usual = a->blocks->next_size;
        struct block *b = block_new(size > usual ? size : usual, usual < BLOCK_MAX ? 2 * usual : usual);
        b->next = a->blocks;
        a->blocks = b;
}

void *arena_alloc(struct arena *a, size_t size)
{
        assert(size <= SIZE_MAX / 2);
        size_t need = round_up(size);
        if (a->blocks->end - a->blocks->used < need)
                add_block(a, need);
        void *p = a->blocks->bytes + a->blocks->used;
        a->blocks->used += (uint32_t)need;
        return memset(p, 0, need);
}

void *arena_calloc(struct arena *a, size_t count, size_t size)
{
        size_t total;
        bool overflow = __builtin_mul_overflow(count, size, &total);
        assert(!overflow);
        return arena_alloc(a, total);
}

void *arena_memdup(struct arena *a, const void *p, size_t n)
{
        void *copy = arena_alloc(a, n);
        if (n)
                memcpy(copy, p, n);
        return copy;
}

/* Text needs no alignment: it is packed from the block's end, so that short strings do not cost 16 bytes each. */
static char *text_alloc(struct arena *a, size_t size)
{
        if (a->blocks->end - a->blocks->used < size)
                add_block(a, round_up(size));
        a->blocks->end -= (uint32_t)size;
        return a->blocks->bytes + a->blocks->end;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
        char *copy = text_alloc(a, n + 1);
        if (n)
                memcpy(copy, s, n);
        copy[n] = '\0';
        return copy;
}

char *arena_strdup(struct arena *a, const char *s)
{
        return s ? arena_strndup(a, s, strlen(s)) : NULL;
}

char *arena_vprintf(struct arena *a, const char *format, va_list ap)
{
        va_list again;
        va_copy(again, ap);
        int n = vsnprintf(NULL, 0, format, ap);
        assert(n >= 0);
        char *text = text_alloc(a, (size_t)n + 1);
        vsnprintf(text, (size_t)n + 1, format, again);
        va_end(again);
        return text;
}

char *arena_printf(struct arena *a, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        char *text = arena_vprintf(a, format, ap);
        va_end(ap);
        return text;
}

size_t arena_size(const struct arena *a)
{
        size_t total = 0;
        for (const struct block *b = a->blocks; b; b = b->next)
                total += sizeof(*b) + b->size;
        return total;
}

size_t arena_used(const struct arena *a)
{
        size_t total = 0;
        for (const struct block *b = a->blocks; b; b = b->next)
                total += b->used + b->size - b->end;
        return total - sizeof(struct arena);
}

void *arena_push_bytes(struct arena *a, void **items, size_t *count, size_t size)
{
        size_t n = *count;
        if ((n & (n - 1)) == 0) {
                void *grown = arena_calloc(a, n ? n * 2 : 1, size);
                if (n)
                        memcpy(grown, *items, n * size);
                *items = grown;
        }
        *count = n + 1;
        return (char *)*items + n * size;
}
