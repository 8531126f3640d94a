/* SPDX-License-Identifier: Apache-2.0 */
/* A modem that plays a script on a pseudo-terminal: it waits for command lines
 * and writes given text, byte for byte, so that a test sees the whole line. */
#ifndef PTY_MODEM_H
#define PTY_MODEM_H

#include <stddef.h>

/** One command line (without its CR) and all the text that follows it. A
 *  command of "*" takes any other line. Commands of at_synchronise() - AT, ATE0, ATV1,
 *  AT+CMEE=1, empty lines - are answered with OK beside the script. In `answer`
 *  "\x01" pauses 30 ms and "\x02" 400 ms, so that text comes in pieces. */
struct modem_step {
    const char *command;
    const char *answer;
};

struct pty_modem;

struct pty_modem *pty_modem_start(const struct modem_step *script, size_t n);

/** Path of the port for the client; lives as long as the modem. */
const char *pty_modem_path(const struct pty_modem *m);

/** @return what went wrong, "" for a script played to its end; static storage */
const char *pty_modem_stop(struct pty_modem *m);

#endif
