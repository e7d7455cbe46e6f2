/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/html.h"

#include <string.h>

static const char *escape_of(unsigned char c)
{
        switch (c) {
        case '&':
                return "&amp;";
        case '<':
                return "&lt;";
        case '>':
                return "&gt;";
        case '"':
                return "&quot;";
        case '\'':
                return "&#39;";
        case '\n':
        case '\t':
                return NULL;
        default:
                return c < 0x20 || c == 0x7f ? "\xef\xbf\xbd" : NULL;
        }
}

void html_text(struct buf *out, const char *s)
{
        const char *plain = s;
        for (; *s; s++) {
                const char *escape = escape_of((unsigned char)*s);
                if (!escape)
                        continue;
                buf_append(out, plain, (size_t)(s - plain));
                buf_append_str(out, escape);
                plain = s + 1;
        }
        buf_append(out, plain, (size_t)(s - plain));
}

void html_query(struct buf *out, const char *s)
{
        static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
        for (; *s; s++) {
                if (strchr(unreserved, *s))
                        buf_append_char(out, *s);
                else
                        buf_printf(out, "%%%02X", (unsigned char)*s);
        }
}
