/* SPDX-License-Identifier: Apache-2.0 */
/* Habits of modems, as switches: how they spell, what they lack, what they lose. Only
 * names and values; what a value does is decided where it is read. */
#ifndef SOFTSIM_MODEM_HABITS_H
#define SOFTSIM_MODEM_HABITS_H

#include <stdio.h>

#include "util.h"

enum habit {
    HABIT_ECHO,
    HABIT_QUOTES,
    HABIT_SPACE,
    HABIT_SESSION_PREFIX,
    HABIT_SESSION_ID,
    HABIT_HEX,
    HABIT_LOWER_HEX,
    HABIT_COMMANDS,
    HABIT_TEST_COMMANDS,
    HABIT_CCHC,
    HABIT_CSIM_CHANNELS,
    HABIT_NO_CHANNELS,
    HABIT_CLASS_BY,
    HABIT_FETCH,
    HABIT_LINE_MAX,
    HABIT_ANSWER_MAX,
    HABIT_SHORT_APDU,
    HABIT_LE_AFTER_DATA,
    HABIT_OK,
    HABIT_OK_GAP,
    HABIT_OLD_ANSWERS,
    HABIT_UNSOLICITED,
    HABIT_UNSOLICITED_EVERY,
    HABIT_PIECES,
    HABIT_PIECE_GAP,
    HABIT_LOST,
    HABIT_LOST_PART,
    HABIT_NO_ANSWER_TO_OPEN,
    HABIT_LOST_CHARACTERS,
    HABIT_DOUBLED_CHARACTERS,
    HABIT_CUT_LINES,
    HABIT_CSIM_LINES,
    HABIT_STRAY_CODES,
    HABIT_CALL_ENDS,
    HABIT_DELAY,
    HABIT_DELAY_ONE_IN,
    HABIT_BUSY,
    HABIT_CME,
    HABIT_SIM,
    HABIT_ERROR_STYLE,
    HABIT_INIT_REPLY,
    HABIT_RESTART_LINES,
    HABIT_SEED,
    HABIT_COUNT
};

/* Values, in the order of the words in modem_habits.c. */
enum { NO, YES };
enum { RESTART_OFF, RESTART_ON, RESTART_STRAY }; /* and above: every so many */
enum { ID_IS_CHANNEL, ID_IS_HANDLE };
enum { HEX_UPPER, HEX_LOWER };
enum { ACCEPT, REFUSE };
enum { COMMANDS_BOTH, COMMANDS_CSIM, COMMANDS_CGLA };
enum { TEST_OK, TEST_ERROR };
enum { CCHC_PRESENT, CCHC_MISSING };
enum { BY_MODEM, BY_CALLER };
enum { FETCH_CALLER, FETCH_MODEM };
enum { OK_BEHIND, OK_LATE, OK_FIRST };
enum { LOSE_ALL, LOSE_OK };
enum { CME_AS_ASKED, CME_NUMBER, CME_TEXT, CME_PLAIN };
enum { SIM_READY, SIM_PIN, SIM_NONE };
enum { STYLE_SW, STYLE_ERROR };
enum { INIT_SW, INIT_OK };

struct habits {
    int v[HABIT_COUNT];
};

/** A modem without peculiarities. */
void habits_init(struct habits *h);

/** Apply one "NAME=VALUE", or "like=MODEM" for several at once; a refused setting changes
 *  nothing. */
bool habits_set(struct habits *h, const char *setting, struct err *err);

/** Print every switch with its values and default, and what "like" knows. */
void habits_print(FILE *out);

#endif
