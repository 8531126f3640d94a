/* SPDX-License-Identifier: Apache-2.0 */
/* see card.h and iotsafe.h */
#include "card.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "config.h"
#include "process.h"

/* ------------------------------------------------- state that survives fork */

/*
 * A forked child inherits locks that threads of the parent may have held. The
 * state of each lock is therefore owned by a process: the first thread of the
 * child that comes by makes it new. `owner` is a process_id(), or the negative one
 * of the process whose thread is just making it new.
 */
static void claim(_Atomic long *owner, void (*renew)(void *), void *arg)
{
    const long me = process_id();
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
    _Atomic long owner;
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
    claim(&cards.owner, renew_list, NULL);
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
    channel_forget(&card->channel);
}

void card_claim(struct iotsafe_card *card)
{
    claim(&card->owner, renew_card, card);
}

/* ------------------------------------------------------------ references */

static void card_destroy(struct iotsafe_card *card)
{
    if (card->transport != NULL) {
        if (atomic_load(&card->owner) == process_id())
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
    atomic_store(&card->owner, process_id());
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

struct iotsafe_card *iotsafe_card_new_unusable(const struct iotsafe_config *cfg,
                                               const struct iotsafe_op *why)
{
    struct iotsafe_card *card = calloc(1, sizeof(*card));

    if (card == NULL)
        return NULL;
    card->refs = 1;
    card->timeout_ms = cfg->timeout_ms;
    card->transport_text = strdup(cfg->transport != NULL ? cfg->transport : "");
    op_set(&card->bad_setting, "%s", why->text[0] != '\0' ? why->text : "a setting is bad");
    if (card->transport_text != NULL)
        return card;
    card_destroy(card);
    return NULL;
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
    if (card->transport == NULL)
        return;
    card_claim(card);
    if (turn_take(&card->turn, deadline_in(card->timeout_ms)) != IOTSAFE_OK)
        return;
    cache_clear(&card->cache);
    turn_give(&card->turn);
}
