/* SPDX-License-Identifier: Apache-2.0 */
#include "dag/syntax.h"

#include "base/names.h"

#include <string.h>

enum { LABEL_MAX = 63, NAME_MAX_BYTES = 253 }; /* RFC 1035, section 2.3.4 */

/* Without branches: every name of every object passes here. */
static bool is_label_byte(char c)
{
        unsigned char u = (unsigned char)c;
        return ((unsigned)(u - 'a') < 26) | ((unsigned)(u - '0') < 10) | (u == '-');
}

bool syntax_is_label(const char *s, size_t n)
{
        if (n < 1 || n > LABEL_MAX || s[0] == '-' || s[n - 1] == '-')
                return false;
        bool fine = true;
        for (size_t i = 0; i < n; i++)
                fine &= is_label_byte(s[i]);
        return fine;
}

bool syntax_is_service_name(const char *s)
{
        return s[0] >= 'a' && s[0] <= 'z' && syntax_is_label(s, strlen(s));
}

bool syntax_is_subdomain(const char *s)
{
        if (strnlen(s, NAME_MAX_BYTES + 1) > NAME_MAX_BYTES)
                return false;
        for (;;) {
                size_t n = strcspn(s, ".");
                if (!syntax_is_label(s, n))
                        return false;
                if (!s[n])
                        return true;
                s += n + 1;
        }
}

bool syntax_is_ip(const char *s)
{
        return s[0] == '[' || names_is_ip(s);
}

const char *syntax_host_problem(const char *s)
{
        if (!*s)
                return "must not be empty";
        if (strnlen(s, NAME_MAX_BYTES + 1) > NAME_MAX_BYTES)
                return "must be at most 253 bytes long";
        if (syntax_is_ip(s))
                return "must be a host name, not an IP address";
        if (strchr(s, '*'))
                return "must be an exact host name, without a wildcard";
        if (strchr(s, ':'))
                return "must be a host name alone, without a port";
        return syntax_is_subdomain(s) ? NULL
                                      : "must be a host name (RFC 1123): labels of letters, digits and '-', joined by "
                                        "'.'";
}

static const char *segments_problem(const char *s)
{
        while (*s) {
                size_t n = strcspn(++s, "/");
                if (n == 0 && s[0])
                        return "must not contain //";
                if ((n == 1 && s[0] == '.') || (n == 2 && s[0] == '.' && s[1] == '.'))
                        return "must not contain . or .. segments";
                s += n;
        }
        return NULL;
}

const char *syntax_path_problem(const char *s)
{
        if (s[0] != '/')
                return "must start with /";
        if (strnlen(s, SYNTAX_PATH_MAX + 1) > SYNTAX_PATH_MAX)
                return "must be at most 2048 bytes long";
        for (const char *p = s; *p; p++) {
                unsigned char c = (unsigned char)*p;
                if (c < 0x20 || c == 0x7f || c == 0xc0) /* C0 80 stands for NUL: kube/object.h */
                        return "must not contain control characters";
                if (c == '?' || c == '#')
                        return "must be a path alone, without ? or #";
        }
        return segments_problem(s);
}

const char *syntax_path_normalise(struct arena *a, const char *s)
{
        size_t n = strlen(s);
        size_t m = n;
        while (m > 1 && s[m - 1] == '/')
                m--;
        return m == n ? s : arena_strndup(a, s, m);
}

bool syntax_byte_needs_escape(unsigned char c)
{
        return c <= 0x20 || c >= 0x7f || strchr("\"<>^`{|}", c);
}

char *syntax_path_escape(struct arena *a, const char *path)
{
        static const char digits[] = "0123456789ABCDEF";
        char *out = arena_alloc(a, 3 * strlen(path) + 1);
        char *end = out;
        for (const char *p = path; *p; p++) {
                unsigned char c = (unsigned char)*p;
                if (!syntax_byte_needs_escape(c)) {
                        *end++ = *p;
                        continue;
                }
                *end++ = '%';
                *end++ = digits[c >> 4];
                *end++ = digits[c & 15];
        }
        return out;
}

bool syntax_path_covers(const char *prefix, const char *path)
{
        if (prefix[0] == '/' && !prefix[1])
                return true;
        size_t n = strlen(prefix);
        return strncmp(prefix, path, n) == 0 && (!path[n] || path[n] == '/');
}

bool syntax_host_matches(const char *pattern, const char *host)
{
        if (pattern[0] != '*')
                return str_equal(pattern, host);
        if (!pattern[1])
                return true;
        const char *suffix = pattern + 1; /* ".x" */
        size_t n = strlen(host);
        size_t m = strlen(suffix);
        return n > m && str_equal(host + n - m, suffix);
}

bool syntax_next_item(const char **p, struct syntax_item *item)
{
        const char *s = *p;
        if (!s)
                return false;
        size_t n = strcspn(s, ",");
        *p = s[n] ? s + n + 1 : NULL;
        while (n && strchr(" \t\r\n", s[0])) {
                s++;
                n--;
        }
        while (n && strchr(" \t\r\n", s[n - 1]))
                n--;
        *item = (struct syntax_item){s, n};
        return true;
}
