/* SPDX-License-Identifier: Apache-2.0 */
/* list_page - answers to a list: what passes for one holds as many objects as a parser sees in it. */
#include "kube/list_page.h"

#include "base/json_read.h"
#include "base/mem.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void count_object(json_t *object, void *arg)
{
        if (!json_is_object(object))
                __builtin_trap();
        ++*(size_t *)arg;
}

static void count_bad(const char *name, const char *why, void *arg)
{
        if (!name || !why[0])
                __builtin_trap();
        ++*(size_t *)arg;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const char *text = (const char *)data;
        struct err e = {0};
        struct list_page page;
        size_t count = 0;
        if (list_page_read(&page, text, size, &e)) {
                if (!page.version[0] || (page.next && !page.next[0]))
                        __builtin_trap();
                list_page_each(&page, count_object, count_bad, &count);
                AUTO_JSON *list = json_read(text, size, &e);
                const json_t *items = json_object_get(list, "items");
                if (json_is_array(items) && json_array_size(items) != count)
                        __builtin_trap();
        } else if (!e.text[0]) {
                __builtin_trap();
        }
        list_page_done(&page);
        return 0;
}
