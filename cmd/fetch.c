/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/fetch.h"

#include <curl/curl.h>
#include <string.h>

enum { ASK_MILLISECONDS = 10000 };

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
        return buf_append(arg, p, size * n) ? size * n : 0;
}

static void set_up(CURL *curl, const struct fetch *f, struct buf *answer)
{
        curl_easy_setopt(curl, CURLOPT_URL, f->url);
        curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, f->socket_path);
        curl_easy_setopt(curl, CURLOPT_PROXY, "");
        curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)ASK_MILLISECONDS);
        curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
        if (f->post)
                curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "");
}

struct buf *fetch(const struct fetch *f, long *status, struct err *e)
{
        AUTO(buf) *answer = buf_new(f->max);
        CURL *curl = curl_easy_init();
        if (!curl) {
                err_set(e, "out of memory");
                return NULL;
        }
        set_up(curl, f, answer);
        CURLcode code = curl_easy_perform(curl);
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, status);
        curl_easy_cleanup(curl);
        if (code == CURLE_OK)
                return mem_take(&answer);
        err_set(e, "%s", curl_easy_strerror(code));
        return NULL;
}

char *fetch_escape(const char *s)
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
