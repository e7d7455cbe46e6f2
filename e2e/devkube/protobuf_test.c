/* SPDX-License-Identifier: Apache-2.0 */
#include "e2e/devkube/js.h"
#include "e2e/devkube/protobuf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

/* What `kubectl create namespace x` sends: the envelope, its type, the object. */
static const char NAMESPACE[] = "k8s\0"
                                "\x0a\x0f\x0a\x02v1\x12\x09Namespace"
                                "\x12\x0b\x0a\x05\x0a\x01x\x12\x00\x12\x00\x1a\x00";

static void decode__namespace__is_its_json(void **state)
{
        (void)state;
        struct err e = {0};
        assert_true(protobuf_is(NAMESPACE, sizeof(NAMESPACE) - 1));
        json_auto_t *value = protobuf_decode(NAMESPACE, sizeof(NAMESPACE) - 1, &e);
        AUTO_STR *text = js_text(value);
        assert_string_equal(text,
                            "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"x\"},\"spec\":{}}");
}

/* Never a crash, never more than it was given (the sanitizers watch). */
static void decode__cut_or_changed_anywhere__refused_or_read(void **state)
{
        (void)state;
        for (size_t n = 4; n < sizeof(NAMESPACE) - 1; n++) {
                struct err e = {0};
                char *exact = mem_zalloc(n);
                memcpy(exact, NAMESPACE, n);
                json_auto_t *cut = protobuf_decode(exact, n, &e);
                assert_true(cut || *e.text);
                mem_free(exact);
                for (int c = 0; c < 256; c++) {
                        char changed[sizeof(NAMESPACE)];
                        memcpy(changed, NAMESPACE, sizeof(changed));
                        changed[n] = (char)c;
                        json_auto_t *value = protobuf_decode(changed, sizeof(changed) - 1, &e);
                        assert_true(value || *e.text);
                }
        }
}

static void decode__kind_that_is_not_read__error_names_it_and_the_way_out(void **state)
{
        (void)state;
        static const char deployment[] = "k8s\0"
                                         "\x0a\x15\x0a\x07"
                                         "apps/v1\x12\x0a"
                                         "Deployment";
        struct err e = {0};
        assert_null(protobuf_decode(deployment, sizeof(deployment) - 1, &e));
        assert_non_null(strstr(e.text, "Deployment"));
        assert_non_null(strstr(e.text, "kubectl apply"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(decode__namespace__is_its_json),
                cmocka_unit_test(decode__cut_or_changed_anywhere__refused_or_read),
                cmocka_unit_test(decode__kind_that_is_not_read__error_names_it_and_the_way_out),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
