/* SPDX-License-Identifier: Apache-2.0 */
/* yaml - manifests from files that nobody vouches for (gatehouse lint). */
#include "base/yaml.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool walk(const struct yaml_document *document, void *arg)
{
        (void)arg;
        char *text = json_dumps(document->value, JSON_COMPACT | JSON_ENCODE_ANY);
        free(text);
        for (size_t i = 0; i < document->item_count; i++) {
                if (document->item_lines[i] < document->line)
                        __builtin_trap();
        }
        return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct err e = {0};
        if (!yaml_read((const char *)data, size, walk, NULL, &e) && !e.text[0])
                __builtin_trap();
        return 0;
}
