/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options_table - the one table of commands and options. Read by options and options_help only.
 */
#pragma once

#include "cmd/options.h"

enum option_type {
        OPTION_SWITCH,   /* bool */
        OPTION_STRING,   /* const char * */
        OPTION_ADDRESS,  /* const char *, an IP address */
        OPTION_PORT,     /* uint16_t */
        OPTION_NUMBER,   /* uint32_t */
        OPTION_BYTES,    /* uint64_t */
        OPTION_PERCENT,  /* double */
        OPTION_DURATION, /* int64_t nanoseconds, not negative */
        OPTION_CHOICE,   /* int, the place among choices */
        OPTION_LIST,     /* struct string_list */
        OPTION_SET,      /* unsigned, a bit for each of choices */
};

struct option {
        const char *name;
        char letter; /* short form; 0 when there is none */
        enum option_type type;
        const char *value;    /* what stands for the value in help */
        const char *fallback; /* the default as one would write it; NULL: none */
        const char *choices;  /* "a|b|c" */
        unsigned commands;    /* 1 << enum command */
        size_t offset;        /* in struct options */
        const char *help;     /* a sentence without full stop */
};

/* Another name of an option, on the command line and in the file: Contour's. */
struct option_alias {
        const char *name, *option;
        unsigned commands; /* of which that option is one */
};

struct command_row {
        const char *name;
        const char *arguments; /* "" when it takes none */
        const char *summary;
};

extern const struct option option_table[];
extern const size_t option_table_count;
extern const struct option_alias option_aliases[];
extern const size_t option_alias_count;
extern const struct command_row command_table[COMMAND_COUNT];
