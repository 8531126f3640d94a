/* SPDX-License-Identifier: Apache-2.0 */
/* AT commands over a serial line: lines in and out, final result codes, the
 * hex field of +CSIM and +CGLA. Knows nothing of what the hex means.
 * Source: ITU-T V.250, 3GPP TS 27.007 clauses 8.17, 8.43, 8.45, 8.46, 9.2. */
#ifndef APPLET_IO_AT_H
#define APPLET_IO_AT_H

#include <termios.h>

#include "util.h"

#define AT_LINE_MAX 8448 /* characters; an answer of 4098 bytes in hex and its frame */

/** The kind of a line from the modem, regardless of the command. */
enum at_line {
    AT_LINE_OTHER = 0, /* unsolicited, an echo, an answer to something else */
    AT_LINE_OK,
    AT_LINE_ERROR,  /* ERROR, +CME ERROR, +CMS ERROR, NO CARRIER ... */
    AT_LINE_RESTART /* the modem or its SIM has just started */
};

/** Why a command failed. */
enum at_failure {
    AT_FAIL_NONE = 0,
    AT_FAIL_PLAIN = -1,  /* ERROR without a reason */
    AT_FAIL_UNNAMED = -2 /* a text that the table does not know */
    /* > 0: number of +CME ERROR, also for its known texts; 0 (phone failure) is AT_FAIL_PHONE */
};
#define AT_FAIL_PHONE 1000

/** Classify a line.
 *  @param ret_failure  one of the values above for AT_LINE_ERROR; else untouched */
enum at_line at_classify(const char *line, int *ret_failure);

/** What a +CME ERROR number means; for people. Static storage. */
const char *at_failure_text(int failure);

/** The same as an error; IOTSAFE_ERR_CARD where one more try is worth it, more are not. */
enum iotsafe_err at_failure_error(int failure);

/** True if the modem may mean by it that it does not like how the command is written. */
bool at_failure_is_syntax(int failure);

/**
 * Take the bytes out of `PREFIX: <length>,"<hex>"` - quotes, spaces and case as
 * they come. A length that is not that of the text shows that a character is missing or
 * too many.
 * @param prefix  "+CSIM" or "+CGLA"
 * @param ret_cut_at  bytes after which the text ends early, as where a modem's buffer ends;
 *                    0: it does not; written always
 * @return bytes, or -1 if this is no such line, -2 if it is one but damaged
 */
int at_parse_apdu(const char *line, const char *prefix, uint8_t *ret_bytes, size_t cap,
                  size_t *ret_cut_at);

/** Write the command for an APDU: +CGLA in the session `id`, or +CSIM if that is NULL.
 *  @param cap  at least 2 * len + 48 */
void at_format_apdu(char *ret_text, size_t cap, const char *id, const uint8_t *apdu, size_t len);

/** Take the session out of the answer to +CCHO, with its prefix or without; false if there
 *  is none. */
bool at_parse_session(const char *line, char *ret_id, size_t cap);

/** Bytes from the line, cut into lines. */
struct at_port {
    int fd; /* -1: closed; the owner closes it */
    char line[AT_LINE_MAX + 1];
    size_t len;           /* characters of the line so far */
    bool overlong;        /* the line is being thrown away */
    uint8_t pending[256]; /* read from fd, not yet looked at */
    size_t n_pending, at;
    bool heard;           /* something was read since the port was opened */
    bool response_passed; /* at_synchronise() has thrown a response of the card away */
    bool restarted;       /* a line reported that the modem or SIM has restarted */
    bool no_late_line;    /* set by the owner: nothing is waited for behind OK */
};

void at_port_init(struct at_port *port, int fd);

/**
 * Begin to use the port, with its lock held: raw, no modem control, and marked as in
 * use. The mark lives in the terminal itself, where every process sees it: one that
 * dies, or gives up, with an answer still owed leaves it behind.
 * @param ret_interrupted  true if the last user left so: at_synchronise() is due
 * @return false with errno set
 */
bool at_port_begin(struct at_port *port, speed_t speed, bool *ret_interrupted);

/** End the use, before the lock is given back: take the mark away. Not to be called
 *  while an answer is owed. */
void at_port_end(struct at_port *port);

/** Throw away what has come since the last command, without waiting; `restarted` is set
 *  if a restart was among it.
 *  @return true if an answer was among it: we are out of step */
bool at_port_skim(struct at_port *port);

/** Wipe what was read and looked at: it may have been a secret. */
void at_port_wipe(struct at_port *port);

/**
 * Send a command and wait for its final result code.
 *
 * @param command   without the CR; NULL sends nothing and only waits
 * @param prefix    of the information line wanted ("+CSIM"), or NULL for none;
 *                  the one before the result code is taken, or the first one soon
 *                  after it
 * @param ret_line  AT_LINE_MAX + 1 characters; the information line, "" for none;
 *                  for prefix "+CCHO" a bare value counts as well
 * @param ret_failure  why, when the result is IOTSAFE_ERR_CARD; may not be NULL
 * @retval IOTSAFE_ERR_TIMEOUT    no result code; the line is out of step
 * @retval IOTSAFE_ERR_TRANSPORT  the device is gone
 * @retval IOTSAFE_ERR_CARD       the modem refused; see ret_failure
 * @retval IOTSAFE_ERR_DAMAGED   two such lines that differ: one is not an answer to this
 */
IOTSAFE_NODISCARD enum iotsafe_err at_command(struct at_port *port, const char *command,
                                              const char *prefix, char *ret_line, int *ret_failure,
                                              deadline_t deadline);

/**
 * Get into step with the modem: let late answers run out, then AT until it is
 * answered by OK and nothing else; then at_set_up(). `response_passed` tells whether a
 * response of the card was among what ran out.
 * @param doubtful  an answer may still be owed: one OK does not tell whose it is
 */
IOTSAFE_NODISCARD enum iotsafe_err at_synchronise(struct at_port *port, bool doubtful,
                                                  deadline_t deadline);

/** Echo off, numeric errors; in step. */
IOTSAFE_NODISCARD enum iotsafe_err at_set_up(struct at_port *port, deadline_t deadline);

#endif
