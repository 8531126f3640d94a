/* SPDX-License-Identifier: Apache-2.0 */
/* The sequences as a table. */
#include "turns.h"

#include "iotsafe_defs.h"

/* What a command does to the turn once it has succeeded. */
enum step {
    STEP_BEGIN, /* the sequence begins; it is begun anew, too */
    STEP_ON,    /* it goes on */
    STEP_LAST,  /* it ends, whatever the response is */
    STEP_LIST,  /* it begins or goes on while the status word announces more */
    STEP_KEY,   /* it begins if the response has no public key */
    STEP_PUT,   /* the key is in the container: now for its use */
    STEP_USE,   /* it ends once the key has been used */
};

static const struct row {
    uint8_t ins;
    unsigned p1_mask, p1; /* mask 0: any */
    enum sequence sequence;
    enum step step;
} rows[] = {
    { IOTSAFE_INS_COMPUTE_SIGNATURE_INIT, 0xff, 0, SEQUENCE_SIGN, STEP_BEGIN },
    { IOTSAFE_INS_COMPUTE_SIGNATURE_INIT, 0xff, 1, SEQUENCE_SIGN, STEP_LAST },
    { IOTSAFE_INS_COMPUTE_SIGNATURE_UPDATE, 0x80, 0, SEQUENCE_SIGN, STEP_ON },
    { IOTSAFE_INS_COMPUTE_SIGNATURE_UPDATE, 0x80, 0x80, SEQUENCE_SIGN, STEP_LAST },
    { IOTSAFE_INS_VERIFY_SIGNATURE_INIT, 0xff, 0, SEQUENCE_VERIFY, STEP_BEGIN },
    { IOTSAFE_INS_VERIFY_SIGNATURE_INIT, 0xff, 1, SEQUENCE_VERIFY, STEP_LAST },
    { IOTSAFE_INS_VERIFY_SIGNATURE_UPDATE, 0x80, 0, SEQUENCE_VERIFY, STEP_ON },
    { IOTSAFE_INS_VERIFY_SIGNATURE_UPDATE, 0x80, 0x80, SEQUENCE_VERIFY, STEP_LAST },
    { IOTSAFE_INS_PUT_PUBLIC_KEY_INIT, 0xff, 0, SEQUENCE_PUT, STEP_BEGIN },
    { IOTSAFE_INS_PUT_PUBLIC_KEY_INIT, 0xff, 1, SEQUENCE_PUT, STEP_LAST },
    { IOTSAFE_INS_PUT_PUBLIC_KEY_UPDATE, 0x80, 0, SEQUENCE_PUT, STEP_ON },
    { IOTSAFE_INS_PUT_PUBLIC_KEY_UPDATE, 0x80, 0x80, SEQUENCE_PUT, STEP_PUT },
    { IOTSAFE_INS_COMPUTE_DH, 0, 0, SEQUENCE_USE, STEP_USE },
    { IOTSAFE_INS_GET_DATA, 0xff, IOTSAFE_P1_OBJECT_LIST, SEQUENCE_LIST, STEP_LIST },
    { IOTSAFE_INS_GENERATE_KEY_PAIR, 0, 0, SEQUENCE_GENERATE, STEP_KEY },
    { IOTSAFE_INS_READ_PUBLIC_KEY, 0, 0, SEQUENCE_GENERATE, STEP_LAST },
};

static const struct row *find_row(uint8_t ins, uint8_t p1)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].ins == ins && (p1 & rows[i].p1_mask) == rows[i].p1)
            return &rows[i];
    return NULL;
}

bool turns_may(const struct turns *t, const struct turn_taker *who)
{
    return t->holder == NULL || t->holder == who;
}

void turns_moved(struct turns *t, const struct turn_taker *who, uint64_t now)
{
    if (t->holder == who)
        t->moved_us = now;
}

uint64_t turns_left_us(const struct turns *t, uint64_t now)
{
    uint64_t idle = t->moved_us + TURN_IDLE_US, total = t->began_us + TURN_TOTAL_US;
    uint64_t end = idle < total ? idle : total;

    return now < end ? end - now : 0;
}

void turns_end(struct turns *t)
{
    t->holder = NULL;
    t->sequence = SEQUENCE_NONE;
}

enum sequence turns_break_off(struct turns *t)
{
    enum sequence was = t->sequence;

    t->holder->broken_off |= 1u << was;
    turns_end(t);
    return was;
}

/* ---- late commands ---- */

/* A client that opens a channel or selects has forgotten whatever it was at. */
static bool begins_all_anew(const uint8_t *cmd)
{
    return (cmd[0] & 0x80) == 0 && (cmd[1] == ISO_INS_SELECT || cmd[1] == ISO_INS_MANAGE_CHANNEL);
}

/* Does it need what an earlier command of the sequence has left? */
static bool goes_on(const struct row *row, const uint8_t *cmd)
{
    switch (row->step) {
    case STEP_BEGIN:
    case STEP_KEY:
        return false;
    case STEP_LAST: /* closing is harmless, and how some clients begin */
        return row->p1_mask != 0xff;
    case STEP_LIST:
        return cmd[3] != IOTSAFE_P2_LIST_FIRST;
    default:
        return true;
    }
}

bool turns_is_late(struct turn_taker *who, const uint8_t *cmd, size_t len)
{
    const struct row *row;

    if (who->broken_off == 0 || len < 4)
        return false;
    if (begins_all_anew(cmd))
        who->broken_off = 0;
    row = find_row(cmd[1], cmd[2]);
    if (row == NULL)
        return false;
    /* the key that was put is used by a verification as well */
    if (row->sequence == SEQUENCE_VERIFY && row->step == STEP_BEGIN
        && (who->broken_off & (1u << SEQUENCE_USE)) != 0)
        return true;
    if (goes_on(row, cmd))
        return (who->broken_off & (1u << row->sequence)) != 0;
    if (row->step == STEP_LAST)
        return false;
    who->broken_off &= ~(1u << row->sequence);
    if (row->sequence == SEQUENCE_PUT)
        who->broken_off &= ~(1u << SEQUENCE_USE);
    return false;
}

/* ---- responses ---- */

static bool waits(uint8_t sw1)
{
    return sw1 == 0x61 || sw1 == 0x6c || sw1 == 0x9f;
}

static bool is_success(uint16_t sw)
{
    return sw == SW_OK || sw == SW_ADMIN_ENDED || (sw & 0xff00) == SW_PROACTIVE;
}

/* Tag 34 among values with lengths of one byte: the names that can precede it are short. */
static bool has_public_key(const uint8_t *rsp, size_t len)
{
    for (size_t at = 0; at + 2 < len; at += 2u + rsp[at + 1])
        if (rsp[at] == IOTSAFE_TAG_PUBLIC_KEY_DATA)
            return true;
    return false;
}

static void take(struct turns *t, struct turn_taker *who, enum sequence sequence, uint64_t now)
{
    if (t->holder == NULL)
        t->began_us = now;
    t->holder = who;
    t->sequence = sequence;
}

/* What the command makes of a turn of its own sequence. */
static enum sequence sequence_by(const struct row *row, enum sequence now, const uint8_t *rsp,
                                 size_t len)
{
    uint16_t sw = u16_be(rsp + len - 2);
    bool ok = is_success(sw);

    switch (row->step) {
    case STEP_BEGIN:
        return ok ? row->sequence : SEQUENCE_NONE;
    case STEP_ON:
        return ok ? now : SEQUENCE_NONE;
    case STEP_PUT:
        return ok ? SEQUENCE_USE : SEQUENCE_NONE;
    case STEP_LIST:
        return sw == SW_MORE_DATA ? row->sequence : SEQUENCE_NONE;
    case STEP_KEY:
        return ok && !has_public_key(rsp, len) ? row->sequence : SEQUENCE_NONE;
    case STEP_USE: /* a name that the card refuses is tried in another form */
        return ok ? SEQUENCE_NONE : now;
    case STEP_LAST:
        break;
    }
    return SEQUENCE_NONE;
}

/* The sequence after this response; a command of another one ends none. */
static enum sequence sequence_after(const struct turns *t, const struct row *row,
                                    const uint8_t *rsp, size_t len)
{
    enum sequence was = t->sequence == SEQUENCE_RESPONSE ? SEQUENCE_NONE : t->sequence;
    enum sequence next = row == NULL ? SEQUENCE_NONE : sequence_by(row, was, rsp, len);
    bool foreign = row == NULL || row->sequence != was;

    if (was == SEQUENCE_USE && row != NULL && row->step == STEP_LIST)
        return was; /* read on the way to the use of the key, which is still to come */
    return next == SEQUENCE_NONE && foreign ? was : next;
}

static void remember(struct turns *t, const uint8_t *cmd)
{
    if (cmd[1] == ISO_INS_GET_RESPONSE)
        return;
    t->ins = cmd[1];
    t->p1 = cmd[2];
}

void turns_answered(struct turns *t, struct turn_taker *who, const uint8_t *cmd, size_t cmd_len,
                    const uint8_t *rsp, size_t rsp_len, uint64_t now)
{
    enum sequence next;

    if (cmd_len < 4 || rsp_len < 2)
        return;
    t->moved_us = now;
    remember(t, cmd);
    if (waits(rsp[rsp_len - 2])) {
        take(t, who, t->holder != NULL ? t->sequence : SEQUENCE_RESPONSE, now);
        return;
    }
    next = sequence_after(t, find_row(t->ins, t->p1), rsp, rsp_len);
    if (next == SEQUENCE_NONE)
        turns_end(t);
    else
        take(t, who, next, now);
}
