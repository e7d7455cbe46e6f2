/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log - one structured line per event on stderr, as JSON or as text.
 *
 * A line has a time, a level, a message in plain words and pairs of names and values. Callable from every thread; a
 * line is written by one write(2). Never pass a secret: nothing here filters.
 *     log_info("status written", "object", key, "attempt", log_int(n), NULL);
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_JSON, LOG_TEXT };

void log_set_format(enum log_format format);
void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/* "debug", "info", "warn", "error"; false and an error naming the choices otherwise. */
bool log_parse_level(const char *name, enum log_level *level, struct err *e);
const char *log_level_name(enum log_level level);
bool log_parse_format(const char *name, enum log_format *format, struct err *e);

/* Names and values alternate, all strings, ended by NULL; a NULL value cannot be passed: use "". */
void log_write(enum log_level level, const char *message, ...) __attribute__((sentinel));

#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__)
#define log_warn(...) log_write(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)

/* A number as a value; the text lives until the end of the enclosing block. */
#define log_int(n) log_format_int((char[24]){0}, (int64_t)(n))
const char *log_format_int(char text[24], int64_t n);

/* Called with each finished line (without newline) instead of writing it; for tests. NULL restores stderr. */
void log_set_sink(void (*sink)(const char *line));
