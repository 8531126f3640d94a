/* SPDX-License-Identifier: Apache-2.0 */
/* The queue: a card is serial, so one exchange runs at a time, whoever sent it.
 * An exchange is computed when it begins, and answered when its time is over. */
#include "sim.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "answer.h"

struct exchange_job {
    struct exchange_job *next;
    struct sim_user *user; /* NULL: it has gone */
    uint64_t arrived_us;
    const char *name;
    bool mute;
    bool away;        /* the card is taken out instead of an answer ... */
    uint64_t away_us; /* ... for so long */
    uint8_t rsp[ANSWER_MAX];
    size_t rsp_len;
    size_t cmd_len;
    uint8_t cmd[]; /* cmd_len bytes */
};

void sim_init(struct sim *sim, struct loop *loop, const struct profile *profile,
              struct store *store, const struct latency *latency)
{
    *sim = (struct sim){ .loop = loop, .latency = *latency, .present = true, .first_store = store };
    sim->log.fd = -1;
    card_init(&sim->card, profile, store);
    sim->card.case4_by_61 = latency->case4_by_61;
}

static void drop_queue(struct sim *sim)
{
    while (sim->first != NULL) {
        struct exchange_job *job = sim->first;

        sim->first = job->next;
        free(job);
    }
    free(sim->current);
    sim->current = NULL;
}

void sim_clear(struct sim *sim)
{
    while (sim->fronts != NULL) {
        struct front *f = sim->fronts;

        sim->fronts = f->next;
        f->stop(f->arg);
        free(f);
    }
    loop_timer_cancel(sim->loop, &sim->answer_timer);
    loop_timer_cancel(sim->loop, &sim->busy_timer);
    loop_timer_cancel(sim->loop, &sim->away_timer);
    loop_timer_cancel(sim->loop, &sim->turn_timer);
    drop_queue(sim);
    card_clear(&sim->card);
    if (sim->card.store != sim->first_store)
        store_free(sim->card.store);
    log_close(&sim->log);
}

void sim_user_begin(struct sim *sim, struct sim_user *user, const char *front,
                    sim_answer_fn *answer, void *arg)
{
    *user = (struct sim_user){
        .front = front, .id = ++sim->last_user_id, .answer = answer, .arg = arg, .next = sim->users
    };
    sim->users = user;
    card_attach(&sim->card, &user->client);
}

static void queue_again(void *arg);

/* A key that the user was about to put is not put by whoever comes next. */
static void release_turn(struct sim *sim, struct sim_user *user)
{
    if (sim->turns.holder != &user->turn)
        return;
    if (sim->turns.sequence == SEQUENCE_PUT)
        softsim_session_drop(&sim->card, &user->client);
    turns_end(&sim->turns);
    loop_timer(sim->loop, &sim->turn_timer, 1, queue_again, sim);
}

void sim_user_end(struct sim *sim, struct sim_user *user)
{
    struct sim_user **at = &sim->users;

    release_turn(sim, user);
    card_detach(&sim->card, &user->client);
    for (struct exchange_job *job = sim->first; job != NULL; job = job->next)
        if (job->user == user)
            job->user = NULL;
    if (sim->current != NULL && sim->current->user == user)
        sim->current->user = NULL;
    while (*at != NULL && *at != user)
        at = &(*at)->next;
    if (*at != NULL)
        *at = user->next;
}

static size_t row_of(const char *name)
{
    size_t i = 0;

    while (card_command_row(i) != NULL && strcmp(card_command_row(i), name) != 0)
        i++;
    return i;
}

static void count(struct sim *sim, struct exchange_job *job)
{
    size_t row = row_of(job->name);

    sim->n_exchanges++;
    job->user->exchanges++;
    if (row < ARRAY_LEN(sim->by_row))
        sim->by_row[row]++;
}

/* Let the card (or a fault) answer; returns how long that takes. */
static uint64_t execute(struct sim *sim, struct exchange_job *job)
{
    struct exchange_info info = { card_command_name(job->cmd, job->cmd_len), OP_NONE };
    uint8_t ins = job->cmd_len > 1 ? job->cmd[1] : 0;
    struct verdict v;
    uint64_t us;

    fault_judge(&sim->faults, info.name, ins, &v);
    if (v.hit[FAULT_RESET])
        sim_reset(sim, NULL, "fault");
    if (v.hit[FAULT_SW]) {
        job->rsp_len = answer_sw((uint16_t)v.arg[FAULT_SW], job->rsp);
    } else if (turns_is_late(&job->user->turn, job->cmd, job->cmd_len)) {
        job->rsp_len = answer_sw(SW_CHANNEL_UNSUPPORTED, job->rsp);
    } else {
        job->rsp_len = card_exchange(&sim->card, &job->user->client, job->cmd, job->cmd_len,
                                     job->rsp, &info);
    }
    job->name = info.name;
    if (!sim->no_turns)
        turns_answered(&sim->turns, &job->user->turn, job->cmd, job->cmd_len, job->rsp,
                       job->rsp_len, now_us());
    us = latency_us(&sim->latency, job->cmd_len + job->rsp_len, info.op);
    fault_damage(&v, job->rsp, sizeof(job->rsp), &job->rsp_len);
    job->away = v.hit[FAULT_AWAY];
    job->away_us = 1000u * (uint64_t)v.arg[FAULT_AWAY];
    job->mute = v.hit[FAULT_MUTE] || job->away;
    if (job->away)
        us++; /* not while a front end hands over the command: its connection ends */
    if (v.hit[FAULT_DELAY])
        us += 1000u * (uint64_t)v.arg[FAULT_DELAY];
    count(sim, job);
    return us;
}

static void put_in_again(void *arg)
{
    sim_set_present(arg, true);
}

/* Connections end while the command is still the current one, so that it loses its user. */
static void take_out(struct sim *sim, uint64_t us)
{
    sim_set_present(sim, false);
    loop_timer(sim->loop, &sim->away_timer, us, put_in_again, sim);
}

static void finish(struct sim *sim)
{
    struct exchange_job *job = sim->current;
    struct log_exchange entry = {
        .ins = job->name,
        .cmd = job->cmd,
        .cmd_len = job->cmd_len,
        .rsp = job->mute ? NULL : job->rsp,
        .rsp_len = job->mute ? 0 : job->rsp_len,
        .us = now_us() - job->arrived_us,
    };

    if (job->away)
        take_out(sim, job->away_us);
    sim->current = NULL;
    if (job->user != NULL) {
        entry.front = job->user->front;
        entry.client = job->user->id;
        turns_moved(&sim->turns, &job->user->turn, now_us());
        log_exchange(&sim->log, &entry);
        job->user->answer(job->user->arg, entry.rsp, entry.rsp_len);
    }
    OPENSSL_cleanse(job->rsp, sizeof(job->rsp));
    free(job);
}

static void pump(void *arg);

static struct sim_user *turn_holder(const struct sim *sim)
{
    struct sim_user *u = sim->users;

    while (u != NULL && &u->turn != sim->turns.holder)
        u = u->next;
    return u;
}

/* Sessions of what was broken off are closed, so that it cannot be gone on with. */
static void break_off(struct sim *sim)
{
    struct sim_user *user = turn_holder(sim);

    log_event(&sim->log, "turn-broken-off", NULL);
    turns_break_off(&sim->turns);
    if (user != NULL)
        softsim_session_drop(&sim->card, &user->client);
}

/* The oldest command of those who may send now; since everybody has one at most in the
 * queue, all get their turn in order. */
static struct exchange_job *take_allowed(struct sim *sim)
{
    for (struct exchange_job **at = &sim->first; *at != NULL; at = &(*at)->next) {
        struct exchange_job *job = *at;

        if (job->user != NULL && !turns_may(&sim->turns, &job->user->turn))
            continue;
        *at = job->next;
        return job;
    }
    return NULL;
}

static bool others_wait(const struct sim *sim)
{
    for (const struct exchange_job *job = sim->first; job != NULL; job = job->next)
        if (job->user != NULL && !turns_may(&sim->turns, &job->user->turn))
            return true;
    return false;
}

/* A turn lasts as long as its holder likes while nobody waits, else up to the limits. */
static struct exchange_job *take_or_wait(struct sim *sim)
{
    struct exchange_job *job;
    uint64_t left;

    if (!others_wait(sim))
        return take_allowed(sim);
    left = turns_left_us(&sim->turns, now_us());
    if (left == 0)
        break_off(sim);
    job = take_allowed(sim);
    if (job == NULL)
        loop_timer(sim->loop, &sim->turn_timer, left, queue_again, sim);
    return job;
}

/* Take the next command. False when the card has to think, or there is none. */
static bool begin_next(struct sim *sim)
{
    struct exchange_job *job;
    uint64_t us;

    job = sim->current == NULL ? take_or_wait(sim) : NULL;
    if (job == NULL)
        return false;
    if (job->user == NULL) {
        free(job);
        return true;
    }
    sim->current = job;
    us = execute(sim, job);
    if (us == 0) {
        finish(sim);
        return true;
    }
    loop_timer(sim->loop, &sim->answer_timer, us, pump, sim);
    return false;
}

/* Answers call back into sim_submit(): the guard turns that recursion into this loop. */
static void run_queue(struct sim *sim)
{
    if (sim->pumping)
        return;
    sim->pumping = true;
    while (begin_next(sim))
        continue;
    sim->pumping = false;
}

static void queue_again(void *arg)
{
    run_queue(arg);
}

static void pump(void *arg)
{
    struct sim *sim = arg;

    if (sim->current != NULL) {
        sim->pumping = true;
        finish(sim);
        sim->pumping = false;
    }
    run_queue(sim);
}

bool sim_submit(struct sim *sim, struct sim_user *user, const uint8_t *cmd, size_t len)
{
    struct exchange_job *job = malloc(sizeof(*job) + len);
    struct exchange_job **at = &sim->first;

    if (job == NULL)
        return false;
    job->next = NULL;
    job->user = user;
    job->arrived_us = now_us();
    job->name = "";
    job->mute = false;
    job->away = false;
    job->rsp_len = 0;
    job->cmd_len = len;
    if (len != 0)
        memcpy(job->cmd, cmd, len);
    while (*at != NULL)
        at = &(*at)->next;
    *at = job;
    run_queue(sim);
    return true;
}

bool sim_add_front(struct sim *sim, sim_presence_fn *presence, void (*stop)(void *), void *arg)
{
    struct front *f = malloc(sizeof(*f));

    if (f == NULL)
        return false;
    *f = (struct front){ presence, stop, arg, NULL, sim->fronts };
    sim->fronts = f;
    return true;
}

void sim_front_is_modem(struct sim *sim, const struct modem_ops *ops)
{
    sim->fronts->modem = ops;
}

static bool no_modem(struct err *err)
{
    return err_set(err, "this SIM is not in a modem: run it with --at");
}

bool sim_modem_replug(struct sim *sim, struct err *err)
{
    bool any = false;

    for (struct front *f = sim->fronts; f != NULL; f = f->next) {
        if (f->modem == NULL)
            continue;
        any = true;
        if (!f->modem->replug(f->arg, err))
            return false;
        log_event(&sim->log, "modem-replug", NULL);
    }
    return any || no_modem(err);
}

bool sim_modem_set(struct sim *sim, const char *setting, struct err *err)
{
    bool any = false;

    for (struct front *f = sim->fronts; f != NULL; f = f->next) {
        if (f->modem == NULL)
            continue;
        any = true;
        if (!f->modem->set(f->arg, setting, err))
            return false;
    }
    return any || no_modem(err);
}

void sim_reset(struct sim *sim, struct sim_user *user, const char *why)
{
    sim->n_resets++;
    log_event(&sim->log, "reset", why);
    if (user == NULL)
        card_reset(&sim->card);
    else
        card_reset_client(&sim->card, &user->client);
    if (user == NULL || sim->turns.holder == &user->turn)
        turns_end(&sim->turns);
    for (struct sim_user *u = sim->users; u != NULL; u = u->next)
        if (user == NULL || u == user) {
            u->turn = (struct turn_taker){ .broken_off = 0 };
            if (u->reset != NULL)
                u->reset(u->arg);
        }
}

void sim_set_present(struct sim *sim, bool present)
{
    if (sim->present == present)
        return;
    sim->present = present;
    log_event(&sim->log, present ? "insert" : "remove", NULL);
    card_reset(&sim->card);
    turns_end(&sim->turns);
    for (struct front *f = sim->fronts; f != NULL; f = f->next)
        f->presence(f->arg, present);
}

/* ---- another card in the same place ---- */

static bool is_folder_of(const struct store *s, const char *dir)
{
    struct stat have, want;

    return s->dir != NULL && stat(s->dir, &have) == 0 && stat(dir, &want) == 0
           && have.st_dev == want.st_dev && have.st_ino == want.st_ino;
}

/* A store that is served already is locked by ourselves. */
static struct store *open_store(struct sim *sim, const char *dir, struct err *err)
{
    if (is_folder_of(sim->card.store, dir))
        return sim->card.store;
    if (is_folder_of(sim->first_store, dir))
        return sim->first_store;
    return store_load_locked(dir, err);
}

static void close_store(struct sim *sim, struct store *s)
{
    if (s != sim->card.store && s != sim->first_store)
        store_free(s);
}

static void put_in(struct sim *sim, const struct profile *profile, struct store *s)
{
    struct store *old = sim->card.store;

    card_replace(&sim->card, profile, s);
    turns_end(&sim->turns);
    for (struct sim_user *u = sim->users; u != NULL; u = u->next)
        u->turn = (struct turn_taker){ .broken_off = 0 };
    loop_timer_cancel(sim->loop, &sim->busy_timer);
    close_store(sim, old);
}

/* Only a modem notices that a profile was switched, and perhaps says so. */
static void tell_modems(struct sim *sim)
{
    for (struct front *f = sim->fronts; f != NULL; f = f->next)
        if (f->modem != NULL)
            f->presence(f->arg, sim->present);
}

bool sim_replace(struct sim *sim, const char *dir, enum replacement how, struct err *err)
{
    struct octets atr = sim->card.profile.atr;
    struct store *s = open_store(sim, dir, err);
    struct profile profile;

    if (s == NULL)
        return false;
    if (!store_profile(s, &profile, err)) {
        close_store(sim, s);
        return false;
    }
    profile.atr = atr;
    if (how == REPLACE_CARD)
        sim_set_present(sim, false);
    else
        log_event(&sim->log, "switch", NULL);
    put_in(sim, &profile, s);
    if (how == REPLACE_CARD)
        sim_set_present(sim, true);
    else
        tell_modems(sim);
    loop_timer(sim->loop, &sim->turn_timer, 1, queue_again, sim);
    return true;
}

static void busy_over(void *arg)
{
    struct sim *sim = arg;

    sim->card.admin_busy = false;
    sim->card.admin_ended = true;
    log_event(&sim->log, "busy-end", NULL);
}

void sim_busy(struct sim *sim, long seconds)
{
    log_event(&sim->log, "busy", NULL);
    sim->card.admin_busy = true;
    loop_timer(sim->loop, &sim->busy_timer, (uint64_t)seconds * 1000000u, busy_over, sim);
}

void sim_clear_counters(struct sim *sim)
{
    sim->n_exchanges = 0;
    sim->n_resets = 0;
    sim->n_line_faults = 0;
    sim->card.usim.tries_lost = 0;
    memset(sim->by_row, 0, sizeof(sim->by_row));
    for (struct sim_user *u = sim->users; u != NULL; u = u->next)
        u->exchanges = 0;
}
