/* SPDX-License-Identifier: Apache-2.0 */
/* Modems behind a library that needs GLib: what mbim: and qmi: share. Both own
 * channel and SELECT; the session is the channel's number in decimal digits. */
#ifndef BRIDGE_MODEM_H
#define BRIDGE_MODEM_H

#include "transport.h"

extern const struct transport_ops transport_mbim;
extern const struct transport_ops transport_qmi;

/** What stands behind the scheme: /dev/NAME?proxy=yes|no&slot=N */
struct modem_address {
    char path[100];
    bool proxy;    /* share the device with ModemManager; default */
    unsigned slot; /* of the SIM, from 1; qmi only */
};

/** @param scheme  for the message
 *  @param slots   whether `slot` is allowed */
bool modem_address_parse(const char *scheme, bool slots, const char *address,
                         struct modem_address *ret, struct iotsafe_op *op);

/** A channel's number as session text, and back; 0: it is none. */
void modem_session_format(unsigned channel, char ret_session[static SESSION_TEXT_MAX]);
unsigned modem_session_parse(const char *session);

/** The class byte of a command with a channel in it. A modem that makes the
 *  class byte itself arrives at the same; one that does not needs it. */
uint8_t modem_class(uint8_t cla, unsigned channel);

#endif
