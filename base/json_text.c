/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_text.h"

#include "base/base64.h"

#include <stdint.h>

/* RFC 3629, section 4: no overlong forms, no surrogates, nothing above U+10FFFF. */
size_t json_text_character(const char *s)
{
        const unsigned char *p = (const unsigned char *)s;
        if (p[0] < 0x80)
                return p[0] ? 1 : 0;
        size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
        if (p[0] < 0xc2 || p[0] > 0xf4)
                return 0;
        unsigned char low = 0x80, high = 0xbf;
        if (p[0] == 0xe0)
                low = 0xa0;
        else if (p[0] == 0xed)
                high = 0x9f;
        else if (p[0] == 0xf0)
                low = 0x90;
        else if (p[0] == 0xf4)
                high = 0x8f;
        if (p[1] < low || p[1] > high)
                return 0;
        for (size_t i = 2; i < n; i++) {
                if ((p[i] & 0xc0) != 0x80)
                        return 0;
        }
        return n;
}

static const unsigned char *append_one(struct buf *out, const unsigned char *p)
{
        if (*p == '"' || *p == '\\') {
                buf_printf(out, "\\%c", *p);
                return p + 1;
        }
        if (*p < 0x20 || *p == 0x7f) {
                buf_printf(out, "\\u%04x", *p);
                return p + 1;
        }
        if (p[0] == 0xc0 && p[1] == 0x80) {
                buf_append_str(out, "\\u0000");
                return p + 2;
        }
        size_t n = json_text_character((const char *)p);
        if (!n) {
                buf_append_str(out, "\\ufffd");
                return p + 1;
        }
        buf_append(out, p, n);
        return p + n;
}

bool json_text_string(struct buf *out, const char *s)
{
        buf_append_char(out, '"');
        const unsigned char *p = (const unsigned char *)s;
        while (*p) {
                const unsigned char *plain = p;
                while (*p >= 0x20 && *p < 0x7f && *p != '"' && *p != '\\')
                        p++;
                buf_append(out, plain, (size_t)(p - plain));
                if (*p)
                        p = append_one(out, p);
        }
        return buf_append_char(out, '"');
}

void json_text_base64(struct buf *out, const char *p, size_t n)
{
        buf_append_char(out, '"');
        base64_encode(out, p, n);
        buf_append_char(out, '"');
}

void json_text_member(struct buf *out, const char *name, const char *value, const char *end)
{
        buf_printf(out, "\"%s\":", name);
        json_text_string(out, value);
        buf_append_str(out, end);
}
