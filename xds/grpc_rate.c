/* SPDX-License-Identifier: Apache-2.0 */
#include "xds/grpc_rate.h"

#include "base/time.h"

/* The generic cell rate algorithm: each event pushes the time of the full bucket on by its share of a second. */
bool grpc_rate_take(struct grpc_rate *r, int burst, int per_second, int64_t now)
{
        int64_t share = DURATION_SECOND / per_second;
        int64_t owed = r->owed > now ? r->owed : now;
        if (owed - now > (burst - 1) * share)
                return false;
        r->owed = owed + share;
        return true;
}
