/* SPDX-License-Identifier: Apache-2.0 */
/* see command.h */
#include "command.h"

#include "util.h"

/* All that passes, and what it is to the bridge; the rest of what a command is stands
 * in instruction.c. A list of its own: a row more there lets nothing more through. */
static const struct passing {
    uint8_t ins;
    enum command_kind kind;
} passing[] = {
    { ISO_INS_MANAGE_CHANNEL, COMMAND_MANAGE_CHANNEL },
    { ISO_INS_SELECT, COMMAND_SELECT },
    { ISO_INS_GET_RESPONSE, COMMAND_GET_RESPONSE },
    { IOTSAFE_INS_GET_DATA, COMMAND_PLAIN },
    { IOTSAFE_INS_GET_RANDOM, COMMAND_PLAIN },
    { IOTSAFE_INS_READ_FILE, COMMAND_PLAIN },
    { IOTSAFE_INS_READ_PUBLIC_KEY, COMMAND_PLAIN },
    { IOTSAFE_INS_GENERATE_KEY_PAIR, COMMAND_PLAIN },
    { IOTSAFE_INS_COMPUTE_DH, COMMAND_PLAIN },
    { IOTSAFE_INS_COMPUTE_PRF, COMMAND_PLAIN },
    { IOTSAFE_INS_COMPUTE_HKDF, COMMAND_PLAIN },
    { IOTSAFE_INS_COMPUTE_SIGNATURE_INIT, COMMAND_OPEN },
    { IOTSAFE_INS_COMPUTE_SIGNATURE_UPDATE, COMMAND_UPDATE },
    { IOTSAFE_INS_VERIFY_SIGNATURE_INIT, COMMAND_OPEN },
    { IOTSAFE_INS_VERIFY_SIGNATURE_UPDATE, COMMAND_UPDATE },
    { IOTSAFE_INS_PUT_PUBLIC_KEY_INIT, COMMAND_OPEN },
    { IOTSAFE_INS_PUT_PUBLIC_KEY_UPDATE, COMMAND_UPDATE },
};

static const struct passing *find_passing(uint8_t ins)
{
    for (size_t i = 0; i < ARRAY_LEN(passing); i++)
        if (passing[i].ins == ins)
            return &passing[i];
    return NULL;
}

static uint16_t decode_class(uint8_t cla, struct command *ret)
{
    bool further = (cla & 0x40) != 0;
    uint8_t secure = further ? 0x20 : 0x0c;

    if (cla == 0xff || (!further && (cla & 0x20) != 0))
        return SW_CLA_UNKNOWN;
    if ((cla & secure) != 0)
        return SW_SECURE_MESSAGING;
    if ((cla & 0x10) != 0)
        return SW_CHAINING_UNSUPPORTED;
    ret->channel = further ? (uint8_t)(4 + (cla & 0x0f)) : (uint8_t)(cla & 0x03);
    ret->proprietary = (cla & 0x80) != 0;
    return 0;
}

/* Lc, data and Le; a short APDU in one of the four cases. */
static uint16_t decode_body(const uint8_t *bytes, size_t len, struct apdu_cmd *ret)
{
    size_t lc = len > 5 ? bytes[4] : 0;
    size_t without_le = lc != 0 ? 5 + lc : APDU_HEADER_SIZE;

    if (len > 5 && (lc == 0 || len - without_le > 1))
        return SW_WRONG_LENGTH;
    if (lc != 0)
        memcpy(ret->data, bytes + 5, lc);
    ret->data_len = lc;
    if (len > without_le)
        ret->ne = bytes[len - 1] != 0 ? bytes[len - 1] : APDU_NE_MAX;
    return 0;
}

/* The parts of a session: which command of it. */
static uint16_t decode_session(struct command *ret)
{
    const struct apdu_cmd *apdu = &ret->apdu;

    if (ret->kind == COMMAND_OPEN && apdu->p1 > IOTSAFE_P1_SESSION_CLOSE)
        return SW_WRONG_P1P2;
    if (ret->kind == COMMAND_OPEN && apdu->p1 == IOTSAFE_P1_SESSION_CLOSE)
        ret->kind = COMMAND_CLOSE;
    ret->last_block = ret->kind == COMMAND_UPDATE && (apdu->p1 & IOTSAFE_P1_LAST_BLOCK) != 0;
    return 0;
}

/* Le belongs to a command that has a response, whether the client wrote one (T=1) or
 * not (T=0). */
static void settle_ne(struct command *ret)
{
    bool responds = (ret->instruction->flags & INS_RESPONDS) != 0;

    if (!responds || (ret->kind == COMMAND_UPDATE && !ret->last_block))
        ret->apdu.ne = 0;
    else if (ret->apdu.ne == 0)
        ret->apdu.ne = APDU_NE_MAX;
}

uint16_t command_decode(const uint8_t *bytes, size_t len, struct command *ret)
{
    const struct passing *found;
    uint16_t sw;

    memset(ret, 0, sizeof(*ret));
    if (len < APDU_HEADER_SIZE || len > APDU_CMD_MAX)
        return SW_WRONG_LENGTH;
    sw = decode_class(bytes[0], ret);
    if (sw != 0)
        return sw;
    found = find_passing(bytes[1]);
    if (found == NULL)
        return SW_INS_UNKNOWN;
    if (ret->proprietary
        && (found->kind == COMMAND_MANAGE_CHANNEL || found->kind == COMMAND_SELECT))
        return SW_CLA_UNKNOWN;
    ret->kind = found->kind;
    ret->instruction = instruction_of(bytes[1]);
    ret->apdu.iso = (ret->instruction->flags & INS_ISO) != 0;
    ret->apdu.ins = bytes[1];
    ret->apdu.p1 = bytes[2];
    ret->apdu.p2 = bytes[3];
    sw = decode_body(bytes, len, &ret->apdu);
    if (sw == 0)
        sw = decode_session(ret);
    settle_ne(ret);
    return sw;
}
