/* SPDX-License-Identifier: Apache-2.0 */
/* see card.h and iotsafe.h */
#include "card.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config.h"
#include "trace.h"

/* ------------------------------------------------- state that survives fork */

/*
 * A forked child inherits locks that threads of the parent may have held. The
 * state of each lock is therefore owned by a process: the first thread of the
 * child that comes by makes it new. `owner` is a pid, or the negative pid of
 * the process whose thread is just making it new.
 */
static void claim(_Atomic long *owner, void (*renew)(void *), void *arg)
{
    const long me = (long)getpid();
    long seen = atomic_load(owner);

    while (seen != me) {
        if (seen == -me) {
            (void)sched_yield();
            seen = atomic_load(owner);
        } else if (atomic_compare_exchange_strong(owner, &seen, -me)) {
            renew(arg);
            atomic_store(owner, me);
            return;
        }
    }
}

/* ------------------------------------------------------ the list of cards */

static struct {
    _Atomic long owner_pid;
    pthread_mutex_t mutex;
    struct iotsafe_card *first; /* changed by single stores: whole at any fork */
} cards = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static void renew_list(void *arg)
{
    (void)arg;
    (void)pthread_mutex_init(&cards.mutex, NULL);
}

static void list_lock(void)
{
    claim(&cards.owner_pid, renew_list, NULL);
    (void)pthread_mutex_lock(&cards.mutex);
}

static void list_unlock(void)
{
    (void)pthread_mutex_unlock(&cards.mutex);
}

/* In the child the parent's connection is dropped without a word. */
static void renew_card(void *arg)
{
    struct iotsafe_card *card = arg;

    if (card->turn.taken) /* by a thread that is not here: it may have stopped anywhere */
        memset(&card->cache, 0, sizeof(card->cache));
    turn_init(&card->turn);
    card->transport->ops->drop(card->transport);
    card->channel.open = false;
    card->channel.generation = 0;
}

/* ------------------------------------------------------------ references */

static void card_destroy(struct iotsafe_card *card)
{
    if (card->transport != NULL) {
        if (atomic_load(&card->owner_pid) == (long)getpid())
            card->transport->ops->disconnect(card->transport);
        else
            card->transport->ops->drop(card->transport);
        card->transport->ops->close(card->transport);
    }
    cache_clear(&card->cache);
    free(card->key);
    free(card->transport_text);
    free(card->trace);
    free(card->lock_dir);
    free(card);
}

/* All that makes a difference for the device; one field a line. */
static char *make_key(const struct iotsafe_config *cfg, const char *transport)
{
    char aids[AID_LIST_MAX * (HEX_SIZE(IOTSAFE_AID_MAX) + 1)] = "";
    char traits[TRAITS_TEXT_MAX];
    size_t n = 0;
    char *key = NULL;

    for (size_t i = 0; i < cfg->n_aids; i++) {
        hex_encode(cfg->aids[i].bytes, cfg->aids[i].len, aids + n);
        n += 2 * cfg->aids[i].len;
        aids[n++] = ',';
        aids[n] = '\0';
    }
    traits_format(&cfg->traits, traits);
    if (asprintf(&key, "%s\n%s\n%s\n%s\n%s\n%d", transport, cfg->trace, cfg->lock_dir, aids, traits,
                 cfg->timeout_ms)
        < 0)
        return NULL;
    return key;
}

static enum iotsafe_err card_create(const struct iotsafe_config *cfg, const char *transport,
                                    char *key, struct iotsafe_card **ret_card,
                                    struct iotsafe_op *op)
{
    struct iotsafe_card *card = calloc(1, sizeof(*card));
    enum iotsafe_err err = IOTSAFE_ERR_MEMORY;

    if (card == NULL) {
        free(key);
        return err;
    }
    card->refs = 1;
    card->key = key;
    card->timeout_ms = cfg->timeout_ms;
    card->transport_text = strdup(transport);
    card->trace = strdup(cfg->trace);
    card->lock_dir = strdup(cfg->lock_dir);
    if (card->transport_text != NULL && card->trace != NULL && card->lock_dir != NULL)
        err = transport_open(transport, card->lock_dir, &card->transport, op);
    if (err != IOTSAFE_OK) {
        card_destroy(card);
        return err;
    }
    card->channel.transport = card->transport;
    card->channel.trace = card->trace;
    card->channel.exchange_ms = card->timeout_ms / 3; /* time is left to try again */
    memcpy(card->channel.aids, cfg->aids, sizeof(cfg->aids));
    card->channel.n_aids = cfg->n_aids;
    card->channel.default_traits = card->channel.traits = cfg->traits;
    turn_init(&card->turn);
    atomic_store(&card->owner_pid, (long)getpid());
    *ret_card = card;
    return IOTSAFE_OK;
}

enum iotsafe_err iotsafe_card_new(const struct iotsafe_config *cfg, const char *sim,
                                  struct iotsafe_card **ret_card, struct iotsafe_op *op)
{
    const char *transport = config_sim_transport(cfg, sim);
    enum iotsafe_err err = IOTSAFE_OK;
    struct iotsafe_card *card;
    char *key;

    if (cfg->error.text[0] != '\0') {
        op_set(op, "%s", cfg->error.text);
        return IOTSAFE_ERR_CONFIG;
    }
    if (transport == NULL) {
        op_set(op, "no SIM called \"%s\": set sim.%s in the provider's section of openssl.cnf",
               sim != NULL ? sim : "", sim != NULL ? sim : "NAME");
        return IOTSAFE_ERR_CONFIG;
    }
    key = make_key(cfg, transport);
    if (key == NULL)
        return IOTSAFE_ERR_MEMORY;
    list_lock();
    for (card = cards.first; card != NULL && strcmp(card->key, key) != 0; card = card->next)
        ;
    if (card != NULL) {
        card->refs++;
        free(key);
    } else {
        err = card_create(cfg, transport, key, &card, op);
        if (err == IOTSAFE_OK) {
            card->next = cards.first;
            cards.first = card;
        }
    }
    list_unlock();
    if (err == IOTSAFE_OK)
        *ret_card = card;
    return err;
}

struct iotsafe_card *iotsafe_card_ref(struct iotsafe_card *card)
{
    list_lock();
    card->refs++;
    list_unlock();
    return card;
}

void iotsafe_card_free(struct iotsafe_card *card)
{
    struct iotsafe_card **link;
    bool last;

    if (card == NULL)
        return;
    list_lock();
    last = --card->refs == 0;
    for (link = &cards.first; last && *link != NULL; link = &(*link)->next)
        if (*link == card) {
            *link = card->next;
            break;
        }
    list_unlock();
    if (last)
        card_destroy(card);
}

const char *iotsafe_card_transport(const struct iotsafe_card *card)
{
    return card->transport_text;
}

void iotsafe_card_forget(struct iotsafe_card *card)
{
    claim(&card->owner_pid, renew_card, card);
    if (turn_take(&card->turn, deadline_in(card->timeout_ms)) != IOTSAFE_OK)
        return;
    cache_clear(&card->cache);
    turn_give(&card->turn);
}

/* ------------------------------------------------------ reaching the card */

/* Of several readers' failures the one that tells most: the farther we got. */
static unsigned telling(enum iotsafe_err err)
{
    static const enum iotsafe_err rising[] = {
        IOTSAFE_ERR_NO_READER,  IOTSAFE_ERR_NO_CARD,   IOTSAFE_ERR_NO_APPLET, IOTSAFE_ERR_LOCK,
        IOTSAFE_ERR_NO_CHANNEL, IOTSAFE_ERR_TRANSPORT, IOTSAFE_ERR_PROTOCOL,  IOTSAFE_ERR_TIMEOUT,
    };

    for (unsigned i = 0; i < ARRAY_LEN(rising); i++)
        if (rising[i] == err)
            return i;
    return ARRAY_LEN(rising);
}

static enum iotsafe_err try_device(struct iotsafe_card *card, unsigned n, deadline_t deadline,
                                   struct iotsafe_op *op)
{
    struct transport *t = card->transport;
    enum iotsafe_err err = t->ops->connect(t, n, deadline, op);

    if (err != IOTSAFE_OK)
        return err;
    card->seen = true;
    err = channel_ready(&card->channel, CHANNEL_RECONNECTED, deadline, op);
    if (err == IOTSAFE_OK && card->distrust && !card->channel.verified)
        err = channel_reopen(&card->channel, false, deadline, op);
    if (err != IOTSAFE_OK)
        t->ops->disconnect(t);
    return err;
}

#define DEVICES_MAX 64

/* No other device can be any better. */
static bool concerns_all_devices(enum iotsafe_err err)
{
    return err == IOTSAFE_ERR_NO_SERVICE || err == IOTSAFE_ERR_CONFIG || err == IOTSAFE_ERR_MEMORY;
}

static enum iotsafe_err connect_any(struct iotsafe_card *card, deadline_t deadline,
                                    struct iotsafe_op *op)
{
    struct iotsafe_op here = { .text = "" };
    enum iotsafe_err worst = IOTSAFE_OK;

    for (unsigned n = 0; n < DEVICES_MAX; n++) {
        enum iotsafe_err err = try_device(card, n, deadline, &here);

        if (err == IOTSAFE_OK) {
            card->distrust = false;
            return IOTSAFE_OK;
        }
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

static enum iotsafe_err enter(struct iotsafe_card *card, deadline_t deadline, struct iotsafe_op *op)
{
    struct transport *t = card->transport;
    bool reset = false;
    enum iotsafe_err err;

    if (!t->connected) {
        cache_clear(&card->cache);
        return connect_any(card, deadline, op);
    }
    err = t->ops->acquire(t, deadline, &reset, op);
    if (err == IOTSAFE_ERR_TIMEOUT || err == IOTSAFE_ERR_LOCK)
        return err; /* somebody else has the device; the connection is well */
    if (err == IOTSAFE_OK) {
        if (reset)
            cache_clear(&card->cache);
        err = channel_ready(&card->channel, reset ? CHANNEL_RESET : CHANNEL_SAME, deadline, op);
    }
    if (err != IOTSAFE_OK)
        t->ops->disconnect(t);
    return err;
}

static void leave(struct iotsafe_card *card, deadline_t deadline)
{
    struct transport *t = card->transport;

    if (!t->connected)
        return;
    channel_leave(&card->channel, deadline);
    t->ops->release(t);
}

/* --------------------------------------------------------------- recovery */

enum remedy {
    REMEDY_NONE = 0,
    REMEDY_RESELECT,  /* the channel is there but answers oddly */
    REMEDY_REOPEN,    /* the channel is gone */
    REMEDY_RECONNECT, /* the device failed */
    REMEDY_WAIT,      /* the applet is busy */
    REMEDY_REPEAT     /* what was read is void */
};

/* One row an error. `times` bounds a remedy within one operation; 0 means
 * until the deadline. Errors that a second try cannot change have no row. */
static const struct {
    enum iotsafe_err err;
    enum remedy remedy;
    unsigned times;
} remedies[] = {
    { IOTSAFE_ERR_CHANNEL_LOST, REMEDY_REOPEN, 2 },
    { IOTSAFE_ERR_UNSUPPORTED, REMEDY_RESELECT, 1 }, /* 6D00: another applet answers? */
    { IOTSAFE_ERR_CLASS, REMEDY_RESELECT, 1 },
    { IOTSAFE_ERR_CARD, REMEDY_RESELECT, 1 }, /* 6Fxx */
    { IOTSAFE_ERR_CHANGED, REMEDY_REPEAT, 1 },
    { IOTSAFE_ERR_BUSY, REMEDY_WAIT, 0 },
    { IOTSAFE_ERR_TRANSPORT, REMEDY_RECONNECT, 0 },
    { IOTSAFE_ERR_NO_SERVICE, REMEDY_RECONNECT, 0 },
    { IOTSAFE_ERR_NO_READER, REMEDY_RECONNECT, 0 },
    { IOTSAFE_ERR_NO_CARD, REMEDY_RECONNECT, 0 },
    { IOTSAFE_ERR_TIMEOUT, REMEDY_RECONNECT, 0 },   /* of one exchange */
    { IOTSAFE_ERR_NO_APPLET, REMEDY_RECONNECT, 1 }, /* where it was taken for granted */
};

#define GRACE_MS 2000 /* readers notice an exchanged card within a second */

struct recovery {
    bool broken_off; /* an exchange was, by the device */
    unsigned used[IOTSAFE_ERR_MAX];
    int64_t pause_ms;
    int64_t grace_until;
    uint64_t generation; /* of the channel record at the last try */
    bool guessed;        /* the channel was adopted and has not proved itself */
    bool doubted;        /* and was selected again for that */
};

static enum remedy choose_remedy(struct recovery *rec, enum iotsafe_err err)
{
    for (size_t i = 0; i < ARRAY_LEN(remedies); i++)
        if (remedies[i].err == err) {
            unsigned used = rec->used[err]++;

            return remedies[i].times == 0 || used < remedies[i].times ? remedies[i].remedy
                                                                      : REMEDY_NONE;
        }
    /* an odd answer on a channel that we only guessed says nothing */
    if (!rec->guessed || rec->doubted || err == IOTSAFE_ERR_MEMORY)
        return REMEDY_NONE;
    rec->doubted = true;
    return REMEDY_RESELECT;
}

static void pause_between(struct recovery *rec, int64_t first_ms, int64_t most_ms,
                          deadline_t deadline)
{
    rec->pause_ms = rec->pause_ms == 0 ? first_ms : 2 * rec->pause_ms;
    if (rec->pause_ms > most_ms)
        rec->pause_ms = most_ms;
    sleep_ms(rec->pause_ms, deadline);
}

/* A device that this process has never reached: waiting would only hide the
 * reason. But a card that was there a moment ago may just be exchanged. */
static bool worth_waiting(const struct iotsafe_card *card, const struct recovery *rec)
{
    return card->reached || card->distrust
           || (card->seen && rec->broken_off && now_ms() < rec->grace_until);
}

/* Carry out a remedy after the device was left; false: there is none. */
static bool mend(struct iotsafe_card *card, struct recovery *rec, enum remedy remedy,
                 deadline_t deadline)
{
    if (remedy == REMEDY_NONE || deadline_left_ms(deadline) == 0)
        return false;
    if (remedy == REMEDY_RECONNECT) {
        if (!worth_waiting(card, rec))
            return false;
        card->transport->ops->disconnect(card->transport);
        pause_between(rec, 50, 500, deadline);
    }
    if (remedy == REMEDY_WAIT)
        pause_between(rec, 500, 4000, deadline);
    return deadline_left_ms(deadline) > 0;
}

static bool breaks_connection(enum iotsafe_err err)
{
    return err == IOTSAFE_ERR_TRANSPORT || err == IOTSAFE_ERR_TIMEOUT || err == IOTSAFE_ERR_PROTOCOL
           || err == IOTSAFE_ERR_SPACE || err == IOTSAFE_ERR_NO_CARD;
}

/* One try: enter, run, leave. On return the device is released. */
static enum iotsafe_err attempt(struct iotsafe_card *card, card_fn *fn, void *arg,
                                enum remedy remedy, struct recovery *rec, deadline_t deadline,
                                struct iotsafe_op *op)
{
    struct channel *ch = &card->channel;
    struct card_use use = { .channel = ch, .cache = &card->cache, .deadline = deadline, .op = op };
    enum iotsafe_err err = enter(card, deadline, op);

    if (err != IOTSAFE_OK)
        return err;
    /* unless another process has replaced the channel meanwhile: then it is its turn */
    if ((remedy == REMEDY_RESELECT || remedy == REMEDY_REOPEN)
        && ch->generation == rec->generation) {
        cache_clear(&card->cache);
        err = channel_reopen(ch, remedy == REMEDY_REOPEN, deadline, op);
        /* a record of another card led here: the applet may be in another reader */
        card->distrust = err == IOTSAFE_ERR_NO_APPLET && !card->transport->one_device;
    }
    rec->guessed = !ch->verified;
    card->reached = card->reached || ch->verified;
    if (err == IOTSAFE_OK)
        err = fn(&use, arg);
    if (ch->stale) {
        cache_clear(&card->cache);
        ch->stale = false;
    }
    if (err == IOTSAFE_OK)
        card->reached = true;
    /* a late or broken answer must not meet the next command */
    if (breaks_connection(err) || card->distrust)
        card->transport->ops->disconnect(card->transport);
    else
        leave(card, deadline);
    rec->generation = ch->generation; /* leaving may have written a new record */
    return err;
}

enum iotsafe_err card_run(struct iotsafe_card *card, card_fn *fn, void *arg, struct iotsafe_op *op)
{
    deadline_t deadline = op != NULL && op->deadline_ms != 0 ? op->deadline_ms
                                                             : deadline_in(card->timeout_ms);
    struct recovery rec = { .grace_until = deadline_in(GRACE_MS) };
    enum remedy remedy = REMEDY_NONE;
    int saved_errno = errno;
    enum iotsafe_err err;

    claim(&card->owner_pid, renew_card, card);
    err = turn_take(&card->turn, deadline);
    if (err != IOTSAFE_OK) {
        op_set(op, "%s: other threads of this process used the SIM for all of %d ms",
               card->transport_text, card->timeout_ms);
        return err;
    }
    card->seen = false;
    for (;;) {
        err = attempt(card, fn, arg, remedy, &rec, deadline, op);
        if (err == IOTSAFE_OK)
            break;
        rec.broken_off = rec.broken_off || err == IOTSAFE_ERR_TRANSPORT;
        remedy = choose_remedy(&rec, err);
        if (!mend(card, &rec, remedy, deadline))
            break;
        trace_note(card->trace, card->transport->device, "%s: trying again", iotsafe_strerror(err));
    }
    turn_give(&card->turn);
    errno = saved_errno;
    return err;
}
