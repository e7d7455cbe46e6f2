/* SPDX-License-Identifier: Apache-2.0 */
#include "base/coalesce.h"

void coalesce_join(struct coalesce *c, int64_t now, bool begins)
{
        /* Quiet until now: nothing to wait for. */
        if (begins)
                c->first = now - c->last >= COALESCE_QUIET ? now - COALESCE_MAX : now;
}

void coalesce_note(struct coalesce *c, int64_t now, bool begins)
{
        coalesce_join(c, now, begins);
        c->last = now;
}

int64_t coalesce_due(const struct coalesce *c)
{
        int64_t quiet = c->last + COALESCE_QUIET, latest = c->first + COALESCE_MAX;
        return quiet < latest ? quiet : latest;
}
