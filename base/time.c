/* SPDX-License-Identifier: Apache-2.0 */
#include "base/time.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

int64_t time_now_micros(void)
{
        struct timespec t;
        clock_gettime(CLOCK_REALTIME, &t);
        return (int64_t)t.tv_sec * TIME_MICROS_PER_SECOND + t.tv_nsec / 1000;
}

int64_t time_monotonic(void)
{
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return (int64_t)t.tv_sec * DURATION_SECOND + t.tv_nsec;
}

/* Rounds towards the past, so that times before 1970 format rightly too. */
static int64_t split_seconds(int64_t micros, int64_t *fraction)
{
        int64_t seconds = micros / TIME_MICROS_PER_SECOND;
        *fraction = micros % TIME_MICROS_PER_SECOND;
        if (*fraction < 0) {
                *fraction += TIME_MICROS_PER_SECOND;
                seconds--;
        }
        return seconds;
}

static int64_t format_date(int64_t micros, char text[TIME_TEXT_MAX])
{
        int64_t fraction;
        time_t seconds = (time_t)split_seconds(micros, &fraction);
        struct tm tm;
        gmtime_r(&seconds, &tm);
        strftime(text, TIME_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
        return fraction;
}

void time_format_seconds(int64_t micros, char text[TIME_TEXT_MAX])
{
        format_date(micros, text);
        strncat(text, "Z", TIME_TEXT_MAX - strlen(text) - 1);
}

void time_format_micros(int64_t micros, char text[TIME_TEXT_MAX])
{
        int64_t fraction = format_date(micros, text);
        size_t n = strlen(text);
        snprintf(text + n, TIME_TEXT_MAX - n, ".%06" PRId64 "Z", fraction);
}

/* Exactly count digits at *p; moves *p behind them. */
static bool take_digits(const char **p, int count, int *value)
{
        *value = 0;
        for (int i = 0; i < count; i++, (*p)++) {
                if (**p < '0' || **p > '9')
                        return false;
                *value = *value * 10 + (**p - '0');
        }
        return true;
}

static bool take_char(const char **p, const char *any_of)
{
        if (!**p || !strchr(any_of, **p))
                return false;
        (*p)++;
        return true;
}

static int days_of(int month, int year)
{
        static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
        bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        return days[month - 1] + (month == 2 && leap);
}

static bool take_date_time(const char **p, struct tm *tm)
{
        int year, month;
        if (!take_digits(p, 4, &year) || !take_char(p, "-") || !take_digits(p, 2, &month) || !take_char(p, "-") ||
            !take_digits(p, 2, &tm->tm_mday) || !take_char(p, "Tt") || !take_digits(p, 2, &tm->tm_hour) ||
            !take_char(p, ":") || !take_digits(p, 2, &tm->tm_min) || !take_char(p, ":") ||
            !take_digits(p, 2, &tm->tm_sec))
                return false;
        tm->tm_year = year - 1900;
        tm->tm_mon = month - 1;
        return month >= 1 && month <= 12 && tm->tm_mday >= 1 && tm->tm_mday <= days_of(month, year) &&
               tm->tm_hour <= 23 && tm->tm_min <= 59 && tm->tm_sec <= 60;
}

/* At least one digit. */
static bool take_fraction(const char **p, int64_t *micros)
{
        const char *start = *p;
        int64_t unit = TIME_MICROS_PER_SECOND / 10;
        for (; **p >= '0' && **p <= '9'; (*p)++, unit /= 10)
                *micros += (**p - '0') * unit;
        return *p != start;
}

static bool take_offset(const char **p, int64_t *seconds)
{
        *seconds = 0;
        if (take_char(p, "Zz"))
                return true;
        int64_t sign = **p == '-' ? -1 : 1;
        int hours, minutes;
        if (!take_char(p, "+-") || !take_digits(p, 2, &hours) || !take_char(p, ":") || !take_digits(p, 2, &minutes))
                return false;
        *seconds = sign * (hours * 3600 + minutes * 60);
        return hours <= 23 && minutes <= 59;
}

bool time_parse(const char *text, int64_t *micros, struct err *e)
{
        const char *p = text;
        struct tm tm = {0};
        int64_t fraction = 0;
        int64_t offset;
        bool fine = take_date_time(&p, &tm);
        if (fine && take_char(&p, "."))
                fine = take_fraction(&p, &fraction);
        if (!fine || !take_offset(&p, &offset) || *p)
                return err_set(e, "\"%.40s\" is no RFC 3339 time", text);
        *micros = ((int64_t)timegm(&tm) - offset) * TIME_MICROS_PER_SECOND + fraction;
        return true;
}

struct unit {
        const char *name;
        int64_t nanos;
};

/* Longer names first where one is the other's prefix. */
static const struct unit units[] = {
        {"ns", 1},
        {"us", DURATION_MICROSECOND},
        {"\xc2\xb5s", DURATION_MICROSECOND},
        {"\xce\xbcs", DURATION_MICROSECOND},
        {"ms", DURATION_MILLISECOND},
        {"s", DURATION_SECOND},
        {"m", DURATION_MINUTE},
        {"h", DURATION_HOUR},
};

static const struct unit *take_unit(const char **p)
{
        for (size_t i = 0; i < COUNT_OF(units); i++) {
                if (str_has_prefix(*p, units[i].name)) {
                        *p += strlen(units[i].name);
                        return &units[i];
                }
        }
        return NULL;
}

/* Reads digits with an optional fraction as value and numerator/scale of the fraction. */
static bool take_number(const char **p, int64_t *whole, int64_t *part, int64_t *scale)
{
        const char *start = *p;
        *whole = *part = 0;
        *scale = 1;
        for (; **p >= '0' && **p <= '9'; (*p)++) {
                if (__builtin_mul_overflow(*whole, 10, whole) || __builtin_add_overflow(*whole, **p - '0', whole))
                        return false;
        }
        bool any = *p != start;
        if (take_char(p, ".")) {
                for (; **p >= '0' && **p <= '9'; (*p)++) {
                        any = true;
                        if (*scale < DURATION_HOUR) {
                                *part = *part * 10 + (**p - '0');
                                *scale *= 10;
                        }
                }
        }
        return any;
}

static bool take_term(const char **p, int64_t *total)
{
        int64_t whole, part, scale, nanos;
        if (!take_number(p, &whole, &part, &scale))
                return false;
        const struct unit *unit = take_unit(p);
        if (!unit || __builtin_mul_overflow(whole, unit->nanos, &nanos))
                return false;
        int64_t fraction = (int64_t)((double)part * ((double)unit->nanos / (double)scale));
        return !__builtin_add_overflow(nanos, fraction, &nanos) && !__builtin_add_overflow(*total, nanos, total);
}

bool duration_parse(const char *text, int64_t *nanos, struct err *e)
{
        const char *p = text;
        bool negative = *p == '-';
        take_char(&p, "+-");
        int64_t total = 0;
        bool fine = *p;
        if (!str_equal(p, "0")) {
                while (fine && *p)
                        fine = take_term(&p, &total);
        }
        if (!fine)
                return err_set(e, "\"%.40s\" is no duration such as 150ms, 1m30s or 1h", text);
        *nanos = negative ? -total : total;
        return true;
}

void duration_format(int64_t nanos, char text[TIME_TEXT_MAX])
{
        const char *sign = nanos < 0 ? "-" : "";
        int64_t millis = (nanos < 0 ? -nanos : nanos) / DURATION_MILLISECOND;
        int64_t hours = millis / 3600000;
        int64_t minutes = millis / 60000 % 60;
        int64_t seconds = millis / 1000 % 60;
        char tail[24] = "";
        if (millis % 1000) {
                snprintf(tail, sizeof(tail), ".%03" PRId64, millis % 1000);
                while (tail[strlen(tail) - 1] == '0')
                        tail[strlen(tail) - 1] = '\0';
        }
        if (hours)
                snprintf(text, TIME_TEXT_MAX, "%s%" PRId64 "h%" PRId64 "m%" PRId64 "%ss", sign, hours, minutes, seconds,
                         tail);
        else if (minutes)
                snprintf(text, TIME_TEXT_MAX, "%s%" PRId64 "m%" PRId64 "%ss", sign, minutes, seconds, tail);
        else if (seconds || !millis)
                snprintf(text, TIME_TEXT_MAX, "%s%" PRId64 "%ss", sign, seconds, tail);
        else
                snprintf(text, TIME_TEXT_MAX, "%s%" PRId64 "ms", sign, millis);
}
