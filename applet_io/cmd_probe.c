/* SPDX-License-Identifier: Apache-2.0 */
/* Raw commands for those who find out what a card does. What may be sent is decided here and
 * by the flags of the instructions alone. */
#include "cmd.h"
#include "error.h"

struct iotsafe_probe {
    const struct card_use *use;
    bool may_write;
};

struct probe_job {
    iotsafe_probe_fn *fn;
    void *arg;
    bool may_write;
};

/* Nothing raw reaches a channel on which our applet has not answered in this use. */
static enum iotsafe_err run_probe(const struct card_use *use, void *arg)
{
    const struct probe_job *job = arg;
    struct iotsafe_probe probe = { .use = use, .may_write = job->may_write };
    enum iotsafe_err err = channel_confirm(use->channel, use->deadline, use->op);

    return err != IOTSAFE_OK ? err : job->fn(&probe, job->arg);
}

enum iotsafe_err iotsafe_probe(struct iotsafe_card *card, bool may_write, iotsafe_probe_fn *fn,
                               void *arg, struct iotsafe_op *op)
{
    struct probe_job job = { .fn = fn, .arg = arg, .may_write = may_write };

    return card_run(card, run_probe, &job, op);
}

struct iotsafe_probe_way iotsafe_probe_way(const struct iotsafe_probe *probe)
{
    const struct transport *t = probe->use->channel->transport;

    return (struct iotsafe_probe_way){
        .device_opens_channels = t->opens_channels,
        .no_le_behind_data = t->le_never,
        /* readers and modems may refuse what is no command, and some never recover */
        .bytes_as_given = t->ops == &transport_socket,
    };
}

static bool may_send(const struct iotsafe_probe *probe, const struct iotsafe_probe_command *cmd)
{
    const struct instruction *in = instruction_of(cmd->ins);

    if (!instruction_is_known(in) || cmd->data_len > APDU_DATA_MAX || cmd->ne > APDU_NE_MAX)
        return false;
    if ((in->flags & INS_ISO) != 0)
        return cmd->ins == ISO_INS_GET_RESPONSE;
    return (in->flags & INS_CHANGES) == 0 || probe->may_write;
}

static void finish(struct iotsafe_probe_response *rsp, const struct apdu_rsp *raw)
{
    rsp->len = raw->len;
    rsp->sw = raw->sw;
}

static enum iotsafe_err send_form(struct iotsafe_probe *probe, const struct apdu_cmd *cmd,
                                  const struct iotsafe_probe_command *wanted, struct apdu_rsp *rsp)
{
    const struct exchange_form form = {
        .cls = wanted->cls == IOTSAFE_CLASS_8N   ? CLASS_8N
               : wanted->cls == IOTSAFE_CLASS_0N ? CLASS_0N
                                                 : CLASS_LEARNED,
        .le = wanted->le == IOTSAFE_LE_BEHIND_DATA       ? LE_BEHIND_DATA
              : wanted->le == IOTSAFE_LE_NOT_BEHIND_DATA ? LE_NOT_BEHIND_DATA
                                                         : LE_LEARNED,
        .stray = wanted->stray,
        .stray_len = wanted->stray != NULL ? wanted->stray_len : 0,
    };

    return exchange_in_form(probe->use->channel, cmd, &form, rsp, probe->use->deadline,
                            probe->use->op);
}

enum iotsafe_err iotsafe_probe_send(struct iotsafe_probe *probe,
                                    const struct iotsafe_probe_command *cmd,
                                    struct iotsafe_probe_response *ret_rsp)
{
    struct channel *ch = probe->use->channel;
    struct apdu_cmd apdu = { .ins = cmd->ins, .p1 = cmd->p1, .p2 = cmd->p2, .ne = cmd->ne };
    struct apdu_rsp rsp = APDU_RSP_ON(ret_rsp->data);
    enum iotsafe_err err;

    if (!may_send(probe, cmd)) {
        op_set(probe->use->op, "%s is never sent as a probe", instruction_of(cmd->ins)->name);
        return IOTSAFE_ERR_ARGUMENT;
    }
    if (cmd->stray_len != 0 && !iotsafe_probe_way(probe).bytes_as_given)
        return IOTSAFE_ERR_UNSUPPORTED;
    if (cmd->data_len != 0)
        memcpy(apdu.data, cmd->data, cmd->data_len);
    apdu.data_len = cmd->data_len;
    err = cmd->whole ? channel_exchange(ch, &apdu, &rsp, probe->use->deadline, probe->use->op)
                     : send_form(probe, &apdu, cmd, &rsp);
    explicit_bzero(&apdu, sizeof(apdu));
    finish(ret_rsp, &rsp);
    if (rsp.sw == SW_CHANNEL_UNSUPPORTED) {
        channel_believe(ch, ch->transport->opens_channels ? BELIEF_DOUBTED : BELIEF_LOST);
        return IOTSAFE_ERR_CHANNEL_LOST;
    }
    if (rsp.sw == SW_BUSY_ADMIN)
        return IOTSAFE_ERR_BUSY;
    if (rsp.sw == 0)
        return err != IOTSAFE_OK ? err : IOTSAFE_ERR_PROTOCOL;
    return err == IOTSAFE_ERR_SPACE || err == IOTSAFE_ERR_PROTOCOL ? err : IOTSAFE_OK;
}

/* ------------------------------------------------------- selection, channels */

static enum iotsafe_err select_on(struct iotsafe_probe *probe, struct channel *ch,
                                  const uint8_t *aid, size_t aid_len,
                                  struct iotsafe_probe_response *ret_rsp)
{
    struct apdu_cmd cmd = { .ins = ISO_INS_SELECT, .p1 = 0x04, .data_len = aid_len };
    struct apdu_rsp rsp = APDU_RSP_ON(ret_rsp->data);
    enum iotsafe_err err;

    memcpy(cmd.data, aid, aid_len);
    err = exchange_plain(ch, &cmd, &rsp, probe->use->deadline, probe->use->op);
    finish(ret_rsp, &rsp);
    return err;
}

enum iotsafe_err iotsafe_probe_select(struct iotsafe_probe *probe, const uint8_t *aid,
                                      size_t aid_len, struct iotsafe_probe_response *ret_rsp)
{
    struct channel *ch = probe->use->channel;
    struct channel spare;
    uint16_t sw;
    enum iotsafe_err err;

    if (aid_len < IOTSAFE_AID_MIN || aid_len > ch->aid.len
        || memcmp(aid, ch->aid.bytes, aid_len) != 0)
        return IOTSAFE_ERR_ARGUMENT;
    err = channel_spare_open(ch, &spare, &sw, probe->use->deadline, probe->use->op);
    if (err != IOTSAFE_OK)
        return err;
    if (spare.number == 0)
        return ch->opened_here && ch->belief == BELIEF_CONFIRMED
                   ? select_on(probe, ch, aid, aid_len, ret_rsp)
                   : IOTSAFE_ERR_UNSUPPORTED;
    err = select_on(probe, &spare, aid, aid_len, ret_rsp);
    channel_spare_close(&spare);
    ch->n_responses = spare.n_responses;
    return err;
}

enum iotsafe_err iotsafe_probe_channels(struct iotsafe_probe *probe, unsigned *ret_highest,
                                        uint16_t *ret_sw)
{
    struct channel *ch = probe->use->channel;
    struct channel spare[IOTSAFE_PROBE_CHANNELS_MAX];
    enum iotsafe_err err = IOTSAFE_OK;
    unsigned n = 0, highest = 0;
    bool given = true;

    while (err == IOTSAFE_OK && given && n < IOTSAFE_PROBE_CHANNELS_MAX) {
        err = channel_spare_open(ch, &spare[n], ret_sw, probe->use->deadline, probe->use->op);
        given = err == IOTSAFE_OK && spare[n].number != 0;
        if (given && spare[n].number > highest)
            highest = spare[n].number;
        n += given;
    }
    while (n > 0)
        channel_spare_close(&spare[--n]);
    *ret_highest = highest;
    return err;
}
