/* SPDX-License-Identifier: Apache-2.0 */
/* A card that plays a script: it expects given commands over the socket
 * transport and gives given answers, so that a test sees every byte. */
#ifndef SCRIPT_CARD_H
#define SCRIPT_CARD_H

#include <stddef.h>

#include "iotsafe.h"

/** One exchange in hex; spaces are ignored. A last row with command "*" answers
 *  whatever comes from there on. Answers with a meaning of their own:
 *  "close" drops the connection instead of answering, "mute" stays silent,
 *  "raw:HEX" sends exactly these bytes without a frame around them. */
struct exchange {
    const char *command;
    const char *answer;
};

struct script_card;

/** Serve the script from a thread, on as many connections as come. */
struct script_card *script_card_start(const struct exchange *script, size_t n);

/** Wait for the thread's end and give what went wrong, "" if the script was
 *  played to its end. Static storage. */
const char *script_card_stop(struct script_card *sc);

/** A card reached over the script's socket, with `settings` such as
 *  "timeout-ms=500" ("key=value" words separated by blanks) in its configuration. */
struct iotsafe_card *script_card_connect(struct script_card *sc, const char *settings);

/** MANAGE CHANNEL and SELECT as the library sends them at first. */
#define SCRIPT_OPEN                             \
    { "00 70 00 00 01", "01 9000" },            \
    {                                           \
        "01 A4 04 00 07 A0000005590010", "9000" \
    }

#endif
