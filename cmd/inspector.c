/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/inspector.h"

#include "certs/inspect.h"

static void inspect_secret_pair(struct arena *a, const char *crt, size_t crt_size, const char *key, size_t key_size,
                                struct pair_facts *facts)
{
        AUTO(arena) *scratch = arena_new(4096);
        struct inspect_facts found = {0};
        inspect_pair(scratch, crt, crt_size, key, key_size, &found);
        *facts = (struct pair_facts){
                .ok = found.ok,
                .problem = arena_strdup(a, found.problem),
                .not_before = found.not_before,
                .not_after = found.not_after,
        };
        const char **names = arena_calloc(a, found.name_count, sizeof(char *));
        for (size_t i = 0; i < found.name_count; i++)
                names[i] = arena_strdup(a, found.names[i]);
        facts->names = names;
        facts->name_count = found.name_count;
}

static const char *inspect_secret_ca(struct arena *a, const char *ca, size_t ca_size)
{
        AUTO(arena) *scratch = arena_new(4096);
        return arena_strdup(a, inspect_ca(scratch, ca, ca_size));
}

const struct object_inspector inspector = {inspect_secret_pair, inspect_secret_ca};
