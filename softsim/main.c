/* SPDX-License-Identifier: Apache-2.0 */
/* iotsafe-softsim: a software SIM with an IoT SAFE applet. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "admin.h"
#include "cli.h"
#include "modem_quirks.h"
#include "profile.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} subcommands[] = {
    { "init", cli_init,
      "init --store DIR [--profile NAME|FILE] [--set NAME=VALUE] [--cn NAME] [--san LIST]\n"
      "       [--key-type p256|brainpool|rsa2048] [--with rsa|brainpool] [--only LABEL]\n"
      "       [--import-key LABEL=PEM] [--force]\n"
      "      make a personalised SIM" },
    { "run", cli_run,
      "run --store DIR [--listen unix:PATH|tcp:127.0.0.1:PORT] [--listen-mode OCTAL]\n"
      "       [--vpcd HOST:PORT] [--at PATH] [--at-set NAME=VALUE] [--at-mode OCTAL]\n"
      "       [--admin unix:PATH] [--latency none|reader|modem|slow]\n"
      "       [--latency-set NAME=VALUE] [--set NAME=VALUE] [--atr HEX] [--log FILE]\n"
      "       [--no-turns]\n"
      "      serve it; --listen, --vpcd, --at and all kinds of set may be repeated" },
    { "admin", cli_admin,
      "admin PATH VERB ...\n"
      "      the operator's side of a running SIM; admin --help lists the verbs" },
    { "info", cli_info,
      "info --store DIR\n"
      "      profile and objects of a store" },
};

int cli_fail(const struct err *err)
{
    fprintf(stderr, "iotsafe-softsim: %s\n", err->text);
    return CLI_FAILED;
}

int cli_usage(const char *subcommand)
{
    fprintf(stderr, "iotsafe-softsim: %s: wrong usage (see iotsafe-softsim --help)\n", subcommand);
    return CLI_USAGE;
}

int cli_admin(int argc, char **argv)
{
    return admin_client(argc - 1, argv + 1);
}

static int print_help(void)
{
    printf("usage: iotsafe-softsim SUBCOMMAND ...\n");
    for (size_t i = 0; i < ARRAY_LEN(subcommands); i++)
        printf("  %s\n", subcommands[i].help);
    printf("  --help, --help-settings, --version\n");
    return CLI_OK;
}

/* Only `admin` has more to say than its usage. */
static bool wants_help(int argc, char **argv)
{
    return argc > 2 && strcmp(argv[2], "--help") == 0 && strcmp(argv[1], "admin") != 0;
}

static int run_subcommand(size_t i, int argc, char **argv)
{
    if (!wants_help(argc, argv))
        return subcommands[i].run(argc - 1, argv + 1);
    printf("usage: iotsafe-softsim %s\n", subcommands[i].help);
    return CLI_OK;
}

static int print_settings(void)
{
    const char *settings;

    printf("Profiles (init --profile NAME) and how they differ from " PROFILE_DEFAULT ":\n");
    for (size_t i = 0; profile_row(i, &settings) != NULL; i++)
        printf("  %-12s %s\n", profile_row(i, &settings), settings);
    printf("\nSettings (--set NAME=VALUE), with their values and [default]:\n");
    profile_print_dimensions(stdout);
    printf("\nQuirks of the modem (--at-set NAME=VALUE), with their values and [default]:\n");
    quirks_print(stdout);
    return CLI_OK;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return cli_usage("no subcommand");
    if (strcmp(argv[1], "--help") == 0)
        return print_help();
    if (strcmp(argv[1], "--help-settings") == 0)
        return print_settings();
    if (strcmp(argv[1], "--version") == 0) {
        printf("iotsafe-softsim %s\n", IOTSAFE_VERSION);
        return CLI_OK;
    }
    for (size_t i = 0; i < ARRAY_LEN(subcommands); i++)
        if (strcmp(argv[1], subcommands[i].name) == 0)
            return run_subcommand(i, argc, argv);
    return cli_usage(argv[1]);
}
