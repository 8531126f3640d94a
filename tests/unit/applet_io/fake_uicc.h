/* SPDX-License-Identifier: Apache-2.0 */
/* A UICC in memory, for tests of what the library believes of a card: logical
 * channels 0 to 3 with an application on each, an IoT SAFE applet whose quirks are
 * data, the events that happen to cards, and a record of who reached what.
 *
 * Nothing here is cryptography. A signature is a checkable function of card, key,
 * input and a counter, a shared secret one of card, key and point, so that a test
 * can tell to which question a response belongs. Shares constants with the library,
 * no code. */
#ifndef FAKE_UICC_H
#define FAKE_UICC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "iotsafe_defs.h"

#define FAKE_CHANNELS 4
#define FAKE_KEYS 8     /* identifiers 0 to 7 */
#define FAKE_FOREIGN -1 /* as a client: a program that is not ours */
#define FAKE_NOBODY -2  /* opener of a channel that always was */
#define FAKE_POINT 65   /* bytes */
#define FAKE_SIGNATURE 64
#define FAKE_SECRET 32
#define FAKE_FILE_SIZE 600
#define FAKE_LOG_MAX 256
#define FAKE_AID "\xa0\x00\x00\x05\x59\x00\x10"
#define FAKE_AID_LEN 7

/* What lies on the card. The list announces them in this order. */
#define FAKE_KEY_DIGEST 1 /* private and public: signs finished digests only */
#define FAKE_KEY_ANY 2    /* private and public: signs in each mode */
#define FAKE_KEY_FRESH 3  /* private and public: for GENERATE KEY PAIR */
#define FAKE_KEY_AGREE 4  /* private and public: for COMPUTE DH */
#define FAKE_KEY_PEER 5   /* public only: the container for peers' points */
#define FAKE_FILE 6
#define FAKE_OBJECTS 10

enum fake_app { FAKE_CLOSED, FAKE_USIM, FAKE_OTHER, FAKE_APPLET };

/** Quirks of one kind of applet. */
struct fake_behaviour {
    const char *name;
    bool class_8, class_0; /* classes of IoT SAFE commands that it takes */
    bool app_info;         /* GET DATA - application is there */
    bool auto_close;       /* a finished session is a closed one */
    bool waits;            /* data is announced by 61xx */
    uint8_t session_min, session_max;
    uint8_t list_pages;
    size_t rsp_max;           /* most data in one response; 0: as much as one takes */
    uint8_t modes[FAKE_KEYS]; /* of private keys: bit 1 << IOTSAFE_MODE_... */
};

struct fake_session {
    uint8_t ins_init; /* 0: none */
    uint8_t number, key, mode;
    bool finished;
    uint64_t input; /* hash of what came so far */
};

struct fake_channel {
    enum fake_app app;
    int opener;         /* client, FAKE_FOREIGN or FAKE_NOBODY */
    unsigned confirmed; /* bit 1 << client: our applet has said 9000 to it here */
    bool sudden;        /* a foreign program took it just now: whoever selects on it, closes it or
                           sends the next command there cannot know yet, and is excused */
    struct fake_session session;
    uint8_t waiting[1024]; /* bytes that GET RESPONSE fetches */
    size_t n_waiting, waiting_at;
    uint16_t waiting_sw; /* that ends them */
    unsigned list_page;  /* the next one */
};

/** One command that reached the card. */
struct fake_entry {
    int client;
    uint8_t channel;
    enum fake_app app; /* that got it */
    uint8_t head[5];   /* CLA INS P1 P2 P3 */
    uint16_t sw;
};

struct fake_uicc {
    struct fake_behaviour behaviour; /* of the applet */
    bool has_applet;
    uint32_t serial; /* grows when the card is exchanged */
    struct fake_channel channels[FAKE_CHANNELS];
    uint8_t points[FAKE_KEYS][FAKE_POINT]; /* what the public keys hold */
    unsigned generations[FAKE_KEYS];       /* how often a pair was made, on all cards */
    uint32_t counter;                      /* of signatures */

    unsigned refuse_n;  /* so many of the next commands... */
    uint16_t refuse_sw; /* ...get this instead of being carried out */

    /* what happened; never reset by events */
    unsigned pin_tries_lost, puk_tries_lost;
    unsigned astray;          /* 24 or 2C in class 0N that reached another application */
    unsigned foreign_closes;  /* of an open channel that the closer neither opened nor confirmed */
    unsigned foreign_selects; /* SELECT on a channel of a foreign program */
    unsigned basic_selects;   /* SELECT that took the basic channel from the USIM */
    unsigned resets;
    struct fake_entry log[FAKE_LOG_MAX]; /* the last ones, a ring */
    unsigned n_log;                      /* all of them */
};

/** A card that has just been powered on. */
void fake_uicc_init(struct fake_uicc *u, const struct fake_behaviour *behaviour);

/**
 * One command by a client; the class byte decides the channel.
 * @param ret_rsp  data and status word
 * @return         bytes in ret_rsp, at least 2
 */
size_t fake_uicc_exchange(struct fake_uicc *u, int client, const uint8_t *cmd, size_t len,
                          uint8_t ret_rsp[static APDU_RSP_MAX]);

/** What a modem does at AT+CCHO: MANAGE CHANNEL and SELECT, and closing again where
 *  the AID is not there.
 *  @return the last status word; ret_number is written with 9000 */
uint16_t fake_uicc_open(struct fake_uicc *u, int client, const uint8_t *aid, size_t aid_len,
                        uint8_t *ret_number);
/** What a modem does at AT+CCHC. */
void fake_uicc_close(struct fake_uicc *u, int client, uint8_t number);

/* ---- events ---- */

void fake_uicc_reset(struct fake_uicc *u);
/** Another card of the same product: same ATR, other keys and other quirks. */
void fake_uicc_replace(struct fake_uicc *u, const struct fake_behaviour *behaviour);
/** A profile switch on an eUICC: the applet comes or goes, the card is reset. */
void fake_uicc_switch_profile(struct fake_uicc *u, bool has_applet);
/** A foreign program opens a channel for its application.
 *  @return the number, 0 if none is free */
uint8_t fake_uicc_foreign_open(struct fake_uicc *u);
/** A foreign program closes a channel, whoever has it, and opens it for itself. */
void fake_uicc_foreign_take(struct fake_uicc *u, uint8_t number);
void fake_uicc_foreign_leave(struct fake_uicc *u);
/** What foreign programs did has been a while ago: whoever comes now must find out. */
void fake_uicc_settle(struct fake_uicc *u);
/** Another client of the same server works on this channel: puts a point of its own
 *  into the peer container and reads the first page of the list. */
void fake_uicc_other_client(struct fake_uicc *u, int client, uint8_t number);

/* ---- what is right ---- */

/** True if our applet made this signature with this key over these bytes (the digest,
 *  or the text in full-text mode), on this card or an earlier one. */
bool fake_signature_fits(const struct fake_uicc *u, const uint8_t sig[static FAKE_SIGNATURE],
                         uint8_t key, const uint8_t *input, size_t len);
/** A signature as the card of that serial number makes it. */
void fake_signature_make(uint32_t serial, uint8_t key, const uint8_t *input, size_t len,
                         uint32_t counter, uint8_t ret_sig[static FAKE_SIGNATURE]);
void fake_secret_make(uint32_t serial, uint8_t key, const uint8_t point[static FAKE_POINT],
                      uint8_t ret_secret[static FAKE_SECRET]);
/** The public key of a pair: generation 0 is what the card was delivered with. */
void fake_point_make(uint32_t serial, uint8_t key, unsigned generation,
                     uint8_t ret_point[static FAKE_POINT]);
void fake_file_make(uint32_t serial, uint8_t ret_bytes[static FAKE_FILE_SIZE]);
uint8_t fake_random_byte(size_t at);

/** Open logical channels that our clients (bits of 1 << client) opened. */
unsigned fake_uicc_count_open(const struct fake_uicc *u, unsigned clients);

/** The log's last entries as lines of text, for a failing test. Static storage. */
const char *fake_uicc_log_text(const struct fake_uicc *u);

#endif
