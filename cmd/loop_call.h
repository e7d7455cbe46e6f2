/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop_call - lets another thread have a function run on the loop thread, and wait for it.
 *
 * For debug pages: what they show belongs to the loop. Each call should be short, the loop does nothing meanwhile.
 */
#pragma once

#include "base/mem.h"

struct event_base;
struct loop_calls;

struct loop_calls *loop_calls_new(struct event_base *base) __attribute__((returns_nonnull));
/* No thread may be in loop_call() any more. */
void loop_calls_free(struct loop_calls *c);

/* Any thread but the loop's: runs f(arg) there. False when it did not run: the loop is ending or stuck for too long. */
bool loop_call(struct loop_calls *c, void (*f)(void *arg), void *arg);

/* Loop thread: lets go of whoever waits, and of all who come later. */
void loop_calls_close(struct loop_calls *c);
