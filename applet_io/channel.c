/* SPDX-License-Identifier: Apache-2.0 */
/* see channel.h */
#include "channel.h"

#include <stdio.h>
#include <stdlib.h>

#include "error.h"
#include "instruction.h"
#include "trace.h"

#define ROUNDS_MAX 64 /* exchanges for one command, GET RESPONSE included */
#define RAW_MAX 4098  /* a modem that fetches 61xx itself may answer more than 258 */

/* --------------------------------------------------------------- one APDU */

/* A card that makes a key may take all the time there is. */
static deadline_t exchange_limit(const struct channel *ch, uint8_t ins, deadline_t deadline)
{
    return (instruction_of(ins)->flags & INS_LONG) != 0 ? deadline
                                                        : deadline_min(deadline, ch->exchange_ms);
}

/* Send bytes, append the answer's data to rsp and set its status word. */
static enum iotsafe_err send_raw(struct channel *ch, uint8_t ins, const uint8_t *cmd,
                                 size_t cmd_len, struct apdu_rsp *rsp, deadline_t deadline,
                                 struct iotsafe_op *op)
{
    struct transport *t = ch->transport;
    deadline_t limit = exchange_limit(ch, ins, deadline);
    int64_t start = now_ms();
    uint8_t raw[RAW_MAX];
    size_t len = 0;
    const struct transmission tx = {
        .cmd = cmd,
        .cmd_len = cmd_len,
        .flags = instruction_of(ins)->flags,
        .session = ch->session,
        .rsp = raw,
        .rsp_cap = sizeof(raw),
        .deadline = limit,
    };
    enum iotsafe_err err = t->ops->transmit(t, &tx, &len, op);

    trace_exchange(ch->trace, t->device, ins, cmd, cmd_len, raw, err == IOTSAFE_OK ? len : 0,
                   now_ms() - start);
    if (err == IOTSAFE_OK && len < 2) {
        op_set(op, "%s: the answer to %s has %zu bytes and no status word", t->device,
               instruction_of(ins)->name, len);
        err = IOTSAFE_ERR_PROTOCOL;
    }
    if (err == IOTSAFE_OK && len - 2 > rsp->cap - rsp->len) {
        op_set(op, "%s: the answer to %s is longer than %zu bytes", t->device,
               instruction_of(ins)->name, rsp->cap);
        err = IOTSAFE_ERR_SPACE;
    }
    if (err == IOTSAFE_OK) {
        memcpy(rsp->data + rsp->len, raw, len - 2);
        rsp->len += len - 2;
        rsp->sw = (uint16_t)(raw[len - 2] << 8 | raw[len - 1]);
    }
    explicit_bzero(raw, sizeof(raw));
    return err;
}

static uint8_t command_class(const struct channel *ch, const struct apdu_cmd *cmd)
{
    return apdu_class(!cmd->iso && !ch->traits.class_plain, ch->number);
}

static enum apdu_le command_le(const struct channel *ch)
{
    return ch->transport->le_never ? APDU_LE_NONE : ch->traits.le;
}

static enum iotsafe_err send_command(struct channel *ch, const struct apdu_cmd *cmd,
                                     struct apdu_rsp *rsp, deadline_t deadline,
                                     struct iotsafe_op *op)
{
    uint8_t bytes[APDU_CMD_MAX];
    size_t len = apdu_encode(cmd, command_class(ch, cmd), command_le(ch), bytes);
    enum iotsafe_err err;

    if (len == 0)
        return IOTSAFE_ERR_ARGUMENT;
    rsp->len = 0;
    rsp->sw = 0;
    rsp->begun = false;
    err = send_raw(ch, cmd->ins, bytes, len, rsp, deadline, op);
    explicit_bzero(bytes, sizeof(bytes));
    return err;
}

/* ------------------------------------------------------------ corrections */

/* Which correction of a command has been tried already. */
struct corrections {
    bool class_switched, le_switched;
    unsigned le_corrected;
    uint16_t first_sw; /* that made us switch the class */
};

/* With class 0N these are CHANGE PIN and UNBLOCK PIN of a USIM: a card that was reset
 * behind our back may have one on the channel by now, and each try costs it one of
 * few. */
static bool pin_command_elsewhere(const struct apdu_cmd *cmd)
{
    return !cmd->iso
           && (cmd->ins == IOTSAFE_INS_PUT_PUBLIC_KEY_INIT
               || cmd->ins == IOTSAFE_INS_VERIFY_SIGNATURE_INIT);
}

static bool wrong_class(const struct channel *ch, const struct apdu_cmd *cmd, uint16_t sw)
{
    if (cmd->iso || !ch->verified)
        return false; /* another application may be answering */
    if (pin_command_elsewhere(cmd) && !ch->traits.class_plain
        && (ch->traits.class_confirmed || !ch->proved))
        return false; /* our applet has never wanted 0N, or is not known to be there still */
    if (sw == SW_CLA_UNKNOWN || sw == SW_SECURE_MESSAGING)
        return true;
    /* an applet may take an unknown class for an unknown instruction */
    return sw == SW_INS_UNKNOWN && !ch->traits.class_confirmed;
}

/* Change what the status word complains of; true if a new try makes sense. */
static bool correct(struct channel *ch, struct apdu_cmd *cmd, uint16_t sw, struct corrections *done)
{
    if ((sw & 0xff00) == SW_WRONG_LE && done->le_corrected < 2) {
        done->le_corrected++;
        cmd->ne = (sw & 0xff) != 0 ? (sw & 0xff) : APDU_NE_MAX;
        return true;
    }
    if (wrong_class(ch, cmd, sw) && !done->class_switched) {
        done->class_switched = true;
        done->first_sw = sw;
        ch->traits.class_plain = !ch->traits.class_plain;
        return true;
    }
    if (sw == SW_WRONG_LENGTH && cmd->data_len != 0 && cmd->ne != 0 && !done->le_switched
        && !ch->transport->le_never) {
        done->le_switched = true;
        ch->traits.le = ch->traits.le == APDU_LE_NONE ? APDU_LE_AUTO : APDU_LE_NONE;
        return true;
    }
    return false;
}

/* A correction that did not help is taken back; one that did stays learned. */
static void settle(struct channel *ch, const struct apdu_cmd *cmd, struct apdu_rsp *rsp,
                   const struct traits *before, const struct corrections *done)
{
    const uint16_t sw = rsp->sw;
    bool class_is_wrong = sw == SW_CLA_UNKNOWN || sw == SW_SECURE_MESSAGING
                          || (sw == SW_INS_UNKNOWN && done->class_switched);

    if (done->class_switched && class_is_wrong) {
        ch->traits.class_plain = before->class_plain;
        rsp->sw = done->first_sw; /* the answer that counts */
    } else if (!cmd->iso && sw != SW_INS_UNKNOWN && !class_is_wrong && sw != SW_CHANNEL_UNSUPPORTED
               && sw != SW_APPLET_SELECT_FAILED && ch->verified) {
        ch->traits.class_confirmed = true;
    }
    if (done->le_switched && sw == SW_WRONG_LENGTH)
        ch->traits.le = before->le;
    if (ch->traits.class_plain != before->class_plain || ch->traits.le != before->le)
        trace_note(ch->trace, ch->transport->device, "learned: class %sN, Le %s",
                   ch->traits.class_plain ? "0" : "8",
                   ch->traits.le == APDU_LE_NONE ? "never" : "where an answer is expected");
}

/* --------------------------------------------------------------- chaining */

static bool bytes_wait(uint16_t sw)
{
    return (sw & 0xff00) == SW_BYTES_WAIT || (sw & 0xff00) == SW_GSM_BYTES_WAIT;
}

static enum iotsafe_err get_response(struct channel *ch, const struct apdu_cmd *cmd,
                                     struct apdu_rsp *rsp, deadline_t deadline,
                                     struct iotsafe_op *op)
{
    const uint16_t asked = rsp->sw;
    const size_t before = rsp->len;
    const bool as_cmd = ch->traits.response_as_cmd;
    uint8_t bytes[5] = { 0, ISO_INS_GET_RESPONSE, 0, 0, (uint8_t)asked };
    enum iotsafe_err err;

    for (int tries = 0; tries < 2; tries++) {
        bool use_cmd_class = as_cmd != (tries == 1);

        bytes[0] = use_cmd_class ? command_class(ch, cmd) : apdu_class(false, ch->number);
        err = send_raw(ch, cmd->ins, bytes, sizeof(bytes), rsp, deadline, op);
        if (err == IOTSAFE_OK && (rsp->sw & 0xff00) == SW_WRONG_LE) {
            bytes[4] = (uint8_t)rsp->sw;
            err = send_raw(ch, cmd->ins, bytes, sizeof(bytes), rsp, deadline, op);
        }
        if (err != IOTSAFE_OK)
            return err;
        if (rsp->sw != SW_CLA_UNKNOWN && rsp->sw != SW_INS_UNKNOWN
            && !(rsp->sw == SW_OK && rsp->len == before)) {
            ch->traits.response_as_cmd = use_cmd_class;
            return IOTSAFE_OK;
        }
    }
    op_set(op, "%s: the answer to %s waits (%04X) but GET RESPONSE brings %04X",
           ch->transport->device, instruction_of(cmd->ins)->name, asked, rsp->sw);
    return IOTSAFE_ERR_PROTOCOL;
}

static enum iotsafe_err collect(struct channel *ch, const struct apdu_cmd *cmd,
                                struct apdu_rsp *rsp, deadline_t deadline, struct iotsafe_op *op)
{
    for (unsigned rounds = 0; bytes_wait(rsp->sw); rounds++) {
        size_t before = rsp->len;
        enum iotsafe_err err;

        rsp->begun = true;
        if (rounds == ROUNDS_MAX) {
            op_set(op, "%s: the answer to %s does not end after %d pieces", ch->transport->device,
                   instruction_of(cmd->ins)->name, ROUNDS_MAX);
            return IOTSAFE_ERR_PROTOCOL;
        }
        err = get_response(ch, cmd, rsp, deadline, op);
        if (err != IOTSAFE_OK)
            return err;
        if (rsp->len == before && bytes_wait(rsp->sw))
            rounds = ROUNDS_MAX - 1; /* nothing came: once more, then no further */
    }
    return IOTSAFE_OK;
}

/* Before a command that must reach no other application: see that ours is there. */
static enum iotsafe_err prove(struct channel *ch, const struct apdu_cmd *cmd, deadline_t deadline,
                              struct iotsafe_op *op)
{
    const bool by_select = ch->transport->ops->open_channel == NULL;

    if (!pin_command_elsewhere(cmd) || !ch->traits.class_plain
        || (by_select ? ch->proved : ch->verified))
        return IOTSAFE_OK;
    return channel_reopen(ch, false, deadline, op);
}

enum iotsafe_err channel_exchange(struct channel *ch, const struct apdu_cmd *cmd,
                                  struct apdu_rsp *rsp, deadline_t deadline, struct iotsafe_op *op)
{
    struct traits before;
    struct apdu_cmd attempt = *cmd;
    struct corrections done = { 0 };
    enum iotsafe_err err;

    rsp->len = 0;
    rsp->sw = 0;
    rsp->begun = false;
    err = prove(ch, cmd, deadline, op);
    if (err != IOTSAFE_OK)
        return err;
    before = ch->traits;
    do
        err = send_command(ch, &attempt, rsp, deadline, op);
    while (err == IOTSAFE_OK && correct(ch, &attempt, rsp->sw, &done));
    if (err == IOTSAFE_OK) {
        settle(ch, cmd, rsp, &before, &done);
        err = collect(ch, cmd, rsp, deadline, op);
    }
    explicit_bzero(&attempt, sizeof(attempt));
    if (err != IOTSAFE_OK)
        return err;
    if (rsp->sw == SW_ADMIN_ENDED || rsp->sw == SW_LIMIT_OR_CHANGED)
        ch->stale = true;
    err = error_from_sw(rsp->sw);
    if (err == IOTSAFE_OK)
        ch->verified = ch->proved = true;
    else
        op_set(op, "%s answered %04X: %s (%s)", instruction_of(cmd->ins)->name, rsp->sw,
               error_sw_meaning(rsp->sw), ch->transport->device);
    return err;
}

/* ---------------------------------------------------------------- opening */

static void set_number(struct channel *ch, uint8_t number)
{
    ch->number = number;
    (void)snprintf(ch->session, sizeof(ch->session), "%u", number);
}

static enum iotsafe_err select_aid(struct channel *ch, const struct aid *aid, deadline_t deadline,
                                   struct iotsafe_op *op)
{
    struct apdu_cmd cmd = { .iso = true, .ins = ISO_INS_SELECT, .p1 = 0x04, .data_len = aid->len };
    uint8_t fci[512];
    struct apdu_rsp rsp = APDU_RSP_ON(fci);
    enum iotsafe_err err;

    memcpy(cmd.data, aid->bytes, aid->len);
    /* an FCI that waits (61xx) is left there: the next command discards it */
    err = send_command(ch, &cmd, &rsp, deadline, op);
    if (err != IOTSAFE_OK)
        return err;
    err = bytes_wait(rsp.sw) ? IOTSAFE_OK : error_from_sw(rsp.sw);
    if (err == IOTSAFE_OK) {
        ch->aid = *aid;
        ch->open = ch->verified = ch->proved = true;
        return IOTSAFE_OK;
    }
    op_set(op, "SELECT of the applet answered %04X: %s (%s)", rsp.sw, error_sw_meaning(rsp.sw),
           ch->transport->device);
    return err;
}

/* Try the AID that worked before, then the configured ones in their order. */
static enum iotsafe_err for_each_aid(struct channel *ch,
                                     enum iotsafe_err (*attempt)(struct channel *,
                                                                 const struct aid *, deadline_t,
                                                                 struct iotsafe_op *),
                                     deadline_t deadline, struct iotsafe_op *op)
{
    const struct aid known = ch->aid;
    enum iotsafe_err err = IOTSAFE_ERR_NO_APPLET;

    if (known.len != 0)
        err = attempt(ch, &known, deadline, op);
    for (size_t i = 0; i < ch->n_aids; i++) {
        const struct aid *aid = &ch->aids[i];

        if (err != IOTSAFE_ERR_NOT_FOUND && err != IOTSAFE_ERR_NO_APPLET)
            return err;
        if (aid->len == known.len && memcmp(aid->bytes, known.bytes, known.len) == 0)
            continue;
        err = attempt(ch, aid, deadline, op);
    }
    return err;
}

static void describe_missing_applet(const struct channel *ch, struct iotsafe_op *op)
{
    char aid[HEX_SIZE(IOTSAFE_AID_MAX)];

    op_set(op, "the card at %s has no IoT SAFE applet; tried AID", ch->transport->device);
    for (size_t i = 0; i < ch->n_aids; i++) {
        hex_encode(ch->aids[i].bytes, ch->aids[i].len, aid);
        op_add(op, " %s", aid);
    }
    op_add(op, "; if the SIM has another one, set aid");
}

static void close_channel(struct channel *ch, deadline_t deadline)
{
    struct apdu_cmd cmd = { .iso = true, .ins = ISO_INS_MANAGE_CHANNEL, .p1 = 0x80 };
    uint8_t data[APDU_RSP_MAX];
    struct apdu_rsp rsp = APDU_RSP_ON(data);
    enum iotsafe_err err;

    ch->open = false;
    if (ch->transport->ops->close_channel != NULL) {
        ch->transport->ops->close_channel(ch->transport, ch->session, deadline);
        return;
    }
    if (ch->number == 0)
        return;
    cmd.p2 = ch->number;
    ch->number = 0; /* from the basic channel: 00 70 80 NN */
    err = send_command(ch, &cmd, &rsp, deadline, NULL);
    (void)err; /* closed already is as good */
}

/* MANAGE CHANNEL open, from the basic channel. */
static enum iotsafe_err manage_channel_open(struct channel *ch, deadline_t deadline,
                                            struct iotsafe_op *op)
{
    static const struct apdu_cmd cmd = { .iso = true, .ins = ISO_INS_MANAGE_CHANNEL, .ne = 1 };
    uint8_t data[APDU_RSP_MAX];
    struct apdu_rsp rsp = APDU_RSP_ON(data);
    enum iotsafe_err err;

    set_number(ch, 0);
    err = channel_exchange(ch, &cmd, &rsp, deadline, op);
    if (err == IOTSAFE_OK && rsp.len >= 1 && data[0] >= 1 && data[0] <= IOTSAFE_CHANNEL_MAX) {
        set_number(ch, data[0]);
        return IOTSAFE_OK;
    }
    if (rsp.sw == 0)
        return err;
    /* no logical channels: a card that is there for us alone has its basic one */
    if (ch->transport->one_device && ch->transport->lock == NULL)
        return IOTSAFE_OK;
    if (ch->transport->one_device && rsp.sw != SW_FUNCTION_UNSUPPORTED)
        return IOTSAFE_OK;
    op_set(op, "%s gives no logical channel (MANAGE CHANNEL answered %04X: %s)%s",
           ch->transport->device, rsp.sw, error_sw_meaning(rsp.sw),
           rsp.sw == SW_FUNCTION_UNSUPPORTED
               ? "; other programs hold them: end those or reset the card"
               : ": a card without them is used when the transport names its reader");
    return IOTSAFE_ERR_NO_CHANNEL;
}

static enum iotsafe_err device_opens(struct channel *ch, const struct aid *aid, deadline_t deadline,
                                     struct iotsafe_op *op)
{
    struct transport *t = ch->transport;
    enum iotsafe_err err = t->ops->open_channel(t, aid->bytes, aid->len, deadline, ch->session, op);

    ch->number = 0;
    if (err == IOTSAFE_OK) {
        ch->aid = *aid;
        ch->open = ch->verified = ch->proved = true;
    }
    return err;
}

static bool record_is_current(const struct channel *ch)
{
    return ch->generation != 0 && ch->recorded.generation == ch->generation
           && strcmp(ch->recorded.session, ch->session) == 0
           && traits_equal(&ch->recorded.traits, &ch->traits);
}

/* Tell other processes, if there is anything new to tell. */
static bool publish(struct channel *ch)
{
    struct channel_record r = { 0 };

    if (ch->transport->lock == NULL || record_is_current(ch))
        return true;
    memcpy(r.session, ch->session, sizeof(r.session));
    memcpy(r.aid, ch->aid.bytes, ch->aid.len);
    r.aid_len = ch->aid.len;
    memcpy(r.atr, ch->transport->atr, ch->transport->atr_len);
    r.atr_len = ch->transport->atr_len;
    r.traits = ch->traits;
    if (!device_lock_write(ch->transport->lock, &r))
        return false;
    ch->recorded = r;
    ch->generation = r.generation;
    return true;
}

static enum iotsafe_err open_new(struct channel *ch, deadline_t deadline, struct iotsafe_op *op)
{
    enum iotsafe_err err = IOTSAFE_OK;

    ch->open = ch->verified = ch->proved = false;
    ch->generation = 0;
    if (ch->transport->ops->open_channel != NULL) {
        err = for_each_aid(ch, device_opens, deadline, op);
    } else {
        err = manage_channel_open(ch, deadline, op);
        if (err == IOTSAFE_OK) {
            err = for_each_aid(ch, select_aid, deadline, op);
            if (err != IOTSAFE_OK)
                close_channel(ch, deadline);
        }
    }
    if (err == IOTSAFE_ERR_NOT_FOUND || err == IOTSAFE_ERR_NO_APPLET) {
        describe_missing_applet(ch, op);
        return IOTSAFE_ERR_NO_APPLET;
    }
    if (err == IOTSAFE_OK) {
        trace_note(ch->trace, ch->transport->device, "applet selected on channel %s", ch->session);
        (void)publish(ch); /* at once: a process that dies now must leave no orphan */
    }
    return err;
}

/* ---------------------------------------------- what other processes know */

static bool aid_is_ours(const struct channel *ch, const struct channel_record *r)
{
    for (size_t i = 0; i < ch->n_aids; i++)
        if (ch->aids[i].len == r->aid_len && memcmp(ch->aids[i].bytes, r->aid, r->aid_len) == 0)
            return true;
    return false;
}

/* Settings of the configuration stand above what was learned elsewhere. */
static void take_traits(struct channel *ch, const struct traits *learned)
{
    const struct traits *set = &ch->default_traits;

    ch->traits = *learned;
    ch->traits.close_forced = set->close_forced;
    ch->traits.close_after = learned->close_after || set->close_after;
    if (set->class_confirmed) {
        ch->traits.class_plain = set->class_plain;
        ch->traits.class_confirmed = true;
    }
    if (set->le != APDU_LE_AUTO)
        ch->traits.le = set->le;
    if (set->session != 1)
        ch->traits.session = set->session;
}

/* Take over a recorded channel: a guess, until a command has shown it right. */
static bool adopt(struct channel *ch, const struct channel_record *r)
{
    const struct transport *t = ch->transport;
    char *end;
    unsigned long number = 0;

    if (!aid_is_ours(ch, r))
        return false;
    if (r->atr_len != t->atr_len || memcmp(r->atr, t->atr, t->atr_len) != 0)
        return false; /* another card */
    if (t->ops->open_channel == NULL) {
        number = strtoul(r->session, &end, 10);
        if (*end != '\0' || number > IOTSAFE_CHANNEL_MAX || (number == 0 && !t->one_device))
            return false;
    }
    memcpy(ch->session, r->session, sizeof(ch->session));
    ch->number = (uint8_t)number;
    memcpy(ch->aid.bytes, r->aid, sizeof(ch->aid.bytes));
    ch->aid.len = r->aid_len;
    take_traits(ch, &r->traits);
    ch->generation = r->generation;
    ch->recorded = *r;
    ch->open = true;
    ch->verified = false;
    return true;
}

enum iotsafe_err channel_ready(struct channel *ch, enum channel_event event, deadline_t deadline,
                               struct iotsafe_op *op)
{
    const bool outlives_connection = ch->transport->lock != NULL;
    struct channel_record r = { 0 };

    if (outlives_connection)
        ch->proved = false; /* who knows what happened to the card meanwhile */
    if (strcmp(ch->device, ch->transport->device) != 0) { /* another reader */
        (void)snprintf(ch->device, sizeof(ch->device), "%s", ch->transport->device);
        ch->open = false;
        ch->generation = 0;
        ch->traits = ch->default_traits;
    }
    if (outlives_connection)
        device_lock_read(ch->transport->lock, &r);
    if (r.generation != 0 && r.generation != ch->generation && adopt(ch, &r))
        return IOTSAFE_OK;
    if (ch->open && event == CHANNEL_RECONNECTED && outlives_connection) {
        ch->verified = false; /* probably still there */
        return IOTSAFE_OK;
    }
    if (ch->open && event == CHANNEL_SAME)
        return IOTSAFE_OK;
    return open_new(ch, deadline, op);
}

enum iotsafe_err channel_reopen(struct channel *ch, bool lost, deadline_t deadline,
                                struct iotsafe_op *op)
{
    struct transport *t = ch->transport;

    trace_note(ch->trace, t->device, "channel %s is %s", ch->session,
               lost ? "lost" : "in doubt: selecting again");
    if (t->ops->open_channel != NULL) {
        if (ch->open)
            close_channel(ch, deadline);
    } else if (ch->open && !lost && select_aid(ch, &ch->aid, deadline, NULL) == IOTSAFE_OK) {
        return IOTSAFE_OK;
    }
    return open_new(ch, deadline, op);
}

void channel_leave(struct channel *ch, deadline_t deadline)
{
    if (!ch->open || !ch->verified || ch->transport->lock == NULL)
        return;
    if (!publish(ch) && ch->generation == 0) {
        /* nobody could find this channel again, and a card has but three */
        trace_note(ch->trace, ch->transport->device,
                   "no record can be written: closing the channel");
        close_channel(ch, deadline_min(deadline, 2000));
    }
}
