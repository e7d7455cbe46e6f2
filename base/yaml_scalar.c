/* SPDX-License-Identifier: Apache-2.0 */
#include "base/yaml_scalar.h"

#include "base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define TAG "tag:yaml.org,2002:"

static bool is_one_of(const char *text, const char *const *words)
{
        while (*words && strcmp(text, *words) != 0)
                words++;
        return *words != NULL;
}

static bool is_null(const char *text)
{
        static const char *const words[] = {"", "~", "null", "Null", "NULL", NULL};
        return is_one_of(text, words);
}

static json_t *as_boolean(const char *text)
{
        static const char *const yes[] = {"y",    "Y",    "yes", "Yes", "YES", "true",
                                          "True", "TRUE", "on",  "On",  "ON",  NULL};
        static const char *const no[] = {"n",     "N",     "no",  "No",  "NO",  "false",
                                         "False", "FALSE", "off", "Off", "OFF", NULL};
        if (is_one_of(text, yes))
                return json_true();
        return is_one_of(text, no) ? json_false() : NULL;
}

/* Digits with the underscores that YAML allows between them left out; NULL when the text is too long for a number. */
static const char *without_underscores(const char *text, char out[80])
{
        size_t n = 0;
        for (; *text; text++) {
                if (*text == '_')
                        continue;
                if (n == 79)
                        return NULL;
                out[n++] = *text;
        }
        out[n] = '\0';
        return out;
}

/* Decimal, 0x hexadecimal, 0b binary, 0 or 0o octal; with a sign. */
static json_t *as_integer(const char *text)
{
        bool negative = *text == '-';
        const char *digits = text + (*text == '-' || *text == '+');
        int base = 10;
        if (digits[0] == '0' && digits[1]) {
                char prefix = (char)tolower((unsigned char)digits[1]);
                base = prefix == 'x' ? 16 : prefix == 'b' ? 2 : 8;
                digits += isdigit((unsigned char)prefix) ? 1 : 2;
                if (prefix != 'x' && prefix != 'b' && prefix != 'o' && !isdigit((unsigned char)prefix))
                        return NULL;
        }
        if (!isalnum((unsigned char)*digits))
                return NULL;
        char *end;
        errno = 0;
        unsigned long long n = strtoull(digits, &end, base);
        if (*end || errno == ERANGE || n > (unsigned long long)INT64_MAX + negative)
                return NULL;
        return json_integer(negative ? (json_int_t)(0 - n) : (json_int_t)n);
}

/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? */
static bool is_float(const char *p)
{
        p += *p == '-' || *p == '+';
        size_t whole = strspn(p, "0123456789");
        p += whole;
        if (*p == '.') {
                size_t fraction = strspn(++p, "0123456789");
                p += fraction;
                if (whole + fraction == 0)
                        return false;
        } else if (whole == 0) {
                return false;
        }
        if (*p != 'e' && *p != 'E')
                return *p == '\0';
        p += 1;
        p += *p == '-' || *p == '+';
        size_t exponent = strspn(p, "0123456789");
        return exponent > 0 && p[exponent] == '\0';
}

static bool is_not_finite(const char *text)
{
        static const char *const words[] = {".nan",  ".NaN",  ".NAN",  ".inf",  ".Inf",  ".INF", "+.inf",
                                            "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF", NULL};
        return is_one_of(text, words);
}

static json_t *as_number(const char *text, const char **problem)
{
        if (is_not_finite(text)) {
                *problem = "a number must be finite";
                return NULL;
        }
        if (!strchr("+-.0123456789", *text))
                return NULL;
        char clean[80];
        const char *digits = without_underscores(text, clean);
        if (!digits)
                return NULL;
        json_t *integer = as_integer(digits);
        if (integer || !is_float(digits))
                return integer;
        double real = strtod(digits, NULL);
        if (!isfinite(real)) {
                *problem = "a number must be finite";
                return NULL;
        }
        return json_real(real);
}

static json_t *as_string(const struct yaml_text *scalar, const char **problem)
{
        json_t *value = json_stringn(scalar->text, scalar->size);
        if (!value)
                *problem = "text must be UTF-8";
        return value;
}

static json_t *resolve_plain(const struct yaml_text *scalar, const char **problem)
{
        if (strlen(scalar->text) != scalar->size)
                return as_string(scalar, problem);
        if (is_null(scalar->text))
                return json_null();
        json_t *value = as_boolean(scalar->text);
        if (!value)
                value = as_number(scalar->text, problem);
        return value || *problem ? value : as_string(scalar, problem);
}

/* Whether a value is of the type that the tag asks for. */
static bool has_type(const json_t *value, const char *tag)
{
        if (str_equal(tag, TAG "int"))
                return json_is_integer(value);
        if (str_equal(tag, TAG "float"))
                return json_is_number(value);
        if (str_equal(tag, TAG "bool"))
                return json_is_boolean(value);
        return str_equal(tag, TAG "null") && json_is_null(value);
}

json_t *yaml_scalar(const struct yaml_text *scalar, const char **problem)
{
        const char *tag = scalar->tag;
        *problem = NULL;
        if (!tag)
                return scalar->plain ? resolve_plain(scalar, problem) : as_string(scalar, problem);
        if (str_equal(tag, TAG "str") || str_equal(tag, "!"))
                return as_string(scalar, problem);
        json_t *value = resolve_plain(scalar, problem);
        if (!value || has_type(value, tag))
                return value;
        json_decref(value);
        *problem = "the value is not of the type that its tag says (or the tag is not known)";
        return NULL;
}

char *yaml_key_text(const json_t *value)
{
        if (json_is_string(value)) {
                const char *text = json_string_value(value);
                return strlen(text) == json_string_length(value) ? mem_strdup(text) : NULL;
        }
        if (json_is_boolean(value))
                return mem_strdup(json_is_true(value) ? "true" : "false");
        if (json_is_integer(value))
                return mem_printf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
        if (json_is_real(value))
                return mem_printf("%.17g", json_real_value(value));
        return NULL;
}
