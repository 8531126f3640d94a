/* SPDX-License-Identifier: Apache-2.0 */
/* see file.h */
#include "file.h"

#include <stdio.h>

#include "report.h"

static bool parse_operand(const char *command, const char *text, struct iotsafe_uri *ret_uri)
{
    char uri[IOTSAFE_URI_MAX];

    if (iotsafe_uri_is_ours(text))
        return uri_from_operand(text, ret_uri);
    if (snprintf(uri, sizeof(uri), "iotsafe://id=%s", text) < (int)sizeof(uri)
        && iotsafe_uri_parse(uri, ret_uri, NULL) == IOTSAFE_OK)
        return true;
    report_error("%s: '%s' is neither a URI nor an identifier in hex digits; a label stands in "
                 "a URI: 'iotsafe://label=...'",
                 command, text);
    return false;
}

bool file_from_operand(const char *command, const char *text, const char *sim,
                       struct iotsafe_uri *ret_uri)
{
    if (!parse_operand(command, text, ret_uri))
        return false;
    if (ret_uri->type == IOTSAFE_URI_PRIVATE || ret_uri->type == IOTSAFE_URI_PUBLIC) {
        report_error("%s: %s names a key; a file has no type or type=cert", command, text);
        return false;
    }
    if (ret_uri->name.id_len == 0 && ret_uri->name.label_len == 0) {
        report_error("%s: %s names no file; give an id or a label", command, text);
        return false;
    }
    if (sim != NULL && ret_uri->sim[0] != '\0') {
        report_error("%s: the SIM is named twice, in the URI and with --sim", command);
        return false;
    }
    if (sim != NULL
        && snprintf(ret_uri->sim, sizeof(ret_uri->sim), "%s", sim) >= (int)sizeof(ret_uri->sim)) {
        report_error("%s: no SIM has a name of more than %zu bytes", command,
                     sizeof(ret_uri->sim) - 1);
        return false;
    }
    return true;
}

enum iotsafe_err file_read(struct iotsafe_card *card, const struct iotsafe_uri *uri,
                           uint8_t **ret_data, size_t *ret_len, struct iotsafe_op *op)
{
    struct iotsafe_object object = { .kind = IOTSAFE_FILE };
    enum iotsafe_err err = iotsafe_find(card, IOTSAFE_FILE, &uri->name, &object, op);

    if (err == IOTSAFE_ERR_UNSUPPORTED) /* no GET DATA: the file itself says where it ends */
        object.name = uri->name;
    else if (err != IOTSAFE_OK)
        return err;
    return iotsafe_read_file(card, &object.name, IOTSAFE_WHOLE, object.file_size, ret_data, ret_len,
                             op);
}
