/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/backoff.h"

#include <stdlib.h>
#include <sys/random.h>

int64_t backoff_jitter(int64_t base, double factor)
{
        uint32_t r;
        if (getrandom(&r, sizeof(r), 0) != (ssize_t)sizeof(r))
                abort();
        return base + (int64_t)((double)base * factor * ((double)r / (double)UINT32_MAX));
}

int64_t backoff_next(struct backoff *b, int64_t at_least)
{
        int64_t wait = BACKOFF_FIRST;
        for (unsigned i = 0; i < b->failures && wait < BACKOFF_LAST; i++)
                wait *= 2;
        b->failures++;
        if (wait > BACKOFF_LAST)
                wait = BACKOFF_LAST;
        return backoff_jitter(wait > at_least ? wait : at_least, 0.5);
}

void backoff_reset(struct backoff *b)
{
        b->failures = 0;
}
