/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inspect - what a PEM certificate chain, its key and a CA bundle say, as plain facts.
 *
 * The bytes are a tenant's: limits come first, and what is wrong is one line of text for its owner, never an err. What
 * Envoy would refuse is refused here, before it reaches an Envoy. Dates are facts, not problems: the caller judges.
 */
#pragma once

#include "base/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
        INSPECT_CHAIN_BYTES_MAX = 64 * 1024, /* a chain travels in every handshake */
        INSPECT_CHAIN_MAX = 16,
        INSPECT_KEY_BYTES_MAX = 16 * 1024,
        INSPECT_NAMES_MAX = 1024,
        INSPECT_RSA_BITS_MIN = 2048,           /* Envoy refuses shorter keys */
        INSPECT_RSA_BITS_MAX = 8192,           /* longer ones are a denial of service on every handshake */
        INSPECT_BUNDLE_BYTES_MAX = 512 * 1024, /* a distribution's whole list of CAs fits twice */
        INSPECT_BUNDLE_MAX = 512,
        INSPECT_ID_MAX = 65, /* SHA-256 in hexadecimal */
};

/* Of the first certificate of the chain. Everything lives in the arena given. */
struct inspect_facts {
        bool ok;
        const char *problem; /* one line that says what to do; NULL when ok; the rest may be filled all the same */
        const char **names;  /* DNS names of the SubjectAltName, as they stand */
        size_t name_count;
        const char **ips;
        size_t ip_count;
        int64_t not_before, not_after; /* microseconds since 1970 */
        bool server, client;           /* may be used as such: extended key usage says so or is absent */
        size_t chain_count;
};

/* Fills *out from the chain (leaf first) and its key. */
void inspect_pair(struct arena *a, const char *crt, size_t crt_len, const char *key, size_t key_len,
                  struct inspect_facts *out);

/* One certificate of a bundle. */
struct inspect_cert {
        char id[INSPECT_ID_MAX]; /* the same bytes have the same id */
        const char *pem;         /* written anew: nothing but the certificate */
        const char *subject;     /* one line */
        int64_t not_before, not_after;
        bool ca; /* may sign certificates */
};

/* Splits a bundle of CAs, duplicates left out; false with *problem where it is empty, too large or unreadable. */
bool inspect_bundle(struct arena *a, const char *pem, size_t len, struct inspect_cert **certs, size_t *count,
                    const char **problem);
/* Can peers be verified against this bundle? NULL when so, else the problem. */
const char *inspect_ca(struct arena *a, const char *pem, size_t len);

/* Is the chain's first certificate signed by one of the bundle's? Its place there (duplicates counted once), or -1. */
int inspect_signer(const char *crt, size_t crt_len, const char *bundle, size_t bundle_len);

/* Is this the private key of the first certificate? */
bool inspect_key_matches(const char *crt, size_t crt_len, const char *key, size_t key_len);
