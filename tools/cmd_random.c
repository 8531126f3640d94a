/* SPDX-License-Identifier: Apache-2.0 */
/* iotsafe random: bytes from the SIM's random generator. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "output.h"
#include "report.h"
#include "tool.h"

#define RANDOM_MAX 1048576 /* minutes of a slow SIM's time */
#define PIECE_SIZE 1024    /* asked for at once: each piece has a deadline of its own */

enum { OPTION_SIM };

static const struct command_option options[] = {
    [OPTION_SIM] = COMMAND_OPTION_SIM,
    { .name = NULL },
};

/* 0 after an error was reported. */
static size_t parse_count(const char *text)
{
    char *end = NULL;
    unsigned long n = 0;

    errno = 0;
    if (text[0] >= '0' && text[0] <= '9')
        n = strtoul(text, &end, 10);
    if (end != NULL && *end == '\0' && errno == 0 && n >= 1 && n <= RANDOM_MAX)
        return n;
    report_error("random: '%s' is not a number of bytes from 1 to %d", text, RANDOM_MAX);
    return 0;
}

/* An operation a piece: how long all of them take depends on N. */
static bool fill(const struct tool *tool, struct iotsafe_card *card, uint8_t *bytes, size_t n)
{
    for (size_t done = 0; done < n;) {
        size_t piece = n - done < PIECE_SIZE ? n - done : PIECE_SIZE;
        struct iotsafe_op op = tool_op_begin(tool);
        enum iotsafe_err err = iotsafe_random(card, bytes + done, piece, &op);

        if (err != IOTSAFE_OK) {
            report_library(NULL, err, &op);
            return false;
        }
        done += piece;
    }
    return true;
}

static enum tool_status random_run(struct tool *tool, const struct args *args)
{
    size_t n = parse_count(args->operand[0]);
    enum tool_status status = TOOL_FAILED;
    struct iotsafe_card *card;
    uint8_t *bytes;

    if (n == 0)
        return TOOL_USAGE;
    if (isatty(STDOUT_FILENO)) {
        report_error("random: raw bytes are not written to a terminal; redirect the output, "
                     "or pipe it to xxd");
        return TOOL_USAGE;
    }
    card = tool_card(tool, args->option[OPTION_SIM]);
    bytes = OPENSSL_malloc(n);
    if (card != NULL && bytes == NULL)
        report_error("random: out of memory");
    if (card != NULL && bytes != NULL && fill(tool, card, bytes, n)) {
        setvbuf(stdout, NULL, _IONBF, 0); /* stdio keeps no copy */
        output_bytes(bytes, n);
        status = TOOL_OK;
    }
    OPENSSL_clear_free(bytes, n);
    iotsafe_card_free(card);
    return status;
}

const struct command command_random = {
    .name = "random",
    .operands = "N",
    .summary = "write N random bytes from the SIM",
    .details = "Writes N bytes (1 to 1048576) of the SIM's random generator to standard output,\n"
               "raw; not to a terminal. Do not let them be the only source of entropy.",
    .operands_min = 1,
    .operands_max = 1,
    .raw_output = true,
    .options = options,
    .run = random_run,
};
