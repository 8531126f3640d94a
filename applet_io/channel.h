/* SPDX-License-Identifier: Apache-2.0 */
/* The logical channel that carries our applet: opened, found again, confirmed,
 * shared with other processes, given up. What is believed of it is one value with
 * one table of transitions (belief.h). Holds no lock: its user has acquired the
 * transport. Commands on it: exchange.h. */
#ifndef APPLET_IO_CHANNEL_H
#define APPLET_IO_CHANNEL_H

#include "belief.h"
#include "transport.h"

#define AID_LIST_MAX 8

struct aid {
    uint8_t bytes[IOTSAFE_AID_MAX];
    size_t len;
};

struct channel {
    struct transport *transport;   /* borrowed */
    int exchange_ms;               /* longest wait for one response */
    const char *trace;             /* borrowed; trace.h */
    struct aid aids[AID_LIST_MAX]; /* to try, in this order */
    size_t n_aids;
    struct traits default_traits; /* from the configuration */

    char device[128];     /* on which all below was learned, */
    uint8_t atr[ATR_MAX]; /* and with which card in it, as far as that shows */
    size_t atr_len;
    enum belief belief;
    bool opened_here; /* by this process: it may be selected on and closed */
    bool proved_here; /* our applet has answered this process on it: it may be closed */
    char session[SESSION_TEXT_MAX]; /* channel number or the device's handle, as text */
    uint8_t number;                 /* of the channel; 0 where only the device knows it */
    struct aid aid;                 /* that was selected */
    enum filler filler;             /* of the class byte, where the device opens channels */
    struct traits traits;
    struct key_forms forms;
    uint64_t generation;            /* of the record that matches; 0: none */
    struct channel_record recorded; /* as last read or written, to write changes only */

    /* what the user of the channel asks for afterwards */
    bool refused_oddly;   /* a question got a refusal of the kind that may pass */
    bool select_refused;  /* SELECT of some AID was answered 6999 */
    bool swept;           /* sessions of processes that died were looked for */
    bool stale;           /* remote administration changed something: 63CF, 6989 */
    bool outcome_unknown; /* a command that is sent once only may have been carried out */
    unsigned n_opened;    /* opened or taken over, to tell one channel from the next */
    unsigned n_responses; /* of the card: a silent device is one that is there */
    unsigned lost_opens;  /* channels that may be open without anybody's knowing */
};

/** Be ready for commands: keep the channel, take over the one that another process
 *  recorded, or open one. The transport is acquired.
 *  @param reconnected  the connection is a new one
 *  @param reset        what the transport knows of a reset since the last use */
IOTSAFE_NODISCARD enum iotsafe_err channel_ready(struct channel *ch, bool reconnected,
                                                 enum card_reset reset, deadline_t deadline,
                                                 struct iotsafe_op *op);

/**
 * See that our applet, and no other application, answers on the channel; open another
 * one if it does not. One exchange; none if it is confirmed in this use.
 *
 * @retval IOTSAFE_ERR_NO_APPLET   the card has no such applet
 * @retval IOTSAFE_ERR_UNSUPPORTED the device opened a session, and what answers in it
 *                                 does not show itself: commands that another
 *                                 application could take for PIN commands are not sent
 */
IOTSAFE_NODISCARD enum iotsafe_err channel_confirm(struct channel *ch, deadline_t deadline,
                                                   struct iotsafe_op *op);

/** After a command failed with `err`: make the channel one that certainly is right, by
 *  asking, selecting or opening, whichever belief and ownership allow. */
IOTSAFE_NODISCARD enum iotsafe_err channel_recover(struct channel *ch, enum iotsafe_err err,
                                                   deadline_t deadline, struct iotsafe_op *op);

/**
 * Open a logical channel more, beside the one that we have and know; nothing is selected on
 * it. For questions about selection and channels only: a SIM has few.
 *
 * @param ret_spare  a channel of its own, to be ended by channel_spare_close(); written on
 *                   IOTSAFE_OK. Its `number` is 0 if the card gave none
 * @param ret_sw     what MANAGE CHANNEL was answered
 * @retval IOTSAFE_ERR_UNSUPPORTED  the device opens channels, not we
 * @return otherwise what the transport says
 */
IOTSAFE_NODISCARD enum iotsafe_err channel_spare_open(struct channel *ch, struct channel *ret_spare,
                                                      uint16_t *ret_sw, deadline_t deadline,
                                                      struct iotsafe_op *op);
void channel_spare_close(struct channel *spare);

/** The use ends: record channel and quirks for other processes if anything changed; close
 *  the channel where no other process could find it. */
void channel_leave(struct channel *ch);

/** Forget the channel without a word to the card (fork, lost device). */
void channel_forget(struct channel *ch);

/** Let an event change what is believed. */
void channel_believe(struct channel *ch, enum belief_event event);

/** Whether a command of this instruction may only be sent on a confirmed channel. */
bool channel_needs_confirmed(const struct channel *ch, const struct instruction *in);

#endif
