/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/ask_server.h"

#include "cmd/fetch.h"

#include <string.h>

enum { ANSWER_MAX = 16 * 1024 * 1024, LINE_MAX_SHOWN = 300 };

struct buf *ask_server(const char *server, const char *url, struct err *e)
{
        long status = 0;
        AUTO(buf) *answer = fetch(&(struct fetch){.url = url, .max = ANSWER_MAX}, &status, e);
        if (!answer) {
                struct err why = *e;
                err_set(e, "the server at %.100s: %s (--server names the address of its debug pages)", server,
                        why.text);
                return NULL;
        }
        if (status == 200)
                return mem_take(&answer);
        int line = (int)strcspn(buf_data(answer), "\n");
        if (status == 414 || status == 431)
                err_set(e, "the question is too long");
        else if (status == 404 && line > 0)
                err_set(e, "%.*s", line < LINE_MAX_SHOWN ? line : LINE_MAX_SHOWN, buf_data(answer));
        else
                err_set(e, "the server at %.100s answers %ld: %.*s", server, status,
                        line < LINE_MAX_SHOWN ? line : LINE_MAX_SHOWN, buf_data(answer));
        return NULL;
}
