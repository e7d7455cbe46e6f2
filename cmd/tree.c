/* SPDX-License-Identifier: Apache-2.0 */
/* tree - `gatehouse tree HOST`: the host's delegations as a running server sees them. */
#include "cmd/ask_server.h"
#include "cmd/commands.h"
#include "cmd/fetch.h"
#include "cmd/print.h"

#include <stdio.h>

int tree_run(const struct options *o)
{
        struct err e = {0};
        AUTO_STR *host = fetch_escape(o->arguments.items[0]);
        AUTO_STR *url = mem_printf("http://%s/debug/tree?host=%s", o->explain.server, host);
        AUTO(buf) *answer = ask_server(o->explain.server, url, &e);
        if (answer && print_text(answer))
                return 0;
        fprintf(stderr, "gatehouse tree: %s\n", answer ? "the answer cannot be written" : e.text);
        return 1;
}
