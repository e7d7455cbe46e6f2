/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void out_of_memory(size_t size)
{
        fprintf(stderr, "gatehouse: out of memory: cannot allocate %zu bytes\n", size);
        abort();
}

void *mem_calloc(size_t count, size_t size)
{
        void *p = calloc(count ? count : 1, size ? size : 1);
        if (!p)
                out_of_memory(count * size);
        return p;
}

void *mem_zalloc(size_t size)
{
        return mem_calloc(1, size);
}

void *mem_resize(void *p, size_t count, size_t size)
{
        size_t total;
        if (__builtin_mul_overflow(count, size, &total))
                out_of_memory(SIZE_MAX);
        void *q = realloc(p, total ? total : 1);
        if (!q)
                out_of_memory(total);
        return q;
}

void mem_free(void *p)
{
        free(p);
}

char *mem_strndup(const char *s, size_t n)
{
        char *copy = mem_resize(NULL, n + 1, 1);
        if (n)
                memcpy(copy, s, n);
        copy[n] = '\0';
        return copy;
}

char *mem_strdup(const char *s)
{
        return s ? mem_strndup(s, strlen(s)) : NULL;
}

char *mem_printf(const char *format, ...)
{
        char *text = NULL;
        va_list ap;
        va_start(ap, format);
        int n = vasprintf(&text, format, ap);
        va_end(ap);
        if (n < 0)
                out_of_memory(0);
        return text;
}

void mem_wipe(void *p, size_t n)
{
        if (n)
                explicit_bzero(p, n);
}

bool str_equal(const char *a, const char *b)
{
        return a == b || (a && b && strcmp(a, b) == 0);
}

bool str_has_prefix(const char *s, const char *prefix)
{
        return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_has_suffix(const char *s, const char *suffix)
{
        size_t n = strlen(s);
        size_t m = strlen(suffix);
        return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

size_t str_cut(const char *s, size_t max)
{
        size_t n = strnlen(s, max);
        while (n && ((unsigned char)s[n] & 0xc0) == 0x80)
                n--;
        return n;
}

int str_compare(const char *a, const char *b)
{
        if (!a || !b)
                return (a != NULL) - (b != NULL);
        return strcmp(a, b);
}
