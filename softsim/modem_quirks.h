/* SPDX-License-Identifier: Apache-2.0 */
/* Quirks of modems, as switches: how they spell, what they lack, what they lose. Only
 * names and values; what a value does is decided where it is read. */
#ifndef SOFTSIM_MODEM_QUIRKS_H
#define SOFTSIM_MODEM_QUIRKS_H

#include <stdio.h>

#include "util.h"

enum quirk {
    QUIRK_ECHO,
    QUIRK_QUOTES,
    QUIRK_SPACE,
    QUIRK_SESSION_PREFIX,
    QUIRK_SESSION_ID,
    QUIRK_HEX,
    QUIRK_LOWER_HEX,
    QUIRK_COMMANDS,
    QUIRK_TEST_COMMANDS,
    QUIRK_CCHC,
    QUIRK_CSIM_CHANNELS,
    QUIRK_NO_CHANNELS,
    QUIRK_CLASS_BY,
    QUIRK_FETCH,
    QUIRK_LINE_MAX,
    QUIRK_ANSWER_MAX,
    QUIRK_SHORT_APDU,
    QUIRK_LE_AFTER_DATA,
    QUIRK_OK,
    QUIRK_OK_GAP,
    QUIRK_OLD_ANSWERS,
    QUIRK_UNSOLICITED,
    QUIRK_UNSOLICITED_EVERY,
    QUIRK_PIECES,
    QUIRK_PIECE_GAP,
    QUIRK_LOST,
    QUIRK_LOST_PART,
    QUIRK_NO_ANSWER_TO_OPEN,
    QUIRK_LOST_CHARACTERS,
    QUIRK_DOUBLED_CHARACTERS,
    QUIRK_CUT_LINES,
    QUIRK_CSIM_LINES,
    QUIRK_STRAY_CODES,
    QUIRK_CALL_ENDS,
    QUIRK_DELAY,
    QUIRK_DELAY_ONE_IN,
    QUIRK_BUSY,
    QUIRK_CME,
    QUIRK_SIM,
    QUIRK_ERROR_STYLE,
    QUIRK_INIT_REPLY,
    QUIRK_RESTART_LINES,
    QUIRK_SEED,
    QUIRK_COUNT
};

/* Values, in the order of the words in modem_quirks.c. */
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

struct quirks {
    int v[QUIRK_COUNT];
};

/** A modem without peculiarities. */
void quirks_init(struct quirks *q);

/** Apply one "NAME=VALUE", or "like=MODEM" for several at once; a refused setting changes
 *  nothing. */
bool quirks_set(struct quirks *q, const char *setting, struct err *err);

/** Print every switch with its values and default, and what "like" knows. */
void quirks_print(FILE *out);

#endif
