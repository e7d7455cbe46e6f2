/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ossl - what issue and inspect share about OpenSSL: cleanup of locals, times, reading PEM without prompts.
 *
 * Internal to certs/. Every function leaves OpenSSL's error queue empty.
 */
#pragma once

#include "base/err.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <stddef.h>
#include <stdint.h>

/* A local OpenSSL object, freed when the scope ends. */
#define OSSL_AUTO(type) __attribute__((cleanup(ossl_auto_##type))) type
#define OSSL_AUTO_DEFINE(type, release)                                                                                \
        static inline void ossl_auto_##type(type **p)                                                                  \
        {                                                                                                              \
                release(*p);                                                                                           \
        }
OSSL_AUTO_DEFINE(X509, X509_free)
OSSL_AUTO_DEFINE(BIO, BIO_free_all)
OSSL_AUTO_DEFINE(BIGNUM, BN_clear_free)
OSSL_AUTO_DEFINE(EVP_PKEY, EVP_PKEY_free)
OSSL_AUTO_DEFINE(EVP_PKEY_CTX, EVP_PKEY_CTX_free)
OSSL_AUTO_DEFINE(GENERAL_NAMES, GENERAL_NAMES_free)

/* Empties the error queue; the last error's reason in words, valid for ever. */
const char *ossl_reason(void);

/* The next certificate of bio for X509_free(). NULL at the end, and with *failed set where one cannot be read. */
X509 *ossl_read_crt(BIO *bio, bool *failed);
/* The first private key, or NULL; an encrypted one is not asked for its passphrase but refused. */
EVP_PKEY *ossl_read_key(const char *pem, size_t len);

/* Microseconds since 1970. */
int64_t ossl_time(const ASN1_TIME *t);
