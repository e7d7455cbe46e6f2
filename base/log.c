/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include "base/buf.h"
#include "base/json_text.h"
#include "base/time.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 64 * 1024 };

static atomic_int current_level = LOG_INFO;
static atomic_int current_format = LOG_JSON;
static void (*_Atomic current_sink)(const char *line);

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_set_format(enum log_format format)
{
        atomic_store(&current_format, (int)format);
}

void log_set_level(enum log_level level)
{
        atomic_store(&current_level, (int)level);
}

enum log_level log_get_level(void)
{
        return (enum log_level)atomic_load(&current_level);
}

void log_set_sink(void (*sink)(const char *line))
{
        atomic_store(&current_sink, sink);
}

const char *log_level_name(enum log_level level)
{
        return level_names[level];
}

bool log_parse_level(const char *name, enum log_level *level, struct err *e)
{
        for (size_t i = 0; i < COUNT_OF(level_names); i++) {
                if (str_equal(name, level_names[i])) {
                        *level = (enum log_level)i;
                        return true;
                }
        }
        return err_set(e, "unknown log level \"%s\": use debug, info, warn or error", name);
}

bool log_parse_format(const char *name, enum log_format *format, struct err *e)
{
        if (str_equal(name, "json"))
                *format = LOG_JSON;
        else if (str_equal(name, "text"))
                *format = LOG_TEXT;
        else
                return err_set(e, "unknown log format \"%s\": use json or text", name);
        return true;
}

const char *log_format_int(char text[24], int64_t n)
{
        snprintf(text, 24, "%" PRId64, n);
        return text;
}

static bool needs_quotes(const char *s)
{
        if (!*s)
                return true;
        for (; *s; s++) {
                if ((unsigned char)*s <= ' ' || *s == '"' || *s == '=' || *s == '\\' || *s == 0x7f)
                        return true;
        }
        return false;
}

static void append_pair(struct buf *b, bool json, const char *name, const char *value)
{
        if (json) {
                buf_append_char(b, ',');
                json_text_string(b, name);
                buf_append_char(b, ':');
                json_text_string(b, value);
        } else {
                buf_printf(b, " %s=", name);
                if (needs_quotes(value))
                        json_text_string(b, value);
                else
                        buf_append_str(b, value);
        }
}

static void append_head(struct buf *b, bool json, enum log_level level, const char *message)
{
        char now[TIME_TEXT_MAX];
        time_format_micros(time_now_micros(), now);
        if (!json) {
                buf_printf(b, "%s %-5s %s", now, level_names[level], message);
                return;
        }
        buf_printf(b, "{\"time\":\"%s\",\"level\":\"%s\",\"message\":", now, level_names[level]);
        json_text_string(b, message);
}

static void emit(struct buf *line)
{
        void (*sink)(const char *) = atomic_load(&current_sink);
        if (sink) {
                sink(buf_data(line));
                return;
        }
        buf_append_char(line, '\n');
        /* A log that cannot be written has nowhere to be reported. */
        ssize_t written = write(STDERR_FILENO, buf_data(line), buf_len(line));
        (void)written;
}

void log_write(enum log_level level, const char *message, ...)
{
        if (level < log_get_level())
                return;
        bool json = atomic_load(&current_format) == LOG_JSON;
        AUTO(buf) *line = buf_new(LINE_MAX_BYTES);
        append_head(line, json, level, message);
        va_list ap;
        va_start(ap, message);
        for (const char *name; (name = va_arg(ap, const char *)) != NULL;) {
                const char *value = va_arg(ap, const char *);
                size_t before = buf_len(line);
                append_pair(line, json, name, value);
                if (buf_full(line) || buf_len(line) > LINE_MAX_BYTES - 64) {
                        buf_truncate(line, before);
                        break;
                }
        }
        va_end(ap);
        if (json)
                buf_append_char(line, '}');
        emit(line);
}
