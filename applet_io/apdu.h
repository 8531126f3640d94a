/* SPDX-License-Identifier: Apache-2.0 */
/* Short command APDUs as bytes, response APDUs as data and status word.
 * No I/O. Source: ISO/IEC 7816-3 and 7816-4. */
#ifndef APPLET_IO_APDU_H
#define APPLET_IO_APDU_H

#include "iotsafe.h"

/** One command without its class byte, which is the channel's business. What is to be
 *  known of it otherwise, its instruction tells: instruction.h. */
struct apdu_cmd {
    bool iso; /* inter-industry class 0N, else IoT SAFE's 8N (or 0N) */
    uint8_t ins, p1, p2;
    uint8_t data[APDU_DATA_MAX];
    size_t data_len; /* 0: no data */
    size_t ne;       /* most bytes of answer data, 1 to 256; 0: none expected */
};

/** When the byte Le stands behind the data. */
enum apdu_le {
    APDU_LE_AUTO = 0, /* where an answer is expected */
    APDU_LE_NONE,     /* never behind data (T=0 form) */
    APDU_LE_ALWAYS    /* behind all data */
};

/** Encode; a command with neither data nor answer gets a fifth byte 00, which
 *  both PC/SC cards and modems take.
 *  @return bytes written, at most APDU_CMD_MAX; 0 if a size is out of bounds */
size_t apdu_encode(const struct apdu_cmd *cmd, uint8_t cla, enum apdu_le le,
                   uint8_t ret_bytes[static APDU_CMD_MAX]);

/** The class byte for a logical channel (0 to 19): ISO/IEC 7816-4, 5.4.1. */
uint8_t apdu_class(bool proprietary, uint8_t channel);

/** An answer, collected. The buffer is the caller's. */
struct apdu_rsp {
    uint8_t *data; /* borrowed, cap bytes */
    size_t cap;
    size_t len;  /* bytes of data, <= cap */
    uint16_t sw; /* the last status word; 0: no answer came */
    bool begun;  /* part of an answer came or waits: the command has been carried out */
};

#define APDU_RSP_ON(array)                    \
    {                                         \
        .data = (array), .cap = sizeof(array) \
    }

#endif
