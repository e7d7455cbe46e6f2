/* SPDX-License-Identifier: Apache-2.0 */
/* explain - `gatehouse explain URL`: asks a running server's /debug/explain. */
#include "cmd/commands.h"
#include "cmd/explain_text.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

enum {
        ANSWER_MAX = 16 * 1024 * 1024,
        TEXT_MAX = 64 * 1024 * 1024,
        ASK_MILLISECONDS = 10000,
        EXIT_NOT_SERVED = 1,
};

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
        return buf_append(arg, p, size * n) ? size * n : 0;
}

/* What a query may hold as it is; the server's line is short, so only the rest is escaped. */
static char *escape(const char *s)
{
        AUTO(buf) *out = buf_new(3 * strlen(s) + 1);
        for (; *s; s++) {
                unsigned char c = (unsigned char)*s;
                if (c > 0x20 && c < 0x7f && !strchr("%&+#\"<>\\^`{|}", c))
                        buf_append_char(out, *s);
                else
                        buf_printf(out, "%%%02X", c);
        }
        return buf_take_str(out);
}

static char *question(const struct options *o)
{
        AUTO_STR *url = escape(o->arguments.items[0]);
        AUTO_STR *from = o->explain.from ? escape(o->explain.from) : NULL;
        return mem_printf("http://%s/debug/explain?url=%s%s%s", o->explain.server, url, from ? "&from=" : "",
                          from ? from : "");
}

static bool fetch(const struct options *o, struct buf *answer, struct err *e)
{
        AUTO_STR *url = question(o);
        CURL *curl = curl_easy_init();
        if (!curl)
                return err_set(e, "out of memory");
        curl_easy_setopt(curl, CURLOPT_URL, url);
        curl_easy_setopt(curl, CURLOPT_PROXY, "");
        curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)ASK_MILLISECONDS);
        curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
        CURLcode code = curl_easy_perform(curl);
        long status = 0;
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_cleanup(curl);
        if (code != CURLE_OK)
                return err_set(e, "the server at %.100s: %s (--server names the address of its debug pages)",
                               o->explain.server, curl_easy_strerror(code));
        int line = (int)strcspn(buf_data(answer), "\n");
        if (status == 200)
                return true;
        if (status == 414 || status == 431)
                return err_set(e, "the URL is too long to be asked for");
        return err_set(e, "the server at %.100s answers %ld: %.*s", o->explain.server, status, line < 300 ? line : 300,
                       buf_data(answer));
}

static bool print(const struct buf *text)
{
        return !buf_full(text) && fwrite(buf_data(text), 1, buf_len(text), stdout) == buf_len(text) &&
               fflush(stdout) == 0;
}

static bool ask(const struct options *o, bool *served, struct err *e)
{
        AUTO(buf) *answer = buf_new(ANSWER_MAX);
        if (!fetch(o, answer, e))
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
        return print(o->output == OUTPUT_TEXT ? text : answer) || err_set(e, "the answer cannot be written");
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
