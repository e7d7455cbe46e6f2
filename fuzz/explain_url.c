/* SPDX-License-Identifier: Apache-2.0 */
/* explain_url - any bytes as a URL: refused with words, or a path that Envoy could compare, and that stays as it is. */
#include "dag/explain_url.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
        if (!condition)
                __builtin_trap();
}

static void check_path(const char *path)
{
        require(path[0] == '/' && !strstr(path, "//") && !strstr(path, "/./") && !strstr(path, "/../"));
        for (const char *p = path; *p; p++)
                require((unsigned char)*p > 0x20 && (unsigned char)*p < 0x7f && *p != '?' && *p != '#');
}

static void check_again(const struct explain_url *url, enum explain_slashes slashes)
{
        AUTO(arena) *a = arena_new(4096);
        struct explain_url again;
        struct err e = {0};
        char *text = arena_printf(a, "http://s%s", url->path);
        if (explain_url_parse(a, text, strlen(text), slashes, &again, &e))
                require(strcmp(again.path, url->path) == 0);
        else
                require(strlen(text) > EXPLAIN_URL_MAX); /* escapes made it longer */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        for (int i = 0; i < 2; i++) {
                const enum explain_slashes slashes = i ? EXPLAIN_SLASHES_KEEP : EXPLAIN_SLASHES_UNESCAPE;
                AUTO(arena) *a = arena_new(4096);
                struct explain_url url;
                struct err e = {0};
                if (!explain_url_parse(a, (const char *)data, size, slashes, &url, &e)) {
                        require(e.text[0] != '\0');
                        continue;
                }
                require(url.host[0] != '\0' && (url.query[0] == '\0' || url.query[0] == '?'));
                check_path(url.path);
                check_again(&url, slashes);
        }
        return 0;
}
