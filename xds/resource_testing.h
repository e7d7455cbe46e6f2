/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resource_testing - with GATEHOUSE_XDS_DUMP=DIR a test build writes every resource that it makes to DIR, as a packed
 * Any: e2e/test_xds_descriptors.py decodes them with Envoy's own descriptors. Only resource.c includes this, and no
 * release build.
 */
#pragma once

#include "base/arena.h"
#include "base/file.h"
#include "xds/resource.h"

#include <google/protobuf/any.pb-c.h>
#include <stdlib.h>
#include <unistd.h>

enum {
        RESOURCE_DUMPS_MAX = 1000,     /* a process: ten thousand hosts say no more than a thousand */
        RESOURCE_DUMP_SIZE_MAX = 8192, /* what is larger is assembled of parts that are written themselves */
};

static inline void resource_dump(const struct resource *r)
{
        static unsigned count;
        const char *folder = getenv("GATEHOUSE_XDS_DUMP");
        if (!folder || count == RESOURCE_DUMPS_MAX || r->size > RESOURCE_DUMP_SIZE_MAX)
                return;
        AUTO_STR *path = mem_printf("%s/%s-%s.any", folder, resource_type_name(r->type), r->version);
        if (access(path, F_OK) == 0)
                return;
        count++;
        AUTO(arena) *a = arena_new(1024);
        Google__Any any = GOOGLE__ANY__INIT;
        any.type_url = resource_type_url(r->type);
        any.value = (ProtobufCBinaryData){.len = r->size, .data = arena_memdup(a, r->bytes, r->size)};
        size_t size = google__any__get_packed_size(&any);
        uint8_t *bytes = arena_alloc(a, size);
        google__any__pack(&any, bytes);
        struct err e = {0};
        if (!file_write(path, bytes, size, 0600, &e))
                abort();
}
