/* SPDX-License-Identifier: Apache-2.0 */
/* The way out of a modem: lines become pieces of text, late, lost, interrupted by
 * unsolicited ones, as the quirks say, and go to a descriptor in their order. */
#ifndef SOFTSIM_MODEM_LINE_H
#define SOFTSIM_MODEM_LINE_H

#include "loop.h"
#include "modem_quirks.h"

#define OLD_ANSWERS_MAX 4

struct chunk;

struct modem_line {
    struct loop *loop;
    const struct quirks *quirks;
    int fd; /* the front end's; non-blocking */
    struct chunk *first, *last;
    struct timer timer; /* set while the first chunk is not due */
    bool blocked;       /* the descriptor takes nothing now */
    uint64_t rng;
    unsigned long responses;    /* of the card, up to now */
    unsigned long *faults;      /* how often a quirk has struck; borrowed */
    int seed;                   /* that rng began with */
    char *old[OLD_ANSWERS_MAX]; /* the youngest first */
    /** Called when all is written; may add more. */
    void (*drained)(void *arg);
    void *arg;
};

/** What strikes at every N-th response, and old answers, are counted in *faults. */
void line_init(struct modem_line *l, struct loop *loop, const struct quirks *quirks,
               unsigned long *faults, void (*drained)(void *arg), void *arg);
/** Forget what is not written, and old answers. */
void line_clear(struct modem_line *l);

/** True if nothing is left to be written. */
bool line_idle(const struct modem_line *l);
/** Go on after the descriptor became writable. */
void line_writable(struct modem_line *l);

struct modem_answer {
    const char *info;   /* NULL: no information line */
    const char *result; /* "OK", "ERROR", ... */
    bool terse;         /* ATV0 */
    bool of_card;       /* info may be repeated in front of later ones */
};

/** The answer to a command. */
void line_answer(struct modem_line *l, const struct modem_answer *a);
/** Text as it is, at once. */
void line_text(struct modem_line *l, const char *text);
/** One line that nobody has asked for, unless there is something else to write. */
void line_unsolicited(struct modem_line *l);

#endif
