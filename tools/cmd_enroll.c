/* SPDX-License-Identifier: Apache-2.0 */
/* iotsafe enroll: becomes iotsafe-enroll, a program of its own because of the libraries
 * that it needs. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "report.h"
#include "tool.h"

#define PROGRAM "iotsafe-enroll"

/* The one that was built or installed with this program. */
static void exec_beside(char **argv)
{
    char path[PATH_MAX + sizeof(PROGRAM)];
    const ssize_t len = readlink("/proc/self/exe", path, PATH_MAX - 1);
    char *slash;

    if (len <= 0)
        return;
    path[len] = '\0';
    slash = strrchr(path, '/');
    if (slash == NULL)
        return;
    memcpy(slash + 1, PROGRAM, sizeof(PROGRAM));
    (void)execv(path, argv);
}

static enum tool_status enroll_run(struct tool *tool, const struct args *args)
{
    char **argv = calloc(args->n_operands + 3, sizeof(*argv));
    char name[] = PROGRAM, json[] = "--json";
    size_t n = 0;

    if (argv == NULL) {
        report_error("enroll: out of memory");
        return TOOL_FAILED;
    }
    argv[n++] = name;
    if (tool->json)
        argv[n++] = json;
    for (size_t i = 0; i < args->n_operands; i++)
        argv[n++] = args->operand[i];
    exec_beside(argv);
    (void)execvp(PROGRAM, argv);
    if (errno == ENOENT)
        report_error("enroll: " PROGRAM " is not installed");
    else
        report_error("enroll: cannot run " PROGRAM ": %s", strerror(errno));
    free(argv);
    return TOOL_FAILED;
}

const struct command command_enroll = {
    .name = "enroll",
    .operands = "METHOD ...",
    .summary = "get a certificate for a key: runs iotsafe-enroll",
    .details = "Runs iotsafe-enroll(1), where it is installed, with all that follows:\n"
               "'iotsafe enroll --help' shows what that is.",
    .operands_min = 0,
    .operands_max = SIZE_MAX,
    .opens_itself = true,
    .passes_on = true,
    .run = enroll_run,
};
