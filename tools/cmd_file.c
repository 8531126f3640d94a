/* SPDX-License-Identifier: Apache-2.0 */
/* iotsafe file: the bytes of a file object, a certificate's too. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "output.h"
#include "report.h"
#include "tool.h"

enum { OPTION_SIM };

static const struct command_option options[] = {
    [OPTION_SIM] = COMMAND_OPTION_SIM,
    { .name = NULL },
};

/* A bare identifier is short for iotsafe://id=IDENTIFIER. */
static bool parse_operand(const char *text, struct iotsafe_uri *ret_uri)
{
    char uri[IOTSAFE_URI_MAX];

    if (iotsafe_uri_is_ours(text))
        return uri_from_operand(text, ret_uri);
    if (snprintf(uri, sizeof(uri), "iotsafe://id=%s", text) < (int)sizeof(uri)
        && iotsafe_uri_parse(uri, ret_uri, NULL) == IOTSAFE_OK)
        return true;
    report_error("file: '%s' is neither a URI nor an identifier in hex digits; a label stands in "
                 "a URI: 'iotsafe://label=...'",
                 text);
    return false;
}

static bool check_operand(const char *text, const char *sim, struct iotsafe_uri *uri)
{
    if (!parse_operand(text, uri))
        return false;
    if (uri->type == IOTSAFE_URI_PRIVATE || uri->type == IOTSAFE_URI_PUBLIC) {
        report_error("file: %s names a key; a file has no type or type=cert", text);
        return false;
    }
    if (uri->name.id_len == 0 && uri->name.label_len == 0) {
        report_error("file: %s names no file; give an id or a label", text);
        return false;
    }
    if (sim != NULL && uri->sim[0] != '\0') {
        report_error("file: the SIM is named twice, in the URI and by --sim");
        return false;
    }
    return true;
}

static enum tool_status print_file(const uint8_t *data, size_t len)
{
    if (isatty(STDOUT_FILENO) && !text_is_harmless(data, len)) {
        report_error("file: this file is no text, %zu raw bytes are not written to a terminal; "
                     "redirect the output, or pipe it to xxd",
                     len);
        return TOOL_USAGE;
    }
    output_bytes(data, len);
    return TOOL_OK;
}

static enum tool_status file_run(struct tool *tool, const struct args *args)
{
    const char *sim = args->option[OPTION_SIM];
    struct iotsafe_uri uri = { .type = IOTSAFE_URI_ANY };
    struct iotsafe_object object = { .kind = IOTSAFE_FILE };
    struct iotsafe_op op = tool_op_begin(tool);
    enum tool_status status = TOOL_FAILED;
    struct iotsafe_card *card;
    uint8_t *data = NULL;
    enum iotsafe_err err;
    size_t len = 0;

    if (!check_operand(args->operand[0], sim, &uri))
        return TOOL_USAGE;
    card = tool_card(tool, sim != NULL ? sim : uri.sim);
    if (card == NULL)
        return TOOL_FAILED;
    err = iotsafe_find(card, IOTSAFE_FILE, &uri.name, &object, &op);
    if (err == IOTSAFE_OK)
        err = iotsafe_read_file(card, &object.name, IOTSAFE_WHOLE, object.file_size, &data, &len,
                                &op);
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
