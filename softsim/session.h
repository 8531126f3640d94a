/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions of COMPUTE SIGNATURE, VERIFY SIGNATURE and PUT PUBLIC KEY: closed, open,
 * finished. How they are numbered, shared and ended depends on the profile. */
#ifndef SOFTSIM_SESSION_H
#define SOFTSIM_SESSION_H

#include <openssl/evp.h>

#include "util.h"

struct card;
struct client;
struct exchange;

#define SESSION_SLOTS 64

enum session_use { SESSION_SIGN, SESSION_VERIFY, SESSION_PUT };
enum session_state { SESSION_CLOSED, SESSION_OPEN, SESSION_FINISHED };

struct session {
    enum session_state state;
    enum session_use use;
    uint8_t number;
    const struct client *client; /* who opened it; NULL once that has gone */
    uint8_t channel;
    unsigned object_uid;
    unsigned generation; /* of the object when the session was opened */
    uint8_t mode;
    uint16_t hash;
    uint8_t sig_alg;
    struct buf text;     /* collected over the blocks */
    size_t text_missing; /* bytes that a value begun in an earlier block still lacks */
    EVP_PKEY *staged;    /* key to install when the session is closed */
};

/**
 * Open the session that P2 names. On success *ret is open and empty.
 * @return 9000; 6985 or 6A86 if it is open already; 6989 if no session is free
 */
uint16_t softsim_session_open(struct exchange *x, enum session_use use, struct session **ret);

/** The open session that P2 names and that was opened for this use; NULL if there is none. */
struct session *softsim_session_find_open(struct exchange *x, enum session_use use);

/** After the last block, or after an error: only closing is left, or nothing if it closes
 *  by itself. */
void softsim_session_finish(struct card *card, struct session *s);

/** Close what P2 names. The session as it was is in *ret_closed, for the caller to clear. */
uint16_t softsim_session_close(struct exchange *x, enum session_use use,
                               struct session *ret_closed);

/** Forget everything in it. */
void softsim_session_clear(struct session *s);

/** A channel is selected again, closed, or reset: its sessions end, unless they survive. */
void softsim_session_channel_ended(struct card *card, const struct client *client, uint8_t channel);
/** A client is gone: what survives belongs to nobody. */
void softsim_session_client_gone(struct card *card, const struct client *client);
/** What the client has begun is given up, whatever the profile lets live on. */
void softsim_session_drop(struct card *card, const struct client *client);
/** True if an open session uses the object. */
bool softsim_session_uses_object(const struct card *card, unsigned uid);

#endif
