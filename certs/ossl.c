/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/ossl.h"

#include "base/time.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <limits.h>
#include <time.h>

const char *ossl_reason(void)
{
        const char *text = ERR_reason_error_string(ERR_peek_last_error());
        ERR_clear_error();
        return text ? text : "unknown reason";
}

/* OpenSSL's own would ask on the terminal. */
static int no_passphrase(char *text, int size, int writing, void *arg)
{
        (void)text, (void)size, (void)writing, (void)arg;
        return -1;
}

X509 *ossl_read_crt(BIO *bio, bool *failed)
{
        ERR_clear_error();
        X509 *crt = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
        *failed = !crt && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE;
        if (!*failed)
                ERR_clear_error();
        return crt;
}

EVP_PKEY *ossl_read_key(const char *pem, size_t len)
{
        if (len > INT_MAX)
                return NULL;
        OSSL_AUTO(BIO) *bio = BIO_new_mem_buf(pem, (int)len);
        EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
        ERR_clear_error();
        return key;
}

int64_t ossl_time(const ASN1_TIME *t)
{
        struct tm tm = {0};
        if (!ASN1_TIME_to_tm(t, &tm)) {
                ERR_clear_error();
                return 0;
        }
        return (int64_t)timegm(&tm) * TIME_MICROS_PER_SECOND;
}
