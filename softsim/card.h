/* SPDX-License-Identifier: Apache-2.0 */
/* The card: command bytes in, answer bytes out. It knows clients (whoever is at
 * the other end of a front end), their logical channels and pending answers; it
 * knows nothing of sockets, time, faults or logs. One exchange at a time. */
#ifndef SOFTSIM_CARD_H
#define SOFTSIM_CARD_H

#include "apdu.h"
#include "profile.h"
#include "session.h"
#include "store.h"
#include "tlv.h"
#include "usim.h"

#define N_CHANNELS (IOTSAFE_CHANNEL_MAX + 1)

struct channel {
    bool open;
    bool selected;   /* the applet is the current one; else the USIM is */
    struct buf list; /* object list, while its pages are being read */
    size_t list_at;
};

/** An answer that waits for GET RESPONSE, or for its command again with the right Le. */
struct pending {
    enum { PENDING_NONE, PENDING_RESPONSE, PENDING_CORRECTION } kind;
    uint8_t channel;
    struct buf data;
    size_t at;
    uint16_t sw;
    uint8_t cmd[APDU_CMD_MAX]; /* of a correction: the command without Le */
    size_t cmd_len;
};

/** One user of the card. Zero-initialise, card_attach(); card_detach() when it goes. */
struct client {
    struct channel channel[N_CHANNELS];
    struct pending pending;
    struct client *next;
};

struct card {
    struct profile profile;
    struct store *store; /* owned by whoever made the card */
    struct client *clients;
    struct session sessions[SESSION_SLOTS];
    struct usim usim;
    bool admin_busy;  /* remote administration is working on the objects */
    bool admin_ended; /* ... has ended: the next success says so */
    bool case4_by_61; /* the timing profile wants 61xx for case-4 answers */
    uint64_t rng;     /* of the random dimensions; from the seed */
    bool random_flip;
};

/** What an exchange was, for counters, log and timing. */
enum operation { OP_NONE, OP_SIGN, OP_VERIFY, OP_GENERATE, OP_AGREE };

struct exchange_info {
    const char *name;  /* static: "COMPUTE SIGNATURE INIT", "OTHER" ... */
    enum operation op; /* OP_NONE when it did not succeed */
};

/** The store stays owned by the caller and must outlive the card. */
void card_init(struct card *card, const struct profile *profile, struct store *store);
void card_clear(struct card *card);
/** Another card, or another profile of an eSIM, in the same place: for all clients it has
 *  just been reset. The old store stays the caller's. */
void card_replace(struct card *card, const struct profile *profile, struct store *store);

void card_attach(struct card *card, struct client *client);
/** Channels, pending answer and (by profile) sessions of the client end. */
void card_detach(struct card *card, struct client *client);

/** Power-on reset as `client` sees it: its channels and sessions end, volatile keys are lost. */
void card_reset_client(struct card *card, struct client *client);
/** The same for every client. */
void card_reset(struct card *card);

/**
 * One exchange.
 *
 * @param cmd      any bytes of any length; what is no command is answered 6700
 * @param ret_rsp  up to APDU_RSP_MAX bytes, status word last
 * @return         number of answer bytes, at least 2
 */
size_t card_exchange(struct card *card, struct client *client, const uint8_t *cmd, size_t cmd_len,
                     uint8_t ret_rsp[static APDU_RSP_MAX], struct exchange_info *ret_info);

/** Name of the instruction in a command, without executing it. Static text. */
const char *card_command_name(const uint8_t *cmd, size_t cmd_len);
/** All names, for tables; NULL past the end. Several rows may share a name. */
const char *card_command_row(size_t i);

#endif
