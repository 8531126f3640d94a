/* SPDX-License-Identifier: Apache-2.0 */
/* Front ends: ways for the outside to reach the card. Each adds itself to the sim and
 * is stopped with it. A new kind needs one function like these and a row in main.c. */
#ifndef SOFTSIM_FRONT_H
#define SOFTSIM_FRONT_H

#include "modem_quirks.h"
#include "sim.h"

/**
 * Serve framed APDUs on "unix:PATH" or "tcp:127.0.0.1:PORT". One connection is one
 * client with channels of its own; they are freed when it ends. While the card is
 * out, connections are closed as they come.
 *
 * @param mode      permissions of a unix socket's file
 * @param ret_where what it listens on, for the user ("tcp:127.0.0.1:4711")
 */
bool front_socket_open(struct sim *sim, const char *spec, unsigned mode, char ret_where[static 160],
                       struct err *err);

/**
 * Be the card in a vpcd reader: connect to its port, again and again while nobody listens
 * there. Power and reset commands of the reader reset the card as this reader sees it.
 */
bool front_vpcd_open(struct sim *sim, const char *spec, char ret_where[static 160],
                     struct err *err);

/**
 * Be the SIM in a modem whose AT port is `path`: a symbolic link to a pty, made here and
 * removed at the end. A link to a pty that is there already is replaced, anything else
 * is an error.
 *
 * @param mode  permissions of the pty
 */
bool front_at_open(struct sim *sim, const char *path, unsigned mode, const struct quirks *quirks,
                   char ret_where[static 160], struct err *err);

#endif
