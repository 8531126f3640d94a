/* SPDX-License-Identifier: Apache-2.0 */
/* A SIM in use: the card, and around it the queue of exchanges, timing, faults,
 * counters and the log. Front ends bring commands and take answers here. */
#ifndef SOFTSIM_SIM_H
#define SOFTSIM_SIM_H

#include "card.h"
#include "fault.h"
#include "latency.h"
#include "log.h"
#include "loop.h"
#include "turns.h"

#define ANSWER_MAX 4096 /* bytes; garbage of a fault may exceed a real answer */

struct sim;
struct sim_user;

/**
 * The answer to a submitted command. rsp is NULL when the card stays mute. The
 * callback may submit the next command or end the user.
 */
typedef void sim_answer_fn(void *arg, const uint8_t *rsp, size_t len);

/** Called at every user when the card is taken out (false) or put in (true). */
typedef void sim_presence_fn(void *arg, bool present);

/** Whoever sends commands: a connection, a reader. Owned by its front end. */
struct sim_user {
    struct client client;
    struct turn_taker turn;
    const char *front; /* "unix", "tcp", "vpcd", "at" */
    unsigned id;
    unsigned long exchanges;
    sim_answer_fn *answer;
    void (*reset)(void *arg); /* the card was reset; NULL if the user does not care */
    void *arg;
    struct sim_user *next;
};

/** What only a modem can do; see front_at.c. */
struct modem_ops {
    bool (*replug)(void *arg, struct err *err);
    bool (*set)(void *arg, const char *setting, struct err *err);
};

struct front {
    sim_presence_fn *presence;
    void (*stop)(void *arg); /* close everything and free */
    void *arg;
    const struct modem_ops *modem; /* NULL for other kinds */
    struct front *next;
};

struct exchange_job;

struct sim {
    struct loop *loop;
    struct card card;
    struct store *first_store; /* of sim_init(); the caller's */
    struct latency latency;
    struct fault_list faults;
    struct log log;
    bool present;
    struct timer busy_timer;
    struct sim_user *users;
    unsigned last_user_id;
    struct front *fronts;
    /* the queue */
    struct exchange_job *first, *current;
    struct timer away_timer;
    struct timer answer_timer;
    bool pumping;
    struct turns turns;
    struct timer turn_timer;
    bool no_turns; /* every command is for itself */
    /* counters since the last reset of counters */
    unsigned long n_exchanges, n_resets;
    unsigned long n_line_faults; /* of modems */
    unsigned long by_row[64];
};

void sim_init(struct sim *sim, struct loop *loop, const struct profile *profile,
              struct store *store, const struct latency *latency);
void sim_clear(struct sim *sim);

void sim_user_begin(struct sim *sim, struct sim_user *user, const char *front,
                    sim_answer_fn *answer, void *arg);
/** Ends its channels; answers under way are dropped. */
void sim_user_end(struct sim *sim, struct sim_user *user);

/** Queue one command; the answer comes by the callback, perhaps before this returns. One
 *  at a time for each user. False when out of memory. */
bool sim_submit(struct sim *sim, struct sim_user *user, const uint8_t *cmd, size_t len);

/** A front end adds itself; it is told of presence and stopped by sim_clear(). */
bool sim_add_front(struct sim *sim, sim_presence_fn *presence, void (*stop)(void *), void *arg);
/** Say that the front end just added is a modem. */
void sim_front_is_modem(struct sim *sim, const struct modem_ops *ops);
/** Unplug and plug every modem, or change a quirk of every one. False if there is none. */
bool sim_modem_replug(struct sim *sim, struct err *err);
bool sim_modem_set(struct sim *sim, const char *setting, struct err *err);

/** Reset for one user (a reader's power-on) or, with NULL, for all. */
void sim_reset(struct sim *sim, struct sim_user *user, const char *why);
void sim_set_present(struct sim *sim, bool present);
/** What can come into the place of the SIM. */
enum replacement {
    REPLACE_CARD,    /* another card: the old one is taken out */
    REPLACE_PROFILE, /* another profile of the same eSIM: the card stays in */
};
/**
 * The SIM of another store in the same place, with the ATR of the one before. What
 * changes from then on goes to that store. On failure nothing has changed.
 */
bool sim_replace(struct sim *sim, const char *dir, enum replacement how, struct err *err);
/** Remote administration works on the objects for so many seconds. */
void sim_busy(struct sim *sim, long seconds);

void sim_clear_counters(struct sim *sim);

#endif
