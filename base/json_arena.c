/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_arena.h"

#include "base/mem.h"

#include <assert.h>
#include <jansson.h>
#include <malloc.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

enum {
        ALIGNMENT = alignof(max_align_t),
        KEEP = 1024 * 1024, /* touched pages that a thread keeps for its next piece of work */
};

struct region {
        char *base; /* NULL: not mapped yet */
        size_t used;
        bool active;
        bool exhausted;
};
static _Thread_local struct region region;
static pthread_key_t at_thread_end;

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

static void *arena_malloc(size_t size)
{
        struct region *r = &region;
        if (!r->active)
                return malloc(size);
        size_t need = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
        if (need < size || need > JSON_ARENA_MAX - r->used) {
                r->exhausted = true;
                return NULL;
        }
        char *p = r->base + r->used;
        r->used += need;
        ASAN_UNPOISON_MEMORY_REGION(p, size);
        return p;
}

/* What was allocated outside may be freed inside and the other way round: the address tells whose it is. */
static void arena_release(void *p)
{
        if (!p || (region.base && (uintptr_t)p - (uintptr_t)region.base < JSON_ARENA_MAX))
                return;
        /* Among the values read there are Secrets: nothing of them stays behind, wherever they were parsed. */
        mem_wipe(p, malloc_usable_size(p));
        free(p);
}

static void unmap(void *base)
{
        /* The addresses may be mapped again for something else. */
        ASAN_UNPOISON_MEMORY_REGION(base, JSON_ARENA_MAX);
        munmap(base, JSON_ARENA_MAX);
}

/* Before main(), as json_set_alloc_funcs() is not thread-safe. */
__attribute__((constructor)) static void install(void)
{
        json_set_alloc_funcs(arena_malloc, arena_release);
        json_object_seed(0);
        int failed = pthread_key_create(&at_thread_end, unmap);
        assert(failed == 0);
}

static void map(struct region *r)
{
        void *base =
                mmap(NULL, JSON_ARENA_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        assert(base != MAP_FAILED);
        ASAN_POISON_MEMORY_REGION(base, JSON_ARENA_MAX);
        r->base = base;
        pthread_setspecific(at_thread_end, base);
}

void json_arena_begin(void)
{
        assert(!region.active);
        if (!region.base)
                map(&region);
        region.active = true;
        region.exhausted = false;
}

void json_arena_end(void)
{
        assert(region.active);
        ASAN_POISON_MEMORY_REGION(region.base, region.used);
        if (region.used > KEEP)
                madvise(region.base + KEEP, region.used - KEEP, MADV_DONTNEED);
        region.used = 0;
        region.active = false;
}

size_t json_arena_used(void)
{
        return region.used;
}

bool json_arena_exhausted(void)
{
        return region.exhausted;
}
