/* SPDX-License-Identifier: Apache-2.0 */
/* see channel.h */
#include "channel.h"

#include <stdio.h>
#include <stdlib.h>

#include "error.h"
#include "exchange.h"
#include "trace.h"

/* ------------------------------------------------------------------ belief */

void channel_believe(struct channel *ch, enum belief_event event)
{
    ch->belief = belief_after(ch->belief, event);
    if (event == BELIEF_PROVED || event == BELIEF_SELECTED)
        ch->transport->proved = ch->proved_here = true;
    if (ch->belief == BELIEF_CLOSED)
        ch->opened_here = ch->proved_here = false;
}

void channel_forget(struct channel *ch)
{
    channel_believe(ch, BELIEF_GIVEN_UP);
    ch->generation = 0;
}

bool channel_needs_confirmed(const struct channel *ch, const struct instruction *in)
{
    if ((in->flags & INS_ISO) != 0 || ch->belief == BELIEF_CONFIRMED)
        return false;
    /* In class 8N no other application carries any of our commands out: ETSI TS 102 221,
       10.1.1. In class 0N it may, and only what proves itself may be the question. */
    return (in->flags & INS_ONCE) != 0 || (ch->traits.class_plain && (in->flags & INS_PROVES) == 0);
}

/* ----------------------------------------------------------------- closing */

static void close_channel(struct channel *ch, deadline_t deadline)
{
    struct apdu_cmd cmd = { .ins = ISO_INS_MANAGE_CHANNEL, .p1 = 0x80 };
    struct transport *t = ch->transport;
    uint8_t data[APDU_RSP_MAX];
    struct apdu_rsp rsp = APDU_RSP_ON(data);
    enum iotsafe_err err;

    if (t->opens_channels) {
        t->ops->close_channel(t, ch->session, deadline);
    } else if (ch->number != 0) {
        cmd.p2 = ch->number;
        ch->number = 0; /* from the basic channel: 00 70 80 NN */
        err = exchange_plain(ch, &cmd, &rsp, deadline, NULL);
        (void)err; /* closed already is as good */
    }
    channel_believe(ch, BELIEF_GIVEN_UP);
}

#define CLOSING_MS 2000

/* Closing has time of its own, since what is not closed now never will be. */
static deadline_t closing_deadline(const struct channel *ch)
{
    return deadline_in(ch->exchange_ms < CLOSING_MS ? ch->exchange_ms : CLOSING_MS);
}

/* Give up what we have. It is closed if it certainly is ours: since it answered last, the
 * card may have been reset, and the number be another program's. */
static void give_up(struct channel *ch)
{
    enum iotsafe_err err = ch->belief == BELIEF_CONFIRMED ? IOTSAFE_OK : IOTSAFE_ERR_UNSUPPORTED;

    if (ch->belief == BELIEF_ASSUMED && (ch->opened_here || ch->proved_here))
        err = exchange_ask(ch, closing_deadline(ch), NULL);
    /* a session of the device whose channel is gone is nobody else's either */
    if (err == IOTSAFE_OK
        || (err == IOTSAFE_ERR_CHANNEL_LOST && ch->opened_here && ch->transport->opens_channels))
        close_channel(ch, closing_deadline(ch));
    channel_forget(ch);
}

/* Errors of an exchange that leave open what the card has done. */
static bool is_of_the_device(enum iotsafe_err err)
{
    return err == IOTSAFE_ERR_TRANSPORT || err == IOTSAFE_ERR_TIMEOUT || err == IOTSAFE_ERR_PROTOCOL
           || err == IOTSAFE_ERR_DAMAGED;
}

/* ----------------------------------------------------------------- opening */

static void set_session(struct channel *ch, const char *session)
{
    char *end;
    unsigned long number = strtoul(session, &end, 10);

    if (session != ch->session)
        (void)snprintf(ch->session, sizeof(ch->session), "%s", session);
    /* of a device's handle only one digit may be the channel as well */
    if (ch->transport->opens_channels && (session[1] != '\0' || number > 3))
        number = 0;
    ch->number = *end == '\0' && number <= IOTSAFE_CHANNEL_MAX ? (uint8_t)number : 0;
}

static void set_number(struct channel *ch, uint8_t number)
{
    char text[4];

    (void)snprintf(text, sizeof(text), "%u", number);
    set_session(ch, text);
}

static enum iotsafe_err select_aid(struct channel *ch, const struct aid *aid, deadline_t deadline,
                                   struct iotsafe_op *op)
{
    struct apdu_cmd cmd = { .ins = ISO_INS_SELECT, .p1 = 0x04, .data_len = aid->len };
    uint8_t fci[512];
    struct apdu_rsp rsp = APDU_RSP_ON(fci);
    enum iotsafe_err err;

    memcpy(cmd.data, aid->bytes, aid->len);
    /* an FCI that waits (61xx) is left there: the next command discards it */
    err = exchange_plain(ch, &cmd, &rsp, deadline, op);
    if (err != IOTSAFE_OK)
        return err;
    err = exchange_bytes_wait(rsp.sw) ? IOTSAFE_OK : error_from_sw(rsp.sw);
    if (err == IOTSAFE_OK) {
        ch->aid = *aid;
        channel_believe(ch, BELIEF_SELECTED);
        ch->opened_here = true;
        return IOTSAFE_OK;
    }
    op_set(op, "SELECT of the applet answered %04X: %s (%s)", rsp.sw, error_sw_meaning(rsp.sw),
           ch->transport->device);
    if (rsp.sw != SW_APPLET_SELECT_FAILED)
        return err;
    ch->select_refused = true; /* for this AID: some modems let certain applications through only */
    return IOTSAFE_ERR_NO_APPLET;
}

static bool same_aid(const struct aid *a, const struct aid *b)
{
    return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
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
        if (err != IOTSAFE_ERR_NOT_FOUND && err != IOTSAFE_ERR_NO_APPLET)
            return err;
        if (!same_aid(&ch->aids[i], &known))
            err = attempt(ch, &ch->aids[i], deadline, op);
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
    if (ch->select_refused)
        op_add(op, "; the card, or a filter in the modem, refused to select it (6999)");
    if (ch->transport->open_hint != NULL)
        op_add(op, "; %s", ch->transport->open_hint);
}

/* Nothing is begun that could not be ended. */
static enum iotsafe_err check_time(const struct channel *ch, deadline_t deadline,
                                   struct iotsafe_op *op)
{
    if (deadline_left_ms(deadline) > 0)
        return IOTSAFE_OK;
    op_set(op, "%s: no time is left to open a channel", ch->transport->device);
    return IOTSAFE_ERR_TIMEOUT;
}

/* The card or the modem may have done it, and nobody will ever tell which number it was. */
static void note_lost_open(struct channel *ch, enum iotsafe_err err)
{
    if (!is_of_the_device(err))
        return;
    ch->lost_opens++;
    trace_note(ch->trace, ch->transport->device,
               "the answer to opening a channel was lost: one channel may remain open and unused");
}

/* MANAGE CHANNEL open, from the basic channel. */
static enum iotsafe_err manage_channel_open(struct channel *ch, deadline_t deadline,
                                            struct iotsafe_op *op)
{
    static const struct apdu_cmd cmd = { .ins = ISO_INS_MANAGE_CHANNEL, .ne = 1 };
    const struct transport *t = ch->transport;
    uint8_t data[APDU_RSP_MAX];
    struct apdu_rsp rsp = APDU_RSP_ON(data);
    enum iotsafe_err err;

    set_number(ch, 0);
    err = check_time(ch, deadline, op);
    if (err != IOTSAFE_OK)
        return err;
    err = channel_exchange(ch, &cmd, &rsp, deadline, op);
    if (err == IOTSAFE_OK && rsp.len >= 1 && data[0] >= 1 && data[0] <= IOTSAFE_CHANNEL_MAX) {
        set_number(ch, data[0]);
        return IOTSAFE_OK;
    }
    if (rsp.sw == 0) {
        note_lost_open(ch, err);
        if (err != IOTSAFE_ERR_CARD && err != IOTSAFE_ERR_UNSUPPORTED)
            return err;
        op_add(op, " (MANAGE CHANNEL: no logical channel can be opened%s)", t->refusal_advice);
        return IOTSAFE_ERR_NO_CHANNEL; /* and no word of the applet */
    }
    /* no logical channels: a card that is there for us alone has its basic one */
    if (t->one_device && (t->lock == NULL || rsp.sw != SW_FUNCTION_UNSUPPORTED))
        return IOTSAFE_OK;
    op_set(op, "%s gives no logical channel (MANAGE CHANNEL answered %04X: %s)%s", t->device,
           rsp.sw, error_sw_meaning(rsp.sw),
           rsp.sw == SW_FUNCTION_UNSUPPORTED
               ? "; other programs hold them: end them or reset the card"
               : t->channel_advice);
    return IOTSAFE_ERR_NO_CHANNEL;
}

static enum iotsafe_err device_opens(struct channel *ch, const struct aid *aid, deadline_t deadline,
                                     struct iotsafe_op *op)
{
    struct transport *t = ch->transport;
    char session[SESSION_TEXT_MAX];
    enum iotsafe_err err = check_time(ch, deadline, op);

    if (err != IOTSAFE_OK)
        return err;
    err = t->ops->open_channel(t, aid->bytes, aid->len, deadline_min(deadline, ch->exchange_ms),
                               session, op);
    if (err != IOTSAFE_OK) {
        note_lost_open(ch, err);
        return err;
    }
    ch->n_responses++;
    ch->aid = *aid;
    set_session(ch, session);
    channel_believe(ch, BELIEF_OPENED);
    ch->opened_here = true;
    return IOTSAFE_OK;
}

static bool record_is_current(const struct channel *ch)
{
    return ch->generation != 0 && ch->recorded.generation == ch->generation
           && strcmp(ch->recorded.session, ch->session) == 0 && ch->recorded.filler == ch->filler
           && traits_equal(&ch->recorded.traits, &ch->traits)
           && memcmp(&ch->recorded.forms, &ch->forms, sizeof(ch->forms)) == 0;
}

/* Tell other processes, if there is anything new to tell. */
static bool publish(struct channel *ch)
{
    struct channel_record r = { .filler = ch->filler };

    if (record_is_current(ch))
        return true;
    memcpy(r.session, ch->session, sizeof(r.session));
    memcpy(r.aid, ch->aid.bytes, ch->aid.len);
    r.aid_len = ch->aid.len;
    memcpy(r.atr, ch->transport->atr, ch->transport->atr_len);
    r.atr_len = ch->transport->atr_len;
    r.traits = ch->traits;
    r.forms = ch->forms;
    if (!channel_record_write(ch->transport->lock, &r))
        return false;
    ch->recorded = r;
    ch->generation = r.generation;
    return true;
}

static enum iotsafe_err open_by_class(struct channel *ch, deadline_t deadline,
                                      struct iotsafe_op *op)
{
    enum iotsafe_err err = manage_channel_open(ch, deadline, op);

    if (err != IOTSAFE_OK)
        return err;
    err = for_each_aid(ch, select_aid, deadline, op);
    if (err != IOTSAFE_OK)
        close_channel(ch, deadline_in(ch->exchange_ms));
    return err;
}

/* A session of the device: who answers in it must show itself before anything but
 * harmless commands is sent, and who fills the class byte is found out on the way. */
static enum iotsafe_err open_by_device(struct channel *ch, deadline_t deadline,
                                       struct iotsafe_op *op)
{
    enum iotsafe_err err = for_each_aid(ch, device_opens, deadline, op);
    struct iotsafe_op part = iotsafe_op_within(op);

    if (err != IOTSAFE_OK)
        return err;
    if (ch->number == 0) { /* only the device knows the channel: only it can fill it in */
        ch->filler = FILLER_MODEM;
        return IOTSAFE_OK;
    }
    err = exchange_ask(ch, deadline, &part);
    if (err == IOTSAFE_ERR_UNSUPPORTED) {
        trace_note(ch->trace, ch->transport->device,
                   "the applet does not respond yet in session %s", ch->session);
        return IOTSAFE_OK;
    }
    if (err != IOTSAFE_OK)
        op_set(op, "%s", part.text);
    return err;
}

/* Nothing is open for us; the old channel, if any, is closed or left already. */
static enum iotsafe_err open_new(struct channel *ch, deadline_t deadline, struct iotsafe_op *op)
{
    enum iotsafe_err err;

    channel_forget(ch);
    ch->swept = false;
    ch->select_refused = false;
    err = ch->transport->opens_channels ? open_by_device(ch, deadline, op)
                                        : open_by_class(ch, deadline, op);
    if (err == IOTSAFE_ERR_NOT_FOUND || err == IOTSAFE_ERR_NO_APPLET) {
        describe_missing_applet(ch, op);
        if (ch->select_refused) /* it may pass */
            return IOTSAFE_ERR_CHANNEL_LOST;
        if (ch->transport->lock != NULL)
            channel_record_drop(ch->transport->lock);
        return IOTSAFE_ERR_NO_APPLET;
    }
    if (err == IOTSAFE_OK) {
        ch->n_opened++;
        trace_note(ch->trace, ch->transport->device, "applet selected on channel %s", ch->session);
        if (ch->transport->lock != NULL)
            (void)publish(ch); /* at once: a process that dies now must leave no orphan */
    }
    return err;
}

/* ---------------------------------------------- what other processes know */

static bool aid_is_wanted(const struct channel *ch, const struct channel_record *r)
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

static bool record_fits(const struct channel *ch, const struct channel_record *r)
{
    const struct transport *t = ch->transport;
    char *end;
    unsigned long number;

    if (!aid_is_wanted(ch, r) || r->atr_len != t->atr_len
        || memcmp(r->atr, t->atr, t->atr_len) != 0)
        return false;
    if (t->opens_channels)
        return true;
    number = strtoul(r->session, &end, 10);
    return *end == '\0' && number <= IOTSAFE_CHANNEL_MAX && (number != 0 || t->one_device);
}

/* Take over a recorded channel: a hint, until a response has shown it right. */
static void adopt(struct channel *ch, const struct channel_record *r)
{
    const bool same = ch->belief != BELIEF_CLOSED && strcmp(ch->session, r->session) == 0;

    if (!same) {
        give_up(ch); /* one channel is enough for all of us */
        ch->n_opened++;
        channel_believe(ch, BELIEF_RECORDED);
    }
    ch->opened_here = ch->proved_here = false; /* by now it may be one that another has opened */
    set_session(ch, r->session);
    memcpy(ch->aid.bytes, r->aid, sizeof(ch->aid.bytes));
    ch->aid.len = r->aid_len;
    ch->filler = r->filler;
    take_traits(ch, &r->traits);
    ch->forms = r->forms;
    ch->generation = r->generation;
    ch->recorded = *r;
}

/* All that was learned is of one device and one card. */
static void begin_on_device(struct channel *ch)
{
    const struct transport *t = ch->transport;

    if (strcmp(ch->device, t->device) == 0 && ch->atr_len == t->atr_len
        && memcmp(ch->atr, t->atr, t->atr_len) == 0)
        return;
    (void)snprintf(ch->device, sizeof(ch->device), "%s", t->device);
    memcpy(ch->atr, t->atr, t->atr_len);
    ch->atr_len = t->atr_len;
    channel_forget(ch);
    ch->traits = ch->default_traits;
    ch->filler = FILLER_UNKNOWN;
    key_forms_clear(&ch->forms);
}

/* No channel is free. One that we know of may be left from a process that lost it. */
static enum iotsafe_err use_recorded(struct channel *ch, const struct channel_record *r,
                                     deadline_t deadline)
{
    enum iotsafe_err err;

    if (r->generation == 0 || !record_fits(ch, r))
        return IOTSAFE_ERR_NO_CHANNEL;
    adopt(ch, r);
    err = exchange_ask(ch, deadline, NULL);
    if (err != IOTSAFE_OK)
        channel_forget(ch);
    return err;
}

/* Open another channel. What we had is given up before. */
static enum iotsafe_err replace(struct channel *ch, deadline_t deadline, struct iotsafe_op *op)
{
    const struct channel_record before = ch->recorded;
    enum iotsafe_err err = open_new(ch, deadline, op);

    if (err == IOTSAFE_ERR_NO_CHANNEL && ch->transport->lock != NULL
        && use_recorded(ch, &before, deadline) == IOTSAFE_OK)
        err = IOTSAFE_OK;
    return err;
}

/* Ask on the channel that we have; if not our applet answers, open another. One that answers
 * as something else is left alone: by now it may be another program's. */
static enum iotsafe_err ask_or_replace(struct channel *ch, deadline_t deadline,
                                       struct iotsafe_op *op)
{
    enum iotsafe_err err = exchange_ask(ch, deadline, op);

    if (err == IOTSAFE_ERR_CHANNEL_LOST && ch->opened_here && ch->transport->opens_channels)
        close_channel(ch, closing_deadline(ch));
    if (err == IOTSAFE_ERR_CHANNEL_LOST || err == IOTSAFE_ERR_UNSUPPORTED)
        err = replace(ch, deadline, op);
    return err;
}

/* After a reset it may be another card of the same product: what was learned orders the
 * tries still, but excludes none. */
static void forget_certainties(struct channel *ch)
{
    ch->traits.left_finished = 0;
    ch->traits.class_confirmed = ch->default_traits.class_confirmed;
    ch->traits.verify_confirmed = false;
    key_forms_clear(&ch->forms);
}

enum iotsafe_err channel_ready(struct channel *ch, bool reconnected, enum card_reset reset,
                               deadline_t deadline, struct iotsafe_op *op)
{
    const struct device_lock *lock = ch->transport->lock;
    struct channel_record r = { 0 };

    begin_on_device(ch);
    if (reset == RESET_CERTAIN) {
        channel_believe(ch, BELIEF_LOST);
        forget_certainties(ch);
    } else if (reconnected && lock == NULL) {
        channel_forget(ch); /* it ended with its connection */
    } else if (reconnected || reset == RESET_SUSPECTED) {
        channel_believe(ch, BELIEF_DOUBTED);
    }
    if (lock != NULL)
        channel_record_read(lock, &r);
    if (r.generation != 0 && r.generation != ch->generation && record_fits(ch, &r))
        adopt(ch, &r);
    if (ch->belief == BELIEF_CLOSED)
        return replace(ch, deadline, op);
    if (reset == RESET_SUSPECTED)
        return ask_or_replace(ch, deadline, op);
    return IOTSAFE_OK;
}

/* ---------------------------------------------------------- seeing and mending */

/* SELECT would do as well, and would hit another program's channel where the card was reset
 * and the number given away without our knowing. */
static enum iotsafe_err make_sure(struct channel *ch, deadline_t deadline, struct iotsafe_op *op)
{
    return ch->belief == BELIEF_CLOSED ? replace(ch, deadline, op)
                                       : ask_or_replace(ch, deadline, op);
}

enum iotsafe_err channel_confirm(struct channel *ch, deadline_t deadline, struct iotsafe_op *op)
{
    enum iotsafe_err err = IOTSAFE_OK;

    if (ch->belief != BELIEF_CONFIRMED)
        err = make_sure(ch, deadline, op);
    if (err == IOTSAFE_OK && ch->belief != BELIEF_CONFIRMED) {
        op_set(op,
               "%s: the applet does not respond in session %s, and another application could take "
               "this command for one of its own: it was not sent",
               ch->transport->device, ch->session);
        err = IOTSAFE_ERR_UNSUPPORTED;
    }
    return err;
}

enum iotsafe_err channel_recover(struct channel *ch, enum iotsafe_err err, deadline_t deadline,
                                 struct iotsafe_op *op)
{
    trace_note(ch->trace, ch->transport->device, "channel %s is %s", ch->session,
               err == IOTSAFE_ERR_CHANNEL_LOST ? "lost" : "in doubt");
    return make_sure(ch, deadline, op);
}

/* ------------------------------------------------------------ one channel more */

enum iotsafe_err channel_spare_open(struct channel *ch, struct channel *ret_spare, uint16_t *ret_sw,
                                    deadline_t deadline, struct iotsafe_op *op)
{
    static const struct apdu_cmd cmd = { .ins = ISO_INS_MANAGE_CHANNEL, .ne = 1 };
    struct channel spare = *ch;
    uint8_t data[APDU_RSP_MAX];
    struct apdu_rsp rsp = APDU_RSP_ON(data);
    enum iotsafe_err err;

    if (ch->transport->opens_channels)
        return IOTSAFE_ERR_UNSUPPORTED;
    set_number(&spare, 0);
    err = check_time(ch, deadline, op);
    if (err != IOTSAFE_OK)
        return err;
    err = channel_exchange(&spare, &cmd, &rsp, deadline, op);
    ch->n_responses = spare.n_responses;
    if (rsp.sw == 0) {
        note_lost_open(ch, err);
        return err;
    }
    set_number(&spare,
               err == IOTSAFE_OK && rsp.len >= 1 && data[0] <= IOTSAFE_CHANNEL_MAX ? data[0] : 0);
    *ret_sw = rsp.sw;
    *ret_spare = spare;
    return IOTSAFE_OK;
}

void channel_spare_close(struct channel *spare)
{
    struct apdu_cmd cmd = { .ins = ISO_INS_MANAGE_CHANNEL, .p1 = 0x80, .p2 = spare->number };
    uint8_t data[APDU_RSP_MAX];
    struct apdu_rsp rsp = APDU_RSP_ON(data);
    enum iotsafe_err err = IOTSAFE_OK;

    if (spare->number == 0)
        return;
    set_number(spare, 0); /* from the basic channel: 00 70 80 NN */
    err = exchange_plain(spare, &cmd, &rsp, closing_deadline(spare), NULL);
    (void)err; /* closed already is as good */
}

/* ------------------------------------------------------------------ leaving */

void channel_leave(struct channel *ch)
{
    const struct device_lock *lock = ch->transport->lock;

    if (ch->belief == BELIEF_CLOSED)
        return;
    if (lock == NULL) {
        /* nobody else gets at it, but with class 0N a reset that went unnoticed would put a
           USIM where our applet was */
        if (ch->traits.class_plain)
            channel_believe(ch, BELIEF_DOUBTED);
        return;
    }
    if (ch->belief == BELIEF_CONFIRMED && channel_record_is_shared(lock) && !publish(ch))
        ch->generation = 0;
    if (!channel_record_is_shared(lock) || ch->generation == 0) {
        /* nobody could find this channel again, and a card has but three */
        trace_note(ch->trace, ch->transport->device,
                   "the lock folder allows no record that others trust: closing the channel");
        give_up(ch);
        channel_record_drop(lock);
        return;
    }
    channel_believe(ch, BELIEF_DOUBTED);
}
