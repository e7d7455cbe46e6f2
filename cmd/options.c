/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/options.h"

#include "base/file.h"
#include "base/time.h"
#include "cmd/config.h"
#include "cmd/options_check.h"
#include "cmd/options_table.h"
#include "cmd/options_value.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
        NAME_MAX_BYTES = 64, /* of an option, for the nearest name */
        ENVIRONMENT_NAME_MAX = 80,
        NAMESPACE_BYTES_MAX = 64,
};

/* Who gave an option its value; a later one replaces what an earlier one said. */
enum source { SOURCE_DEFAULT, SOURCE_FILE, SOURCE_ENVIRONMENT, SOURCE_FLAG };

struct parse {
        struct options *options;
        const char *(*environment)(const char *);
        enum source *given; /* by place in the table */
};

struct flag {
        const struct option *option;
        const char *text;
};

/* ---- names ---- */

static size_t least(size_t a, size_t b)
{
        return a < b ? a : b;
}

/* Levenshtein's distance: how many letters to insert, remove or replace. */
static size_t distance(const char *a, const char *b)
{
        size_t row[NAME_MAX_BYTES + 1];
        size_t n = strnlen(b, NAME_MAX_BYTES);
        for (size_t j = 0; j <= n; j++)
                row[j] = j;
        for (size_t i = 1; *a && i <= NAME_MAX_BYTES; i++, a++) {
                size_t diagonal = row[0];
                row[0] = i;
                for (size_t j = 1; j <= n; j++) {
                        size_t replaced = diagonal + (*a != b[j - 1]);
                        diagonal = row[j];
                        row[j] = least(replaced, least(row[j], row[j - 1]) + 1);
                }
        }
        return row[n];
}

/* Keeps candidate when it is nearer to name than *best and near enough to be meant. */
static void consider(const char *name, const char *candidate, const char **best, size_t *nearest)
{
        size_t d = distance(name, candidate);
        if (d < *nearest && d <= 1 + strlen(name) / 3) {
                *best = candidate;
                *nearest = d;
        }
}

bool options_find_command(const char *name, enum command *out, struct err *e)
{
        const char *best = NULL;
        size_t nearest = SIZE_MAX;
        for (int i = 0; i < COMMAND_COUNT; i++) {
                if (str_equal(command_table[i].name, name)) {
                        *out = (enum command)i;
                        return true;
                }
                consider(name, command_table[i].name, &best, &nearest);
        }
        return best ? err_set(e, "unknown command \"%.40s\": did you mean %s?", name, best)
                    : err_set(e, "unknown command \"%.40s\": see gatehouse help", name);
}

static bool option_applies(const struct option *o, enum command command)
{
        return o->commands & 1U << command;
}

static bool is_called(const char *name, const char *text, size_t len)
{
        return strlen(name) == len && memcmp(name, text, len) == 0;
}

static const struct option *find_option(enum command command, const char *name, size_t len)
{
        for (size_t i = 0; i < option_alias_count; i++) {
                const struct option_alias *alias = &option_aliases[i];
                if (alias->commands & 1U << command && is_called(alias->name, name, len))
                        return find_option(command, alias->option, strlen(alias->option));
        }
        for (size_t i = 0; i < option_table_count; i++) {
                const struct option *o = &option_table[i];
                if (option_applies(o, command) && is_called(o->name, name, len))
                        return o;
        }
        return NULL;
}

/* "unknown flag --x" or "unknown key "x"", and what was probably meant. */
static bool unknown_option(enum command command, const char *what, const char *name, const char *dashes, struct err *e)
{
        const char *best = NULL;
        size_t nearest = SIZE_MAX;
        for (size_t i = 0; i < option_table_count; i++) {
                if (option_applies(&option_table[i], command))
                        consider(name, option_table[i].name, &best, &nearest);
        }
        if (best)
                return err_set(e, "unknown %s %s%.80s: did you mean %s%s?", what, dashes, name, dashes, best);
        for (int i = 0; i < COMMAND_COUNT; i++) {
                if (find_option((enum command)i, name, strlen(name)))
                        return err_set(e, "unknown %s %s%.80s: it belongs to gatehouse %s", what, dashes, name,
                                       command_table[i].name);
        }
        return err_set(e, "unknown %s %s%.80s: see gatehouse %s --help", what, dashes, name,
                       command_table[command].name);
}

/* ---- values ---- */

static void *field(struct options *o, const struct option *option)
{
        return (char *)o + option->offset;
}

/* Lists grow within one source; a higher one starts anew. */
static bool give(struct parse *p, const struct option *option, const char *text, enum source source, struct err *e)
{
        enum source *given = &p->given[option - option_table];
        if (*given != source && option->type == OPTION_LIST)
                *(struct string_list *)field(p->options, option) = (struct string_list){0};
        if (*given != source && option->type == OPTION_SET)
                *(unsigned *)field(p->options, option) = 0;
        *given = source;
        return option_set_value(option, field(p->options, option), p->options->arena, text, e);
}

/* ---- sources ---- */

static bool apply_defaults(struct parse *p, struct err *e)
{
        for (size_t i = 0; i < option_table_count; i++) {
                const struct option *o = &option_table[i];
                if (option_applies(o, p->options->command) && o->fallback &&
                    !give(p, o, o->fallback, SOURCE_DEFAULT, e))
                        return err_wrap(e, "default of --%s", o->name);
        }
        return true;
}

static bool apply_entry(struct parse *p, const struct config_entry *entry, struct err *e)
{
        enum command command = p->options->command;
        const struct option *o = find_option(command, entry->key, strlen(entry->key));
        if (!o) {
                /* One file may serve several commands. */
                for (int i = 0; i < COMMAND_COUNT; i++) {
                        if (find_option((enum command)i, entry->key, strlen(entry->key)))
                                return true;
                }
                return unknown_option(command, "key", entry->key, "", e);
        }
        if (o->offset == offsetof(struct options, config_path))
                return err_set(e, "%s cannot stand in the file itself", entry->key);
        if (entry->list && o->type != OPTION_LIST && o->type != OPTION_SET)
                return err_set(e, "%s takes one value, no list", entry->key);
        for (size_t i = 0; i < entry->value_count; i++) {
                if (!give(p, o, entry->values[i], SOURCE_FILE, e))
                        return err_wrap(e, "%s", entry->key);
        }
        return true;
}

static bool apply_file(struct parse *p, const char *path, struct err *e)
{
        struct config_entry *entries;
        size_t count;
        if (!config_load(p->options->arena, path, &entries, &count, e))
                return false;
        for (size_t i = 0; i < count; i++) {
                if (!apply_entry(p, &entries[i], e))
                        return err_wrap(e, "%s:%zu", path, entries[i].line);
        }
        return true;
}

static void environment_name(const struct option *o, char out[ENVIRONMENT_NAME_MAX])
{
        snprintf(out, ENVIRONMENT_NAME_MAX, "GATEHOUSE_%s", o->name);
        for (char *c = out; *c; c++)
                *c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
}

static const char *environment_get(const struct parse *p, const struct option *o)
{
        char name[ENVIRONMENT_NAME_MAX];
        environment_name(o, name);
        const char *text = p->environment(name);
        return text && *text ? text : NULL;
}

static bool apply_environment(struct parse *p, struct err *e)
{
        for (size_t i = 0; i < option_table_count; i++) {
                const struct option *o = &option_table[i];
                const char *text = option_applies(o, p->options->command) ? environment_get(p, o) : NULL;
                char name[ENVIRONMENT_NAME_MAX];
                if (text && !give(p, o, text, SOURCE_ENVIRONMENT, e)) {
                        environment_name(o, name);
                        return err_wrap(e, "%s", name);
                }
        }
        return true;
}

static bool apply_flags(struct parse *p, const struct flag *flags, size_t count, struct err *e)
{
        for (size_t i = 0; i < count; i++) {
                if (!give(p, flags[i].option, flags[i].text, SOURCE_FLAG, e))
                        return err_wrap(e, "--%s", flags[i].option->name);
        }
        return true;
}

/* ---- the command line ---- */

struct line {
        struct parse *parse;
        int argc;
        char **argv;
        int at;
        struct flag *flags;
        size_t count;
};

static bool add_flag(struct line *l, const struct option *o, const char *text, struct err *e)
{
        if (!text && o->type == OPTION_SWITCH)
                text = "true";
        if (!text && l->at + 1 >= l->argc)
                return err_set(e, "--%s needs a value", o->name);
        if (!text)
                text = l->argv[++l->at];
        struct flag *f = arena_push(l->parse->options->arena, &l->flags, &l->count);
        *f = (struct flag){o, text};
        return true;
}

static bool take_long(struct line *l, const char *arg, struct err *e)
{
        const char *equals = strchr(arg, '=');
        size_t len = equals ? (size_t)(equals - arg) : strlen(arg);
        enum command command = l->parse->options->command;
        const struct option *o = find_option(command, arg, len);
        if (o)
                return add_flag(l, o, equals ? equals + 1 : NULL, e);
        char *name = arena_strndup(l->parse->options->arena, arg, len);
        return unknown_option(command, "flag", name, "--", e);
}

static bool take_short(struct line *l, const char *arg, struct err *e)
{
        enum command command = l->parse->options->command;
        for (size_t i = 0; i < option_table_count; i++) {
                const struct option *o = &option_table[i];
                if (o->letter == arg[0] && option_applies(o, command))
                        return add_flag(l, o, !arg[1] ? NULL : arg[1] == '=' ? arg + 2 : arg + 1, e);
        }
        return err_set(e, "unknown flag -%.40s: see gatehouse %s --help", arg, command_table[command].name);
}

static bool take_argument(struct line *l, const char *arg, struct err *e)
{
        struct options *o = l->parse->options;
        if (!*command_table[o->command].arguments)
                return err_set(e, "gatehouse %s takes no argument: \"%.80s\"", command_table[o->command].name, arg);
        const char **items = (const char **)o->arguments.items;
        *arena_push(o->arena, &items, &o->arguments.count) = arena_strdup(o->arena, arg);
        o->arguments.items = items;
        return true;
}

static bool read_line(struct line *l, struct err *e)
{
        bool flags_end = false;
        for (l->at = 0; l->at < l->argc; l->at++) {
                const char *arg = l->argv[l->at];
                bool fine = true;
                if (flags_end || arg[0] != '-' || !arg[1]) {
                        fine = take_argument(l, arg, e);
                } else if (str_equal(arg, "--")) {
                        flags_end = true;
                } else if (str_equal(arg, "--help") || str_equal(arg, "-h")) {
                        l->parse->options->help = true;
                        return true;
                } else {
                        fine = arg[1] == '-' ? take_long(l, arg + 2, e) : take_short(l, arg + 1, e);
                }
                if (!fine)
                        return false;
        }
        return true;
}

/* The file's path, which must be known before the file can give anything. */
static const char *config_path(const struct parse *p, const struct line *l)
{
        const struct option *o = find_option(p->options->command, "config-path", strlen("config-path"));
        const char *path = o ? environment_get(p, o) : NULL;
        for (size_t i = 0; i < l->count; i++) {
                if (l->flags[i].option == o)
                        path = l->flags[i].text;
        }
        return path;
}

/* ---- all together ---- */

/* In a pod its own namespace is the natural one. */
static void default_namespace(struct options *o)
{
        static const char path[] = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";
        if (o->kube.namespace)
                return;
        AUTO(buf) *text = file_read(path, NAMESPACE_BYTES_MAX, NULL);
        o->kube.namespace = text && buf_len(text) ? arena_strdup(o->arena, buf_data(text)) : "gatehouse-system";
}

static bool parse_all(struct parse *p, int argc, char **argv, struct err *e)
{
        struct line l = {.parse = p, .argc = argc, .argv = argv};
        if (!read_line(&l, e))
                return false;
        if (p->options->help)
                return true;
        const char *path = config_path(p, &l);
        if (!apply_defaults(p, e) || (path && !apply_file(p, path, e)) || !apply_environment(p, e) ||
            !apply_flags(p, l.flags, l.count, e))
                return false;
        default_namespace(p->options);
        return options_check(p->options, e);
}

struct options *options_parse(enum command command, int argc, char **argv, const char *(*environment)(const char *),
                              struct err *e)
{
        AUTO(options) *o = mem_zalloc(sizeof(*o));
        o->arena = arena_new(4096);
        o->command = command;
        o->envoy = xds_options_default;
        struct parse p = {.options = o, .environment = environment};
        p.given = arena_calloc(o->arena, option_table_count, sizeof(*p.given));
        return parse_all(&p, argc, argv, e) ? mem_take(&o) : NULL;
}

void options_free(struct options *o)
{
        if (!o)
                return;
        if (o->arena)
                arena_free(o->arena);
        mem_free(o);
}
