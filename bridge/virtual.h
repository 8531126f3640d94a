/* SPDX-License-Identifier: Apache-2.0 */
/* The card as one client sees it: its logical channels, which of them have the
 * applet selected, the rest of an answer that waits for GET RESPONSE, and what it
 * has under way. Decides what can be answered without the card.
 * No I/O. */
#ifndef BRIDGE_VIRTUAL_H
#define BRIDGE_VIRTUAL_H

#include "channel.h"
#include "sequence.h"

#define VIRTUAL_CHANNELS 4 /* the basic one, which nobody gets, and three */

struct virtual_card {
    struct {
        bool open, selected;
        bool given_up;  /* 6881 was given on it: its client takes another, perhaps */
        struct aid aid; /* as the client selected it */
    } channels[VIRTUAL_CHANNELS];
    uint8_t *waiting; /* owned; the rest of an answer, or NULL */
    size_t waiting_len, waiting_at;
    uint16_t waiting_sw; /* comes with its last byte */
    uint8_t waiting_channel;
    struct sequences sequences;
};

/** What a client gets: data and status word. */
struct reply {
    uint8_t bytes[APDU_RSP_MAX];
    size_t len;
};

/** Wipe and free what is inside; the card is then as a new one. */
void virtual_clear(struct virtual_card *v);

/**
 * Answer a command if the card is not needed for that.
 *
 * @param applet  the AID that the bridge has selected; length 0 if it has none yet
 * @return true: *ret is written; false: the card must be asked
 */
bool virtual_answer(struct virtual_card *v, const struct command *cmd, const struct aid *applet,
                    struct reply *ret);

/** True if `wanted` selects the application `has`: equal, or its first bytes. */
bool virtual_selects(const struct aid *wanted, const struct aid *has);

/** The AID in a SELECT; length 0 if it is none. */
struct aid virtual_aid_of(const struct command *cmd);

/** SELECT went well: the channel has the applet. */
void virtual_select(struct virtual_card *v, const struct command *cmd);

/** Put a status word alone. */
void reply_sw(struct reply *ret, uint16_t sw);

/** Put a whole answer: up to 256 bytes at once, more by GET RESPONSE.
 *  @param data  any length; copied */
void virtual_reply(struct virtual_card *v, const struct command *cmd, const uint8_t *data,
                   size_t len, uint16_t sw, struct reply *ret);

/** Put the status word that makes a client open a channel anew and begin again. That
 *  channel is given to it again if all are taken. */
void virtual_begin_anew(struct virtual_card *v, const struct command *cmd, struct reply *ret);

#endif
