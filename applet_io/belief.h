/* SPDX-License-Identifier: Apache-2.0 */
/* What we believe of the logical channel that is to carry our applet, and what
 * changes that belief. A hint orders what is tried; only proof excludes, and no
 * exclusion outlives its proof. */
#ifndef APPLET_IO_BELIEF_H
#define APPLET_IO_BELIEF_H

enum belief {
    BELIEF_CLOSED,    /* no channel is open for us, as far as we know */
    BELIEF_ASSUMED,   /* there should be one: by a record, by an earlier use, by the device */
    BELIEF_CONFIRMED, /* in this use our applet has answered on it */
    N_BELIEFS
};

enum belief_event {
    BELIEF_RECORDED, /* a trusted record of another process names a channel */
    BELIEF_OPENED,   /* the device has opened a session (+CCHO): who answers in it is open */
    BELIEF_SELECTED, /* SELECT on the channel of our class byte was answered 9000, 61xx, 91xx */
    BELIEF_PROVED,   /* a response that no other application gives: instruction.h */
    BELIEF_DOUBTED,  /* use over on a shared device, reconnected, perhaps a reset */
    BELIEF_LOST,     /* the card says that the channel is not open; a certain reset */
    BELIEF_GIVEN_UP, /* closed by us, left to another program, fork */
    N_BELIEF_EVENTS
};

/** The whole machine: rows are events, columns what was believed before. */
static const enum belief belief_table[N_BELIEF_EVENTS][N_BELIEFS] = {
    /*                    closed             assumed            confirmed       */
    [BELIEF_RECORDED] = { BELIEF_ASSUMED, BELIEF_ASSUMED, BELIEF_ASSUMED },
    [BELIEF_OPENED] = { BELIEF_ASSUMED, BELIEF_ASSUMED, BELIEF_ASSUMED },
    [BELIEF_SELECTED] = { BELIEF_CONFIRMED, BELIEF_CONFIRMED, BELIEF_CONFIRMED },
    [BELIEF_PROVED] = { BELIEF_CLOSED, BELIEF_CONFIRMED, BELIEF_CONFIRMED },
    [BELIEF_DOUBTED] = { BELIEF_CLOSED, BELIEF_ASSUMED, BELIEF_ASSUMED },
    [BELIEF_LOST] = { BELIEF_CLOSED, BELIEF_CLOSED, BELIEF_CLOSED },
    [BELIEF_GIVEN_UP] = { BELIEF_CLOSED, BELIEF_CLOSED, BELIEF_CLOSED },
};

/** @return what is believed after an event */
static inline enum belief belief_after(enum belief before, enum belief_event event)
{
    return belief_table[event][before];
}

#endif
