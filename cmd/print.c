/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/print.h"

#include <stdio.h>

bool print_text(const struct buf *text)
{
        return !buf_full(text) && fwrite(buf_data(text), 1, buf_len(text), stdout) == buf_len(text) &&
               fflush(stdout) == 0;
}
