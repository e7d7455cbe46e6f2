/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_read.h"

#include "base/buf.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct scan {
        bool too_deep;
        size_t long_integers; /* integers that do not fit into 64 bits */
};

static const char *skip_string(const char *p, const char *end)
{
        for (; p < end && *p != '"'; p++) {
                if (*p == '\\' && p + 1 < end)
                        p++;
        }
        return p < end ? p + 1 : end;
}

/* Past the number that begins at p; sets *is_long for an integer beyond 64 bits. */
static const char *skip_number(const char *p, const char *end, bool *is_long)
{
        enum { DIGITS = 20 };
        const char *start = p;
        bool integer = true;
        for (; p < end && (isdigit((unsigned char)*p) || strchr("+-.eE", *p)) && *p; p++)
                integer = integer && *p != '.' && *p != 'e' && *p != 'E';
        size_t n = (size_t)(p - start);
        *is_long = integer && n > DIGITS;
        if (integer && n <= DIGITS) {
                char digits[DIGITS + 1] = {0};
                memcpy(digits, start, n);
                errno = 0;
                (void)strtoll(digits, NULL, 10);
                *is_long = errno == ERANGE;
        }
        return p;
}

static struct scan scan(const char *text, size_t n)
{
        struct scan s = {0};
        size_t depth = 0;
        const char *end = text + n;
        for (const char *p = text; p < end;) {
                bool is_long = false;
                if (*p == '"') {
                        p = skip_string(p + 1, end);
                } else if (*p == '-' || isdigit((unsigned char)*p)) {
                        p = skip_number(p, end, &is_long);
                        s.long_integers += is_long;
                } else {
                        if (*p == '{' || *p == '[')
                                s.too_deep = s.too_deep || ++depth > JSON_READ_DEPTH_MAX;
                        else if ((*p == '}' || *p == ']') && depth > 0)
                                depth--;
                        p++;
                }
        }
        return s;
}

/*
 * jansson refuses a whole document for one integer beyond 64 bits, which JSON allows: such integers get an exponent
 * of 0, become reals, and are then one field of a wrong type.
 */
static struct buf *with_long_integers_as_reals(const char *text, size_t n, const struct scan *s)
{
        struct buf *out = buf_new(n + 2 * s->long_integers);
        const char *end = text + n;
        for (const char *p = text; p < end;) {
                const char *start = p;
                bool is_long = false;
                if (*p == '"')
                        p = skip_string(p + 1, end);
                else if (*p == '-' || isdigit((unsigned char)*p))
                        p = skip_number(p, end, &is_long);
                else
                        p++;
                buf_append(out, start, (size_t)(p - start));
                if (is_long)
                        buf_append(out, "e0", 2);
        }
        return out;
}

json_t *json_read(const char *text, size_t n, struct err *e)
{
        enum { FLAGS = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL };
        struct scan s = scan(text, n);
        if (s.too_deep) {
                err_set(e, "nested deeper than %d", JSON_READ_DEPTH_MAX);
                return NULL;
        }
        json_error_t error;
        json_t *root;
        if (s.long_integers) {
                AUTO(buf) *rewritten = with_long_integers_as_reals(text, n, &s);
                root = json_loadb(buf_data(rewritten), buf_len(rewritten), FLAGS, &error);
        } else {
                root = json_loadb(text, n, FLAGS, &error);
        }
        if (!root)
                err_set(e, "no JSON: %s at byte %d", error.text, error.position);
        return root;
}
