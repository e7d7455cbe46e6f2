/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/issue.h"

#include "base/time.h"
#include "certs/ossl.h"

#include <openssl/pem.h>

#include <arpa/inet.h>
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum {
        SERIAL_BITS = 128,
        COMMON_NAME_MAX = 64, /* RFC 5280, ub-common-name */
        DNS_NAME_MAX = 253,
};

static bool failed(struct err *e, const char *what)
{
        return err_set(e, "%s: OpenSSL says: %s", what, ossl_reason());
}

static bool set_serial(X509 *crt)
{
        OSSL_AUTO(BIGNUM) *n = BN_new();
        return n && BN_rand(n, SERIAL_BITS, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) &&
               BN_to_ASN1_INTEGER(n, X509_get_serialNumber(crt));
}

static bool set_times(X509 *crt, int64_t not_before, int64_t not_after)
{
        return ASN1_TIME_set(X509_getm_notBefore(crt), (time_t)(not_before / TIME_MICROS_PER_SECOND)) &&
               ASN1_TIME_set(X509_getm_notAfter(crt), (time_t)(not_after / TIME_MICROS_PER_SECOND));
}

static bool add_name_part(X509_NAME *name, const char *field, const char *text)
{
        return X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, (const unsigned char *)text, -1, -1, 0);
}

static bool set_subject(X509 *crt, const char *common_name)
{
        X509_NAME *name = X509_get_subject_name(crt);
        return add_name_part(name, "O", "gatehouse") && add_name_part(name, "CN", common_name);
}

static bool add_extension(X509 *crt, X509 *issuer, int nid, const char *value)
{
        X509V3_CTX ctx;
        X509V3_set_ctx_nodb(&ctx);
        X509V3_set_ctx(&ctx, issuer, crt, NULL, NULL, 0);
        X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
        bool added = ext && X509_add_ext(crt, ext, -1);
        X509_EXTENSION_free(ext);
        return added;
}

static bool name_is_dns(const char *name)
{
        size_t n = strlen(name);
        if (n == 0 || n > DNS_NAME_MAX || name[0] == '.' || strstr(name, ".."))
                return false;
        const char *p = str_has_prefix(name, "*.") ? name + 2 : name;
        for (; *p; p++) {
                if (!isalnum((unsigned char)*p) && !strchr("-._", *p))
                        return false;
        }
        return true;
}

static bool push_general_name(GENERAL_NAMES *list, int type, ASN1_STRING *value)
{
        GENERAL_NAME *name = GENERAL_NAME_new();
        if (!name || !value) {
                GENERAL_NAME_free(name);
                ASN1_STRING_free(value);
                return false;
        }
        GENERAL_NAME_set0_value(name, type, value);
        if (sk_GENERAL_NAME_push(list, name) > 0)
                return true;
        GENERAL_NAME_free(name);
        return false;
}

static bool push_dns(GENERAL_NAMES *list, const char *name, struct err *e)
{
        if (!name_is_dns(name))
                return err_set(e, "\"%.80s\" is no DNS name", name);
        ASN1_IA5STRING *value = ASN1_IA5STRING_new();
        if (value)
                ASN1_STRING_set(value, name, -1);
        return push_general_name(list, GEN_DNS, value) || failed(e, "DNS name");
}

static bool push_ip(GENERAL_NAMES *list, const char *text, struct err *e)
{
        unsigned char bytes[16];
        int size = inet_pton(AF_INET, text, bytes) == 1 ? 4 : inet_pton(AF_INET6, text, bytes) == 1 ? 16 : 0;
        if (!size)
                return err_set(e, "\"%.80s\" is no IP address", text);
        ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
        if (value)
                ASN1_OCTET_STRING_set(value, bytes, size);
        return push_general_name(list, GEN_IPADD, value) || failed(e, "IP address");
}

static bool set_alt_names(X509 *crt, const struct issue_request *r, struct err *e)
{
        OSSL_AUTO(GENERAL_NAMES) *list = GENERAL_NAMES_new();
        if (!list)
                return failed(e, "names");
        for (size_t i = 0; i < r->name_count; i++) {
                if (!push_dns(list, r->names[i], e))
                        return false;
        }
        for (size_t i = 0; i < r->ip_count; i++) {
                if (!push_ip(list, r->ips[i], e))
                        return false;
        }
        if (sk_GENERAL_NAME_num(list) == 0)
                return err_set(e, "a certificate needs at least one DNS name or IP address");
        return X509_add1_ext_i2d(crt, NID_subject_alt_name, list, 0, 0) > 0 || failed(e, "names");
}

static char *bio_text(BIO *bio, size_t *len)
{
        char *bytes;
        long n = BIO_get_mem_data(bio, &bytes);
        *len = n > 0 ? (size_t)n : 0;
        return bytes;
}

/* BIO_s_mem() clears what it held when it grows and when it goes. */
static struct pair *to_pair(X509 *crt, EVP_PKEY *key, X509 *ca, struct err *e)
{
        OSSL_AUTO(BIO) *crt_pem = BIO_new(BIO_s_mem());
        OSSL_AUTO(BIO) *key_pem = BIO_new(BIO_s_mem());
        OSSL_AUTO(BIO) *ca_pem = BIO_new(BIO_s_mem());
        if (!crt_pem || !key_pem || !ca_pem || !PEM_write_bio_X509(crt_pem, crt) ||
            !PEM_write_bio_PKCS8PrivateKey(key_pem, key, NULL, NULL, 0, NULL, NULL) ||
            !PEM_write_bio_X509(ca_pem, ca)) {
                failed(e, "writing PEM");
                return NULL;
        }
        size_t crt_len, key_len, ca_len;
        const char *crt_text = bio_text(crt_pem, &crt_len);
        const char *key_text = bio_text(key_pem, &key_len);
        const char *ca_text = bio_text(ca_pem, &ca_len);
        return pair_new(crt_text, crt_len, key_text, key_len, ca_text, ca_len);
}

static X509 *new_crt(EVP_PKEY *key, int64_t not_before, int64_t not_after)
{
        X509 *crt = X509_new();
        if (crt && X509_set_version(crt, X509_VERSION_3) && set_serial(crt) && set_times(crt, not_before, not_after) &&
            X509_set_pubkey(crt, key))
                return crt;
        X509_free(crt);
        return NULL;
}

/* "gatehouse CA 5f0c2a91": told apart by the serial's first bytes. */
static bool set_ca_subject(X509 *crt)
{
        const ASN1_INTEGER *serial = X509_get0_serialNumber(crt);
        const unsigned char *b = ASN1_STRING_get0_data(serial);
        char text[COMMON_NAME_MAX];
        snprintf(text, sizeof(text), "gatehouse CA %02x%02x%02x%02x", b[0], b[1], b[2], b[3]);
        return set_subject(crt, text) && X509_set_issuer_name(crt, X509_get_subject_name(crt));
}

struct pair *issue_ca(int64_t not_before, int64_t not_after, struct err *e)
{
        OSSL_AUTO(EVP_PKEY) *key = EVP_EC_gen("P-256");
        OSSL_AUTO(X509) *crt = key ? new_crt(key, not_before, not_after) : NULL;
        if (!crt || !set_ca_subject(crt) ||
            !add_extension(crt, crt, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
            !add_extension(crt, crt, NID_key_usage, "critical,keyCertSign,cRLSign") ||
            !add_extension(crt, crt, NID_subject_key_identifier, "hash") || !X509_sign(crt, key, EVP_sha256())) {
                failed(e, "issuing a CA");
                return NULL;
        }
        return to_pair(crt, key, crt, e);
}

static bool sign_leaf(X509 *crt, const struct issue_request *r, X509 *ca, EVP_PKEY *ca_key, struct err *e)
{
        const char *usage = r->server && r->client ? "serverAuth,clientAuth" : r->client ? "clientAuth" : "serverAuth";
        if (!set_subject(crt, r->common_name) || !X509_set_issuer_name(crt, X509_get_subject_name(ca)) ||
            !add_extension(crt, ca, NID_basic_constraints, "critical,CA:FALSE") ||
            !add_extension(crt, ca, NID_key_usage, "critical,digitalSignature") ||
            !add_extension(crt, ca, NID_ext_key_usage, usage) ||
            !add_extension(crt, ca, NID_subject_key_identifier, "hash") ||
            !add_extension(crt, ca, NID_authority_key_identifier, "keyid:always"))
                return failed(e, "issuing a certificate");
        if (!set_alt_names(crt, r, e))
                return false;
        return X509_sign(crt, ca_key, EVP_sha256()) > 0 || failed(e, "signing a certificate");
}

static X509 *read_ca(const char *pem, size_t len, struct err *e)
{
        OSSL_AUTO(BIO) *bio = BIO_new_mem_buf(pem, len > INT_MAX ? 0 : (int)len);
        bool broken = false;
        X509 *ca = bio ? ossl_read_crt(bio, &broken) : NULL;
        if (!ca)
                failed(e, "reading the CA's certificate");
        return ca;
}

struct pair *issue_leaf(const struct issue_request *r, const char *ca_crt, size_t ca_crt_len, const char *ca_key,
                        size_t ca_key_len, struct err *e)
{
        if (strlen(r->common_name) > COMMON_NAME_MAX || !*r->common_name) {
                err_set(e, "a common name has 1 to %d bytes: \"%.80s\"", COMMON_NAME_MAX, r->common_name);
                return NULL;
        }
        OSSL_AUTO(X509) *ca = read_ca(ca_crt, ca_crt_len, e);
        OSSL_AUTO(EVP_PKEY) *signer = ossl_read_key(ca_key, ca_key_len);
        if (!ca)
                return NULL;
        if (!signer || X509_check_private_key(ca, signer) != 1) {
                ossl_reason();
                err_set(e, "the CA's key cannot be read or is not that of its certificate");
                return NULL;
        }
        int64_t end = ossl_time(X509_get0_notAfter(ca));
        OSSL_AUTO(EVP_PKEY) *key = EVP_EC_gen("P-256");
        OSSL_AUTO(X509) *crt = key ? new_crt(key, r->not_before, r->not_after < end ? r->not_after : end) : NULL;
        if (!crt) {
                failed(e, "issuing a certificate");
                return NULL;
        }
        return sign_leaf(crt, r, ca, signer, e) ? to_pair(crt, key, ca, e) : NULL;
}
