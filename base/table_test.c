/* SPDX-License-Identifier: Apache-2.0 */
#include "base/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

enum { KEYS = 500 };

/* Few different hashes, so that entries collide and wrap around. */
static uint64_t hash_of(const void *entry)
{
        return (uint64_t) * (const int *)entry % 40 + 1000;
}

static bool matches(const void *entry, const void *key)
{
        return *(const int *)entry == *(const int *)key;
}

static void table__random_changes__finds_what_is_in_and_nothing_else(void **state)
{
        (void)state;
        static const struct table_ops ops = {hash_of, matches};
        struct table t;
        table_init(&t, &ops);
        int entries[KEYS];
        bool in[KEYS] = {false};
        unsigned seed = 3;
        size_t count = 0;
        for (int step = 0; step < 5000; step++) {
                seed = seed * 1103515245 + 12345;
                size_t k = seed / 65536 % KEYS;
                entries[k] = (int)k;
                if (in[k])
                        table_remove(&t, &entries[k]);
                else
                        table_add(&t, &entries[k]);
                in[k] = !in[k];
                count += in[k] ? 1 : (size_t)-1;
                assert_int_equal(t.count, count);
                for (int i = 0; i < KEYS && step % 50 == 0; i++) {
                        const int *found = table_find(&t, hash_of(&i), &i);
                        assert_true(in[i] ? found == &entries[i] : !found);
                }
        }
        table_done(&t);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(table__random_changes__finds_what_is_in_and_nothing_else),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
