/* SPDX-License-Identifier: Apache-2.0 */
/* A command APDU taken apart: class byte and the four short cases of
 * ISO/IEC 7816-3. Knows no instruction. */
#ifndef SOFTSIM_APDU_H
#define SOFTSIM_APDU_H

#include "util.h"

struct apdu {
    uint8_t cla, ins, p1, p2;
    const uint8_t *data; /* into the command */
    size_t lc;
    bool has_le;
    size_t le;    /* 1 to 256 when has_le */
    size_t stray; /* bytes behind Le that belong to no case: one public client sends them */
    size_t last;  /* 1 to 256: the last byte of the command, taken as Le */
};

/** @return false if the bytes are no short APDU: shorter than a header, Lc past the end,
 *          extended length */
bool apdu_parse(const uint8_t *cmd, size_t len, struct apdu *ret);

/** What the class byte says (ISO/IEC 7816-4, 5.4.1). */
struct apdu_class {
    bool proprietary; /* 8X, CX; else inter-industry */
    bool secure;      /* secure messaging indicated */
    bool chained;     /* command chaining */
    uint8_t channel;  /* 0 to 19 */
};

/** @return false for a class byte that is neither (A0, FF ...) */
bool apdu_class_parse(uint8_t cla, struct apdu_class *ret);

#endif
