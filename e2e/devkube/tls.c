/* SPDX-License-Identifier: Apache-2.0 */
#include "e2e/devkube/tls.h"
#include "base/file.h"
#include "base/mem.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <string.h>

enum { LIFETIME_SECONDS = 365 * 86400, BACKDATE_SECONDS = 60, SERIAL_BITS = 127, PEM_MAX = 65536 };

static bool extend(X509 *crt, X509 *issuer, int nid, const char *value)
{
        X509V3_CTX ctx;
        X509V3_set_ctx_nodb(&ctx);
        X509V3_set_ctx(&ctx, issuer, crt, NULL, NULL, 0);
        X509_EXTENSION *x = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
        bool done = x && X509_add_ext(crt, x, -1);
        X509_EXTENSION_free(x);
        return done;
}

static bool set_serial(X509 *crt)
{
        BIGNUM *n = BN_new();
        bool done = n && BN_rand(n, SERIAL_BITS, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) &&
                    BN_to_ASN1_INTEGER(n, X509_get_serialNumber(crt));
        BN_free(n);
        return done;
}

/* Unsigned; NULL on failure. */
static X509 *draft(EVP_PKEY *key, const char *name, X509 *issuer)
{
        X509 *crt = X509_new();
        if (crt && X509_set_version(crt, X509_VERSION_3) && set_serial(crt) &&
            X509_gmtime_adj(X509_getm_notBefore(crt), -BACKDATE_SECONDS) &&
            X509_gmtime_adj(X509_getm_notAfter(crt), LIFETIME_SECONDS) && X509_set_pubkey(crt, key) &&
            X509_NAME_add_entry_by_txt(X509_get_subject_name(crt), "CN", MBSTRING_ASC, (const unsigned char *)name, -1,
                                       -1, 0) &&
            X509_set_issuer_name(crt, X509_get_subject_name(issuer ? issuer : crt)))
                return crt;
        X509_free(crt);
        return NULL;
}

static char *pem_of(X509 *crt, EVP_PKEY *key)
{
        BIO *bio = BIO_new(BIO_s_mem());
        char *bytes, *text = NULL;
        if (bio &&
            (crt ? PEM_write_bio_X509(bio, crt) : PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL))) {
                long n = BIO_get_mem_data(bio, &bytes);
                text = mem_strndup(bytes, (size_t)n);
        }
        BIO_free(bio);
        return text;
}

bool tls_issue(struct tls_pair *pair, struct err *e)
{
        EVP_PKEY *ca_key = EVP_EC_gen("P-256"), *key = EVP_EC_gen("P-256");
        X509 *ca = ca_key ? draft(ca_key, "devkube CA", NULL) : NULL;
        X509 *crt = ca && key ? draft(key, "devkube", ca) : NULL;
        bool made = crt && extend(ca, ca, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
                    extend(ca, ca, NID_key_usage, "critical,keyCertSign,cRLSign") &&
                    extend(ca, ca, NID_subject_key_identifier, "hash") && X509_sign(ca, ca_key, EVP_sha256()) &&
                    extend(crt, ca, NID_basic_constraints, "critical,CA:FALSE") &&
                    extend(crt, ca, NID_key_usage, "critical,digitalSignature") &&
                    extend(crt, ca, NID_ext_key_usage, "serverAuth") &&
                    extend(crt, ca, NID_authority_key_identifier, "keyid") &&
                    extend(crt, ca, NID_subject_alt_name, "IP:127.0.0.1,IP:::1,DNS:localhost,DNS:kubernetes") &&
                    X509_sign(crt, ca_key, EVP_sha256());
        struct tls_pair issued = {0};
        if (made)
                issued = (struct tls_pair){pem_of(ca, NULL), pem_of(crt, NULL), pem_of(NULL, key)};
        bool done = issued.ca && issued.cert && issued.key;
        if (done)
                *pair = issued;
        X509_free(ca);
        X509_free(crt);
        EVP_PKEY_free(ca_key);
        EVP_PKEY_free(key);
        const char *why = ERR_reason_error_string(ERR_get_error());
        return done || err_set(e, "issuing a certificate: OpenSSL says: %s", why ? why : "nothing");
}

struct kept_file {
        const char *name;
        char **text;
};

static bool read_all(const struct kept_file *files, size_t n, const char *dir)
{
        struct err ignored;
        bool whole = true;
        for (size_t i = 0; i < n && whole; i++) {
                AUTO_STR *path = file_join(dir, files[i].name);
                AUTO(buf) *text = file_read_secret(path, PEM_MAX, &ignored);
                whole = text != NULL;
                *files[i].text = whole ? mem_strndup(buf_data(text), buf_len(text)) : NULL;
        }
        for (size_t i = 0; i < n && !whole; i++) {
                mem_free(*files[i].text);
                *files[i].text = NULL;
        }
        return whole;
}

bool tls_keep(struct tls_pair *pair, const char *dir, struct err *e)
{
        *pair = (struct tls_pair){0};
        const struct kept_file files[] = {{"ca.crt", &pair->ca}, {"tls.crt", &pair->cert}, {"tls.key", &pair->key}};
        if (read_all(files, COUNT_OF(files), dir))
                return true;
        if (!tls_issue(pair, e) || !file_make_dirs(dir, e))
                return false;
        for (size_t i = 0; i < COUNT_OF(files); i++) {
                AUTO_STR *path = file_join(dir, files[i].name);
                const char *text = *files[i].text;
                if (!file_write(path, text, text ? strlen(text) : 0, 0600, e))
                        return false;
        }
        return true;
}
