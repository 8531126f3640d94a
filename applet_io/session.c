/* SPDX-License-Identifier: Apache-2.0 */
/* see session.h */
#include "session.h"

#include "instruction.h"
#include "trace.h"

void session_close(const struct card_use *use, const struct session *session)
{
    struct apdu_cmd cmd = { .ins = session->ins_init,
                            .p1 = IOTSAFE_P1_SESSION_CLOSE,
                            .p2 = session->number };
    uint8_t data[APDU_RSP_MAX];
    struct apdu_rsp rsp = APDU_RSP_ON(data);
    enum iotsafe_err err = channel_exchange(use->channel, &cmd, &rsp, use->deadline, NULL);

    (void)err; /* 9000, 6985, whatever: there is nothing to do about it */
}

static enum iotsafe_err open_session(const struct card_use *use, const struct session *session,
                                     const uint8_t *data, size_t data_len, uint16_t *ret_sw)
{
    struct apdu_cmd cmd = { .ins = session->ins_init,
                            .p1 = IOTSAFE_P1_SESSION_OPEN,
                            .p2 = session->number,
                            .data_len = data_len };
    uint8_t answer[APDU_RSP_MAX];
    struct apdu_rsp rsp = APDU_RSP_ON(answer);
    enum iotsafe_err err = IOTSAFE_ERR_ARGUMENT;

    if (data_len <= sizeof(cmd.data)) {
        memcpy(cmd.data, data, data_len);
        err = channel_exchange(use->channel, &cmd, &rsp, use->deadline, use->op);
    }
    *ret_sw = rsp.sw;
    return err;
}

bool session_in_the_way(uint16_t sw)
{
    return sw == SW_CONDITIONS || sw == SW_WRONG_P1P2 || sw == SW_LIMIT_OR_CHANGED;
}

/* Close what may be open under our number: a session of this command, and one
 * of signing that was left finished, which may count against the limit. */
static void clear_the_way(const struct card_use *use, const struct session *session)
{
    const struct session signing = { IOTSAFE_INS_COMPUTE_SIGNATURE_INIT, session->number };

    session_close(use, session);
    if (session->ins_init != signing.ins_init && use->channel->traits.left_finished)
        session_close(use, &signing);
}

static void learn_to_close(const struct card_use *use)
{
    struct traits *traits = &use->channel->traits;

    if (!traits->left_finished || traits->close_after)
        return;
    traits->close_after = true;
    trace_note(use->channel->trace, use->channel->transport->device,
               "learned: this applet does not close a finished session itself");
}

enum iotsafe_err session_begin(const struct card_use *use, uint8_t ins_init, const uint8_t *data,
                               size_t data_len, struct session *ret_session, uint16_t *ret_sw)
{
    struct traits *traits = &use->channel->traits;
    struct session session = { ins_init, traits->session };
    enum iotsafe_err err = open_session(use, &session, data, data_len, ret_sw);

    if (err != IOTSAFE_OK && session_in_the_way(*ret_sw)) {
        clear_the_way(use, &session);
        err = open_session(use, &session, data, data_len, ret_sw);
        if (err == IOTSAFE_OK)
            learn_to_close(use);
    }
    if (err != IOTSAFE_OK && *ret_sw == SW_WRONG_P1P2) {
        session.number = session.number == 0 ? 1 : 0;
        err = open_session(use, &session, data, data_len, ret_sw);
        if (err == IOTSAFE_OK)
            traits->session = session.number;
    }
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
           && err != IOTSAFE_ERR_SPACE;
}

void session_end(const struct card_use *use, const struct session *session, enum iotsafe_err err)
{
    struct traits *traits = &use->channel->traits;
    bool finished = err == IOTSAFE_OK || err == IOTSAFE_ERR_SIGNATURE;

    traits->left_finished = finished && !traits->close_after;
    if (finished ? traits->close_after : session_can_close(err))
        session_close(use, session);
}
