/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_CAPACITY = 128 };

struct buf {
        char *bytes; /* NULL until the first append */
        size_t len;
        size_t capacity; /* without the NUL */
        size_t max;
        bool full;
        bool secret;
};

struct buf *buf_new(size_t max)
{
        struct buf *b = mem_zalloc(sizeof(*b));
        b->max = max;
        return b;
}

static void drop_bytes(struct buf *b)
{
        if (b->secret)
                mem_wipe(b->bytes, b->capacity);
        mem_free(b->bytes);
}

void buf_free(struct buf *b)
{
        if (!b)
                return;
        drop_bytes(b);
        mem_free(b);
}

void buf_set_secret(struct buf *b)
{
        assert(b->len == 0);
        b->secret = true;
}

static void grow(struct buf *b, size_t need)
{
        size_t capacity = b->capacity ? b->capacity : FIRST_CAPACITY;
        while (capacity < need)
                capacity *= 2;
        if (capacity > b->max)
                capacity = b->max;
        if (b->secret) {
                /* realloc() would leave a copy behind. */
                char *bytes = mem_calloc(capacity + 1, 1);
                if (b->bytes)
                        memcpy(bytes, b->bytes, b->len);
                drop_bytes(b);
                b->bytes = bytes;
        } else {
                b->bytes = mem_resize(b->bytes, capacity + 1, 1);
        }
        b->capacity = capacity;
}

static bool reserve(struct buf *b, size_t n)
{
        if (b->full || n > b->max - b->len) {
                b->full = true;
                return false;
        }
        if (!b->bytes || n > b->capacity - b->len)
                grow(b, b->len + n);
        return true;
}

bool buf_append(struct buf *b, const void *p, size_t n)
{
        if (!reserve(b, n))
                return false;
        if (n)
                memcpy(b->bytes + b->len, p, n);
        b->len += n;
        b->bytes[b->len] = '\0';
        return true;
}

bool buf_append_str(struct buf *b, const char *s)
{
        return buf_append(b, s, strlen(s));
}

bool buf_append_char(struct buf *b, char c)
{
        return buf_append(b, &c, 1);
}

bool buf_vprintf(struct buf *b, const char *format, va_list ap)
{
        va_list again;
        va_copy(again, ap);
        int n = vsnprintf(NULL, 0, format, ap);
        assert(n >= 0);
        bool fits = reserve(b, (size_t)n);
        if (fits) {
                vsnprintf(b->bytes + b->len, (size_t)n + 1, format, again);
                b->len += (size_t)n;
        }
        va_end(again);
        return fits;
}

bool buf_printf(struct buf *b, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        bool fits = buf_vprintf(b, format, ap);
        va_end(ap);
        return fits;
}

const char *buf_data(const struct buf *b)
{
        return b->bytes ? b->bytes : "";
}

size_t buf_len(const struct buf *b)
{
        return b->len;
}

bool buf_full(const struct buf *b)
{
        return b->full;
}

void buf_truncate(struct buf *b, size_t n)
{
        assert(n <= b->len);
        b->full = false;
        if (!b->bytes)
                return;
        if (b->secret)
                mem_wipe(b->bytes + n, b->len - n);
        b->len = n;
        b->bytes[n] = '\0';
}

void buf_consume(struct buf *b, size_t n)
{
        assert(n <= b->len);
        bool full = b->full;
        if (n)
                memmove(b->bytes, b->bytes + n, b->len - n);
        buf_truncate(b, b->len - n);
        b->full = full;
}

void buf_clear(struct buf *b)
{
        buf_truncate(b, 0);
}

char *buf_take_str(struct buf *b)
{
        char *s = b->bytes ? mem_take(&b->bytes) : mem_strdup("");
        b->len = 0;
        b->capacity = 0;
        b->full = false;
        return s;
}
