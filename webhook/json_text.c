/* SPDX-License-Identifier: Apache-2.0 */
#include "webhook/json_text.h"

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

static void append_escaped(struct buf *out, char c)
{
        if (c == '"' || c == '\\')
                buf_append(out, (char[]){'\\', c}, 2);
        else if (c == '\n')
                buf_append(out, "\\n", 2);
        else if ((unsigned char)c < 0x20 || c == 0x7f)
                buf_printf(out, "\\u%04x", (unsigned)(unsigned char)c);
        else
                buf_append_char(out, c);
}

static bool is_plain(char c)
{
        return (unsigned char)c >= 0x20 && (unsigned char)c < 0x7f && c != '"' && c != '\\';
}

void json_text_string(struct buf *out, const char *s)
{
        buf_append_char(out, '"');
        while (*s) {
                size_t run = 0;
                while (is_plain(s[run]))
                        run++;
                buf_append(out, s, run);
                s += run;
                if (!*s)
                        break;
                size_t n = json_text_character(s);
                if (n == 0) {
                        buf_append_str(out, "\xef\xbf\xbd");
                        s++;
                        continue;
                }
                if (n == 1)
                        append_escaped(out, *s);
                else
                        buf_append(out, s, n);
                s += n;
        }
        buf_append_char(out, '"');
}

void json_text_base64(struct buf *out, const char *p, size_t n)
{
        static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        const unsigned char *u = (const unsigned char *)p;
        buf_append_char(out, '"');
        for (size_t i = 0; i < n; i += 3) {
                size_t left = n - i;
                uint32_t bits = (uint32_t)u[i] << 16;
                if (left > 1)
                        bits |= (uint32_t)u[i + 1] << 8;
                if (left > 2)
                        bits |= u[i + 2];
                char four[4] = {digits[bits >> 18 & 63], digits[bits >> 12 & 63],
                                left > 1 ? digits[bits >> 6 & 63] : '=', left > 2 ? digits[bits & 63] : '='};
                buf_append(out, four, 4);
        }
        buf_append_char(out, '"');
}
