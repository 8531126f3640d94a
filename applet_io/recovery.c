/* SPDX-License-Identifier: Apache-2.0 */
/* How an operation runs on a card, and what is tried again after which failure: see
 * card_run() in card.h. */
#include <errno.h>

#include "card.h"
#include "trace.h"

/* What is done before an operation is run once more. */
enum action {
    ACTION_NONE = 0,
    ACTION_CHANNEL,   /* make sure of the channel: channel_recover() */
    ACTION_RECONNECT, /* the device failed, or what it said is damaged */
    ACTION_FIND,      /* another device, or another way to the card */
    ACTION_WAIT,      /* the applet is busy */
    ACTION_REPEAT     /* what was read is void */
};

/* One row an error. `times` bounds the action within one operation, that of a channel for
 * each channel that is opened in it; 0 means until the deadline. `absent`: nobody may be there, so
 * that waiting would only hide the reason from a process that has never reached the device. An
 * error without a row is the applet's own word, which counts if it certainly was the applet that
 * said it. */
static const struct {
    enum iotsafe_err err;
    enum action action;
    unsigned times;
    bool absent;
} actions[] = {
    { IOTSAFE_ERR_CHANNEL_LOST, ACTION_CHANNEL, 3, false },
    { IOTSAFE_ERR_UNSUPPORTED, ACTION_CHANNEL, 1, false }, /* 6D00: another application? */
    { IOTSAFE_ERR_CLASS, ACTION_CHANNEL, 2, false },
    { IOTSAFE_ERR_CARD, ACTION_CHANNEL, 1, false },      /* 6Fxx, an error of the modem */
    { IOTSAFE_ERR_NO_CHANNEL, ACTION_REPEAT, 1, false }, /* if only the modem said so */
    { IOTSAFE_ERR_CHANGED, ACTION_REPEAT, 1, false },
    { IOTSAFE_ERR_BUSY, ACTION_WAIT, 0, false },
    { IOTSAFE_ERR_DAMAGED, ACTION_RECONNECT, 8, false },
    { IOTSAFE_ERR_PROTOCOL, ACTION_RECONNECT, 1, false }, /* or damaged unnoticed */
    { IOTSAFE_ERR_TRANSPORT, ACTION_RECONNECT, 0, true },
    { IOTSAFE_ERR_NO_SERVICE, ACTION_RECONNECT, 0, true },
    { IOTSAFE_ERR_NO_READER, ACTION_RECONNECT, 0, true },
    { IOTSAFE_ERR_NO_CARD, ACTION_RECONNECT, 0, true },
    { IOTSAFE_ERR_TIMEOUT, ACTION_RECONNECT, 0, true }, /* of one exchange */
    { IOTSAFE_ERR_NO_APPLET, ACTION_FIND, 1, false },   /* where it was taken for granted */
};

#define CHANNELS_TRIED_MAX 4
#define GRACE_MS 2000         /* readers notice an exchanged card within a second */
#define BRIEF_EXCHANGE_MS 300 /* for the first response of a card that was silent */

/* How far an operation has come with the device. */
enum reach {
    REACH_NOTHING,
    REACH_DEVICE,  /* it was there */
    REACH_CHANNEL, /* a channel was taken for granted, which nothing has confirmed */
};

struct recovery {
    enum action action;   /* to be done before the next try */
    enum iotsafe_err err; /* that made it necessary */
    unsigned used[IOTSAFE_ERR_MAX];
    enum reach reach;
    bool broken;       /* an exchange was broken off: the card is just being exchanged? */
    unsigned channels; /* that were opened in it */
    unsigned n_opened; /* of the channel that `used` speaks of */
    bool responded;    /* the card has given a response in this operation */
    bool heard;        /* and in its last try */
    bool confirm;      /* no device is taken without an answer of the applet any more */
    bool asked;        /* the applet's word on an assumed channel has been doubted once */
    bool entered;      /* in its last try the operation itself was begun */
    int64_t pause_ms;
    int64_t grace_until;
    uint64_t generation; /* of the channel record at the last try */
};

/* ------------------------------------------------------ reaching the card */

/* Of several readers' failures the one that tells most: the farther we got. */
static unsigned telling(enum iotsafe_err err)
{
    static const enum iotsafe_err rising[] = {
        IOTSAFE_ERR_NO_READER, IOTSAFE_ERR_NO_CARD,    IOTSAFE_ERR_NO_APPLET,
        IOTSAFE_ERR_LOCK,      IOTSAFE_ERR_NO_CHANNEL, IOTSAFE_ERR_TRANSPORT,
        IOTSAFE_ERR_DAMAGED,   IOTSAFE_ERR_PROTOCOL,   IOTSAFE_ERR_TIMEOUT,
    };

    for (unsigned i = 0; i < ARRAY_LEN(rising); i++)
        if (rising[i] == err)
            return i;
    return ARRAY_LEN(rising);
}

static void disconnect(struct iotsafe_card *card)
{
    card->transport->ops->disconnect(card->transport);
    channel_believe(&card->channel, BELIEF_DOUBTED);
}

static enum iotsafe_err try_device(struct iotsafe_card *card, unsigned n, struct recovery *rec,
                                   deadline_t deadline, struct iotsafe_op *op)
{
    struct transport *t = card->transport;
    enum iotsafe_err err = t->ops->connect(t, n, deadline, op);

    if (err != IOTSAFE_OK)
        return err;
    if (rec->reach < REACH_DEVICE)
        rec->reach = REACH_DEVICE;
    t->proved = false;
    if (t->brief) /* also where connecting took long: the card can be slow to start */
        deadline = deadline_min(deadline, BRIEF_EXCHANGE_MS);
    err = channel_ready(&card->channel, true, RESET_NONE, deadline, op);
    if (err == IOTSAFE_OK && rec->confirm)
        err = channel_confirm(&card->channel, deadline, op);
    if (err != IOTSAFE_OK)
        disconnect(card);
    return err;
}

#define DEVICES_MAX 64

/* No other device can be any better. */
static bool concerns_all_devices(enum iotsafe_err err)
{
    return err == IOTSAFE_ERR_NO_SERVICE || err == IOTSAFE_ERR_CONFIG || err == IOTSAFE_ERR_MEMORY;
}

static enum iotsafe_err connect_any(struct iotsafe_card *card, struct recovery *rec,
                                    deadline_t deadline, struct iotsafe_op *op)
{
    struct iotsafe_op here = iotsafe_op_within(op);
    enum iotsafe_err worst = IOTSAFE_OK;

    for (unsigned n = 0; n < DEVICES_MAX; n++) {
        enum iotsafe_err err = try_device(card, n, rec, deadline, &here);

        if (err == IOTSAFE_OK)
            return IOTSAFE_OK;
        if (err == IOTSAFE_ERR_NOT_FOUND && n > 0)
            break; /* no further device */
        if (n == 0 || telling(err) > telling(worst)) {
            worst = err;
            op_set(op, "%s", here.text);
        }
        if (concerns_all_devices(err) || deadline_left_ms(deadline) == 0)
            break;
    }
    return worst;
}

static enum iotsafe_err enter(struct iotsafe_card *card, struct recovery *rec, deadline_t deadline,
                              struct iotsafe_op *op)
{
    struct transport *t = card->transport;
    enum card_reset reset = RESET_NONE;
    enum iotsafe_err err;

    if (!t->connected) {
        cache_clear(&card->cache);
        return connect_any(card, rec, deadline, op);
    }
    err = t->ops->acquire(t, deadline, &reset, op);
    if (err == IOTSAFE_ERR_TIMEOUT || err == IOTSAFE_ERR_LOCK)
        return err; /* somebody else has the device; the connection is well */
    if (err == IOTSAFE_OK) {
        if (reset != RESET_NONE)
            cache_clear(&card->cache);
        err = channel_ready(&card->channel, false, reset, deadline, op);
    }
    if (err != IOTSAFE_OK)
        disconnect(card);
    return err;
}

static void leave(struct iotsafe_card *card)
{
    struct transport *t = card->transport;

    if (!t->connected)
        return;
    channel_leave(&card->channel);
    t->ops->release(t);
}

/* ----------------------------------------------------------- what comes next */

/* Of a device at which the applet has not answered this process yet: one whose card was
 * there a moment ago, since it may just be exchanged; and, once, one at which a channel was
 * taken for granted. */
static bool may_come_back(const struct recovery *rec, unsigned used)
{
    return (rec->broken && now_ms() < rec->grace_until)
           || ((rec->reach == REACH_CHANNEL || rec->responded) && used == 0);
}

static enum action choose_action(const struct iotsafe_card *card, struct recovery *rec,
                                 enum iotsafe_err err)
{
    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        unsigned used;

        if (actions[i].err != err)
            continue;
        if (actions[i].action == ACTION_CHANNEL && rec->n_opened != card->channel.n_opened
            && rec->channels++ < CHANNELS_TRIED_MAX) {
            rec->n_opened = card->channel.n_opened;
            rec->used[err] = 0;
        }
        used = rec->used[err]++;
        if (actions[i].times != 0 && used >= actions[i].times)
            return ACTION_NONE;
        if (err == IOTSAFE_ERR_NO_CHANNEL && rec->heard)
            return ACTION_NONE;
        if (actions[i].absent && !card->answered && !may_come_back(rec, used))
            return ACTION_NONE;
        if (actions[i].action == ACTION_FIND && rec->reach != REACH_CHANNEL && !card->answered)
            return ACTION_NONE;
        return actions[i].action;
    }
    if (rec->reach != REACH_CHANNEL || rec->asked || err == IOTSAFE_ERR_MEMORY
        || err == IOTSAFE_ERR_OUTCOME)
        return ACTION_NONE;
    rec->asked = true; /* it may have been another application's word */
    return ACTION_CHANNEL;
}

static void pause_between(struct recovery *rec, int64_t first_ms, int64_t most_ms,
                          deadline_t deadline)
{
    rec->pause_ms = rec->pause_ms == 0 ? first_ms : 2 * rec->pause_ms;
    if (rec->pause_ms > most_ms)
        rec->pause_ms = most_ms;
    sleep_ms(rec->pause_ms, deadline);
}

/* Decide after a failed try, and do what is done with the device released; false: the
 * error stands. */
static bool prepare_next(struct iotsafe_card *card, struct recovery *rec, enum iotsafe_err err,
                         deadline_t deadline)
{
    rec->broken = rec->broken || (err == IOTSAFE_ERR_TRANSPORT && rec->reach != REACH_NOTHING);
    rec->responded = rec->responded || card->channel.n_responses > 0;
    rec->err = err;
    rec->action = choose_action(card, rec, err);
    if (rec->action == ACTION_NONE || deadline_left_ms(deadline) == 0)
        return false;
    switch (rec->action) {
    case ACTION_CHANNEL: /* whatever it was taken for */
        channel_believe(&card->channel, BELIEF_DOUBTED);
        break;
    case ACTION_FIND:
        rec->confirm = true;
        disconnect(card);
        break;
    case ACTION_RECONNECT:
        /* a channel that has not answered yet may be what is wrong */
        rec->confirm = rec->confirm || rec->reach == REACH_CHANNEL;
        disconnect(card);
        pause_between(rec, 50, 500, deadline);
        break;
    case ACTION_WAIT:
        pause_between(rec, 500, 4000, deadline);
        break;
    default:
        break;
    }
    return deadline_left_ms(deadline) > 0;
}

/* A late or damaged response must not meet the next command. */
static bool breaks_connection(enum iotsafe_err err)
{
    return err == IOTSAFE_ERR_TRANSPORT || err == IOTSAFE_ERR_TIMEOUT || err == IOTSAFE_ERR_PROTOCOL
           || err == IOTSAFE_ERR_DAMAGED || err == IOTSAFE_ERR_SPACE || err == IOTSAFE_ERR_NO_CARD;
}

/* How far it came, for the choice of what follows. In class 8N no other application says
 * what ours says, so that a channel which has once answered needs no more doubt. */
static void note_reach(struct iotsafe_card *card, struct recovery *rec)
{
    const struct channel *ch = &card->channel;
    const bool in_doubt = ch->belief == BELIEF_ASSUMED
                          && (!ch->proved_here || ch->traits.class_plain);

    card->answered = card->answered || ch->belief == BELIEF_CONFIRMED;
    rec->reach = in_doubt ? REACH_CHANNEL : REACH_DEVICE;
}

/* One try: enter, recover, run, leave. On return the device is released. */
static enum iotsafe_err attempt(struct iotsafe_card *card, card_fn *fn, void *arg,
                                struct recovery *rec, deadline_t deadline, struct iotsafe_op *op)
{
    struct channel *ch = &card->channel;
    struct card_use use = { .channel = ch, .cache = &card->cache, .deadline = deadline, .op = op };
    enum iotsafe_err err = enter(card, rec, deadline, op);

    rec->entered = false;
    if (err != IOTSAFE_OK)
        return err;
    /* unless another process has replaced the channel meanwhile: then it is its turn */
    if (rec->action == ACTION_CHANNEL && ch->generation == rec->generation
        && ch->belief != BELIEF_CONFIRMED) {
        cache_clear(&card->cache);
        err = channel_recover(ch, rec->err, deadline, op);
    }
    ch->outcome_unknown = false;
    rec->entered = err == IOTSAFE_OK;
    if (rec->entered)
        err = fn(&use, arg);
    if (err != IOTSAFE_OK && ch->outcome_unknown) {
        op_add(op, "; it may nevertheless have been executed");
        err = IOTSAFE_ERR_OUTCOME;
    }
    if (ch->stale) {
        cache_clear(&card->cache);
        ch->stale = false;
    }
    note_reach(card, rec);
    if (breaks_connection(err))
        disconnect(card);
    else
        leave(card);
    rec->generation = ch->generation; /* leaving may have written a new record */
    return err;
}

/* -------------------------------------------------------- a card that is silent */

/* One try. A card that has been silent is asked for an answer first, and gets little time for
 * it: a server must not be stalled at each handshake. The first response ends that, so that
 * a slow card, too, has all the time that is left. */
static enum iotsafe_err attempt_as_heard(struct iotsafe_card *card, card_fn *fn, void *arg,
                                         struct recovery *rec, deadline_t deadline,
                                         struct iotsafe_op *op)
{
    struct transport *t = card->transport;
    const unsigned n_before = card->channel.n_responses;
    enum iotsafe_err err;

    t->brief = card->silent;
    t->brief_until = 0;
    t->taken = t->stirred = false;
    rec->confirm = rec->confirm || card->silent;
    err = attempt(card, fn, arg, rec, deadline, op);
    t->brief = false;
    rec->heard = card->channel.n_responses != n_before || t->stirred;
    if (rec->heard)
        card->silent = false;
    return err;
}

/* The whole time was spent, and the last try brought no word of the card. The time in which
 * others had the device tells nothing of it. */
static bool waited_in_vain(const struct iotsafe_card *card, const struct recovery *rec,
                           enum iotsafe_err err, deadline_t deadline)
{
    return err != IOTSAFE_OK && err != IOTSAFE_ERR_LOCK && err != IOTSAFE_ERR_MEMORY && !rec->heard
           && (err != IOTSAFE_ERR_TIMEOUT || card->transport->taken)
           && deadline_left_ms(deadline) == 0;
}

enum iotsafe_err card_run(struct iotsafe_card *card, card_fn *fn, void *arg, struct iotsafe_op *op)
{
    const bool has_deadline = op != NULL && op->deadline_ms != 0;
    deadline_t deadline = has_deadline ? op->deadline_ms : deadline_in(card->timeout_ms);
    struct recovery rec = { .grace_until = deadline_in(GRACE_MS) };
    int saved_errno = errno;
    enum iotsafe_err err;

    if (card->transport == NULL) {
        op_set(op, "%s", card->bad_setting.text);
        return IOTSAFE_ERR_CONFIG;
    }
    card_claim(card);
    err = turn_take(&card->turn, deadline);
    if (err != IOTSAFE_OK) {
        op_set(op, "%s: other threads of this process used the SIM for the whole %d ms",
               card->transport_text, card->timeout_ms);
        return err;
    }
    /* the channel is this thread's from here on, and those opened before do not count */
    rec.n_opened = card->channel.n_opened;
    card->channel.lost_opens = card->channel.n_responses = 0;
    for (;;) {
        err = attempt_as_heard(card, fn, arg, &rec, deadline, op);
        if (err == IOTSAFE_OK || card->silent || !prepare_next(card, &rec, err, deadline))
            break;
        trace_note(card->trace, card->transport->device, "%s: trying again", iotsafe_strerror(err));
    }
    if (err != IOTSAFE_OK && card->channel.lost_opens > 0)
        op_add(op,
               "; %u response(s) to opening a logical channel were lost: as many channels may "
               "remain open and unused until the SIM is reset",
               card->channel.lost_opens);
    /* what refuses on the way says nothing of the object that the caller asks for */
    if (!rec.entered && iotsafe_err_is_refusal(err))
        err = IOTSAFE_ERR_NOT_REACHED;
    if (card->silent) {
        op_add(op, "; tried briefly, since the SIM was silent for a whole operation");
    } else if (waited_in_vain(card, &rec, err, deadline)) {
        card->silent = true;
        disconnect(card);
    }
    turn_give(&card->turn);
    errno = saved_errno;
    return err;
}
