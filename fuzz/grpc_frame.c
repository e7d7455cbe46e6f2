/* SPDX-License-Identifier: Apache-2.0 */
/* grpc_frame - bytes of a gRPC stream: the messages do not depend on the pieces that they come in. */
#include "xds/grpc_frame.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX = 4096 };

struct messages {
        size_t count, bytes;
        uint64_t sum;
};

static bool look(const uint8_t *message, size_t n, void *arg)
{
        struct messages *m = arg;
        if (n > MAX)
                __builtin_trap();
        m->count++;
        m->bytes += n;
        for (size_t i = 0; i < n; i++)
                m->sum = m->sum * 31 + message[i];
        return m->count < 64;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct messages together = {0}, apart = {0};
        struct grpc_frame one = {0}, many = {0};
        enum grpc_frame_result a = grpc_frame_feed(&one, data, size, MAX, look, &together), b = GRPC_FRAME_OK;
        for (size_t i = 0, n; i < size && b == GRPC_FRAME_OK; i += n) {
                n = 1 + data[i] % 61;
                n = n < size - i ? n : size - i;
                b = grpc_frame_feed(&many, data + i, n, MAX, look, &apart);
                if (grpc_frame_held(&many) > i + n)
                        __builtin_trap();
        }
        if (a != b || memcmp(&together, &apart, sizeof(apart)) != 0)
                __builtin_trap();
        grpc_frame_done(&one);
        grpc_frame_done(&many);
        return 0;
}
