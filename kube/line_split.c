/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/line_split.h"

#include "base/buf.h"

#include <string.h>

enum { KEEP_MAX = 64 * 1024 }; /* memory that is kept for the next unfinished line */

struct line_split {
        size_t max;
        line_split_fn *each;
        void *arg;
        struct buf *line; /* the unfinished one */
        size_t largest;   /* that line has held */
        bool skipping;    /* it was told as too long, up to its end */
};

/* A line may be a Secret. */
static struct buf *line_new(size_t max)
{
        struct buf *line = buf_new(max);
        buf_set_secret(line);
        return line;
}

struct line_split *line_split_new(size_t max, line_split_fn *each, void *arg)
{
        struct line_split *l = mem_zalloc(sizeof(*l));
        l->max = max;
        l->each = each;
        l->arg = arg;
        l->line = line_new(max);
        return l;
}

void line_split_free(struct line_split *l)
{
        if (!l)
                return;
        buf_free(l->line);
        mem_free(l);
}

static void forget_line(struct line_split *l)
{
        if (l->largest > KEEP_MAX) {
                buf_free(l->line);
                l->line = line_new(l->max);
                l->largest = 0;
        } else {
                buf_clear(l->line);
        }
}

void line_split_reset(struct line_split *l)
{
        forget_line(l);
        l->skipping = false;
}

static void keep(struct line_split *l, const char *p, size_t n)
{
        if (l->skipping)
                return;
        if (buf_append(l->line, p, n)) {
                if (buf_len(l->line) > l->largest)
                        l->largest = buf_len(l->line);
                return;
        }
        /* The piece that is too much tells who it is when nothing came before. */
        size_t have = buf_len(l->line);
        l->each(have ? buf_data(l->line) : p, have ? have : l->max, false, l->arg);
        l->skipping = true;
        forget_line(l);
}

static void finish(struct line_split *l)
{
        if (!l->skipping)
                l->each(buf_data(l->line), buf_len(l->line), true, l->arg);
        line_split_reset(l);
}

void line_split_feed(struct line_split *l, const char *p, size_t n)
{
        while (n) {
                const char *newline = memchr(p, '\n', n);
                size_t part = newline ? (size_t)(newline - p) : n;
                bool alone = buf_len(l->line) == 0 && !l->skipping;
                if (newline && alone && part <= l->max) {
                        l->each(p, part, true, l->arg); /* no copy */
                } else {
                        keep(l, p, part);
                        if (newline)
                                finish(l);
                }
                part += newline != NULL;
                p += part;
                n -= part;
        }
}
