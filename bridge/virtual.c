/* SPDX-License-Identifier: Apache-2.0 */
/* see virtual.h */
#include "virtual.h"

#include <stdlib.h>

/* ------------------------------------------------------------------ answers */

void reply_sw(struct reply *ret, uint16_t sw)
{
    ret->bytes[0] = (uint8_t)(sw >> 8);
    ret->bytes[1] = (uint8_t)sw;
    ret->len = 2;
}

static void reply_data(struct reply *ret, const uint8_t *data, size_t len, uint16_t sw)
{
    if (len != 0)
        memcpy(ret->bytes, data, len);
    ret->bytes[len] = (uint8_t)(sw >> 8);
    ret->bytes[len + 1] = (uint8_t)sw;
    ret->len = len + 2;
}

static void forget_waiting(struct virtual_card *v)
{
    if (v->waiting != NULL)
        explicit_bzero(v->waiting, v->waiting_len);
    free(v->waiting);
    v->waiting = NULL;
    v->waiting_len = v->waiting_at = 0;
}

static uint16_t bytes_wait_sw(const struct virtual_card *v)
{
    size_t left = v->waiting_len - v->waiting_at;

    return (uint16_t)(SW_BYTES_WAIT | (left >= APDU_NE_MAX ? 0 : left));
}

void virtual_reply(struct virtual_card *v, const struct command *cmd, const uint8_t *data,
                   size_t len, uint16_t sw, struct reply *ret)
{
    forget_waiting(v);
    if (len <= APDU_NE_MAX) {
        reply_data(ret, data, len, sw);
        return;
    }
    v->waiting = malloc(len);
    if (v->waiting == NULL) {
        reply_sw(ret, SW_UNKNOWN_ERROR);
        return;
    }
    memcpy(v->waiting, data, len);
    v->waiting_len = len;
    v->waiting_sw = sw;
    v->waiting_channel = cmd->channel;
    reply_sw(ret, bytes_wait_sw(v));
}

static void get_response(struct virtual_card *v, const struct command *cmd, struct reply *ret)
{
    size_t left = v->waiting_len - v->waiting_at;
    size_t n = cmd->apdu.ne < left ? cmd->apdu.ne : left;
    const uint8_t *from;

    if (v->waiting == NULL || v->waiting_channel != cmd->channel) {
        forget_waiting(v);
        reply_sw(ret, SW_CONDITIONS);
        return;
    }
    from = v->waiting + v->waiting_at;
    v->waiting_at += n;
    if (n < left) {
        reply_data(ret, from, n, bytes_wait_sw(v));
        return;
    }
    reply_data(ret, from, n, v->waiting_sw);
    forget_waiting(v);
}

void virtual_clear(struct virtual_card *v)
{
    forget_waiting(v);
    memset(v, 0, sizeof(*v));
}

/* ----------------------------------------------------------------- channels */

/* One that is free, else one that the client was told is not open. 0: none. */
static uint8_t find_channel(const struct virtual_card *v)
{
    uint8_t given_up = 0;

    for (uint8_t i = 1; i < VIRTUAL_CHANNELS; i++) {
        if (!v->channels[i].open)
            return i;
        if (v->channels[i].given_up)
            given_up = i;
    }
    return given_up;
}

static void close_channel(struct virtual_card *v, uint8_t channel)
{
    memset(&v->channels[channel], 0, sizeof(v->channels[channel]));
    sequences_leave(&v->sequences, channel);
}

static void open_channel(struct virtual_card *v, struct reply *ret)
{
    uint8_t channel = find_channel(v);

    if (channel == 0) {
        reply_sw(ret, SW_FUNCTION_UNSUPPORTED);
        return;
    }
    close_channel(v, channel);
    v->channels[channel].open = true;
    reply_data(ret, &channel, 1, SW_OK);
}

static bool channel_is_open(const struct virtual_card *v, uint8_t channel)
{
    return channel < VIRTUAL_CHANNELS && v->channels[channel].open;
}

static void manage_channel(struct virtual_card *v, const struct command *cmd, struct reply *ret)
{
    /* 0N 70 80 00: the channel that the command comes on */
    uint8_t which = cmd->apdu.p2 != 0 ? cmd->apdu.p2 : cmd->channel;

    if (cmd->channel != 0 && !channel_is_open(v, cmd->channel)) {
        reply_sw(ret, SW_CHANNEL_UNSUPPORTED);
    } else if (cmd->apdu.data_len != 0) {
        reply_sw(ret, SW_WRONG_LENGTH);
    } else if (cmd->apdu.p1 == 0x00 && cmd->apdu.p2 == 0) {
        open_channel(v, ret);
    } else if (cmd->apdu.p1 != 0x80 || which == 0) {
        reply_sw(ret, SW_WRONG_P1P2);
    } else if (!channel_is_open(v, which)) {
        reply_sw(ret, SW_CHANNEL_UNSUPPORTED);
    } else {
        close_channel(v, which);
        reply_sw(ret, SW_OK);
    }
}

/* ---------------------------------------------------------------- selection */

bool virtual_selects(const struct aid *wanted, const struct aid *has)
{
    return wanted->len != 0 && wanted->len <= has->len
           && memcmp(wanted->bytes, has->bytes, wanted->len) == 0;
}

struct aid virtual_aid_of(const struct command *cmd)
{
    struct aid aid = { .len = 0 };

    if (cmd->apdu.data_len >= IOTSAFE_AID_MIN && cmd->apdu.data_len <= IOTSAFE_AID_MAX) {
        aid.len = cmd->apdu.data_len;
        memcpy(aid.bytes, cmd->apdu.data, aid.len);
    }
    return aid;
}

void virtual_select(struct virtual_card *v, const struct command *cmd)
{
    v->channels[cmd->channel].selected = true;
    v->channels[cmd->channel].aid = virtual_aid_of(cmd);
}

/* By DF name, first or only occurrence; with or without the wish for an FCI. */
static bool select_applet(struct virtual_card *v, const struct command *cmd,
                          const struct aid *applet, struct reply *ret)
{
    struct aid wanted = virtual_aid_of(cmd);

    sequences_leave(&v->sequences, cmd->channel);
    v->channels[cmd->channel].selected = v->channels[cmd->channel].given_up = false;
    if (cmd->apdu.p1 != 0x04 || (cmd->apdu.p2 & 0xf3) != 0) {
        reply_sw(ret, SW_WRONG_P1P2);
    } else if (wanted.len == 0) {
        reply_sw(ret, SW_NOT_FOUND);
    } else if (applet->len == 0) {
        return false; /* let the card tell what it has */
    } else if (virtual_selects(&wanted, applet)) {
        virtual_select(v, cmd);
        reply_sw(ret, SW_OK);
    } else {
        reply_sw(ret, SW_NOT_FOUND);
    }
    return true;
}

/* ----------------------------------------------------------------- decision */

void virtual_begin_anew(struct virtual_card *v, const struct command *cmd, struct reply *ret)
{
    sequences_restart(&v->sequences, cmd);
    v->channels[cmd->channel].given_up = true;
    reply_sw(ret, SW_CHANNEL_UNSUPPORTED);
}

/* A command of a session. */
static bool answer_session(const struct virtual_card *v, const struct command *cmd,
                           struct reply *ret)
{
    const struct sequences *seq = &v->sequences;

    switch (cmd->kind) {
    case COMMAND_OPEN:
        reply_sw(ret, SW_CONDITIONS); /* open already, or too many */
        return sequences_occupied(seq, command_session(cmd)) || seq->n_open == SEQUENCE_SESSIONS;
    case COMMAND_UPDATE:
        reply_sw(ret, SW_CONDITIONS);
        return sequences_session(seq, cmd) == NULL;
    case COMMAND_CLOSE:
        reply_sw(ret, SW_OK); /* the bridge has closed it long ago */
        return sequences_session(seq, cmd) == NULL;
    default:
        return false;
    }
}

/* A command of the applet; true if it must not or need not reach the card. */
static bool answer_applet(struct virtual_card *v, const struct command *cmd, struct reply *ret)
{
    if (!v->channels[cmd->channel].selected) {
        reply_sw(ret, SW_INS_UNKNOWN);
        return true;
    }
    if (sequences_late(&v->sequences, cmd)) {
        virtual_begin_anew(v, cmd, ret);
        return true;
    }
    v->channels[cmd->channel].given_up = false;
    return answer_session(v, cmd, ret);
}

bool virtual_answer(struct virtual_card *v, const struct command *cmd, const struct aid *applet,
                    struct reply *ret)
{
    if (cmd->kind == COMMAND_GET_RESPONSE) {
        get_response(v, cmd, ret);
        return true;
    }
    forget_waiting(v);
    if (cmd->kind == COMMAND_MANAGE_CHANNEL) {
        manage_channel(v, cmd, ret);
        return true;
    }
    if (cmd->channel == 0) {
        reply_sw(ret, SW_CLA_UNKNOWN); /* the basic channel is the USIM's */
        return true;
    }
    if (!channel_is_open(v, cmd->channel)) {
        reply_sw(ret, SW_CHANNEL_UNSUPPORTED);
        return true;
    }
    if (cmd->kind == COMMAND_SELECT)
        return select_applet(v, cmd, applet, ret);
    return answer_applet(v, cmd, ret);
}
