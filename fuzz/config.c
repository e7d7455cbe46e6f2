/* SPDX-License-Identifier: Apache-2.0 */
/* config - the YAML configuration file. */
#include "cmd/config.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        AUTO(arena) *a = arena_new(4096);
        struct config_entry *entries;
        size_t count;
        struct err e = {0};
        if (!config_parse(a, "file", (const char *)data, size, &entries, &count, &e)) {
                assert(*e.text);
                return 0;
        }
        for (size_t i = 0; i < count; i++)
                assert(entries[i].key && entries[i].line > 0 && (entries[i].list || entries[i].value_count == 1));
        return 0;
}
