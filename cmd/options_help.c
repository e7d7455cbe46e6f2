/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/options_table.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { FLAG_COLUMN = 40, LINE_WIDTH = 110, FLAG_TEXT_MAX = 96, HELP_TEXT_MAX = 1024 };

/* "webhook-port PORT", "log-format json|text", "kube". */
static void flag_text(const struct option *o, char out[FLAG_TEXT_MAX])
{
        const char *value = o->value ? o->value : o->choices;
        const char *more = o->type == OPTION_SET ? ",..." : "";
        snprintf(out, FLAG_TEXT_MAX, "--%s%s%s%s", o->name, value ? " " : "", value ? value : "", more);
}

/* Words of text, wrapped at LINE_WIDTH, from column FLAG_COLUMN on. */
static void wrap(struct buf *out, const char *text)
{
        size_t column = FLAG_COLUMN;
        while (*text) {
                size_t n = strcspn(text, " ");
                if (column + 1 + n > LINE_WIDTH) {
                        buf_printf(out, "\n%*s", FLAG_COLUMN, "");
                        column = FLAG_COLUMN;
                }
                buf_printf(out, "%s%.*s", column == FLAG_COLUMN ? "" : " ", (int)n, text);
                column += n + 1;
                text += n + (text[n] == ' ');
        }
        buf_append_char(out, '\n');
}

/* What it means, with its other names. */
static char *help_text(const struct option *o)
{
        AUTO(buf) *text = buf_new(HELP_TEXT_MAX);
        buf_append_str(text, o->help);
        for (size_t i = 0; i < option_alias_count; i++) {
                if (option_aliases[i].commands & o->commands && str_equal(option_aliases[i].option, o->name))
                        buf_printf(text, "; also --%s", option_aliases[i].name);
        }
        return buf_take_str(text);
}

static void describe(struct buf *out, const struct option *o)
{
        char flag[FLAG_TEXT_MAX];
        flag_text(o, flag);
        char letter[5] = "    ";
        if (o->letter)
                snprintf(letter, sizeof(letter), "-%c, ", o->letter);
        if (strlen(flag) > FLAG_COLUMN - 8)
                buf_printf(out, "  %s%s\n%*s", letter, flag, FLAG_COLUMN, "");
        else
                buf_printf(out, "  %s%-*s", letter, FLAG_COLUMN - 6, flag);
        AUTO_STR *help = help_text(o);
        AUTO_STR *text = o->fallback ? mem_printf("%s (default %s)", help, o->fallback) : mem_strdup(help);
        wrap(out, text);
}

void options_help(struct buf *out, enum command command)
{
        const struct command_row *row = &command_table[command];
        buf_printf(out, "gatehouse %s - %s\n\nUsage: gatehouse %s [flags]%s%s\n\nFlags:\n", row->name, row->summary,
                   row->name, *row->arguments ? " " : "", row->arguments);
        for (size_t i = 0; i < option_table_count; i++) {
                if (option_table[i].commands & 1U << command)
                        describe(out, &option_table[i]);
        }
        buf_printf(out, "  -h, %-*s", FLAG_COLUMN - 6, "--help");
        wrap(out, "this help");
        if (command == COMMAND_HELP || command == COMMAND_VERSION)
                return;
        buf_append_str(out, "\nA flag --some-name is also read from the environment as GATEHOUSE_SOME_NAME and from "
                            "the file as\nsome-name. Flags override the environment, which overrides the file.\n");
}

void options_overview(struct buf *out)
{
        buf_append_str(out, "gatehouse - the gate in front of a Kubernetes cluster's HTTP ingress\n\n"
                            "Usage: gatehouse COMMAND [flags]\n\nCommands:\n");
        for (int i = 0; i < COMMAND_COUNT; i++)
                buf_printf(out, "  %-16s %s\n", command_table[i].name, command_table[i].summary);
        buf_append_str(out, "\ngatehouse COMMAND --help lists the flags. Exit code: 0 fine, 1 findings or failure, "
                            "2 usage.\n");
}

static void append_cell(struct buf *out, const char *text)
{
        for (; *text; text++)
                buf_printf(out, "%s%c", *text == '|' ? "\\" : "", *text);
}

static void markdown_row(struct buf *out, const struct option *o)
{
        char flag[FLAG_TEXT_MAX];
        flag_text(o, flag);
        char letter[8] = "";
        if (o->letter)
                snprintf(letter, sizeof(letter), "`-%c`, ", o->letter);
        buf_printf(out, "| %s`", letter);
        append_cell(out, flag);
        buf_append_str(out, "` | ");
        if (o->fallback)
                buf_printf(out, "`%s`", o->fallback);
        buf_append_str(out, " | ");
        AUTO_STR *help = help_text(o);
        append_cell(out, help);
        buf_append_str(out, " |\n");
}

static bool has_options(enum command command)
{
        for (size_t i = 0; i < option_table_count; i++) {
                if (option_table[i].commands & 1U << command)
                        return true;
        }
        return false;
}

void options_markdown(struct buf *out)
{
        buf_append_str(out, "<!-- written by: gatehouse help --markdown -->\n# Commands and flags\n\n"
                            "A flag `--some-name` is also read from the environment as `GATEHOUSE_SOME_NAME` and from "
                            "the file of `--config-path` as `some-name`. Flags override the environment, which "
                            "overrides the file. Exit code: 0 fine, 1 findings or failure, 2 usage.\n");
        for (int c = 0; c < COMMAND_COUNT; c++) {
                const struct command_row *row = &command_table[c];
                buf_printf(out, "\n## gatehouse %s%s%s\n\n%c%s.\n", row->name, *row->arguments ? " " : "",
                           row->arguments, toupper((unsigned char)row->summary[0]), row->summary + 1);
                if (!has_options((enum command)c))
                        continue;
                buf_append_str(out, "\n| flag | default | meaning |\n|---|---|---|\n");
                for (size_t i = 0; i < option_table_count; i++) {
                        if (option_table[i].commands & 1U << c)
                                markdown_row(out, &option_table[i]);
                }
        }
}
