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

/* ----------------------------------------------------------------- sessions */

static size_t find_session(const struct virtual_card *v, struct session session)
{
    size_t i = 0;

    while (
        i < v->n_sessions
        && (v->sessions[i].ins_init != session.ins_init || v->sessions[i].number != session.number))
        i++;
    return i;
}

bool virtual_has_session(const struct virtual_card *v, struct session session)
{
    return find_session(v, session) < v->n_sessions;
}

void virtual_add_session(struct virtual_card *v, struct session session)
{
    if (v->n_sessions < VIRTUAL_SESSIONS)
        v->sessions[v->n_sessions++] = session;
}

void virtual_drop_session(struct virtual_card *v, struct session session)
{
    size_t i = find_session(v, session);

    if (i < v->n_sessions)
        v->sessions[i] = v->sessions[--v->n_sessions];
}

/* ----------------------------------------------------------------- channels */

static void open_channel(struct virtual_card *v, struct reply *ret)
{
    for (uint8_t i = 1; i < VIRTUAL_CHANNELS; i++)
        if (!v->channels[i].open) {
            v->channels[i].open = true;
            v->channels[i].selected = false;
            reply_data(ret, &i, 1, SW_OK);
            return;
        }
    reply_sw(ret, SW_FUNCTION_UNSUPPORTED);
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
        v->channels[which].open = v->channels[which].selected = false;
        v->sequence_ended = v->n_sessions > 0;
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

    v->sequence_ended = v->n_sessions > 0;
    v->channels[cmd->channel].selected = false;
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

/* A command of the applet; true if it must not or need not reach the card. */
static bool answer_applet(const struct virtual_card *v, const struct command *cmd,
                          struct reply *ret)
{
    bool ours = virtual_has_session(v, command_session(cmd));

    if (!v->channels[cmd->channel].selected) {
        reply_sw(ret, SW_INS_UNKNOWN);
        return true;
    }
    switch (cmd->kind) {
    case COMMAND_OPEN:
        reply_sw(ret, SW_CONDITIONS); /* open already, or too many */
        return ours || v->n_sessions == VIRTUAL_SESSIONS;
    case COMMAND_UPDATE:
        reply_sw(ret, SW_CONDITIONS);
        return !ours;
    case COMMAND_CLOSE:
        reply_sw(ret, SW_OK); /* the bridge has closed it long ago */
        return !ours;
    default:
        return false;
    }
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
