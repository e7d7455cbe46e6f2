/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keypair - a certificate and key in files, reloaded when they change.
 *
 * New files are checked before use: they parse, the key matches, the dates hold. Else the old pair stays, with a
 * warning. keypair_poll() belongs to one thread; keypair_get() and the questions may be asked from any.
 */
#pragma once

#include "base/err.h"
#include "certs/pair.h"

#include <stdint.h>

struct keypair;

struct keypair_files {
        const char *name; /* for the log and the metric */
        const char *crt;
        const char *key;
        const char *ca; /* a CA bundle; NULL where none is wanted */
};

/* Loads the files for the first time; NULL with an error that names the file when they cannot be used. */
struct keypair *keypair_new(const struct keypair_files *files, int64_t now, struct err *e);
void keypair_free(struct keypair *k);
AUTO_DEFINE(keypair)

/*
 * Looks at the files again: true when a new pair was taken. Call every few seconds with the wall clock in
 * microseconds; costs three stat() calls when nothing changed.
 */
bool keypair_poll(struct keypair *k, int64_t now);

/* The pair in use, a reference for pair_unref(). */
struct pair *keypair_get(struct keypair *k) __attribute__((returns_nonnull));

/* When the pair in use expires: microseconds since 1970. */
int64_t keypair_not_after(struct keypair *k);
/* When the last of the CAs that go with it expires; 0 where there are none. */
int64_t keypair_ca_not_after(struct keypair *k);
/* Why the files are not what is in use, one line; "" while they are. */
void keypair_problem(struct keypair *k, char text[ERR_TEXT_MAX]);
