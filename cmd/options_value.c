/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/options_value.h"

#include "base/names.h"
#include "base/time.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool set_switch(bool *out, const char *text, struct err *e)
{
        bool yes = strcmp(text, "true") == 0;
        if (!yes && strcmp(text, "false") != 0)
                return err_set(e, "\"%.40s\" is neither true nor false", text);
        *out = yes;
        return true;
}

static bool set_address(const char **out, const char *text, struct arena *a, struct err *e)
{
        if (!names_is_ip(text))
                return err_set(e, "\"%.80s\" is no IP address", text);
        *out = arena_strdup(a, text);
        return true;
}

static bool set_port(uint16_t *out, const char *text, struct err *e)
{
        char *end;
        errno = 0;
        unsigned long n = strtoul(text, &end, 10);
        if (!isdigit((unsigned char)*text) || *end || errno || n < 1 || n > UINT16_MAX)
                return err_set(e, "\"%.40s\" is no port: 1-65535", text);
        *out = (uint16_t)n;
        return true;
}

static bool set_number(uint32_t *out, const char *text, struct err *e)
{
        char *end;
        errno = 0;
        unsigned long n = strtoul(text, &end, 10);
        if (!isdigit((unsigned char)*text) || *end || errno || n > UINT32_MAX)
                return err_set(e, "\"%.40s\" is no number: 0 and up", text);
        *out = (uint32_t)n;
        return true;
}

static bool set_bytes(uint64_t *out, const char *text, struct err *e)
{
        char *end;
        errno = 0;
        unsigned long long n = strtoull(text, &end, 10);
        if (!isdigit((unsigned char)*text) || *end || errno)
                return err_set(e, "\"%.40s\" is no number of bytes: digits only", text);
        *out = n;
        return true;
}

static bool set_percent(double *out, const char *text, struct err *e)
{
        char *end;
        double n = strtod(text, &end);
        if (!isdigit((unsigned char)*text) || *end || !(n >= 0 && n <= 100))
                return err_set(e, "\"%.40s\" is no percentage: 0-100", text);
        *out = n;
        return true;
}

static bool set_duration(int64_t *out, const char *text, struct err *e)
{
        int64_t nanos;
        if (!duration_parse(text, &nanos, e))
                return false;
        if (nanos < 0)
                return err_set(e, "\"%.40s\" is negative", text);
        *out = nanos;
        return true;
}

/* The place of a word of n bytes among choices, or -1. */
static int find_choice(const char *choices, const char *word, size_t n)
{
        int place = 0;
        for (const char *p = choices;; place++) {
                size_t len = strcspn(p, "|");
                if (len == n && memcmp(p, word, n) == 0)
                        return place;
                if (!p[len])
                        return -1;
                p += len + 1;
        }
}

static bool no_choice(const char *word, size_t n, const char *choices, struct err *e)
{
        return err_set(e, "\"%.*s\" is none of %s", n > 40 ? 40 : (int)n, word, choices);
}

static bool set_choice(int *out, const char *choices, const char *text, struct err *e)
{
        int place = find_choice(choices, text, strlen(text));
        if (place < 0)
                return no_choice(text, strlen(text), choices, e);
        *out = place;
        return true;
}

/* The next word of a comma-separated text, spaces around it cut; moves *p behind it. NULL at the end. */
static const char *next_word(const char **p, size_t *n)
{
        while (**p == ',' || **p == ' ')
                (*p)++;
        const char *word = *p;
        size_t len = strcspn(word, ",");
        *p += len;
        while (len && word[len - 1] == ' ')
                len--;
        *n = len;
        return len ? word : NULL;
}

/* A list without words is refused: "only these namespaces", filled from an unset variable, would mean all. */
static bool add_list(struct string_list *out, const char *text, struct arena *a, struct err *e)
{
        const char **items = (const char **)out->items;
        size_t n, before = out->count;
        for (const char *word; (word = next_word(&text, &n)) != NULL;)
                *arena_push(a, &items, &out->count) = arena_strndup(a, word, n);
        out->items = items;
        return out->count > before || err_set(e, "the value is empty");
}

static bool add_set(unsigned *out, const char *choices, const char *text, struct err *e)
{
        size_t n;
        unsigned added = 0;
        for (const char *word; (word = next_word(&text, &n)) != NULL;) {
                int place = find_choice(choices, word, n);
                if (place < 0)
                        return no_choice(word, n, choices, e);
                added |= 1U << place;
        }
        *out |= added;
        return added || err_set(e, "the value is empty");
}

bool option_set_value(const struct option *option, void *out, struct arena *a, const char *text, struct err *e)
{
        switch (option->type) {
        case OPTION_SWITCH:
                return set_switch(out, text, e);
        case OPTION_STRING:
                if (!*text)
                        return err_set(e, "the value is empty");
                *(const char **)out = arena_strdup(a, text);
                return true;
        case OPTION_ADDRESS:
                return set_address(out, text, a, e);
        case OPTION_PORT:
                return set_port(out, text, e);
        case OPTION_NUMBER:
                return set_number(out, text, e);
        case OPTION_BYTES:
                return set_bytes(out, text, e);
        case OPTION_PERCENT:
                return set_percent(out, text, e);
        case OPTION_DURATION:
                return set_duration(out, text, e);
        case OPTION_CHOICE:
                return set_choice(out, option->choices, text, e);
        case OPTION_LIST:
                return add_list(out, text, a, e);
        case OPTION_SET:
                return add_set(out, option->choices, text, e);
        }
        __builtin_unreachable();
}
