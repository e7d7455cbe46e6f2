/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_text.h"

/* Bytes of the UTF-8 sequence at p, 0 when it is none: RFC 3629, section 4. */
static size_t sequence_length(const unsigned char *p)
{
        static const struct {
                unsigned char first_min, first_max, second_min, second_max, length;
        } forms[] = {
                {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
                {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
                {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
        };
        for (size_t i = 0; i < COUNT_OF(forms); i++) {
                if (p[0] < forms[i].first_min || p[0] > forms[i].first_max)
                        continue;
                if (p[1] < forms[i].second_min || p[1] > forms[i].second_max)
                        return 0;
                for (size_t k = 2; k < forms[i].length; k++) {
                        if ((p[k] & 0xc0) != 0x80)
                                return 0;
                }
                return forms[i].length;
        }
        return 0;
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
        size_t n = sequence_length(p);
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
