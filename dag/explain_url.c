/* SPDX-License-Identifier: Apache-2.0 */
/* Source: RFC 3986, sections 2 and 5.2.4; Envoy v3 API reference, HttpConnectionManager. */
#include "dag/explain_url.h"

#include "dag/syntax.h"
#include "kube/object.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { HOST_MAX = 255 }; /* 253 and a trailing dot fit */

/* What is left to read. */
struct text {
        const char *p;
        size_t n;
};

static struct text text_cut(struct text *t, size_t n)
{
        struct text front = {t->p, n};
        t->p += n;
        t->n -= n;
        return front;
}

/* Bytes before the first one of stops. */
static size_t text_span(struct text t, const char *stops)
{
        size_t n = 0;
        while (n < t.n && !strchr(stops, t.p[n]))
                n++;
        return n;
}

static bool take_scheme(struct text *t, bool *tls, struct err *e)
{
        size_t n = text_span(*t, ":/?#");
        if (n + 3 > t->n || memcmp(t->p + n, "://", 3) != 0) {
                *tls = false;
                return true;
        }
        *tls = n == 5 && strncasecmp(t->p, "https", n) == 0;
        if (!*tls && (n != 4 || strncasecmp(t->p, "http", n) != 0))
                return err_set(e, "the scheme \"%.*s\" is neither http nor https", (int)(n < 40 ? n : 40), t->p);
        text_cut(t, n + 3);
        return true;
}

static bool take_port(struct text t, uint16_t *port, struct err *e)
{
        uint32_t value = 0;
        *port = 0;
        if (t.n == 0 || (t.n == 1 && t.p[0] == ':'))
                return true;
        bool fine = t.p[0] == ':' && t.n <= 6;
        for (size_t i = 1; fine && i < t.n; i++) {
                fine = isdigit((unsigned char)t.p[i]);
                value = value * 10 + (uint32_t)(t.p[i] - '0');
        }
        if (!fine || value < 1 || value > UINT16_MAX)
                return err_set(e, "the port must be a number of 1-65535");
        *port = (uint16_t)value;
        return true;
}

static bool host_is_written_well(struct text host, bool bracketed)
{
        for (size_t i = 0; i < host.n; i++) {
                unsigned char c = (unsigned char)host.p[i];
                if (!isalnum(c) && !strchr(bracketed ? ":." : "-._", c))
                        return false;
        }
        return host.n > 0 && host.n <= HOST_MAX;
}

static bool take_authority(struct arena *a, struct text *t, struct explain_url *out, struct err *e)
{
        struct text authority = text_cut(t, text_span(*t, "/\\?#"));
        if (memchr(authority.p, '@', authority.n))
                return err_set(e, "leave out the user before the @: it chooses no route");
        bool bracketed = authority.n > 0 && authority.p[0] == '[';
        if (bracketed)
                text_cut(&authority, 1);
        struct text host = text_cut(&authority, text_span(authority, bracketed ? "]" : ":"));
        if (bracketed && authority.n > 0)
                text_cut(&authority, 1);
        else if (bracketed)
                return err_set(e, "the bracket of the address is not closed");
        if (!host_is_written_well(host, bracketed))
                return err_set(e, "the URL needs a host name of letters, digits, '-' and '.' (at most 253 bytes; one "
                                  "in another script as xn--...)");
        out->host = object_normalise_host(a, arena_strndup(a, host.p, host.n));
        if (!*out->host)
                return err_set(e, "the URL needs a host name");
        return take_port(authority, &out->port, e);
}

/* ---- path ---- */

static int hex_value(char c)
{
        return isdigit((unsigned char)c)        ? c - '0'
               : c && strchr("abcdefABCDEF", c) ? tolower((unsigned char)c) - 'a' + 10
                                                : -1;
}

/* The escape at the front: its byte, or -1. */
static int escape_value(struct text t)
{
        int high = t.n >= 3 ? hex_value(t.p[1]) : -1;
        int low = t.n >= 3 ? hex_value(t.p[2]) : -1;
        return high < 0 || low < 0 ? -1 : high * 16 + low;
}

static bool is_unreserved(int c)
{
        return isalnum(c) || (c && strchr("-._~", c));
}

/* Appends the escape at the front of t as Envoy keeps it. */
static bool add_escape(char **end, struct text *t, enum explain_slashes slashes, struct explain_url *out, struct err *e)
{
        int c = escape_value(*t);
        if (c < 0)
                return err_set(e, "a %% in the path must be followed by two hexadecimal digits (a %% itself is %%25)");
        if (c == 0)
                return err_set(e, "the path has a %%00: Envoy answers 400 to it");
        struct text written = text_cut(t, 3);
        bool slash = c == '/' || c == '\\';
        out->escaped_slashes |= slash;
        if (slash && slashes == EXPLAIN_SLASHES_UNESCAPE) {
                *(*end)++ = '/';
        } else if (c < 0x80 && is_unreserved(c)) {
                *(*end)++ = (char)c;
        } else {
                memcpy(*end, written.p, written.n);
                *end += written.n;
        }
        return true;
}

/* Escapes settled, but with all its segments. */
static char *settle_escapes(struct arena *a, struct text t, enum explain_slashes slashes, struct explain_url *out,
                            struct err *e)
{
        char *path = arena_alloc(a, t.n + 2);
        char *end = path;
        if (t.n == 0)
                *end++ = '/';
        while (t.n > 0) {
                unsigned char c = (unsigned char)t.p[0];
                if (c <= 0x20 || c == 0x7f) {
                        err_set(e, "spaces and control characters in a path are written as %%20 and so on");
                        return NULL;
                }
                if (c == '%') {
                        if (!add_escape(&end, &t, slashes, out, e))
                                return NULL;
                        continue;
                }
                *end++ = c == '\\' ? '/' : (char)c;
                text_cut(&t, 1);
        }
        return syntax_path_escape(a, path);
}

/* RFC 3986, section 5.2.4, in place: "/a/./b/../c" becomes "/a/c". */
static void remove_dot_segments(char *path)
{
        char *end = path;
        for (const char *p = path; *p;) {
                size_t n = strcspn(p + 1, "/");
                bool last = !p[1 + n];
                bool here = n == 1 && p[1] == '.';
                bool up = n == 2 && p[1] == '.' && p[2] == '.';
                if (up) {
                        while (end > path && *--end != '/')
                                ;
                }
                if (!here && !up) {
                        memmove(end, p, n + 1);
                        end += n + 1;
                } else if (last) {
                        *end++ = '/';
                }
                p += n + 1;
        }
        *end = '\0';
}

static void merge_slashes(char *path)
{
        char *end = path;
        for (const char *p = path; *p; p++) {
                if (*p != '/' || end == path || end[-1] != '/')
                        *end++ = *p;
        }
        *end = '\0';
}

static bool take_path(struct arena *a, struct text *t, enum explain_slashes slashes, struct explain_url *out,
                      struct err *e)
{
        char *path = settle_escapes(a, text_cut(t, text_span(*t, "?#")), slashes, out, e);
        if (!path)
                return false;
        remove_dot_segments(path);
        merge_slashes(path);
        out->path = path;
        struct text query = text_cut(t, text_span(*t, "#"));
        for (size_t i = 0; i < query.n; i++) {
                if ((unsigned char)query.p[i] <= 0x20 || query.p[i] == 0x7f)
                        return err_set(e, "spaces and control characters in a query are written as %%20 and so on");
        }
        out->query = arena_strndup(a, query.p, query.n);
        return true;
}

bool explain_url_parse(struct arena *a, const char *text, size_t n, enum explain_slashes slashes,
                       struct explain_url *out, struct err *e)
{
        if (n > EXPLAIN_URL_MAX)
                return err_set(e, "the URL is longer than %d bytes", EXPLAIN_URL_MAX);
        if (memchr(text, '\0', n))
                return err_set(e, "the URL has a NUL in it");
        struct text t = {text, n};
        struct explain_url url = {0};
        if (!take_scheme(&t, &url.tls, e) || !take_authority(a, &t, &url, e) || !take_path(a, &t, slashes, &url, e))
                return false;
        *out = url;
        return true;
}
