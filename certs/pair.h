/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pair - a certificate chain, its private key and the CAs that go with it, as PEM.
 *
 * Immutable once made and shared by reference count from any thread; the key is wiped with the last reference.
 * Nothing here looks at the content: see inspect.
 */
#pragma once

#include "base/mem.h"

struct pair {
        const char *crt; /* a NUL follows each, not counted */
        size_t crt_len;
        const char *key;
        size_t key_len;
        const char *ca; /* "" and 0 where there is none */
        size_t ca_len;
};

/* Copies the three; ca may be NULL with ca_len 0. The caller owns the first reference. */
struct pair *pair_new(const char *crt, size_t crt_len, const char *key, size_t key_len, const char *ca, size_t ca_len)
        __attribute__((returns_nonnull));
struct pair *pair_ref(struct pair *p) __attribute__((returns_nonnull));
void pair_unref(struct pair *p);

/* AUTO(pair) *p gives up its reference when the scope ends. */
static inline void pair_auto(struct pair **p)
{
        pair_unref(*p);
}
