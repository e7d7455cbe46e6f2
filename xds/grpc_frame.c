/* SPDX-License-Identifier: Apache-2.0 */
#include "xds/grpc_frame.h"

#include <assert.h>
#include <string.h>

static uint32_t declared(const uint8_t head[GRPC_FRAME_HEAD])
{
        return (uint32_t)head[1] << 24 | (uint32_t)head[2] << 16 | (uint32_t)head[3] << 8 | head[4];
}

static enum grpc_frame_result judge_head(struct grpc_frame *f, size_t max)
{
        if (f->head[0] > 1)
                return GRPC_FRAME_MALFORMED;
        if (f->head[0] == 1)
                return GRPC_FRAME_COMPRESSED;
        f->length = declared(f->head);
        return f->length > max ? GRPC_FRAME_TOO_LONG : GRPC_FRAME_OK;
}

/* A message is given out from where it lies when all of it came at once. */
static bool give(struct grpc_frame *f, const uint8_t *p, grpc_frame_fn *each, void *arg)
{
        struct buf *body = mem_take(&f->body);
        f->head_len = 0;
        bool go_on = each(body ? (const uint8_t *)buf_data(body) : p, f->length, arg);
        buf_free(body);
        return go_on;
}

static size_t take_head(struct grpc_frame *f, const uint8_t *p, size_t n)
{
        size_t wanted = (size_t)GRPC_FRAME_HEAD - f->head_len;
        size_t took = n < wanted ? n : wanted;
        memcpy(f->head + f->head_len, p, took);
        f->head_len = (uint8_t)(f->head_len + took);
        return took;
}

static struct buf *new_body(const struct grpc_frame *f)
{
        struct buf *body = buf_new(f->length);
        if (f->secret)
                buf_set_secret(body);
        return body;
}

enum grpc_frame_result grpc_frame_feed(struct grpc_frame *f, const uint8_t *p, size_t n, size_t max,
                                       grpc_frame_fn *each, void *arg)
{
        while (n > 0) {
                if (f->head_len < GRPC_FRAME_HEAD) {
                        size_t took = take_head(f, p, n);
                        p += took;
                        n -= took;
                        if (f->head_len < GRPC_FRAME_HEAD)
                                return GRPC_FRAME_OK;
                        enum grpc_frame_result result = judge_head(f, max);
                        if (result != GRPC_FRAME_OK)
                                return result;
                }
                size_t wanted = f->length - grpc_frame_held(f);
                size_t took = n < wanted ? n : wanted;
                bool whole = took == wanted;
                if (took > 0 && (f->body || !whole)) {
                        if (!f->body)
                                f->body = new_body(f);
                        bool fits = buf_append(f->body, p, took);
                        assert(fits);
                        (void)fits;
                }
                if (whole && !give(f, p, each, arg))
                        return GRPC_FRAME_STOPPED;
                p += took;
                n -= took;
        }
        return GRPC_FRAME_OK;
}

bool grpc_frame_inside(const struct grpc_frame *f)
{
        return f->head_len > 0;
}

size_t grpc_frame_held(const struct grpc_frame *f)
{
        return f->body ? buf_len(f->body) : 0;
}

void grpc_frame_done(struct grpc_frame *f)
{
        buf_free(f->body);
        f->body = NULL;
        f->head_len = 0;
}

void grpc_frame_head(uint8_t head[GRPC_FRAME_HEAD], uint32_t n)
{
        head[0] = 0;
        head[1] = (uint8_t)(n >> 24);
        head[2] = (uint8_t)(n >> 16);
        head[3] = (uint8_t)(n >> 8);
        head[4] = (uint8_t)n;
}
