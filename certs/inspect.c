/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/inspect.h"

#include "certs/ossl.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <arpa/inet.h>
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Certificates in the order of the PEM text. */
struct chain {
        X509 *certs[INSPECT_BUNDLE_MAX];
        size_t count;
};

static void chain_auto(struct chain *c)
{
        for (size_t i = 0; i < c->count; i++)
                X509_free(c->certs[i]);
}

struct limits {
        size_t bytes, certs;
};
static const struct limits chain_limits = {INSPECT_CHAIN_BYTES_MAX, INSPECT_CHAIN_MAX};
static const struct limits bundle_limits = {INSPECT_BUNDLE_BYTES_MAX, INSPECT_BUNDLE_MAX};

static bool contains(const char *bytes, size_t len, const char *text)
{
        return len && memmem(bytes, len, text, strlen(text)) != NULL;
}

/* What somebody put there instead of a certificate. */
static const char *no_certificate(const char *pem, size_t len)
{
        if (len == 0)
                return "the certificate is empty";
        if (contains(pem, len, "PRIVATE KEY"))
                return "the certificate's place holds a private key: are tls.crt and tls.key swapped?";
        if (contains(pem, len, "CERTIFICATE REQUEST"))
                return "the certificate's place holds a signing request: ask the CA for the certificate";
        if ((unsigned char)pem[0] == 0x30)
                return "the certificate is DER, not PEM: convert it with openssl x509 -inform der";
        return "there is no PEM block \"BEGIN CERTIFICATE\"";
}

/* NULL when fine, else the problem. */
static const char *chain_read(struct arena *a, struct chain *c, const char *pem, size_t len, struct limits max)
{
        if (len > max.bytes)
                return arena_printf(a, "%zu bytes of certificates: at most %zu are read", len, max.bytes);
        OSSL_AUTO(BIO) *bio = BIO_new_mem_buf(pem, (int)len);
        assert(bio);
        bool failed;
        for (X509 *crt; (crt = ossl_read_crt(bio, &failed)) != NULL;) {
                if (c->count == max.certs) {
                        X509_free(crt);
                        return arena_printf(a, "more than %zu certificates", max.certs);
                }
                c->certs[c->count++] = crt;
        }
        if (failed)
                return arena_printf(a, "certificate %zu cannot be read: %s", c->count + 1, ossl_reason());
        return c->count ? NULL : no_certificate(pem, len);
}

static void take_ip(struct arena *a, const ASN1_OCTET_STRING *ip, struct inspect_facts *out)
{
        char text[INET6_ADDRSTRLEN];
        int size = ASN1_STRING_length(ip);
        int family = size == 4 ? AF_INET : AF_INET6;
        if ((size == 4 || size == 16) && inet_ntop(family, ASN1_STRING_get0_data(ip), text, sizeof(text)))
                *arena_push(a, &out->ips, &out->ip_count) = arena_strdup(a, text);
}

/* A name with a NUL or a control character could be shown as another than it is. */
static bool name_is_printable(const unsigned char *p, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                if (p[i] <= ' ' || p[i] > '~')
                        return false;
        }
        return n > 0;
}

static const char *take_names(struct arena *a, X509 *crt, struct inspect_facts *out)
{
        int critical;
        OSSL_AUTO(GENERAL_NAMES) *list = X509_get_ext_d2i(crt, NID_subject_alt_name, &critical, NULL);
        ERR_clear_error();
        if (!list)
                return critical == -1 ? NULL : "the certificate's names (subjectAltName) cannot be read";
        if (sk_GENERAL_NAME_num(list) > INSPECT_NAMES_MAX)
                return arena_printf(a, "the certificate has more than %d names", INSPECT_NAMES_MAX);
        for (int i = 0; i < sk_GENERAL_NAME_num(list); i++) {
                int type;
                const ASN1_STRING *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(list, i), &type);
                if (type == GEN_IPADD)
                        take_ip(a, value, out);
                if (type != GEN_DNS)
                        continue;
                const unsigned char *p = ASN1_STRING_get0_data(value);
                size_t n = (size_t)ASN1_STRING_length(value);
                if (!name_is_printable(p, n))
                        return "one of the certificate's DNS names holds unprintable bytes";
                *arena_push(a, &out->names, &out->name_count) = arena_strndup(a, (const char *)p, n);
        }
        return NULL;
}

static void take_usage(X509 *crt, struct inspect_facts *out)
{
        uint32_t usage = X509_get_extended_key_usage(crt); /* all bits where there is no such extension */
        out->server = usage & XKU_SSL_SERVER;
        out->client = usage & XKU_SSL_CLIENT;
}

/* What Envoy's BoringSSL can serve. */
static const char *check_key_type(struct arena *a, const EVP_PKEY *key)
{
        int type = EVP_PKEY_get_base_id(key);
        int bits = EVP_PKEY_get_bits(key);
        if (type == EVP_PKEY_RSA && bits < INSPECT_RSA_BITS_MIN)
                return arena_printf(a, "RSA key of %d bits: at least %d are needed", bits, INSPECT_RSA_BITS_MIN);
        if (type == EVP_PKEY_RSA && bits > INSPECT_RSA_BITS_MAX)
                return arena_printf(a, "RSA key of %d bits: at most %d are served", bits, INSPECT_RSA_BITS_MAX);
        if (type == EVP_PKEY_RSA)
                return NULL;
        char curve[64] = "";
        if (type != EVP_PKEY_EC || !EVP_PKEY_get_group_name(key, curve, sizeof(curve), NULL)) {
                ERR_clear_error();
                const char *name = EVP_PKEY_get0_type_name(key);
                return arena_printf(a, "key type %.40s is not served: use RSA or ECDSA P-256", name ? name : "unknown");
        }
        int explicit_curve = 0;
        EVP_PKEY_get_int_param(key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &explicit_curve);
        if (explicit_curve) /* RFC 5480, section 2.1.1 */
                return "the key spells its curve out instead of naming it: make a new one on P-256";
        if (strcmp(curve, SN_X9_62_prime256v1) != 0 && strcmp(curve, SN_secp384r1) != 0 &&
            strcmp(curve, SN_secp521r1) != 0)
                return arena_printf(a, "curve %.40s is not served: use P-256", curve);
        return NULL;
}

static BIGNUM *key_number(const EVP_PKEY *key, const char *name)
{
        BIGNUM *n = NULL;
        EVP_PKEY_get_bn_param(key, name, &n);
        return n;
}

/* (e * d) mod (prime - 1) == 1 */
static bool inverse_mod(const BIGNUM *e, const BIGNUM *d, const BIGNUM *prime, BN_CTX *ctx)
{
        OSSL_AUTO(BIGNUM) *m = BN_dup(prime);
        OSSL_AUTO(BIGNUM) *r = BN_new();
        return m && r && BN_sub_word(m, 1) && !BN_is_zero(m) && BN_mod_mul(r, e, d, m, ctx) && BN_is_one(r);
}

/* The cheap half of RSA_check_key(), without tests of primality: a mangled key is found in microseconds. */
static bool rsa_is_consistent(const EVP_PKEY *key)
{
        OSSL_AUTO(BIGNUM) *n = key_number(key, OSSL_PKEY_PARAM_RSA_N);
        OSSL_AUTO(BIGNUM) *e = key_number(key, OSSL_PKEY_PARAM_RSA_E);
        OSSL_AUTO(BIGNUM) *d = key_number(key, OSSL_PKEY_PARAM_RSA_D);
        OSSL_AUTO(BIGNUM) *p = key_number(key, OSSL_PKEY_PARAM_RSA_FACTOR1);
        OSSL_AUTO(BIGNUM) *q = key_number(key, OSSL_PKEY_PARAM_RSA_FACTOR2);
        OSSL_AUTO(BIGNUM) *product = BN_secure_new();
        BN_CTX *ctx = BN_CTX_new();
        bool fine = n && e && d && p && q && product && ctx && BN_mul(product, p, q, ctx) && BN_cmp(product, n) == 0 &&
                    inverse_mod(e, d, p, ctx) && inverse_mod(e, d, q, ctx);
        BN_CTX_free(ctx);
        ERR_clear_error();
        return fine;
}

/* X509_check_private_key() compares the public halves only; a broken private half fails later, in Envoy. */
static bool key_is_consistent(EVP_PKEY *key)
{
        if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA)
                return rsa_is_consistent(key);
        OSSL_AUTO(EVP_PKEY_CTX) *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
        bool fine = ctx && EVP_PKEY_pairwise_check(ctx) == 1;
        ERR_clear_error();
        return fine;
}

static const char *check_key(struct arena *a, X509 *crt, const char *pem, size_t len)
{
        if (len == 0)
                return "the private key is empty";
        if (len > INSPECT_KEY_BYTES_MAX)
                return arena_printf(a, "%zu bytes of private key: at most %d are read", len, INSPECT_KEY_BYTES_MAX);
        if (contains(pem, len, "ENCRYPTED"))
                return "the private key is encrypted: store it without a passphrase (openssl pkey -in KEY -out KEY)";
        OSSL_AUTO(EVP_PKEY) *key = ossl_read_key(pem, len);
        if (!key)
                return contains(pem, len, "BEGIN CERTIFICATE")
                               ? "the key's place holds a certificate: are tls.crt and tls.key swapped?"
                               : "the private key cannot be read: it must be PEM, \"BEGIN PRIVATE KEY\" or the like";
        if (X509_check_private_key(crt, key) != 1) {
                ERR_clear_error();
                return "the private key is not that of the first certificate (a chain starts with the leaf)";
        }
        return key_is_consistent(key) ? NULL : "the private key is damaged: its parts do not fit together";
}

static const char *check_pair(struct arena *a, const struct chain *c, const char *key, size_t key_len,
                              struct inspect_facts *out)
{
        X509 *leaf = c->certs[0];
        const EVP_PKEY *public_key = X509_get0_pubkey(leaf);
        const char *problem = take_names(a, leaf, out);
        if (!problem && !public_key)
                problem = "the certificate's public key cannot be read";
        if (!problem)
                problem = check_key_type(a, public_key);
        return problem ? problem : check_key(a, leaf, key, key_len);
}

void inspect_pair(struct arena *a, const char *crt, size_t crt_len, const char *key, size_t key_len,
                  struct inspect_facts *out)
{
        *out = (struct inspect_facts){0};
        __attribute__((cleanup(chain_auto))) struct chain c = {0};
        out->problem = chain_read(a, &c, crt, crt_len, chain_limits);
        out->chain_count = c.count;
        if (c.count) {
                out->not_before = ossl_time(X509_get0_notBefore(c.certs[0]));
                out->not_after = ossl_time(X509_get0_notAfter(c.certs[0]));
                take_usage(c.certs[0], out);
        }
        if (!out->problem)
                out->problem = check_pair(a, &c, key, key_len, out);
        ERR_clear_error();
        out->ok = !out->problem;
}

static bool fill_id(X509 *crt, char id[INSPECT_ID_MAX])
{
        unsigned char digest[EVP_MAX_MD_SIZE];
        unsigned int n = 0;
        if (!X509_digest(crt, EVP_sha256(), digest, &n))
                return false;
        for (unsigned int i = 0; i < n && i * 2 + 2 < INSPECT_ID_MAX; i++)
                snprintf(id + (size_t)i * 2, 3, "%02x", digest[i]);
        return true;
}

static const char *bio_string(struct arena *a, BIO *bio)
{
        char *bytes;
        long n = BIO_get_mem_data(bio, &bytes);
        return arena_strndup(a, bytes, n > 0 ? (size_t)n : 0);
}

static bool fill_cert(struct arena *a, X509 *crt, struct inspect_cert *out)
{
        OSSL_AUTO(BIO) *pem = BIO_new(BIO_s_mem());
        OSSL_AUTO(BIO) *subject = BIO_new(BIO_s_mem());
        if (!pem || !subject || !fill_id(crt, out->id) || !PEM_write_bio_X509(pem, crt) ||
            X509_NAME_print_ex(subject, X509_get_subject_name(crt), 0, XN_FLAG_RFC2253) < 0)
                return false;
        out->pem = bio_string(a, pem);
        out->subject = bio_string(a, subject);
        out->not_before = ossl_time(X509_get0_notBefore(crt));
        out->not_after = ossl_time(X509_get0_notAfter(crt));
        out->ca = X509_check_ca(crt) > 0;
        return true;
}

/* Removes repeated certificates, keeping the first of each. */
static void drop_repeated(struct chain *c)
{
        size_t kept = 0;
        for (size_t i = 0; i < c->count; i++) {
                bool seen = false;
                for (size_t k = 0; k < kept && !seen; k++)
                        seen = X509_cmp(c->certs[k], c->certs[i]) == 0;
                if (seen)
                        X509_free(c->certs[i]);
                else
                        c->certs[kept++] = c->certs[i];
        }
        c->count = kept;
}

bool inspect_bundle(struct arena *a, const char *pem, size_t len, struct inspect_cert **certs, size_t *count,
                    const char **problem)
{
        __attribute__((cleanup(chain_auto))) struct chain c = {0};
        const char *wrong = chain_read(a, &c, pem, len, bundle_limits);
        drop_repeated(&c);
        struct inspect_cert *out = arena_calloc(a, c.count, sizeof(*out));
        for (size_t i = 0; i < c.count && !wrong; i++) {
                if (!fill_cert(a, c.certs[i], &out[i]))
                        wrong = arena_printf(a, "certificate %zu cannot be read: %s", i + 1, ossl_reason());
        }
        ERR_clear_error();
        if (wrong) {
                *problem = wrong;
                return false;
        }
        *certs = out;
        *count = c.count;
        return true;
}

const char *inspect_ca(struct arena *a, const char *pem, size_t len)
{
        struct inspect_cert *certs;
        size_t count;
        const char *problem = NULL;
        inspect_bundle(a, pem, len, &certs, &count, &problem);
        return problem;
}

static bool signed_by(X509 *crt, X509 *ca)
{
        EVP_PKEY *key = X509_get0_pubkey(ca);
        bool yes = key && X509_NAME_cmp(X509_get_issuer_name(crt), X509_get_subject_name(ca)) == 0 &&
                   X509_verify(crt, key) == 1;
        ERR_clear_error();
        return yes;
}

int inspect_signer(const char *crt, size_t crt_len, const char *bundle, size_t bundle_len)
{
        AUTO(arena) *scratch = arena_new(256);
        __attribute__((cleanup(chain_auto))) struct chain leaf = {0};
        __attribute__((cleanup(chain_auto))) struct chain cas = {0};
        const char *wrong = chain_read(scratch, &leaf, crt, crt_len, chain_limits);
        if (wrong || chain_read(scratch, &cas, bundle, bundle_len, bundle_limits))
                return -1;
        drop_repeated(&cas);
        for (size_t i = 0; i < cas.count; i++) {
                if (signed_by(leaf.certs[0], cas.certs[i]))
                        return (int)i;
        }
        return -1;
}

bool inspect_key_matches(const char *crt, size_t crt_len, const char *key, size_t key_len)
{
        AUTO(arena) *scratch = arena_new(256);
        __attribute__((cleanup(chain_auto))) struct chain c = {0};
        OSSL_AUTO(EVP_PKEY) *private_key = NULL;
        if (chain_read(scratch, &c, crt, crt_len, bundle_limits) || key_len > INSPECT_KEY_BYTES_MAX)
                return false;
        private_key = ossl_read_key(key, key_len);
        bool matches = private_key && X509_check_private_key(c.certs[0], private_key) == 1;
        ERR_clear_error();
        return matches;
}
