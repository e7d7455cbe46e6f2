/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/inspect.h"

#include "base/buf.h"
#include "base/time.h"
#include "certs/issue.h"
#include "certs/ossl.h"

#include <openssl/pem.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>

#include <stdarg.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

static const int64_t start = 1700000000 * TIME_MICROS_PER_SECOND;
static const int64_t day = 86400 * TIME_MICROS_PER_SECOND;

struct fixture {
        struct arena *arena;
        struct pair *ca, *leaf;
};

static int set_up(void **state)
{
        static const char *const names[] = {"a.example.com"};
        struct issue_request r = {.common_name = "a", .names = names, .name_count = 1, .server = true};
        r.not_before = start;
        r.not_after = start + 10 * day;
        struct err e = {0};
        struct fixture *f = mem_zalloc(sizeof(*f));
        f->arena = arena_new(1024);
        f->ca = issue_ca(start, start + 100 * day, &e);
        f->leaf = issue_leaf(&r, f->ca->crt, f->ca->crt_len, f->ca->key, f->ca->key_len, &e);
        *state = f;
        return f->leaf ? 0 : -1;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;
        pair_unref(f->ca);
        pair_unref(f->leaf);
        arena_free(f->arena);
        mem_free(f);
        return 0;
}

static struct inspect_facts look(struct fixture *f, const char *crt, const char *key)
{
        struct inspect_facts out;
        inspect_pair(f->arena, crt, strlen(crt), key, strlen(key), &out);
        return out;
}

static void expect_problem(struct fixture *f, const char *crt, const char *key, const char *words)
{
        struct inspect_facts out = look(f, crt, key);
        assert_false(out.ok);
        assert_non_null(out.problem);
        if (!strstr(out.problem, words))
                fail_msg("\"%s\" does not say \"%s\"", out.problem, words);
        assert_null(strchr(out.problem, '\n'));
}

static char *text_of(struct fixture *f, BIO *bio)
{
        char *bytes;
        long n = BIO_get_mem_data(bio, &bytes);
        return arena_strndup(f->arena, bytes, (size_t)n);
}

static char *key_text(struct fixture *f, EVP_PKEY *key, const EVP_CIPHER *cipher, bool traditional)
{
        OSSL_AUTO(BIO) *bio = BIO_new(BIO_s_mem());
        char pass[] = "secret";
        if (traditional)
                PEM_write_bio_PrivateKey_traditional(bio, key, cipher, NULL, 0, NULL, cipher ? pass : NULL);
        else
                PEM_write_bio_PKCS8PrivateKey(bio, key, cipher, NULL, 0, NULL, cipher ? pass : NULL);
        return text_of(f, bio);
}

/* A self-signed certificate with the given key; alt_names in OpenSSL's configuration form or NULL. */
static char *self_signed(struct fixture *f, EVP_PKEY *key, const char *alt_names, const EVP_MD *digest)
{
        OSSL_AUTO(X509) *crt = X509_new();
        X509_set_version(crt, X509_VERSION_3);
        ASN1_INTEGER_set(X509_get_serialNumber(crt), 1);
        ASN1_TIME_set(X509_getm_notBefore(crt), 1700000000);
        ASN1_TIME_set(X509_getm_notAfter(crt), 1800000000);
        X509_set_pubkey(crt, key);
        if (alt_names) {
                X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, alt_names);
                assert_non_null(ext);
                X509_add_ext(crt, ext, -1);
                X509_EXTENSION_free(ext);
        }
        assert_true(X509_sign(crt, key, digest) > 0);
        OSSL_AUTO(BIO) *bio = BIO_new(BIO_s_mem());
        PEM_write_bio_X509(bio, crt);
        return text_of(f, bio);
}

static void inspect_pair__key_of_another__says_so(void **state)
{
        struct fixture *f = *state;
        expect_problem(f, f->leaf->crt, f->ca->key, "not that of the first certificate");
        assert_true(look(f, f->leaf->crt, f->leaf->key).ok);
}

static void inspect_pair__chain__leaf_comes_first(void **state)
{
        struct fixture *f = *state;
        char *right = arena_printf(f->arena, "text before\n%s%s", f->leaf->crt, f->ca->crt);
        char *wrong = arena_printf(f->arena, "%s%s", f->ca->crt, f->leaf->crt);
        struct inspect_facts facts = look(f, right, f->leaf->key);
        assert_true(facts.ok);
        assert_int_equal(facts.chain_count, 2);
        assert_true(facts.not_after == start + 10 * day);
        expect_problem(f, wrong, f->leaf->key, "a chain starts with the leaf");
}

static void inspect_pair__things_in_the_wrong_place__are_named(void **state)
{
        struct fixture *f = *state;
        expect_problem(f, "", f->leaf->key, "certificate is empty");
        expect_problem(f, f->leaf->crt, "", "private key is empty");
        expect_problem(f, f->leaf->key, f->leaf->crt, "swapped");
        expect_problem(f, f->leaf->crt, f->leaf->crt, "swapped");
        expect_problem(f, "hello", f->leaf->key, "BEGIN CERTIFICATE");
        expect_problem(f, f->leaf->crt, "hello", "BEGIN PRIVATE KEY");
        expect_problem(f, "0\x82\x01\x02", f->leaf->key, "DER");
        expect_problem(f, "-----BEGIN CERTIFICATE REQUEST-----\nMAAA\n-----END CERTIFICATE REQUEST-----\n",
                       f->leaf->key, "signing request");
}

static void inspect_pair__mangled_certificate__says_which(void **state)
{
        struct fixture *f = *state;
        char *second = arena_strdup(f->arena, f->ca->crt);
        memset(second + 100, '!', 8);
        expect_problem(f, arena_printf(f->arena, "%s%s", f->leaf->crt, second), f->leaf->key, "certificate 2 cannot");
        char *cut = arena_strndup(f->arena, f->leaf->crt, f->leaf->crt_len / 2);
        expect_problem(f, cut, f->leaf->key, "certificate 1 cannot");
}

static void inspect_pair__encrypted_key__says_how_to_store_it(void **state)
{
        struct fixture *f = *state;
        OSSL_AUTO(EVP_PKEY) *key = ossl_read_key(f->leaf->key, f->leaf->key_len);
        expect_problem(f, f->leaf->crt, key_text(f, key, EVP_aes_128_cbc(), false), "is encrypted");
        expect_problem(f, f->leaf->crt, key_text(f, key, EVP_aes_128_cbc(), true), "is encrypted");
}

static void inspect_pair__traditional_key_formats__are_read(void **state)
{
        struct fixture *f = *state;
        OSSL_AUTO(EVP_PKEY) *ec = ossl_read_key(f->leaf->key, f->leaf->key_len);
        char *text = key_text(f, ec, NULL, true);
        assert_non_null(strstr(text, "BEGIN EC PRIVATE KEY"));
        assert_true(look(f, f->leaf->crt, text).ok);
        OSSL_AUTO(EVP_PKEY) *rsa = EVP_RSA_gen(2048);
        char *crt = self_signed(f, rsa, "DNS:a.example.com", EVP_sha256());
        text = key_text(f, rsa, NULL, true);
        assert_non_null(strstr(text, "BEGIN RSA PRIVATE KEY"));
        assert_true(look(f, crt, text).ok);
        assert_true(look(f, crt, key_text(f, rsa, NULL, false)).ok);
}

static void inspect_pair__key_types__only_what_envoy_serves(void **state)
{
        struct fixture *f = *state;
        struct {
                EVP_PKEY *key;
                const EVP_MD *digest;
                const char *words; /* NULL: fine */
        } rows[] = {
                {EVP_RSA_gen(1024), EVP_sha256(), "RSA key of 1024 bits: at least 2048"},
                {EVP_RSA_gen(2048), EVP_sha256(), NULL},
                {EVP_EC_gen("P-256"), EVP_sha256(), NULL},
                {EVP_EC_gen("P-384"), EVP_sha384(), NULL},
                {EVP_EC_gen("secp256k1"), EVP_sha256(), "curve secp256k1 is not served"},
                {EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), NULL, "key type ED25519 is not served"},
        };
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                assert_non_null(rows[i].key);
                char *crt = self_signed(f, rows[i].key, NULL, rows[i].digest);
                char *key = key_text(f, rows[i].key, NULL, false);
                if (rows[i].words)
                        expect_problem(f, crt, key, rows[i].words);
                else
                        assert_true(look(f, crt, key).ok);
                EVP_PKEY_free(rows[i].key);
        }
}

static void inspect_pair__curve_spelled_out__is_refused(void **state)
{
        struct fixture *f = *state;
        OSSL_AUTO(EVP_PKEY) *key = EVP_EC_gen("P-256");
        assert_true(EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_ENCODING, "explicit"));
        expect_problem(f, self_signed(f, key, NULL, EVP_sha256()), key_text(f, key, NULL, false),
                       "spells its curve out");
}

static void inspect_pair__rsa_key_with_damaged_private_part__is_refused(void **state)
{
        struct fixture *f = *state;
        OSSL_AUTO(EVP_PKEY) *rsa = EVP_RSA_gen(2048);
        char *crt = self_signed(f, rsa, NULL, EVP_sha256());
        char *key = key_text(f, rsa, NULL, true);
        assert_true(look(f, crt, key).ok);
        char *in_exponent = key + strlen(key) * 36 / 100;
        *in_exponent = *in_exponent == 'A' ? 'B' : 'A';
        expect_problem(f, crt, key, "damaged");
}

static void inspect_pair__names__dns_and_ip_apart(void **state)
{
        struct fixture *f = *state;
        OSSL_AUTO(EVP_PKEY) *key = EVP_EC_gen("P-256");
        char *crt = self_signed(f, key, "DNS:a.example.com,IP:10.1.2.3,email:x@y.z,DNS:*.b.example.com", EVP_sha256());
        struct inspect_facts facts = look(f, crt, key_text(f, key, NULL, false));
        assert_true(facts.ok);
        assert_int_equal(facts.name_count, 2);
        assert_string_equal(facts.names[1], "*.b.example.com");
        assert_int_equal(facts.ip_count, 1);
        assert_string_equal(facts.ips[0], "10.1.2.3");
        assert_true(facts.server && facts.client);
        crt = self_signed(f, key, NULL, EVP_sha256());
        facts = look(f, crt, key_text(f, key, NULL, false));
        assert_true(facts.ok);
        assert_int_equal(facts.name_count, 0);
        crt = self_signed(f, key, "DNS:a b", EVP_sha256());
        expect_problem(f, crt, key_text(f, key, NULL, false), "unprintable");
}

static void inspect_pair__limits__are_held_on_both_sides(void **state)
{
        struct fixture *f = *state;
        AUTO(buf) *chain = buf_new(1 << 20);
        for (int i = 0; i < INSPECT_CHAIN_MAX; i++)
                buf_append_str(chain, f->leaf->crt);
        assert_true(look(f, buf_data(chain), f->leaf->key).ok);
        buf_append_str(chain, f->leaf->crt);
        expect_problem(f, buf_data(chain), f->leaf->key, "more than 16 certificates");

        AUTO(buf) *padded = buf_new(1 << 20);
        buf_append_str(padded, f->leaf->crt);
        while (buf_len(padded) < INSPECT_CHAIN_BYTES_MAX)
                buf_append_char(padded, '\n');
        assert_true(look(f, buf_data(padded), f->leaf->key).ok);
        buf_append_char(padded, '\n');
        expect_problem(f, buf_data(padded), f->leaf->key, "65537 bytes of certificates: at most 65536");

        AUTO(buf) *key = buf_new(1 << 20);
        buf_append_str(key, f->leaf->key);
        while (buf_len(key) < INSPECT_KEY_BYTES_MAX)
                buf_append_char(key, '\n');
        assert_true(look(f, f->leaf->crt, buf_data(key)).ok);
        buf_append_char(key, '\n');
        expect_problem(f, f->leaf->crt, buf_data(key), "16385 bytes of private key");
}

static void inspect_bundle__repeated_and_commented__each_once_in_order(void **state)
{
        struct fixture *f = *state;
        struct err e = {0};
        AUTO(pair) *other = issue_ca(start, start + day, &e);
        char *text = arena_printf(f->arena, "# first\n%s# second\n%s%s", other->crt, f->ca->crt, other->crt);
        struct inspect_cert *certs;
        size_t count;
        const char *problem;
        assert_true(inspect_bundle(f->arena, text, strlen(text), &certs, &count, &problem));
        assert_int_equal(count, 2);
        assert_string_equal(certs[0].pem, other->crt);
        assert_string_equal(certs[1].pem, f->ca->crt);
        assert_true(certs[0].not_after == start + day);
        assert_string_not_equal(certs[0].id, certs[1].id);
        assert_int_equal(strlen(certs[0].id), 64);
        assert_int_equal(inspect_signer(f->leaf->crt, f->leaf->crt_len, text, strlen(text)), 1);
        assert_int_equal(inspect_signer(f->leaf->crt, f->leaf->crt_len, other->crt, other->crt_len), -1);
        assert_int_equal(inspect_signer(f->leaf->crt, f->leaf->crt_len, "", 0), -1);
}

static void inspect_ca__unusable_bundle__has_a_problem(void **state)
{
        struct fixture *f = *state;
        assert_null(inspect_ca(f->arena, f->ca->crt, f->ca->crt_len));
        assert_non_null(strstr(inspect_ca(f->arena, "", 0), "empty"));
        assert_non_null(strstr(inspect_ca(f->arena, f->ca->key, f->ca->key_len), "private key"));
}

static void inspect_key_matches__own_and_foreign_key__tells_them_apart(void **state)
{
        struct fixture *f = *state;
        assert_true(inspect_key_matches(f->ca->crt, f->ca->crt_len, f->ca->key, f->ca->key_len));
        assert_false(inspect_key_matches(f->ca->crt, f->ca->crt_len, f->leaf->key, f->leaf->key_len));
        assert_false(inspect_key_matches(f->ca->crt, f->ca->crt_len, "", 0));
        assert_false(inspect_key_matches("", 0, f->ca->key, f->ca->key_len));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(inspect_pair__key_of_another__says_so),
                TEST(inspect_pair__chain__leaf_comes_first),
                TEST(inspect_pair__things_in_the_wrong_place__are_named),
                TEST(inspect_pair__mangled_certificate__says_which),
                TEST(inspect_pair__encrypted_key__says_how_to_store_it),
                TEST(inspect_pair__traditional_key_formats__are_read),
                TEST(inspect_pair__key_types__only_what_envoy_serves),
                TEST(inspect_pair__curve_spelled_out__is_refused),
                TEST(inspect_pair__rsa_key_with_damaged_private_part__is_refused),
                TEST(inspect_pair__names__dns_and_ip_apart),
                TEST(inspect_pair__limits__are_held_on_both_sides),
                TEST(inspect_bundle__repeated_and_commented__each_once_in_order),
                TEST(inspect_ca__unusable_bundle__has_a_problem),
                TEST(inspect_key_matches__own_and_foreign_key__tells_them_apart),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
