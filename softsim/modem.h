/* SPDX-License-Identifier: Apache-2.0 */
/* A modem with the SIM in it: AT command lines in, answers out by modem_line. Knows
 * +CSIM and +CCHO/+CGLA/+CCHC and what a client asks to get into step; nothing of
 * ports. One command at a time.
 * Source: ITU-T V.250, 3GPP TS 27.007 clauses 8.17, 8.43, 8.45, 8.46, 9.2. */
#ifndef SOFTSIM_MODEM_H
#define SOFTSIM_MODEM_H

#include "modem_line.h"
#include "sim.h"

#define MODEM_LINE_MAX 4096 /* characters of a command line that are looked at */

struct modem_session {
    bool open;
    char id[20];
    uint8_t channel;
};

struct modem;

/** What to do with the card's answer to the exchange under way. */
typedef void modem_step(struct modem *m, const uint8_t *rsp, size_t len);

struct modem {
    struct sim *sim;
    struct sim_user user;
    bool plugged; /* user is in use */
    struct quirks quirks;
    struct modem_line line;
    bool echo, verbose;
    int cmee;      /* 0, 1, 2 */
    int busy_left; /* commands that find the SIM busy */
    struct modem_session sessions[N_CHANNELS];
    unsigned last_handle;
    unsigned long opens; /* channels that were opened, for no_answer_to_open */
    /* the exchange under way */
    modem_step *next;   /* NULL: none */
    const char *prefix; /* of the answer: "+CSIM", "+CGLA" */
    struct buf cmd;     /* the APDU as sent to the card */
    struct buf data;    /* of the answer, while the modem fetches the rest */
    struct buf aid;     /* of +CCHO */
    unsigned rounds;
    uint8_t channel;
    /** A command is over, perhaps before modem_command() returns. */
    void (*done)(void *arg);
    void (*drained)(void *arg);
    void *arg;
};

/** Quirks stay as they are over power cycles. done and drained are called with arg. */
void modem_init(struct modem *m, struct sim *sim, const struct quirks *quirks,
                void (*done)(void *arg), void (*drained)(void *arg), void *arg);

/** Change a quirk; the count of `busy` restarts. */
bool modem_set(struct modem *m, const char *setting, struct err *err);

/** Power on with a descriptor to write to: settings of the factory, a new user of the card. */
void modem_power_on(struct modem *m, int fd);
void modem_power_off(struct modem *m);

/** True while a command waits for the card. */
bool modem_busy(const struct modem *m);

/** Execute one command line without its CR. */
void modem_command(struct modem *m, const char *line);

/** The SIM was put in or taken out. */
void modem_sim_changed(struct modem *m, bool present);

/* ---- modem_sim.c: the commands that reach the card ---- */

/** What follows the = of a command; the answer comes when the card has answered. */
void modem_csim(struct modem *m, const char *args);
void modem_ccho(struct modem *m, const char *args);
void modem_cgla(struct modem *m, const char *args);
void modem_cchc(struct modem *m, const char *args);

/* ---- for both ---- */

static inline int modem_quirk(const struct modem *m, enum quirk q)
{
    return m->quirks.v[q];
}

void modem_ok(struct modem *m);
/** An error by its +CME number, spelled as the modem does; -1 for a plain ERROR. */
void modem_error(struct modem *m, int cme);
/** An information line, perhaps of the card, and OK. */
void modem_info(struct modem *m, const char *info, bool of_card);
/** False, and an error was answered, if the SIM cannot be reached now. */
bool modem_sim_ready(struct modem *m);

enum cme {
    CME_PLAIN_ERROR = -1,
    CME_NOT_ALLOWED = 3,
    CME_NOT_SUPPORTED = 4,
    CME_NO_SIM = 10,
    CME_PIN = 11,
    CME_SIM_FAILURE = 13,
    CME_SIM_BUSY = 14,
    CME_MEMORY_FULL = 20,
    CME_NOT_FOUND = 22,
    CME_TOO_LONG = 24,
    CME_BAD_CHARACTERS = 25,
    CME_BAD_PARAMETERS = 50,
};

#endif
