/* SPDX-License-Identifier: Apache-2.0 */
/* What a command is, by its instruction byte: its name, what of it is secret, how
 * it may be sent, to which sequence it belongs. Channel and transports read these
 * properties and know no instruction themselves; trace and bridge read them too. */
#ifndef APPLET_IO_INSTRUCTION_H
#define APPLET_IO_INSTRUCTION_H

#include "apdu.h"

enum instruction_flag {
    INS_ISO = 1 << 0,             /* ISO/IEC 7816-4: inter-industry class 0N */
    INS_RESPONDS = 1 << 1,        /* the response has data, so that Le belongs to the command */
    INS_DATA_SECRET = 1 << 2,     /* command data must not be traced */
    INS_RESPONSE_SECRET = 1 << 3, /* nor response data */
    INS_ONCE = 1 << 4,            /* done twice is not the same as done once: never repeated by us
                                     unless the card has certainly not carried it out */
    INS_LONG = 1 << 5,            /* may take all the time that the operation has */
    INS_IN_PIECES = 1 << 6,       /* a smaller Le, in GET RESPONSE too, loses nothing */
    INS_PIN_ELSEWHERE = 1 << 7,   /* with class 0N another application takes it for CHANGE or
                                     UNBLOCK PIN (ETSI TS 102 221, 11.1.10, 11.1.13) */
    INS_OK_ALONE = 1 << 8,        /* one modem answers it by OK without a status word */
    INS_PROVES = 1 << 9,          /* its success shows our applet in class 0N too */
    INS_CHANGES = 1 << 10,        /* changes what the applet keeps */
};

/** Commands that belong together: docs/architecture.md, "Sequences". */
enum sequence {
    SEQUENCE_NONE = 0,
    SEQUENCE_SIGN,     /* COMPUTE SIGNATURE INIT ... last UPDATE */
    SEQUENCE_VERIFY,   /* VERIFY SIGNATURE INIT ... last UPDATE */
    SEQUENCE_PUT,      /* PUT PUBLIC KEY INIT ... the command that uses the container */
    SEQUENCE_LIST,     /* GET DATA - object list, page after page */
    SEQUENCE_GENERATE, /* GENERATE KEY PAIR ... READ PUBLIC KEY */
};

struct instruction {
    uint8_t ins;
    unsigned flags;
    enum sequence sequence; /* that it may begin, continue or end */
    uint8_t ins_init;       /* of a session's commands: the instruction that opens and closes it */
    uint8_t ins_update;     /* the one that follows; 0 for all others */
    const char *name;       /* as IoT.05 writes it */
};

/** The row of an instruction; for one that the table lacks a row that allows nothing
 *  and hides everything. Never NULL; static storage. */
const struct instruction *instruction_of(uint8_t ins);
bool instruction_is_known(const struct instruction *in);

/**
 * True if a response with status 9000 shows that our applet gave it, whatever
 * application may be selected. With class 8N any success does: other applications
 * of a UICC know none of these commands in that class (ETSI TS 102 221, 10.1.1) but
 * RETRIEVE DATA, whose response does not look like ours. With 0N a
 * USIM gives READ BINARY (B0), GET CHALLENGE (84) and others too: only what it
 * cannot say counts.
 *
 * @param plain_class  the command was sent with class 0N
 * @param data         of the response, len bytes, without the status word
 */
bool instruction_proves_applet(const struct instruction *in, bool plain_class, const uint8_t *data,
                               size_t len);

/** The instructions that open a session, those first whose sessions are left more often. */
#define N_SESSION_INITS 3
extern const uint8_t instruction_inits[N_SESSION_INITS];

/** Commands that do no harm to any application and whose answer shows whether ours gives
 *  it, the best one first. */
struct question {
    struct apdu_cmd cmd;
    bool only_8n; /* with class 0N others answer it as well */
};
#define N_QUESTIONS 3
extern const struct question instruction_questions[N_QUESTIONS];

#endif
