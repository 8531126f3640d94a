/* SPDX-License-Identifier: Apache-2.0 */
/* see exchange.h */
#include "exchange.h"

#include "error.h"
#include "trace.h"

#define ROUNDS_MAX 64 /* exchanges for one command, GET RESPONSE included */
#define RAW_MAX 4098  /* a modem that fetches 61xx itself may answer more than 258 */

static _Atomic unsigned long n_exchanges; /* of all cards of this process */

unsigned long iotsafe_exchanges(void)
{
    return n_exchanges;
}

/* --------------------------------------------------------------- one APDU */

/* An aborted command has no data (ISO/IEC 7816-4, 5.6): where a line loses the end of a
 * response, bytes of its data stand in the place of the status word. 6Cxx is only believed
 * as far as the next try goes, and some modems get it wrong. */
static bool is_aborted(uint8_t sw1)
{
    return sw1 >= 0x64 && sw1 <= 0x6f && sw1 != 0x6c;
}

/* Send bytes, append the response's data to rsp and set its status word. `rest`: a GET
 * RESPONSE for the command `in`. */
static enum iotsafe_err send_raw(struct channel *ch, const struct instruction *in,
                                 const uint8_t *cmd, size_t cmd_len, bool rest,
                                 struct apdu_rsp *rsp, deadline_t deadline, struct iotsafe_op *op)
{
    struct transport *t = ch->transport;
    const bool is_long = (in->flags & INS_LONG) != 0; /* may take all the time there is */
    int64_t start = now_ms();
    uint8_t raw[RAW_MAX];
    size_t len = 0;
    const struct transmission tx = {
        .cmd = cmd,
        .cmd_len = cmd_len,
        .flags = in->flags,
        .rest = rest,
        .session = ch->session,
        .rsp = raw,
        .rsp_cap = sizeof(raw),
        .deadline = is_long ? deadline : deadline_min(deadline, ch->exchange_ms),
    };
    enum iotsafe_err err;

    if (deadline_left_ms(deadline) == 0) {
        op_set(op, "%s: no time is left for %s", t->device, in->name);
        return IOTSAFE_ERR_TIMEOUT;
    }
    n_exchanges++;
    err = t->ops->transmit(t, &tx, &len, op);
    ch->n_responses += err == IOTSAFE_OK;
    trace_exchange(ch->trace, t->device, in->ins, cmd, cmd_len, raw, err == IOTSAFE_OK ? len : 0,
                   now_ms() - start);
    if (err == IOTSAFE_OK && len < 2) {
        op_set(op, "%s: the response to %s has %zu bytes and no status word", t->device, in->name,
               len);
        err = IOTSAFE_ERR_PROTOCOL;
    }
    if (err == IOTSAFE_OK && len - 2 > rsp->cap - rsp->len) {
        op_set(op, "%s: the response to %s is longer than %zu bytes", t->device, in->name,
               rsp->cap);
        err = IOTSAFE_ERR_SPACE;
    }
    if (err == IOTSAFE_OK && len > 2 && is_aborted(raw[len - 2])) {
        op_set(op,
               "%s: the response to %s was damaged: %zu bytes of data before the error %02X%02X",
               t->device, in->name, len - 2, raw[len - 2], raw[len - 1]);
        err = IOTSAFE_ERR_DAMAGED;
    }
    if (err == IOTSAFE_OK) {
        memcpy(rsp->data + rsp->len, raw, len - 2);
        rsp->len += len - 2;
        rsp->sw = (uint16_t)(raw[len - 2] << 8 | raw[len - 1]);
    }
    explicit_bzero(raw, err == IOTSAFE_OK ? len : sizeof(raw)); /* what was written */
    return err;
}

/* With +CGLA and the like the modem puts the channel into the class byte, or leaves that
 * to us. */
static uint8_t channel_in_class(const struct channel *ch)
{
    return ch->transport->opens_channels && ch->filler != FILLER_CALLER ? 0 : ch->number;
}

static uint8_t command_class(const struct channel *ch, bool iso)
{
    return apdu_class(!iso && !ch->traits.class_plain, channel_in_class(ch));
}

static uint8_t class_in_form(const struct channel *ch, const struct instruction *in,
                             const struct exchange_form *form)
{
    if (form->cls == CLASS_LEARNED)
        return command_class(ch, (in->flags & INS_ISO) != 0);
    return apdu_class(form->cls == CLASS_8N, channel_in_class(ch));
}

static enum apdu_le le_in_form(const struct channel *ch, const struct exchange_form *form)
{
    if (ch->transport->le_never || form->le == LE_NOT_BEHIND_DATA)
        return APDU_LE_NONE;
    return form->le == LE_BEHIND_DATA ? APDU_LE_ALWAYS : ch->traits.le;
}

static enum iotsafe_err send_in_form(struct channel *ch, const struct apdu_cmd *cmd,
                                     const struct exchange_form *form, struct apdu_rsp *rsp,
                                     deadline_t deadline, struct iotsafe_op *op)
{
    const struct instruction *in = instruction_of(cmd->ins);
    uint8_t bytes[APDU_CMD_MAX];
    size_t len = apdu_encode(cmd, class_in_form(ch, in, form), le_in_form(ch, form), bytes);
    enum iotsafe_err err;

    rsp->len = 0;
    rsp->sw = 0;
    rsp->begun = false;
    if (len == 0 || form->stray_len > sizeof(bytes) - len)
        return IOTSAFE_ERR_ARGUMENT;
    if (form->stray_len != 0)
        memcpy(bytes + len, form->stray, form->stray_len);
    err = send_raw(ch, in, bytes, len + form->stray_len, false, rsp, deadline, op);
    explicit_bzero(bytes, sizeof(bytes));
    return err;
}

enum iotsafe_err exchange_plain(struct channel *ch, const struct apdu_cmd *cmd,
                                struct apdu_rsp *rsp, deadline_t deadline, struct iotsafe_op *op)
{
    static const struct exchange_form learned = { .cls = CLASS_LEARNED };

    return send_in_form(ch, cmd, &learned, rsp, deadline, op);
}

enum iotsafe_err exchange_in_form(struct channel *ch, const struct apdu_cmd *cmd,
                                  const struct exchange_form *form, struct apdu_rsp *rsp,
                                  deadline_t deadline, struct iotsafe_op *op)
{
    const unsigned flags = instruction_of(cmd->ins)->flags;
    const bool deviates = form->cls != CLASS_LEARNED || form->stray_len != 0;

    if (deviates && (flags & (INS_PIN_ELSEWHERE | INS_CHANGES | INS_ONCE)) != 0)
        return IOTSAFE_ERR_ARGUMENT;
    return send_in_form(ch, cmd, form, rsp, deadline, op);
}

/* --------------------------------------------------------------- chaining */

bool exchange_bytes_wait(uint16_t sw)
{
    return (sw & 0xff00) == SW_BYTES_WAIT || (sw & 0xff00) == SW_GSM_BYTES_WAIT;
}

static enum iotsafe_err get_response(struct channel *ch, const struct instruction *in,
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

        bytes[0] = command_class(ch, !use_cmd_class);
        err = send_raw(ch, in, bytes, sizeof(bytes), true, rsp, deadline, op);
        if (err == IOTSAFE_OK && (rsp->sw & 0xff00) == SW_WRONG_LE) {
            bytes[4] = (uint8_t)rsp->sw;
            err = send_raw(ch, in, bytes, sizeof(bytes), true, rsp, deadline, op);
        }
        if (err != IOTSAFE_OK)
            return err;
        if (rsp->sw != SW_CLA_UNKNOWN && rsp->sw != SW_INS_UNKNOWN
            && !(rsp->sw == SW_OK && rsp->len == before)) {
            ch->traits.response_as_cmd = use_cmd_class;
            return IOTSAFE_OK;
        }
    }
    op_set(op, "%s: after %04X to %s, GET RESPONSE was answered %04X", ch->transport->device, asked,
           in->name, rsp->sw);
    return IOTSAFE_ERR_PROTOCOL;
}

static enum iotsafe_err collect(struct channel *ch, const struct instruction *in,
                                struct apdu_rsp *rsp, deadline_t deadline, struct iotsafe_op *op)
{
    unsigned rounds = 0, empty = 0;

    while (exchange_bytes_wait(rsp->sw)) {
        size_t before = rsp->len;
        enum iotsafe_err err;

        rsp->begun = true;
        if (rounds++ == ROUNDS_MAX || empty == 2) {
            op_set(op, "%s: the response to %s does not end", ch->transport->device, in->name);
            return IOTSAFE_ERR_PROTOCOL;
        }
        err = get_response(ch, in, rsp, deadline, op);
        if (err != IOTSAFE_OK)
            return err;
        empty = rsp->len == before ? empty + 1 : 0;
    }
    return IOTSAFE_OK;
}

/* ------------------------------------------------------------ corrections */

/* What has been tried for one command. */
struct corrections {
    unsigned le_corrected;
    bool le_switched;
    unsigned forms;       /* class forms beyond the first: see next_form() */
    uint16_t first_sw;    /* in the first form */
    struct traits traits; /* before */
    enum filler filler;
};

static bool sw_is_about_class(uint16_t sw)
{
    return sw == SW_CLA_UNKNOWN || sw == SW_SECURE_MESSAGING;
}

/* A command that does no harm, whatever application it reaches. */
static bool is_harmless(const struct instruction *in)
{
    return (in->flags & (INS_PIN_ELSEWHERE | INS_ONCE)) == 0;
}

/* May the same command be tried with another class byte? Where another application may be
 * answering it would say nothing; there exchange_ask() finds out. */
static bool may_switch_class(const struct channel *ch, const struct instruction *in, uint16_t sw)
{
    if ((in->flags & INS_ISO) != 0)
        return false;
    if (!sw_is_about_class(sw) && (sw != SW_INS_UNKNOWN || ch->traits.class_confirmed))
        return false;
    if (ch->belief != BELIEF_CONFIRMED)
        return ch->transport->opens_channels && is_harmless(in) && (in->flags & INS_PROVES) != 0;
    return is_harmless(in); /* for the others exchange_ask() finds the class */
}

/* The forms of the class byte beyond the given one: 8N or 0N, and where it is open who
 * fills in the channel, the other one. */
static bool next_form(struct channel *ch, struct corrections *done, uint16_t sw)
{
    const bool filler_is_open = ch->transport->opens_channels && ch->number != 0
                                && ch->belief != BELIEF_CONFIRMED;

    if (done->forms == (filler_is_open ? 3 : 1))
        return false;
    if (done->forms++ == 0)
        done->first_sw = sw;
    ch->traits.class_plain = done->traits.class_plain != (done->forms != 2);
    ch->filler = done->forms == 1                ? done->filler
                 : done->filler == FILLER_CALLER ? FILLER_MODEM
                                                 : FILLER_CALLER;
    return true;
}

/* Change what the status word complains of; true if a new try makes sense. */
static bool correct(struct channel *ch, const struct instruction *in, struct apdu_cmd *cmd,
                    uint16_t sw, struct corrections *done)
{
    if ((sw & 0xff00) == SW_WRONG_LE && done->le_corrected < 2) {
        done->le_corrected++;
        cmd->ne = (sw & 0xff) != 0 ? (sw & 0xff) : APDU_NE_MAX;
        return true;
    }
    if (may_switch_class(ch, in, sw) && next_form(ch, done, sw))
        return true;
    if (sw == SW_WRONG_LENGTH && cmd->data_len != 0 && cmd->ne != 0 && !done->le_switched
        && !ch->transport->le_never) {
        done->le_switched = true;
        ch->traits.le = ch->traits.le == APDU_LE_NONE ? APDU_LE_AUTO : APDU_LE_NONE;
        return true;
    }
    return false;
}

/* A correction that did not help is taken back; one that did stays learned. */
static void settle(struct channel *ch, struct apdu_rsp *rsp, const struct corrections *done)
{
    const bool in_vain = sw_is_about_class(rsp->sw)
                         || (done->forms > 0
                             && (rsp->sw == SW_INS_UNKNOWN || rsp->sw == SW_CHANNEL_UNSUPPORTED));

    if (done->forms > 0 && in_vain) {
        ch->traits.class_plain = done->traits.class_plain;
        ch->filler = done->filler;
        rsp->sw = done->first_sw; /* the one that counts */
    }
    if (done->le_switched && rsp->sw == SW_WRONG_LENGTH)
        ch->traits.le = done->traits.le;
    if (ch->traits.class_plain != done->traits.class_plain || ch->traits.le != done->traits.le)
        trace_note(ch->trace, ch->transport->device, "learned: class %sN, Le %s",
                   ch->traits.class_plain ? "0" : "8",
                   ch->traits.le == APDU_LE_NONE ? "never" : "where a response is expected");
}

/* Words by which another application, or none, may be answering. */
static bool sw_is_odd(uint16_t sw)
{
    return sw == SW_INS_UNKNOWN || sw_is_about_class(sw) || sw == SW_APPLET_SELECT_FAILED
           || (sw & 0xff00) == SW_UNKNOWN_ERROR;
}

/* What a response shows of the channel. */
static void draw_conclusions(struct channel *ch, const struct instruction *in,
                             const struct apdu_rsp *rsp)
{
    const bool success = error_from_sw(rsp->sw) == IOTSAFE_OK
                         || (rsp->sw == SW_MORE_DATA && rsp->len != 0);

    if (success && instruction_proves_applet(in, ch->traits.class_plain, rsp->data, rsp->len)) {
        channel_believe(ch, BELIEF_PROVED);
        if (ch->filler == FILLER_UNKNOWN)
            ch->filler = FILLER_MODEM;
    }
    if (rsp->sw == SW_CHANNEL_UNSUPPORTED) /* a session of the device is there to be closed */
        channel_believe(ch, ch->transport->opens_channels ? BELIEF_DOUBTED : BELIEF_LOST);
    else if (sw_is_odd(rsp->sw) && (in->flags & INS_ISO) == 0)
        channel_believe(ch, BELIEF_DOUBTED);
    else if (!success && ch->traits.class_plain && (in->flags & INS_PIN_ELSEWHERE) != 0)
        channel_believe(ch, BELIEF_DOUBTED); /* the next one must not meet a PIN either */
    else if (ch->belief == BELIEF_CONFIRMED && (in->flags & INS_ISO) == 0)
        ch->traits.class_confirmed = true;
    if (rsp->sw == SW_ADMIN_ENDED || rsp->sw == SW_LIMIT_OR_CHANGED)
        ch->stale = true;
}

/* Status words by which a card says that its memory may have changed, or that it does not
 * know what happened: ISO/IEC 7816-4, 5.6 (62xx and 63xx: carried out; 65xx: broken off;
 * 6Fxx: no diagnosis), or that it is at work (60xx). */
static bool may_have_been_carried_out(const struct apdu_rsp *rsp, enum iotsafe_err err)
{
    const unsigned sw1 = rsp->sw >> 8;

    return err != IOTSAFE_OK
           && (rsp->sw == 0 || rsp->begun || sw1 == 0x60 || sw1 == 0x62 || sw1 == 0x63
               || sw1 == 0x65 || sw1 == 0x6f);
}

/* The card wants the exact Le, and the device has no room for such a response. */
static void explain_wrong_le(const struct transport *t, const struct apdu_rsp *rsp,
                             struct iotsafe_op *op)
{
    if ((rsp->sw & 0xff00) == SW_WRONG_LE && t->cut_at != 0)
        op_add(op,
               "; the applet gives this response in one piece only, and the modem cut it off "
               "after %zu bytes: name objects instead of listing them, or try another modem",
               t->cut_at);
}

static enum iotsafe_err transact(struct channel *ch, const struct instruction *in,
                                 const struct apdu_cmd *cmd, struct apdu_rsp *rsp,
                                 deadline_t deadline, struct iotsafe_op *op)
{
    struct corrections done = { .traits = ch->traits, .filler = ch->filler };
    struct apdu_cmd attempt = *cmd;
    enum iotsafe_err err;

    do
        err = exchange_plain(ch, &attempt, rsp, deadline, op);
    while (err == IOTSAFE_OK && correct(ch, in, &attempt, rsp->sw, &done));
    if (err != IOTSAFE_OK) {
        ch->traits.class_plain = done.traits.class_plain;
        ch->filler = done.filler;
        ch->traits.le = done.traits.le;
    } else {
        settle(ch, rsp, &done);
        err = collect(ch, in, rsp, deadline, op);
    }
    explicit_bzero(&attempt, sizeof(attempt));
    if (err != IOTSAFE_OK)
        return err;
    draw_conclusions(ch, in, rsp);
    err = error_from_sw(rsp->sw);
    if (err != IOTSAFE_OK)
        op_set(op, "%s answered %04X: %s (%s)", in->name, rsp->sw, error_sw_meaning(rsp->sw),
               ch->transport->device);
    if (err != IOTSAFE_OK)
        explain_wrong_le(ch->transport, rsp, op);
    return err;
}

/* The command went out in class 0N after 8N was refused, and came to `err`: an application may
 * have answered that a reset has selected. A success counts if no applet was known to take 8N,
 * or once ours has proved itself; after an error, the next command asks for the proof. */
static enum iotsafe_err confirm_new_class(struct channel *ch, const struct instruction *in,
                                          bool was_known, enum iotsafe_err err, deadline_t deadline,
                                          struct iotsafe_op *op)
{
    const unsigned n_opened = ch->n_opened;

    if (err != IOTSAFE_OK) {
        channel_believe(ch, BELIEF_DOUBTED);
        return err;
    }
    if (!was_known || (in->flags & (INS_ISO | INS_PROVES)) != 0)
        return IOTSAFE_OK;
    channel_believe(ch, BELIEF_DOUBTED);
    err = channel_confirm(ch, deadline, op);
    return err == IOTSAFE_OK && ch->n_opened != n_opened ? IOTSAFE_ERR_CHANNEL_LOST : err;
}

enum iotsafe_err channel_exchange(struct channel *ch, const struct apdu_cmd *cmd,
                                  struct apdu_rsp *rsp, deadline_t deadline, struct iotsafe_op *op)
{
    const struct instruction *in = instruction_of(cmd->ins);
    const bool continues = in->ins_init != 0 && in->ins != in->ins_init;
    const unsigned n_opened = ch->n_opened;
    bool was_plain, was_known;
    enum iotsafe_err err = IOTSAFE_OK;

    rsp->len = 0;
    rsp->sw = 0;
    rsp->begun = false;
    if (channel_needs_confirmed(ch, in))
        err = channel_confirm(ch, deadline, op);
    if (err == IOTSAFE_OK && continues && ch->n_opened != n_opened)
        err = IOTSAFE_ERR_CHANNEL_LOST; /* and the session with it */
    if (err != IOTSAFE_OK)
        return err;
    was_plain = ch->traits.class_plain;
    was_known = ch->traits.class_confirmed;
    err = transact(ch, in, cmd, rsp, deadline, op);
    if (!was_plain && ch->traits.class_plain)
        err = confirm_new_class(ch, in, was_known, err, deadline, op);
    if ((in->flags & (INS_ONCE | INS_ISO)) == INS_ONCE)
        ch->outcome_unknown = may_have_been_carried_out(rsp, err);
    return err;
}

/* ----------------------------------------------------------------- asking */

/* What a question in one form of the class byte came to. */
enum said { SAID_OURS, SAID_OTHER_CLASS, SAID_NO };

static enum iotsafe_err ask_once(struct channel *ch, const struct apdu_cmd *question,
                                 struct apdu_rsp *rsp, deadline_t deadline, struct iotsafe_op *op)
{
    enum iotsafe_err err = exchange_plain(ch, question, rsp, deadline, op);

    if (err == IOTSAFE_OK && (rsp->sw & 0xff00) == SW_WRONG_LE) {
        struct apdu_cmd again = *question;

        again.ne = (rsp->sw & 0xff) != 0 ? (rsp->sw & 0xff) : APDU_NE_MAX;
        err = exchange_plain(ch, &again, rsp, deadline, op);
    }
    if (err == IOTSAFE_OK)
        err = collect(ch, instruction_of(question->ins), rsp, deadline, op);
    if (err == IOTSAFE_ERR_CARD) /* a modem that refuses: it knows no such session */
        err = IOTSAFE_ERR_CHANNEL_LOST;
    return err;
}

/* Class and filler are those of the channel if the applet shows itself, and what they were
 * before if not. */
static enum iotsafe_err ask_as(struct channel *ch, const struct apdu_cmd *question, bool plain,
                               enum filler filler, enum said *ret_said, deadline_t deadline,
                               struct iotsafe_op *op)
{
    const bool class_before = ch->traits.class_plain;
    const enum filler filler_before = ch->filler;
    uint8_t data[512];
    struct apdu_rsp rsp = APDU_RSP_ON(data);
    enum iotsafe_err err;
    bool success;

    *ret_said = SAID_NO;
    ch->traits.class_plain = plain;
    ch->filler = filler;
    err = ask_once(ch, question, &rsp, deadline, op);
    success = err == IOTSAFE_OK
              && (error_from_sw(rsp.sw) == IOTSAFE_OK || (rsp.sw == SW_MORE_DATA && rsp.len != 0));
    if (success && instruction_proves_applet(instruction_of(question->ins), plain, data, rsp.len)) {
        channel_believe(ch, BELIEF_PROVED);
        ch->traits.class_confirmed = true;
        *ret_said = SAID_OURS;
    } else if (err == IOTSAFE_OK && rsp.sw == SW_CHANNEL_UNSUPPORTED && filler != FILLER_CALLER) {
        if (!ch->transport->opens_channels)
            channel_believe(ch, BELIEF_LOST);
        op_set(op, "%s: channel %s is not open", ch->transport->device, ch->session);
        err = IOTSAFE_ERR_CHANNEL_LOST;
    } else if (err == IOTSAFE_OK) {
        if (rsp.sw == SW_CLA_UNKNOWN)
            *ret_said = SAID_OTHER_CLASS;
        ch->refused_oddly = ch->refused_oddly || *ret_said == SAID_OTHER_CLASS
                            || (!success && !sw_is_odd(rsp.sw));
    }
    explicit_bzero(data, sizeof(data));
    if (*ret_said != SAID_OURS) {
        ch->traits.class_plain = class_before;
        ch->filler = filler_before;
    }
    return err;
}

/* With the class byte filled in by the modem, and by us: the likelier way first. */
static enum iotsafe_err ask_both_ways(struct channel *ch, const struct apdu_cmd *question,
                                      bool plain, enum said *ret_said, deadline_t deadline,
                                      struct iotsafe_op *op)
{
    const bool two = ch->transport->opens_channels && ch->number != 0;
    const enum filler first = ch->filler == FILLER_CALLER ? FILLER_CALLER : FILLER_MODEM;
    const enum filler second = first == FILLER_CALLER ? FILLER_MODEM : FILLER_CALLER;
    enum iotsafe_err err = ask_as(ch, question, plain, first, ret_said, deadline, op);

    if (err == IOTSAFE_OK && *ret_said != SAID_OURS && two)
        err = ask_as(ch, question, plain, second, ret_said, deadline, op);
    return err;
}

/* All questions in one class, the one first that was answered last. */
static enum iotsafe_err ask_all(struct channel *ch, bool plain, enum said *ret_said,
                                deadline_t deadline, struct iotsafe_op *op)
{
    const unsigned first = ch->traits.question;
    enum iotsafe_err err = IOTSAFE_OK;

    *ret_said = SAID_NO;
    for (unsigned i = 0; i < N_QUESTIONS && err == IOTSAFE_OK && *ret_said == SAID_NO; i++) {
        const unsigned n = (first + i) % N_QUESTIONS;
        const struct question *question = &instruction_questions[n];

        if (question->only_8n && plain)
            continue;
        err = ask_both_ways(ch, &question->cmd, plain, ret_said, deadline, op);
        if (*ret_said == SAID_OURS)
            ch->traits.question = (uint8_t)n;
    }
    return err;
}

/* In both classes, unless the configuration says which. */
static enum iotsafe_err ask_in_all_forms(struct channel *ch, enum said *ret_said,
                                         deadline_t deadline, struct iotsafe_op *op)
{
    const bool first = ch->traits.class_plain;
    enum iotsafe_err err = ask_all(ch, first, ret_said, deadline, op);

    if (err == IOTSAFE_OK && *ret_said != SAID_OURS && !ch->default_traits.class_confirmed)
        err = ask_all(ch, !first, ret_said, deadline, op);
    return err;
}

enum iotsafe_err exchange_ask(struct channel *ch, deadline_t deadline, struct iotsafe_op *op)
{
    enum said said;
    enum iotsafe_err err;

    ch->refused_oddly = false;
    err = ask_in_all_forms(ch, &said, deadline, op);
    /* once more if any refusal was of the kind that passes */
    if (err == IOTSAFE_OK && said != SAID_OURS && ch->refused_oddly)
        err = ask_in_all_forms(ch, &said, deadline, op);
    if (err == IOTSAFE_OK && said != SAID_OURS) {
        op_set(op, "%s: on channel %s no IoT SAFE applet responds", ch->transport->device,
               ch->session);
        err = IOTSAFE_ERR_UNSUPPORTED;
    }
    return err;
}
