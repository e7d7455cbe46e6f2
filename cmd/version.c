/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/commands.h"

#include <stdio.h>

int version_run(const struct options *o)
{
        (void)o;
        return printf("gatehouse %s\n", GATEHOUSE_VERSION) < 0;
}
