/* SPDX-License-Identifier: Apache-2.0 */
#include "base/names.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

struct row {
        const char *name;
        const char *fqdn;
        bool covered;
};

static const struct row rows[] = {
        {"a.example.com", "a.example.com", true},
        {"A.Example.COM", "a.example.com", true},
        {"a.example.com", "A.EXAMPLE.com.", true},
        {"a.example.com", "b.example.com", false},
        {"a.example.com", "a.example.co", false},
        {"a.example.com", "a.example.comm", false},
        {"*.example.com", "a.example.com", true},
        {"*.example.com", "a.EXAMPLE.com.", true},
        {"*.example.com", "example.com", false},
        {"*.example.com", ".example.com", false},
        {"*.example.com", "a.b.example.com", false},
        {"*.example.com", "*.example.com", true},
        {"*.com", "example.com", false},
        {"*", "com", false},
        {"*", "example.com", false},
        {"a*.example.com", "ab.example.com", false},
        {"a.*.example.com", "a.b.example.com", false},
        {"*.*.example.com", "a.b.example.com", false},
        {"xn--*.example.com", "xn--a.example.com", false},
        {"", "", false},
        {"", ".", false},
        {"10.0.0.1", "10.0.0.1", false},
        {"*.0.0.1", "10.0.0.1", false},
        {"::1", "::1", false},
};

static void names_cover__table__as_rfc_6125_says(void **state)
{
        (void)state;
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                bool covered = names_cover(&rows[i].name, 1, rows[i].fqdn);
                if (covered != rows[i].covered)
                        fail_msg("\"%s\" covers \"%s\": %d", rows[i].name, rows[i].fqdn, covered);
        }
}

static void names_cover__several_names__any_will_do(void **state)
{
        (void)state;
        const char *names[] = {"a.example.com", "*.example.org", "b.example.com"};
        assert_true(names_cover(names, 3, "b.example.com"));
        assert_true(names_cover(names, 3, "x.example.org"));
        assert_false(names_cover(names, 2, "b.example.com"));
        assert_false(names_cover(NULL, 0, "b.example.com"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(names_cover__table__as_rfc_6125_says),
                cmocka_unit_test(names_cover__several_names__any_will_do),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
