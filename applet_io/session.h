/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions of COMPUTE SIGNATURE, VERIFY SIGNATURE and PUT PUBLIC KEY: opened by
 * the command's INIT, ended by its last UPDATE or by hand (IoT.05; which of
 * both is an applet's quirk, learned once). One session at a time is open. */
#ifndef APPLET_IO_SESSION_H
#define APPLET_IO_SESSION_H

#include "card.h"

struct session {
    uint8_t ins_init; /* the INIT instruction; UPDATE is the next one but for PUT */
    uint8_t number;   /* P2 of each command */
};

/** True for a status word of INIT that a session in the way explains: one that somebody
 *  left open, or that this applet does not close itself. */
bool session_in_the_way(uint16_t sw);

/**
 * INIT. A session in the way - left open by a process that died, or finished
 * but not closed on an applet that wants that - is closed and INIT repeated;
 * another number is tried where this one does not exist.
 *
 * @param data    of the INIT command, data_len bytes
 * @param ret_sw  the last status word, 0 if none came; written always
 */
IOTSAFE_NODISCARD enum iotsafe_err session_begin(const struct card_use *use, uint8_t ins_init,
                                                 const uint8_t *data, size_t data_len,
                                                 struct session *ret_session, uint16_t *ret_sw);

/**
 * One UPDATE.
 * @param last  the last block: the answer is in rsp
 */
IOTSAFE_NODISCARD enum iotsafe_err session_update(const struct card_use *use,
                                                  const struct session *session, bool last,
                                                  const uint8_t *data, size_t data_len, size_t ne,
                                                  struct apdu_rsp *rsp);

/** After the last UPDATE, or after a failure: close the session where that is
 *  needed. Does nothing where the card no longer answers. */
void session_end(const struct card_use *use, const struct session *session, enum iotsafe_err err);

/** True if the card still talks to us after this error, and no rest of an answer lies
 *  between us: a further command would get what belongs to the last. */
bool session_can_close(enum iotsafe_err err);

/** Close in any case; whatever the card says. */
void session_close(const struct card_use *use, const struct session *session);

#endif
