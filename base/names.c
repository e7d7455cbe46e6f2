/* SPDX-License-Identifier: Apache-2.0 */
#include "base/names.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

bool names_is_ip(const char *text)
{
        unsigned char bytes[16];
        return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

/* The host's length without one trailing dot. */
static size_t host_len(const char *host)
{
        size_t n = strlen(host);
        return n && host[n - 1] == '.' ? n - 1 : n;
}

static bool equal(const char *name, const char *host, size_t n)
{
        return strlen(name) == n && strncasecmp(name, host, n) == 0;
}

static bool covers(const char *name, const char *host, size_t n)
{
        if (strncmp(name, "*.", 2) != 0)
                return equal(name, host, n);
        /* "*.com" would be a name for strangers: at least two labels follow the wildcard. */
        const char *dot = memchr(host, '.', n);
        return dot && dot != host && strchr(name + 2, '.') && equal(name + 2, dot + 1, n - (size_t)(dot + 1 - host));
}

bool names_cover(const char *const *names, size_t count, const char *fqdn)
{
        size_t n = host_len(fqdn);
        if (n == 0 || names_is_ip(fqdn))
                return false;
        for (size_t i = 0; i < count; i++) {
                if (covers(names[i], fqdn, n))
                        return true;
        }
        return false;
}
