/* SPDX-License-Identifier: Apache-2.0 */
/* What belongs together stays together: who begins a sequence of commands on the one
 * card keeps the turn until it ends. Others wait meanwhile; when they have waited long
 * enough for somebody who does not go on, the sequence is broken off. Knows commands and
 * status words, nothing of queues and sessions. */
#ifndef SOFTSIM_TURNS_H
#define SOFTSIM_TURNS_H

#include "util.h"

#define TURN_IDLE_US 2000000u   /* after the last response of the sequence */
#define TURN_TOTAL_US 30000000u /* after its first command */

enum sequence {
    SEQUENCE_NONE,
    SEQUENCE_RESPONSE, /* part of a response waits for GET RESPONSE */
    SEQUENCE_SIGN,
    SEQUENCE_VERIFY,
    SEQUENCE_PUT,
    SEQUENCE_USE, /* a public key was put and nothing has used it yet */
    SEQUENCE_LIST,
    SEQUENCE_GENERATE, /* a key pair whose public key has not been read yet */
};

/** Somebody who can have the turn. Zero-initialise. */
struct turn_taker {
    unsigned broken_off; /* a bit for each sequence that others have interrupted */
};

struct turns {
    struct turn_taker *holder; /* NULL: nobody */
    enum sequence sequence;
    uint64_t began_us, moved_us;
    uint8_t ins, p1; /* whose response is being fetched */
};

/** True if this one may send a command now. */
bool turns_may(const struct turns *t, const struct turn_taker *who);

/** The holder has got its response: from here on it can be idle. */
void turns_moved(struct turns *t, const struct turn_taker *who, uint64_t now);

/** Microseconds until the turn can be broken off; 0: now. */
uint64_t turns_left_us(const struct turns *t, uint64_t now);

/** The holder has lost the turn; what it sends to go on is late. */
enum sequence turns_break_off(struct turns *t);

/** The turn ends without blame: the holder has gone, or the card was reset. */
void turns_end(struct turns *t);

/** True if the command goes on with a sequence that was broken off. One that begins
 *  anew is not late, and makes later ones be in time. */
bool turns_is_late(struct turn_taker *who, const uint8_t *cmd, size_t len);

/** A command of `who`, which may send, was answered; len 0 of rsp: it was not. */
void turns_answered(struct turns *t, struct turn_taker *who, const uint8_t *cmd, size_t cmd_len,
                    const uint8_t *rsp, size_t rsp_len, uint64_t now);

#endif
