/* SPDX-License-Identifier: Apache-2.0 */
/* The card as one client sees it: its logical channels, which of them have the
 * applet selected, the rest of an answer that waits for GET RESPONSE, and the
 * sessions that it has open. Decides what can be answered without the card.
 * No I/O. */
#ifndef BRIDGE_VIRTUAL_H
#define BRIDGE_VIRTUAL_H

#include "command.h"
#include "session.h"

#define VIRTUAL_CHANNELS 4 /* the basic one, which nobody gets, and three */
#define VIRTUAL_SESSIONS 8

struct virtual_card {
    struct {
        bool open, selected;
        struct aid aid; /* as the client selected it */
    } channels[VIRTUAL_CHANNELS];
    uint8_t *waiting; /* owned; the rest of an answer, or NULL */
    size_t waiting_len, waiting_at;
    uint16_t waiting_sw; /* comes with its last byte */
    uint8_t waiting_channel;
    struct session sessions[VIRTUAL_SESSIONS]; /* on the card, of this client */
    size_t n_sessions;
    bool sequence_ended; /* the client has left its sessions: close them */
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

/** The session that a command is about. */
static inline struct session command_session(const struct command *cmd)
{
    return (struct session){ cmd->ins_init, cmd->apdu.p2 };
}

/** The sessions as commands open and end them. */
bool virtual_has_session(const struct virtual_card *v, struct session session);
void virtual_add_session(struct virtual_card *v, struct session session);
void virtual_drop_session(struct virtual_card *v, struct session session);

#endif
