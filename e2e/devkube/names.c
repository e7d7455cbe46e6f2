/* SPDX-License-Identifier: Apache-2.0 */
#include "e2e/devkube/names.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

static const char QUALIFIED[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

static bool is_low(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_label(const char *s, size_t n, bool letter_first)
{
        if (n == 0 || !is_low(s[0]) || !is_low(s[n - 1]) || (letter_first && isdigit((unsigned char)s[0])))
                return false;
        for (size_t i = 0; i < n; i++) {
                if (!is_low(s[i]) && s[i] != '-')
                        return false;
        }
        return true;
}

bool name_is_subdomain(const char *s)
{
        for (;; s++) {
                size_t n = strcspn(s, ".");
                if (!is_label(s, n, false))
                        return false;
                s += n;
                if (!*s)
                        return true;
        }
}

bool name_is_qualified(const char *s)
{
        size_t n = strlen(s);
        if (n == 0 || n > NAME_LABEL_MAX || !isalnum((unsigned char)s[0]) || !isalnum((unsigned char)s[n - 1]))
                return false;
        return strspn(s, QUALIFIED) == n;
}

bool name_is_label(const char *s, bool letter_first)
{
        return is_label(s, strlen(s), letter_first);
}

bool name_is_config_key(const char *s)
{
        size_t n = strlen(s);
        return n && n <= NAME_SUBDOMAIN_MAX && strspn(s, QUALIFIED) == n && strcmp(s, ".") != 0 && strcmp(s, "..") != 0;
}
