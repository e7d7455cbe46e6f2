/* SPDX-License-Identifier: Apache-2.0 */
/* explain - `gatehouse explain URL`: asks a running server's /debug/explain. */
#include "cmd/commands.h"
#include "cmd/ask_server.h"
#include "cmd/explain_text.h"
#include "cmd/fetch.h"
#include "cmd/print.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum {
        TEXT_MAX = 64 * 1024 * 1024,
        EXIT_NOT_SERVED = 1,
};

static char *question(const struct options *o)
{
        AUTO_STR *url = fetch_escape(o->arguments.items[0]);
        AUTO_STR *from = o->explain.from ? fetch_escape(o->explain.from) : NULL;
        return mem_printf("http://%s/debug/explain?url=%s%s%s", o->explain.server, url, from ? "&from=" : "",
                          from ? from : "");
}

static bool ask(const struct options *o, bool *served, struct err *e)
{
        AUTO_STR *url = question(o);
        AUTO(buf) *answer = ask_server(o->explain.server, url, e);
        if (!answer)
                return false;
        json_error_t problem;
        json_t *x = json_loadb(buf_data(answer), buf_len(answer), JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &problem);
        if (!json_is_object(x)) {
                json_decref(x);
                return err_set(e, "the server at %.100s answers something else than an explanation", o->explain.server);
        }
        *served = json_is_true(json_object_get(x, "served"));
        AUTO(buf) *text = buf_new(TEXT_MAX);
        if (o->output == OUTPUT_TEXT)
                explain_text(text, x);
        json_decref(x);
        return print_text(o->output == OUTPUT_TEXT ? text : answer) || err_set(e, "the answer cannot be written");
}

int explain_run(const struct options *o)
{
        struct err e = {0};
        bool served = false;
        if (!ask(o, &served, &e)) {
                fprintf(stderr, "gatehouse explain: %s\n", e.text);
                return EXIT_NOT_SERVED;
        }
        return served ? 0 : EXIT_NOT_SERVED;
}
