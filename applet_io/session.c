/* SPDX-License-Identifier: Apache-2.0 */
/* see session.h */
#include "session.h"

#include "exchange.h"
#include "instruction.h"
#include "trace.h"

void session_close(const struct card_use *use, const struct session *session)
{
    struct traits *traits = &use->channel->traits;
    struct apdu_cmd cmd = { .ins = session->ins_init,
                            .p1 = IOTSAFE_P1_SESSION_CLOSE,
                            .p2 = session->number };
    uint8_t data[APDU_RSP_MAX];
    struct apdu_rsp rsp = APDU_RSP_ON(data);
    enum iotsafe_err err = channel_exchange(use->channel, &cmd, &rsp, use->deadline, NULL);

    if (err == IOTSAFE_OK) {
        if (traits->left_finished == session->ins_init)
            traits->left_finished = 0;
        if (traits->left_open == session->ins_init)
            traits->left_open = 0;
    } else if (rsp.sw != SW_CONDITIONS) { /* it was not open, or so it says: a session that
                                             begins proves it */
        traits->left_open = session->ins_init;
    }
}

static enum iotsafe_err open_session(const struct card_use *use, const struct session *session,
                                     const uint8_t *data, size_t data_len, uint16_t *ret_sw)
{
    struct apdu_cmd cmd = { .ins = session->ins_init,
                            .p1 = IOTSAFE_P1_SESSION_OPEN,
                            .p2 = session->number,
                            .data_len = data_len };
    struct traits *traits = &use->channel->traits;
    uint8_t answer[APDU_RSP_MAX];
    struct apdu_rsp rsp = APDU_RSP_ON(answer);
    enum iotsafe_err err = IOTSAFE_ERR_ARGUMENT;

    if (data_len <= sizeof(cmd.data)) {
        memcpy(cmd.data, data, data_len);
        err = channel_exchange(use->channel, &cmd, &rsp, use->deadline, use->op);
    }
    *ret_sw = rsp.sw;
    if (err == IOTSAFE_OK) /* nothing that was left is in its way */
        traits->left_finished = traits->left_open = 0;
    else if (rsp.sw == 0) /* or its answer was lost */
        traits->left_open = session->ins_init;
    return err;
}

bool session_in_the_way(uint16_t sw)
{
    return sw == SW_CONDITIONS || sw == SW_WRONG_P1P2 || sw == SW_LIMIT_OR_CHANGED;
}

static void learn_to_close(const struct card_use *use)
{
    struct traits *traits = &use->channel->traits;

    if (traits->close_after)
        return;
    traits->close_after = true;
    trace_note(use->channel->trace, use->channel->transport->device,
               "learned: this applet does not close a finished session itself");
}

/* The session that is in the way was opened by this command, or is one that we know was left. */
static enum iotsafe_err after_closing_known(const struct card_use *use,
                                            const struct session *session, const uint8_t *data,
                                            size_t data_len, uint16_t *ret_sw)
{
    const uint8_t finished = use->channel->traits.left_finished;
    const uint8_t open = use->channel->traits.left_open;
    enum iotsafe_err err;

    session_close(use, session);
    if (finished != 0 && finished != session->ins_init)
        session_close(use, &(struct session){ finished, session->number });
    if (open != 0 && open != session->ins_init && open != finished)
        session_close(use, &(struct session){ open, session->number });
    err = open_session(use, session, data, data_len, ret_sw);
    if (err == IOTSAFE_OK && finished != 0)
        learn_to_close(use);
    return err;
}

/* It may be left from a process that died; where numbers are shared it is closed by the
 * instruction that opened it only. Looked for once on a channel. */
static enum iotsafe_err after_closing_all(const struct card_use *use, const struct session *session,
                                          const uint8_t *data, size_t data_len, uint16_t *ret_sw)
{
    use->channel->swept = true;
    for (size_t i = 0; i < N_SESSION_INITS; i++)
        if (instruction_inits[i] != session->ins_init)
            session_close(use, &(struct session){ instruction_inits[i], session->number });
    return open_session(use, session, data, data_len, ret_sw);
}

static enum iotsafe_err begin_as(const struct card_use *use, const struct session *session,
                                 const uint8_t *data, size_t data_len, uint16_t *ret_sw)
{
    enum iotsafe_err err = open_session(use, session, data, data_len, ret_sw);

    /* a modem that makes ERROR of a status word does not say which */
    if (err != IOTSAFE_OK
        && (session_in_the_way(*ret_sw) || (err == IOTSAFE_ERR_CARD && *ret_sw == 0)))
        err = after_closing_known(use, session, data, data_len, ret_sw);
    return err;
}

enum iotsafe_err session_begin(const struct card_use *use, uint8_t ins_init, const uint8_t *data,
                               size_t data_len, struct session *ret_session, uint16_t *ret_sw)
{
    struct traits *traits = &use->channel->traits;
    struct session session = { ins_init, traits->session };
    enum iotsafe_err err = begin_as(use, &session, data, data_len, ret_sw);

    if (err != IOTSAFE_OK && *ret_sw == SW_WRONG_P1P2) { /* no such number? */
        session.number = session.number == 0 ? 1 : 0;
        err = begin_as(use, &session, data, data_len, ret_sw);
        if (*ret_sw != SW_WRONG_P1P2 && *ret_sw != 0)
            traits->session = session.number;
        else
            session.number = traits->session;
    }
    if (err != IOTSAFE_OK && session_in_the_way(*ret_sw) && !use->channel->swept)
        err = after_closing_all(use, &session, data, data_len, ret_sw);
    *ret_session = session;
    return err;
}

enum iotsafe_err session_update(const struct card_use *use, const struct session *session,
                                bool last, const uint8_t *data, size_t data_len, size_t ne,
                                struct apdu_rsp *rsp)
{
    struct apdu_cmd cmd = { .ins = instruction_of(session->ins_init)->ins_update,
                            .p1 = last ? IOTSAFE_P1_LAST_BLOCK : IOTSAFE_P1_MORE_BLOCKS,
                            .p2 = session->number,
                            .data_len = data_len,
                            .ne = ne };

    if (data_len > sizeof(cmd.data))
        return IOTSAFE_ERR_ARGUMENT;
    memcpy(cmd.data, data, data_len);
    return channel_exchange(use->channel, &cmd, rsp, use->deadline, use->op);
}

bool session_can_close(enum iotsafe_err err)
{
    return err != IOTSAFE_ERR_TRANSPORT && err != IOTSAFE_ERR_TIMEOUT
           && err != IOTSAFE_ERR_CHANNEL_LOST && err != IOTSAFE_ERR_NO_CARD
           && err != IOTSAFE_ERR_SPACE && err != IOTSAFE_ERR_DAMAGED;
}

void session_end(const struct card_use *use, const struct session *session, enum iotsafe_err err)
{
    struct traits *traits = &use->channel->traits;
    bool finished = err == IOTSAFE_OK || err == IOTSAFE_ERR_SIGNATURE;

    if (finished ? traits->close_after : session_can_close(err))
        session_close(use, session);
    else if (finished)
        traits->left_finished = session->ins_init;
    else
        traits->left_open = session->ins_init;
}
