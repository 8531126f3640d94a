/* SPDX-License-Identifier: Apache-2.0 */
/* iotsafe file: the bytes of a file object, a certificate's too. */
#include <stdlib.h>
#include <unistd.h>

#include "file.h"
#include "output.h"
#include "report.h"
#include "tool.h"

enum { OPTION_SIM };

static const struct command_option options[] = {
    [OPTION_SIM] = COMMAND_OPTION_SIM,
    { .name = NULL },
};

static enum tool_status print_file(const uint8_t *data, size_t len)
{
    if (isatty(STDOUT_FILENO) && !text_is_harmless(data, len)) {
        report_error("file: this file is not text, and its %zu raw bytes are not written to a "
                     "terminal; redirect the output, or pipe it to xxd",
                     len);
        return TOOL_USAGE;
    }
    output_bytes(data, len);
    return TOOL_OK;
}

static enum tool_status file_run(struct tool *tool, const struct args *args)
{
    struct iotsafe_uri uri = { .type = IOTSAFE_URI_ANY };
    struct iotsafe_op op = tool_op_begin(tool);
    enum tool_status status = TOOL_FAILED;
    struct iotsafe_card *card;
    uint8_t *data = NULL;
    enum iotsafe_err err;
    size_t len = 0;

    if (!file_from_operand("file", args->operand[0], args->option[OPTION_SIM], &uri))
        return TOOL_USAGE;
    card = tool_card(tool, uri.sim);
    if (card == NULL)
        return TOOL_FAILED;
    err = file_read(card, &uri, &data, &len, &op);
    if (err == IOTSAFE_OK)
        status = print_file(data, len);
    else
        report_library(NULL, err, &op);
    free(data);
    iotsafe_card_free(card);
    return status;
}

const struct command command_file = {
    .name = "file",
    .operands = "URI|ID",
    .summary = "write the bytes of a file on the SIM",
    .details = "Writes the content of the file that the URI or the identifier (hex digits) names\n"
               "to standard output, as it is. To a terminal only text is written.",
    .operands_min = 1,
    .operands_max = 1,
    .raw_output = true,
    .options = options,
    .run = file_run,
};
