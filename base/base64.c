/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64.h"

#include <stdint.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct buf *out, const void *p, size_t n)
{
        const unsigned char *u = p;
        for (size_t i = 0; i < n; i += 3) {
                size_t left = n - i;
                uint32_t bits = (uint32_t)u[i] << 16;
                if (left > 1)
                        bits |= (uint32_t)u[i + 1] << 8;
                if (left > 2)
                        bits |= u[i + 2];
                char four[4] = {digits[bits >> 18 & 63], digits[bits >> 12 & 63],
                                left > 1 ? digits[bits >> 6 & 63] : '=', left > 2 ? digits[bits & 63] : '='};
                buf_append(out, four, sizeof(four));
        }
}

/* What a digit stands for; -1 for anything else. */
static int value_of(char c)
{
        if (c >= 'A' && c <= 'Z')
                return c - 'A';
        if (c >= 'a' && c <= 'z')
                return c - 'a' + 26;
        if (c >= '0' && c <= '9')
                return c - '0' + 52;
        return c == '+' ? 62 : c == '/' ? 63 : -1;
}

size_t base64_decoded_max(size_t n)
{
        return n / 4 * 3;
}

/* Four characters, of which `padding` are not digits any more. */
static bool decode_four(const char *four, size_t padding, struct buf *out)
{
        uint32_t bits = 0;
        for (size_t i = 0; i < 4; i++) {
                int six = i < 4 - padding ? value_of(four[i]) : 0;
                if (six < 0)
                        return false;
                bits = bits << 6 | (uint32_t)six;
        }
        char three[3] = {(char)(bits >> 16 & 0xff), (char)(bits >> 8 & 0xff), (char)(bits & 0xff)};
        bool fits = buf_append(out, three, sizeof(three) - padding);
        mem_wipe(three, sizeof(three));
        return fits;
}

struct buf *base64_decode(const char *text, size_t n, size_t max)
{
        if (n % 4 != 0)
                return NULL;
        AUTO(buf) *out = buf_new(max);
        buf_set_secret(out);
        size_t padding = n && text[n - 1] == '=' ? (text[n - 2] == '=' ? 2 : 1) : 0;
        for (size_t i = 0; i < n; i += 4) {
                if (!decode_four(text + i, i + 4 == n ? padding : 0, out))
                        return NULL;
        }
        return mem_take(&out);
}
