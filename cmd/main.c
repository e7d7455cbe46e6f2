/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_USAGE = 2, HELP_BYTES_MAX = 256 * 1024 };

static int help_run(const struct options *o);

static int (*const runs[COMMAND_COUNT])(const struct options *o) = {
        [COMMAND_CERTGEN] = certgen_run,
        [COMMAND_VERSION] = version_run,
        [COMMAND_HELP] = help_run,
};

static int complain(const struct err *e)
{
        fprintf(stderr, "gatehouse: %s\n", e->text);
        return EXIT_USAGE;
}

static int print(const struct buf *text)
{
        return fwrite(buf_data(text), 1, buf_len(text), stdout) != buf_len(text) || fflush(stdout) != 0;
}

static int print_help(enum command command)
{
        AUTO(buf) *text = buf_new(HELP_BYTES_MAX);
        options_help(text, command);
        return print(text);
}

static int print_overview(void)
{
        AUTO(buf) *text = buf_new(HELP_BYTES_MAX);
        options_overview(text);
        return print(text);
}

static int help_run(const struct options *o)
{
        if (o->markdown) {
                AUTO(buf) *text = buf_new(HELP_BYTES_MAX);
                options_markdown(text);
                return print(text);
        }
        if (!o->arguments.count)
                return print_overview();
        enum command command;
        struct err e = {0};
        return options_find_command(o->arguments.items[0], &command, &e) ? print_help(command) : complain(&e);
}

static const char *environment(const char *name)
{
        return getenv(name);
}

int main(int argc, char **argv)
{
        struct err e = {0};
        if (argc < 2) {
                err_set(&e, "which command? See gatehouse help");
                return complain(&e);
        }
        const char *name = argv[1];
        if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
                name = "help";
        if (strcmp(name, "--version") == 0)
                name = "version";
        enum command command;
        if (!options_find_command(name, &command, &e))
                return complain(&e);
        AUTO(options) *o = options_parse(command, argc - 2, argv + 2, environment, &e);
        if (!o)
                return complain(&e);
        return o->help ? print_help(command) : runs[command](o);
}
