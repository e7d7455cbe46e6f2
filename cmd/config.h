/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config - the YAML configuration file as a flat list of keys and values.
 *
 * One mapping of scalars and lists of scalars: the keys are the names of options. What the keys mean is options' job;
 * here each keeps its line, so that an error can point at it.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

enum {
        CONFIG_BYTES_MAX = 64 * 1024,
        CONFIG_ENTRIES_MAX = 1024, /* keys, and values of one list */
};

struct config_entry {
        const char *key;
        const char **values; /* one, unless list */
        size_t value_count;
        bool list;
        size_t line; /* from 1 */
};

/* Parses len bytes of YAML into entries in the order of the file; name stands in errors ("name:line: ..."). */
bool config_parse(struct arena *a, const char *name, const char *text, size_t len, struct config_entry **entries,
                  size_t *count, struct err *e);

/* The same for a file of at most CONFIG_BYTES_MAX. */
bool config_load(struct arena *a, const char *path, struct config_entry **entries, size_t *count, struct err *e);
