/* SPDX-License-Identifier: Apache-2.0 */
#include "base/heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

enum { NODES = 200 };

static unsigned next_random(unsigned *seed)
{
        *seed = *seed * 1103515245 + 12345;
        return *seed / 65536 % 32768;
}

static void heap__empty__has_no_first(void **state)
{
        (void)state;
        struct heap h = {0};
        struct heap_node node = {0};
        assert_null(heap_first(&h));
        heap_remove(&h, &node);
        heap_set(&h, &node, 5);
        heap_remove(&h, &node);
        assert_null(heap_first(&h));
        heap_done(&h);
}

static void heap__random_changes__first_is_always_the_smallest(void **state)
{
        (void)state;
        struct heap h = {0};
        struct heap_node nodes[NODES] = {0};
        unsigned seed = 1;
        for (int step = 0; step < 20000; step++) {
                struct heap_node *node = &nodes[next_random(&seed) % NODES];
                if (next_random(&seed) % 3 == 0)
                        heap_remove(&h, node);
                else
                        heap_set(&h, node, next_random(&seed) % 1000);
                int64_t smallest = INT64_MAX;
                size_t count = 0;
                for (size_t i = 0; i < NODES; i++) {
                        count += nodes[i].place != 0;
                        if (nodes[i].place && nodes[i].key < smallest)
                                smallest = nodes[i].key;
                }
                assert_int_equal(count, h.count);
                assert_true(count ? heap_first(&h)->key == smallest : heap_first(&h) == NULL);
        }
        heap_done(&h);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(heap__empty__has_no_first),
                cmocka_unit_test(heap__random_changes__first_is_always_the_smallest),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
