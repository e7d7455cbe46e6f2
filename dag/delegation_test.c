/* SPDX-License-Identifier: Apache-2.0 */
#include "dag/delegation.h"

#include "dag/fixture_test.h"
#include "dag/syntax.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka needs those before it */
#include <cmocka.h>

enum { ROUNDS = 2000, PREFIXES = 24, LOOKUPS = 40 };

static unsigned below(uint64_t *state, unsigned n)
{
        *state ^= *state >> 12;
        *state ^= *state << 25;
        *state ^= *state >> 27;
        return (unsigned)((*state * UINT64_C(2685821657736338717)) >> 33) % n;
}

/* Few letters and bytes on both sides of '/', so that prefixes nest and nearly nest. */
static char *random_path(struct arena *a, uint64_t *state)
{
        static const char *const parts[] = {"a", "b", "ab", "a-b", "a.", "!", "a!"};
        char *path = arena_strdup(a, "");
        for (unsigned n = below(state, 5); n; n--)
                path = arena_printf(a, "%s/%s", path, parts[below(state, COUNT_OF(parts))]);
        return *path ? path : arena_strdup(a, "/");
}

static const struct delegated *slow_find(const struct delegations *all, const char *match)
{
        const struct delegated *best = NULL;
        for (size_t i = 0; i < all->count; i++) {
                const struct delegated *d = &all->items[i];
                if (syntax_path_covers(d->prefix, match) && (!best || d->length > best->length))
                        best = d;
        }
        return best;
}

static void find__random_prefixes__the_longest_that_covers(void **state)
{
        (void)state;
        uint64_t random = UINT64_C(0x9e3779b97f4a7c15);
        print_message("seed %llu\n", (unsigned long long)random);
        for (int round = 0; round < ROUNDS; round++) {
                AUTO(arena) *a = arena_new(16 * 1024);
                struct ir_route routes[PREFIXES] = {0};
                struct planned_route plan[PREFIXES] = {0};
                struct ir_delegate to = {.name = "x", .namespace = "y"};
                struct ingressroute ir = {.routes = routes};
                AUTO(map) *seen = map_new();
                for (int i = 0; i < PREFIXES; i++) {
                        const char *path = random_path(a, &random);
                        if (map_set(seen, path, a))
                                continue;
                        plan[ir.route_count] =
                                (struct planned_route){below(&random, 6) ? ROUTE_DELEGATES : ROUTE_SERVES, path};
                        routes[ir.route_count++].delegate = &to;
                }
                struct object o = {.kind = KIND_INGRESSROUTE, .ingressroute = &ir};
                struct delegations all = delegations_of(a, &o, plan);
                for (int i = 0; i < LOOKUPS; i++) {
                        const char *match = random_path(a, &random);
                        const struct delegated *found = delegations_find(&all, match);
                        if (found != slow_find(&all, match))
                                fail_msg("%s: %s", match, found ? found->prefix : "none");
                }
        }
}

static void find__no_delegations__none(void **state)
{
        (void)state;
        struct delegations none = {0};
        assert_null(delegations_find(&none, "/"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(find__random_prefixes__the_longest_that_covers),
                cmocka_unit_test(find__no_delegations__none),
        };
        return cmocka_run_group_tests_name("dag/delegation", tests, NULL, NULL);
}
