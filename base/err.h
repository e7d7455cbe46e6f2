/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err - what went wrong in the world, as a value.
 *
 * The caller owns the struct, usually on its stack; there is nothing to free. A function that fails fills it and
 * returns false (or NULL) in one line. Each caller on the way up may put its own words in front with err_wrap().
 * A user's bad object is not an err but a finding; our own bug is an assert.
 */
#pragma once

#include <stdbool.h>

enum { ERR_TEXT_MAX = 512 };

struct err {
        char text[ERR_TEXT_MAX]; /* one line, shortened at the end when too long; "" when nothing failed */
        int code;                /* the caller's finer distinction (an HTTP status, an errno); 0 when there is none */
};

/* Fills e (which may be NULL) and returns false. */
bool err_set(struct err *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same with a code. */
bool err_set_code(struct err *e, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Puts "<text>: " in front of what e says, keeps its code, and returns false. */
bool err_wrap(struct err *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same as err_set() with ": <strerror(errno)>" behind it and errno as code. */
bool err_set_errno(struct err *e, const char *format, ...) __attribute__((format(printf, 2, 3)));
