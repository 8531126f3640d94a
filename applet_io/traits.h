/* SPDX-License-Identifier: Apache-2.0 */
/* What has been learned of an applet's quirks, so that no fall-back is paid for
 * twice: what worked, never what was refused. Behaviour is data: nothing asks which
 * vendor made the card. */
#ifndef APPLET_IO_TRAITS_H
#define APPLET_IO_TRAITS_H

#include "instruction.h"

struct traits {
    bool class_plain;     /* IoT SAFE commands take 0N, not 8N */
    bool class_confirmed; /* some command got past the class check */
    bool response_as_cmd; /* GET RESPONSE takes the command's class, not 0N */
    enum apdu_le le;
    uint8_t session;       /* number for COMPUTE SIGNATURE */
    bool close_after;      /* a finished session must be closed by hand */
    bool close_forced;     /* configured; not unlearned */
    uint8_t left_finished; /* the INIT instruction of a session that was finished and not closed */
    uint8_t left_open;     /* the same of one that was broken off */
    bool text_per_block;   /* a long text goes as one TLV a block */
    bool short_sig_length; /* VERIFY takes tag 33 with a one-byte length */
    bool verify_confirmed; /* some signature was found good in that form */
    uint8_t question;      /* of instruction_questions, the one that was answered last */
    bool file_by_secret_tags; /* GET DATA takes a file's name under the tags of secrets */
};

#define TRAITS_DEFAULT \
    {                  \
        .session = 1   \
    }
#define TRAITS_TEXT_MAX 96

/** The traits as one word of text for the channel record, and back.
 *  @return false if the text makes no sense; ret is then untouched */
void traits_format(const struct traits *traits, char ret_text[static TRAITS_TEXT_MAX]);
bool traits_parse(const char *text, struct traits *ret_traits);
bool traits_equal(const struct traits *a, const struct traits *b);

/**
 * Settings of `quirks`: "cla=0|8,session=N,le=none|always,close=always".
 * @return false at the first unknown setting; `*ret_bad` points at it
 */
bool traits_from_quirks(const char *quirks, struct traits *ret_traits, const char **ret_bad);

#endif
