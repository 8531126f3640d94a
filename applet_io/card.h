/* SPDX-License-Identifier: Apache-2.0 */
/* A SIM as this process sees it: one per device and settings, shared by all
 * references; who may use it now; what to do when it fails. The commands
 * (cmd_*.c) describe an exchange or two and run under card_run(). */
#ifndef APPLET_IO_CARD_H
#define APPLET_IO_CARD_H

#include "cache.h"
#include "channel.h"
#include "turn.h"

struct iotsafe_card {
    struct iotsafe_card *next; /* in the process's list */
    unsigned refs;             /* guarded by the list's lock */
    char *key;                 /* settings that make two references equal */
    char *transport_text, *trace, *lock_dir;
    int timeout_ms;
    struct iotsafe_op bad_setting; /* not empty: there is no transport, and this is why */

    _Atomic long owner; /* process_id() of the process that the rest belongs to */
    struct turn turn;   /* guards all below */
    struct transport *transport;
    struct channel channel;
    struct cache cache;
    bool answered; /* the applet has answered in this process */
    bool silent;   /* the last operation waited in vain to its end; until the card answers, the
                      next ones are tried briefly */
};

/** Make the card this process's own: in a child of fork() its locks are made new, and the
 *  parent's connection is dropped without a word. Before the turn is taken. */
void card_claim(struct iotsafe_card *card);

/** What a command may use while it runs. */
struct card_use {
    struct channel *channel;
    struct cache *cache;
    deadline_t deadline;
    struct iotsafe_op *op;
};

/** One operation on the card. It may run several times, so it must not have
 *  changed its outputs when it fails. */
typedef enum iotsafe_err card_fn(const struct card_use *use, void *arg);

/**
 * Run an operation with the card to itself, and recover from what passes until the
 * deadline: the table in recovery.c says what follows from which error. An operation that
 * may have carried out a command which is sent once only is not run again.
 *
 * @param fn   called with the device acquired and a channel for the applet
 * @param op   its deadline counts; NULL or no deadline: the card's timeout-ms from now on
 * @retval IOTSAFE_ERR_OUTCOME  such a command was sent, and what became of it is not known
 */
IOTSAFE_NODISCARD enum iotsafe_err card_run(struct iotsafe_card *card, card_fn *fn, void *arg,
                                            struct iotsafe_op *op);

#endif
