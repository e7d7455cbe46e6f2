/* SPDX-License-Identifier: Apache-2.0 */
/*
 * commands - what main() dispatches to: one function per subcommand, each in the file of its name.
 *
 * Each returns the exit code: 0 fine, 1 findings or failure, 2 usage. Problems go to stderr, results to stdout.
 */
#pragma once

#include "cmd/options.h"

int serve_run(const struct options *o);
int lint_run(const struct options *o);
int cli_run(const struct options *o);
int explain_run(const struct options *o);
int tree_run(const struct options *o);
int certgen_run(const struct options *o);
int bootstrap_run(const struct options *o);
int shutdown_manager_run(const struct options *o);
int version_run(const struct options *o);
int help_run(const struct options *o);
/* What `gatehouse COMMAND --help` prints. */
int help_print_command(enum command command);
