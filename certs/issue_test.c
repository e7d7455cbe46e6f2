/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/issue.h"

#include "base/time.h"
#include "certs/inspect.h"
#include "certs/ossl.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

static const int64_t start = 1700000000 * TIME_MICROS_PER_SECOND;
static const int64_t day = 86400 * TIME_MICROS_PER_SECOND;

static struct pair *new_ca(void)
{
        struct err e = {0};
        struct pair *ca = issue_ca(start, start + 3650 * day, &e);
        if (!ca)
                fail_msg("%s", e.text);
        return ca;
}

static struct pair *new_leaf(const struct pair *ca, const struct issue_request *r, struct err *e)
{
        return issue_leaf(r, ca->crt, ca->crt_len, ca->key, ca->key_len, e);
}

static X509 *parse(const char *pem, size_t len)
{
        OSSL_AUTO(BIO) *bio = BIO_new_mem_buf(pem, (int)len);
        bool failed;
        X509 *crt = ossl_read_crt(bio, &failed);
        assert_non_null(crt);
        return crt;
}

static const char *const two_names[] = {"gatehouse.svc", "*.apps.example.com"};
static const char *const two_ips[] = {"127.0.0.1", "::1"};

static struct issue_request server_request(void)
{
        return (struct issue_request){
                .common_name = "gatehouse",
                .names = two_names,
                .name_count = 2,
                .ips = two_ips,
                .ip_count = 2,
                .server = true,
                .not_before = start,
                .not_after = start + 365 * day,
        };
}

static void issue_leaf__server__facts_are_those_asked_for(void **state)
{
        (void)state;
        AUTO(pair) *ca = new_ca();
        struct issue_request r = server_request();
        struct err e = {0};
        AUTO(pair) *leaf = new_leaf(ca, &r, &e);
        assert_string_equal(e.text, "");
        AUTO(arena) *a = arena_new(1024);
        struct inspect_facts f;
        inspect_pair(a, leaf->crt, leaf->crt_len, leaf->key, leaf->key_len, &f);
        assert_null(f.problem);
        assert_true(f.ok);
        assert_int_equal(f.name_count, 2);
        assert_string_equal(f.names[0], "gatehouse.svc");
        assert_string_equal(f.names[1], "*.apps.example.com");
        assert_int_equal(f.ip_count, 2);
        assert_string_equal(f.ips[0], "127.0.0.1");
        assert_string_equal(f.ips[1], "::1");
        assert_true(f.not_before == start);
        assert_true(f.not_after == start + 365 * day);
        assert_true(f.server);
        assert_false(f.client);
        assert_int_equal(inspect_signer(leaf->crt, leaf->crt_len, leaf->ca, leaf->ca_len), 0);
}

static void issue_leaf__client__may_not_serve(void **state)
{
        (void)state;
        AUTO(pair) *ca = new_ca();
        struct issue_request r = server_request();
        r.server = false;
        r.client = true;
        struct err e = {0};
        AUTO(pair) *leaf = new_leaf(ca, &r, &e);
        AUTO(arena) *a = arena_new(1024);
        struct inspect_facts f;
        inspect_pair(a, leaf->crt, leaf->crt_len, leaf->key, leaf->key_len, &f);
        assert_true(f.ok);
        assert_false(f.server);
        assert_true(f.client);
}

static void issue_leaf__under_its_ca__verifies_as_openssl_sees_it(void **state)
{
        (void)state;
        AUTO(pair) *ca = new_ca();
        AUTO(pair) *other = new_ca();
        struct issue_request r = server_request();
        struct err e = {0};
        AUTO(pair) *leaf = new_leaf(ca, &r, &e);
        OSSL_AUTO(X509) *crt = parse(leaf->crt, leaf->crt_len);
        OSSL_AUTO(X509) *trusted = parse(ca->crt, ca->crt_len);
        OSSL_AUTO(X509) *foreign = parse(other->crt, other->crt_len);
        for (int right = 0; right < 2; right++) {
                X509_STORE *store = X509_STORE_new();
                X509_STORE_add_cert(store, right ? trusted : foreign);
                X509_STORE_CTX *ctx = X509_STORE_CTX_new();
                X509_STORE_CTX_init(ctx, store, crt, NULL);
                X509_STORE_CTX_set_time(ctx, 0, (time_t)(start / TIME_MICROS_PER_SECOND) + 60);
                X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_X509_STRICT);
                X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_SSL_SERVER);
                X509_VERIFY_PARAM_set1_host(X509_STORE_CTX_get0_param(ctx), "x.apps.example.com", 0);
                int verified = X509_verify_cert(ctx);
                int code = X509_STORE_CTX_get_error(ctx);
                X509_STORE_CTX_free(ctx);
                X509_STORE_free(store);
                ossl_reason();
                if ((verified == 1) != (right == 1))
                        fail_msg("right CA %d: %s", right, X509_verify_cert_error_string(code));
        }
}

static void issue__serials__128_bits_and_never_twice(void **state)
{
        (void)state;
        AUTO(pair) *ca = new_ca();
        struct issue_request r = server_request();
        struct err e = {0};
        AUTO(pair) *one = new_leaf(ca, &r, &e);
        AUTO(pair) *two = new_leaf(ca, &r, &e);
        OSSL_AUTO(X509) *first = parse(one->crt, one->crt_len);
        OSSL_AUTO(X509) *second = parse(two->crt, two->crt_len);
        assert_int_equal(ASN1_STRING_length(X509_get0_serialNumber(first)), 16);
        assert_int_equal(ASN1_STRING_length(X509_get0_serialNumber(second)), 16);
        assert_int_not_equal(ASN1_INTEGER_cmp(X509_get0_serialNumber(first), X509_get0_serialNumber(second)), 0);
        assert_string_not_equal(one->key, two->key);
}

static void issue_ca__subject__is_its_own(void **state)
{
        (void)state;
        AUTO(pair) *one = new_ca();
        AUTO(pair) *two = new_ca();
        AUTO(arena) *a = arena_new(1024);
        char both[8192];
        int n = snprintf(both, sizeof(both), "%s%s%s", one->crt, two->crt, one->crt);
        struct inspect_cert *certs;
        size_t count;
        const char *problem = NULL;
        assert_true(inspect_bundle(a, both, (size_t)n, &certs, &count, &problem));
        assert_int_equal(count, 2);
        assert_true(certs[0].ca && certs[1].ca);
        assert_string_not_equal(certs[0].subject, certs[1].subject);
        assert_non_null(strstr(certs[0].subject, "CN=gatehouse CA "));
}

static void issue_leaf__outliving_its_ca__is_cut(void **state)
{
        (void)state;
        struct err e = {0};
        AUTO(pair) *ca = issue_ca(start, start + 100 * day, &e);
        struct issue_request r = server_request();
        AUTO(pair) *leaf = new_leaf(ca, &r, &e);
        AUTO(arena) *a = arena_new(1024);
        struct inspect_facts f;
        inspect_pair(a, leaf->crt, leaf->crt_len, leaf->key, leaf->key_len, &f);
        assert_true(f.not_after == start + 100 * day);
}

static void expect_refusal(const struct pair *ca, const struct issue_request *r, const char *words)
{
        struct err e = {0};
        AUTO(pair) *leaf = new_leaf(ca, r, &e);
        assert_null(leaf);
        if (!strstr(e.text, words))
                fail_msg("\"%s\" does not say \"%s\"", e.text, words);
}

static void issue_leaf__unusable_request__says_which_value(void **state)
{
        (void)state;
        AUTO(pair) *ca = new_ca();
        AUTO(pair) *other = new_ca();
        struct issue_request r = server_request();
        const char *bad = "no name";
        r.names = &bad;
        r.name_count = 1;
        expect_refusal(ca, &r, "\"no name\" is no DNS name");
        bad = "10.0.0";
        r = server_request();
        r.ips = &bad;
        r.ip_count = 1;
        expect_refusal(ca, &r, "\"10.0.0\" is no IP address");
        r = server_request();
        r.name_count = r.ip_count = 0;
        expect_refusal(ca, &r, "at least one");
        r = server_request();
        r.common_name = "0123456789012345678901234567890123456789012345678901234567890123456789";
        expect_refusal(ca, &r, "64 bytes");
        struct err e = {0};
        r = server_request();
        assert_null(issue_leaf(&r, ca->crt, ca->crt_len, other->key, other->key_len, &e));
        assert_non_null(strstr(e.text, "not that of its certificate"));
        assert_null(issue_leaf(&r, "", 0, other->key, other->key_len, &e));
        assert_non_null(strstr(e.text, "CA's certificate"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(issue_leaf__server__facts_are_those_asked_for),
                cmocka_unit_test(issue_leaf__client__may_not_serve),
                cmocka_unit_test(issue_leaf__under_its_ca__verifies_as_openssl_sees_it),
                cmocka_unit_test(issue__serials__128_bits_and_never_twice),
                cmocka_unit_test(issue_ca__subject__is_its_own),
                cmocka_unit_test(issue_leaf__outliving_its_ca__is_cut),
                cmocka_unit_test(issue_leaf__unusable_request__says_which_value),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
