/* SPDX-License-Identifier: Apache-2.0 */
/* Subcommands of iotsafe-softsim. Each returns the exit status: 0 done, 1 failed,
 * 2 wrong usage. argv[0] is the subcommand's name. */
#ifndef SOFTSIM_CLI_H
#define SOFTSIM_CLI_H

#include "util.h"

enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

int cli_init(int argc, char **argv);
int cli_run(int argc, char **argv);
int cli_info(int argc, char **argv);
int cli_admin(int argc, char **argv);

/** Print "iotsafe-softsim: TEXT" on stderr and return CLI_FAILED. */
int cli_fail(const struct err *err);
/** Print a hint to --help and return CLI_USAGE. */
int cli_usage(const char *subcommand);

#endif
