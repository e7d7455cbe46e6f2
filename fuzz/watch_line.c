/* SPDX-License-Identifier: Apache-2.0 */
/* watch_line - bytes of a watch: the lines do not depend on the pieces that they come in, and each can be looked at. */
#include "base/json_read.h"
#include "kube/line_split.h"
#include "kube/skim.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX = 4096 };

struct lines {
        size_t whole, cut;
        size_t bytes;
};

static void look(const char *text, size_t n, bool whole, void *arg)
{
        struct lines *lines = arg;
        if (n > MAX || memchr(text, '\n', n))
                __builtin_trap();
        lines->cut += !whole;
        lines->whole += whole;
        lines->bytes += whole ? n : 0;
        struct err e = {0};
        AUTO_JSON *event = whole ? json_read(text, n, &e) : NULL;
        struct skim line = skim_value(text, n), object;
        /* What the parser takes, skim takes apart the same way. */
        bool found = skim_member(&line, "object", &object);
        if (json_object_get(event, "object") && !found && !memchr(text, '\\', n))
                __builtin_trap();
        AUTO_STR *name = skim_object_name(found ? &object : &line);
        lines->bytes += whole ? strlen(name) : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const char *text = (const char *)data;
        struct lines together = {0}, apart = {0};
        AUTO(line_split) *one = line_split_new(MAX, look, &together);
        AUTO(line_split) *many = line_split_new(MAX, look, &apart);
        line_split_feed(one, text, size);
        for (size_t i = 0, n; i < size; i += n) {
                n = 1 + data[i] % 61;
                n = n < size - i ? n : size - i;
                line_split_feed(many, text + i, n);
        }
        if (memcmp(&together, &apart, sizeof(apart)) != 0)
                __builtin_trap();
        return 0;
}
