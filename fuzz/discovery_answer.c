/* SPDX-License-Identifier: Apache-2.0 */
/*
 * discovery_answer - a DeltaDiscoveryResponse about the type that the first byte names, and what `gatehouse cli` prints
 * of it: whatever comes, JSON that a parser takes, one object a line.
 */
#include "cmd/cli_print.h"

#include <jansson.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
        if (!condition)
                __builtin_trap();
}

static void check_line(const struct buf *line)
{
        if (buf_full(line))
                return;
        const char *end = strchr(buf_data(line), '\n');
        require(end && end == buf_data(line) + buf_len(line) - 1);
        json_t *parsed = json_loadb(buf_data(line), buf_len(line), JSON_ALLOW_NUL, NULL);
        require(json_is_object(parsed));
        json_decref(parsed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (!size)
                return 0;
        const enum resource_type type = (enum resource_type)(data[0] % RESOURCE_SERVED_TYPES);
        AUTO(arena) *a = arena_new(1024);
        AUTO(buf) *out = buf_new(1 << 24);
        struct discovery_answer answer;
        struct err e = {0};
        if (!discovery_answer_unpack(type, data + 1, size - 1, a, &answer, &e)) {
                require(e.text[0]);
                return 0;
        }
        for (size_t i = 0; i < answer.found_count; i++) {
                buf_clear(out);
                cli_print_json(out, type, &answer.found[i]);
                check_line(out);
                cli_print_text(out, type, &answer.found[i]);
        }
        for (size_t i = 0; i < answer.removed_count; i++) {
                buf_clear(out);
                cli_print_removed(out, type, true, answer.removed[i]);
                check_line(out);
        }
        arena_wipe(a);
        return 0;
}
