/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: finds the command's row, parses options by it, runs it, and
 * writes the help. What a command does is in cmd_*.c. */
#include <getopt.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"
#include "report.h"
#include "tool.h"

static const struct command *const commands[] = {
    &command_info,   &command_list,      &command_cert,      &command_pubkey,  &command_key_ref,
    &command_file,   &command_random,    &command_keygen,    &command_put_key, &command_sign,
    &command_verify, &command_wait_cert, &command_wait_file, &command_doctor,  &command_conformance,
    &command_report, &command_enroll,
};

/* ---- help ---- */

static void print_row(const char *name, const char *value, const char *text)
{
    int width = printf("  %s%s%s", name, value != NULL ? " " : "", value != NULL ? value : "");

    printf("%*s%s\n", width < 22 ? 22 - width : 2, "", text);
}

static void print_common_options(void)
{
    print_row("--transport", "T",
              "how the SIM is reached: pcsc[:READER], at:DEVICE, socket:ADDRESS");
    print_row("--json", NULL, "print a JSON value instead of text or PEM");
    print_row("--help", NULL, "print this help");
}

static enum tool_status print_help(void)
{
    puts("Usage: iotsafe [--transport T] [--json] COMMAND [ARGUMENT...]\n"
         "\n"
         "Works with the keys, certificates and files in the IoT SAFE applet of a SIM.\n"
         "\n"
         "Commands:");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        print_row(commands[i]->name, commands[i]->operands, commands[i]->summary);
    puts("\nOptions, before or after the command:");
    print_common_options();
    print_row("--version", NULL, "print the version");
    puts("\n"
         "'iotsafe COMMAND --help' tells more. Settings come from the environment, then from\n"
         "the provider's section in openssl.cnf. See iotsafe(1), iotsafe-uri(7),\n"
         "provider-iotsafe(7).");
    return TOOL_OK;
}

static enum tool_status print_command_help(const struct command *command)
{
    printf("Usage: iotsafe %s [OPTION...]%s%s\n\n%s\n\nOptions:\n", command->name,
           command->operands != NULL ? " " : "", command->operands != NULL ? command->operands : "",
           command->details);
    for (const struct command_option *o = command->options; o != NULL && o->name != NULL; o++) {
        char name[32];

        snprintf(name, sizeof(name), "--%s", o->name);
        print_row(name, o->value, o->help);
    }
    print_common_options();
    return TOOL_OK;
}

static enum tool_status print_version(void)
{
    printf("iotsafe %s\n%s\n", IOTSAFE_VERSION, OpenSSL_version(OPENSSL_VERSION));
    return TOOL_OK;
}

/* ---- options ---- */

enum {
    OPTION_TRANSPORT = 256, /* below: the index in the command's table */
    OPTION_JSON,
    OPTION_HELP,
    OPTION_VERSION
};

static const struct option common_options[] = {
    { "transport", required_argument, NULL, OPTION_TRANSPORT },
    { "json", no_argument, NULL, OPTION_JSON },
    { "help", no_argument, NULL, OPTION_HELP },
    { "version", no_argument, NULL, OPTION_VERSION },
};

struct request {
    const struct command *command; /* NULL: none seen yet */
    struct args args;
    bool json, help, version;
};

/* The options that getopt_long() shall know, and the empty one at the end. */
static void collect_options(
    const struct command *command,
    struct option ret[static ARRAY_LEN(common_options) + COMMAND_OPTIONS_MAX + 1])
{
    const struct command_option *own = command != NULL ? command->options : NULL;
    size_t n = 0;

    memset(ret, 0, (ARRAY_LEN(common_options) + COMMAND_OPTIONS_MAX + 1) * sizeof(*ret));
    for (int i = 0; own != NULL && own[i].name != NULL; i++)
        ret[n++] = (struct option){ own[i].name,
                                    own[i].value != NULL ? required_argument : no_argument, NULL,
                                    i };
    memcpy(ret + n, common_options, sizeof(common_options));
}

static void report_bad_option(int code, const char *argument, const struct command *command)
{
    char letter[] = { '-', '\0', '\0' };

    if (code == '?' && optopt > ' ' && optopt < OPTION_TRANSPORT) { /* perhaps one of several */
        letter[1] = (char)optopt;
        argument = letter;
    }
    report_error("%s '%s'; 'iotsafe%s%s --help' shows the options",
                 code == ':' ? "a value is missing after" : "unknown option", argument,
                 command != NULL ? " " : "", command != NULL ? command->name : "");
}

static bool take_option(struct request *request, int code)
{
    switch (code) {
    case OPTION_TRANSPORT:
        request->args.transport = optarg;
        /* before the provider reads its environment */
        if (setenv("IOTSAFE_TRANSPORT", optarg, 1) == 0)
            return true;
        report_error("cannot set the transport: out of memory");
        return false;
    case OPTION_JSON:
        request->json = true;
        return true;
    case OPTION_HELP:
        request->help = true;
        return true;
    case OPTION_VERSION:
        request->version = true;
        return true;
    default:
        request->args.option[code] = optarg != NULL ? optarg : "";
        return true;
    }
}

/* Parses options up to the first operand (`mode` "+:") or all of them (":");
 * operands then stand from `optind` on. False after an error was reported. */
static bool parse_options(struct request *request, const char *mode, int argc, char **argv)
{
    struct option known[ARRAY_LEN(common_options) + COMMAND_OPTIONS_MAX + 1];
    int code;

    collect_options(request->command, known);
    opterr = 0;
    optind = 0; /* start anew, see getopt(3) */
    while ((code = getopt_long(argc, argv, mode, known, NULL)) != -1) {
        if (code == '?' || code == ':') {
            report_bad_option(code, argv[optind - 1], request->command);
            return false;
        }
        if (!take_option(request, code))
            return false;
    }
    return true;
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    report_error("unknown command '%s'; 'iotsafe --help' lists the commands", name);
    return NULL;
}

static bool check_request(const struct request *request)
{
    const struct command *command = request->command;
    size_t n = request->args.n_operands;

    if (n < command->operands_min || n > command->operands_max) {
        report_error("%s: %s; usage: iotsafe %s%s%s", command->name,
                     n < command->operands_min ? "an argument is missing" : "too many arguments",
                     command->name, command->operands != NULL ? " " : "",
                     command->operands != NULL ? command->operands : "");
        return false;
    }
    if (request->json && command->raw_output) {
        report_error("%s: --json does not apply, the output is raw bytes", command->name);
        return false;
    }
    return true;
}

static bool parse_command_line(struct request *request, int argc, char **argv)
{
    if (!parse_options(request, "+:", argc, argv))
        return false;
    if (optind == argc)
        return true;
    if ((request->command = find_command(argv[optind])) == NULL)
        return false;
    argc -= optind;
    argv += optind; /* the command's name stands where the program's did */
    if (request->command->passes_on)
        optind = 1;
    else if (!parse_options(request, ":", argc, argv))
        return false;
    request->args.operand = argv + optind;
    request->args.n_operands = (size_t)(argc - optind);
    return true;
}

/* ---- */

static enum tool_status run(int argc, char **argv)
{
    struct request request = { .command = NULL };
    struct tool tool = { .json = false };
    enum tool_status status = TOOL_FAILED;

    if (!parse_command_line(&request, argc, argv))
        return TOOL_USAGE;
    if (request.version)
        return print_version();
    if (request.help)
        return request.command != NULL ? print_command_help(request.command) : print_help();
    if (request.command == NULL) {
        report_error("a command is missing; 'iotsafe --help' lists the commands");
        return TOOL_USAGE;
    }
    if (!check_request(&request))
        return TOOL_USAGE;
    tool.json = request.json;
    if (request.command->opens_itself || tool_open(&tool))
        status = request.command->run(&tool, &request.args);
    tool_close(&tool);
    return status;
}

int main(int argc, char **argv)
{
    enum tool_status status;

    output_init();
    status = run(argc, argv);
    if (!output_finish() && status == TOOL_OK)
        status = TOOL_FAILED;
    return (int)status;
}
