/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_USAGE = 2 };

static int (*const runs[COMMAND_COUNT])(const struct options *o) = {
        [COMMAND_SERVE] = serve_run,
        [COMMAND_CERTGEN] = certgen_run,
        [COMMAND_BOOTSTRAP] = bootstrap_run,
        [COMMAND_LINT] = lint_run,
        [COMMAND_EXPLAIN] = explain_run,
        [COMMAND_TREE] = tree_run,
        [COMMAND_CLI] = cli_run,
        [COMMAND_SHUTDOWN_MANAGER] = shutdown_manager_run,
        [COMMAND_VERSION] = version_run,
        [COMMAND_HELP] = help_run,
};

static int complain(const struct err *e)
{
        fprintf(stderr, "gatehouse: %s\n", e->text);
        return EXIT_USAGE;
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
        return o->help ? help_print_command(command) : runs[command](o);
}
