/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/options.h"

#include "base/file.h"
#include "base/time.h"
#include "cmd/config.h"
#include "cmd/options_table.h"
#include "kube/object.h"

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

static const struct option *find_option(enum command command, const char *name, size_t len)
{
        for (size_t i = 0; i < option_table_count; i++) {
                const struct option *o = &option_table[i];
                if (option_applies(o, command) && strlen(o->name) == len && memcmp(o->name, name, len) == 0)
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
        unsigned char bytes[16];
        if (inet_pton(AF_INET, text, bytes) != 1 && inet_pton(AF_INET6, text, bytes) != 1)
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

static bool set_value(struct options *o, const struct option *option, const char *text, struct err *e)
{
        switch (option->type) {
        case OPTION_SWITCH:
                return set_switch(field(o, option), text, e);
        case OPTION_STRING:
                if (!*text)
                        return err_set(e, "the value is empty");
                *(const char **)field(o, option) = arena_strdup(o->arena, text);
                return true;
        case OPTION_ADDRESS:
                return set_address(field(o, option), text, o->arena, e);
        case OPTION_PORT:
                return set_port(field(o, option), text, e);
        case OPTION_DURATION:
                return set_duration(field(o, option), text, e);
        case OPTION_CHOICE:
                return set_choice(field(o, option), option->choices, text, e);
        case OPTION_LIST:
                return add_list(field(o, option), text, o->arena, e);
        case OPTION_SET:
                return add_set(field(o, option), option->choices, text, e);
        }
        __builtin_unreachable();
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
        return set_value(p->options, option, text, e);
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

/* ---- what belongs together ---- */

/* A misspelt kind would step over nothing, and the server would fail on. */
static bool check_ignored(const char *key, struct err *e)
{
        const char *slash = strchr(key, '/');
        if (!slash || !strchr(slash + 1, '/'))
                return err_set(e, "--ignore-object: \"%.80s\" is not KIND/NAMESPACE/NAME", key);
        size_t len = (size_t)(slash - key);
        for (int i = 0; i < KIND_COUNT; i++) {
                const char *kind = kind_info((enum kind)i)->name;
                if (strlen(kind) == len && strncasecmp(kind, key, len) == 0)
                        return true;
        }
        return err_set(e, "--ignore-object: \"%.80s\" is of no kind that is read, such as IngressRoute", key);
}

static bool check_serve(const struct options *o, struct err *e)
{
        const struct serve_options *s = &o->serve;
        if (!s->webhook_cert_file != !s->webhook_key_file)
                return err_set(e, "--webhook-cert-file and --webhook-key-file go together");
        if (!s->webhook_cert_file && !(s->disable & DISABLE_WEBHOOK))
                return err_set(e, "the webhook needs --webhook-cert-file and --webhook-key-file (gatehouse certgen "
                                  "makes them), or --disable webhook");
        if (s->default_ingress_class && !o->policy.ingress_class)
                return err_set(e, "--default-ingress-class needs --ingress-class-name");
        for (size_t i = 0; i < s->ignore_objects.count; i++) {
                if (!check_ignored(s->ignore_objects.items[i], e))
                        return false;
        }
        return true;
}

static bool check_certgen(const struct certgen_options *c, struct err *e)
{
        if ((c->pem != NULL) + c->yaml + c->kube != 1)
                return err_set(e, "exactly one of --pem DIR, --yaml and --kube says where the certificates go");
        if (c->yaml && c->rotate_ca)
                return err_set(e, "--yaml issues anew: there is nothing for --rotate-ca to begin with");
        if (c->certificate_lifetime < DURATION_HOUR)
                return err_set(e, "--certificate-lifetime: at least 1h");
        if (c->ca_lifetime < c->certificate_lifetime)
                return err_set(e, "--ca-lifetime is shorter than --certificate-lifetime");
        if (c->ca_overlap > c->ca_lifetime / 6)
                return err_set(e, "--ca-overlap: at most a sixth of --ca-lifetime, else a rotation never ends");
        return true;
}

static bool check_shutdown(const struct shutdown_options *s, struct err *e)
{
        if (s->check_interval < DURATION_MILLISECOND)
                return err_set(e, "--check-interval: at least 1ms");
        return s->drain_delay <= s->drain_timeout || err_set(e, "--drain-delay is longer than --drain-timeout");
}

/* RFC 1123, section 2.1, as Kubernetes names namespaces: it becomes part of the paths that we ask for. */
static bool check_namespace(const char *name, struct err *e)
{
        size_t n = strlen(name);
        bool fine = n < NAMESPACE_BYTES_MAX && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == n &&
                    name[0] != '-' && name[n - 1] != '-';
        return fine || err_set(e, "--namespace: \"%.80s\" is no name of a namespace", name);
}

static bool check(const struct options *o, struct err *e)
{
        if (!check_namespace(o->kube.namespace, e))
                return false;
        if (o->kube.incluster && o->kube.kubeconfig)
                return err_set(e, "--incluster and --kubeconfig exclude each other");
        switch (o->command) {
        case COMMAND_SERVE:
                return check_serve(o, e);
        case COMMAND_CERTGEN:
                return check_certgen(&o->certgen, e);
        case COMMAND_LINT:
                return o->arguments.count || err_set(e, "gatehouse lint needs files or folders");
        case COMMAND_SHUTDOWN_MANAGER:
                return check_shutdown(&o->shutdown, e);
        case COMMAND_HELP:
        case COMMAND_VERSION:
                return true;
        }
        __builtin_unreachable();
}

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
        return check(p->options, e);
}

struct options *options_parse(enum command command, int argc, char **argv, const char *(*environment)(const char *),
                              struct err *e)
{
        AUTO(options) *o = mem_zalloc(sizeof(*o));
        o->arena = arena_new(4096);
        o->command = command;
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
