/* SPDX-License-Identifier: Apache-2.0 */
/* +CCHO, +CGLA, +CCHC (3GPP TS 27.007 clauses 8.43, 8.45, 8.46): the modem owns the channel
 * and selects the applet. Who puts the channel into the class byte is found out above. */
#include <stdio.h>

#include "at_modem.h"

static enum iotsafe_err cgla_transmit(struct at_modem *m, const struct transmission *tx,
                                      size_t *ret_len, struct iotsafe_op *op)
{
    return at_modem_transmit(m, tx->session, tx, ret_len, op);
}

static enum iotsafe_err cgla_open_channel(struct at_modem *m, const uint8_t *aid, size_t aid_len,
                                          deadline_t deadline,
                                          char ret_session[static SESSION_TEXT_MAX],
                                          struct iotsafe_op *op)
{
    char text[64], line[AT_LINE_MAX + 1];
    enum iotsafe_err err;
    int failure;
    int n = snprintf(text, sizeof(text), "AT+CCHO=\"");

    hex_encode(aid, aid_len, text + n);
    strcat(text, "\"");
    err = at_modem_command(m, text, "+CCHO", line, &failure, deadline, op);
    if (err == IOTSAFE_ERR_CARD) {
        err = at_failure_error(failure);
        op_add(op, " (AT+CCHO)");
        /* modems have no word for an AID that is not there */
        return err == IOTSAFE_ERR_CARD || err == IOTSAFE_ERR_UNSUPPORTED ? IOTSAFE_ERR_NO_APPLET
                                                                         : err;
    }
    if (err == IOTSAFE_OK && !at_parse_session(line, ret_session, SESSION_TEXT_MAX)) {
        op_set(op, "%s: AT+CCHO answered no session (\"%.40s\")", m->device, line);
        m->step = AT_STEP_UNKNOWN;
        err = IOTSAFE_ERR_DAMAGED;
    }
    return err;
}

static void cgla_close_channel(struct at_modem *m, const char *session, deadline_t deadline)
{
    char text[64], line[AT_LINE_MAX + 1];
    enum iotsafe_err err;
    int failure;

    (void)snprintf(text, sizeof(text), "AT+CCHC=%s", session);
    err = at_modem_command(m, text, NULL, line, &failure, deadline, NULL);
    (void)err; /* some modems lack it */
}

const struct at_family at_cgla = {
    .word = "cgla",
    .opens_channels = true,
    .transmit = cgla_transmit,
    .open_channel = cgla_open_channel,
    .close_channel = cgla_close_channel,
};
