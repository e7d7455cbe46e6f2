/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_arena - jansson's memory for one piece of work on one thread, forgotten all at once.
 *
 * Between json_arena_begin() and json_arena_end() all that jansson allocates on the calling thread comes from a region
 * of that thread; json_decref() there frees nothing. Outside, and on other threads, jansson uses malloc() as ever. A
 * json_t made inside must not be touched after the end, nor by another thread. jansson's allocator is process-wide:
 * linking this module sets it before main(), together with jansson's hash seed. What is freed outside is wiped first.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Address space of a thread's region: pages are taken when touched. */
enum { JSON_ARENA_MAX = 192 * 1024 * 1024 };

/* Not nested. When a begun arena is used up, jansson's functions fail as out of memory. */
void json_arena_begin(void);
void json_arena_end(void);

/* Bytes taken since json_arena_begin(), and whether that was not enough. */
size_t json_arena_used(void);
bool json_arena_exhausted(void);
