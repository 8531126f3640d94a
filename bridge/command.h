/* SPDX-License-Identifier: Apache-2.0 */
/* A command of a client, taken apart: its channel, what it is to the bridge, and
 * the command for the card without class byte. No I/O, no state.
 * Source: ISO/IEC 7816-4, 5.1 and 5.4.1; the instructions of IoT.05. */
#ifndef BRIDGE_COMMAND_H
#define BRIDGE_COMMAND_H

#include "apdu.h"
#include "instruction.h"

#define SW_CHAINING_UNSUPPORTED 0x6884 /* ISO/IEC 7816-4: command chaining */

enum command_kind {
    COMMAND_MANAGE_CHANNEL,
    COMMAND_SELECT,
    COMMAND_GET_RESPONSE,
    COMMAND_PLAIN, /* whole in itself */
    COMMAND_OPEN,  /* INIT, opens a session */
    COMMAND_CLOSE, /* INIT, closes a session */
    COMMAND_UPDATE /* of an open session */
};

struct command {
    enum command_kind kind;
    uint8_t channel;                       /* from the class byte, 0 to 19 */
    bool proprietary;                      /* class 8N */
    const struct instruction *instruction; /* static storage */
    bool last_block;                       /* UPDATE: the one that ends the session */
    struct apdu_cmd apdu; /* `ne` as the instruction has it, whatever the client wrote */
};

/**
 * Decode the bytes of a frame. Instructions outside IoT.05 do not pass: the
 * bridge is no way to the USIM's own commands.
 *
 * @param bytes  from a client: any bytes
 * @return 0, or the status word to answer with; *ret is then not usable
 */
uint16_t command_decode(const uint8_t *bytes, size_t len, struct command *ret);

#endif
