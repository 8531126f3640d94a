/* SPDX-License-Identifier: Apache-2.0 */
/* One command out, one whole answer back, on the logical channel that carries
 * our applet: opens and finds again the channel, follows 61xx, mends 6Cxx, the
 * class byte and Le, and keeps what it learns (traits.h). Holds no lock: its
 * user has acquired the transport. */
#ifndef APPLET_IO_CHANNEL_H
#define APPLET_IO_CHANNEL_H

#include "transport.h"

#define AID_LIST_MAX 8

struct aid {
    uint8_t bytes[IOTSAFE_AID_MAX];
    size_t len;
};

struct channel {
    struct transport *transport;   /* borrowed */
    int exchange_ms;               /* longest wait for one answer */
    const char *trace;             /* borrowed; trace.h */
    struct aid aids[AID_LIST_MAX]; /* to try, in this order */
    size_t n_aids;
    struct traits default_traits; /* from the configuration */

    char device[128]; /* on which all below was learned */
    bool open;
    bool verified;                  /* some command showed that our applet is there */
    bool proved;                    /* the same in this very use, where others share the card */
    bool stale;                     /* remote administration changed something: 63CF, 6989 */
    char session[SESSION_TEXT_MAX]; /* channel number or the device's handle, as text */
    uint8_t number;                 /* for the class byte; 0 where the device owns channels */
    struct aid aid;                 /* that was selected */
    struct traits traits;
    uint64_t generation;            /* of the record that matches; 0: none */
    struct channel_record recorded; /* as last read or written, to write changes only */
};

/** What happened to the card since the channel was used last. */
enum channel_event {
    CHANNEL_SAME,        /* nothing that we know of */
    CHANNEL_RECONNECTED, /* the connection is a new one */
    CHANNEL_RESET        /* the card was reset: it has closed all channels */
};

/**
 * Be ready for commands: keep the channel, take over the one that another
 * process recorded, or open one. The transport is acquired.
 */
IOTSAFE_NODISCARD enum iotsafe_err channel_ready(struct channel *ch, enum channel_event event,
                                                 deadline_t deadline, struct iotsafe_op *op);

/** The card does not seem to know our channel: select again on it, else open
 *  another. @param lost  the card said that the channel is not open */
IOTSAFE_NODISCARD enum iotsafe_err channel_reopen(struct channel *ch, bool lost,
                                                  deadline_t deadline, struct iotsafe_op *op);

/** The use ends: record channel and traits for other processes if anything
 *  changed; where that is impossible, close the channel. */
void channel_leave(struct channel *ch, deadline_t deadline);

/**
 * Send one command and collect its whole answer.
 *
 * Follows 61xx and 9Fxx with GET RESPONSE, repeats once after 6Cxx with the
 * right Le, once with the other class byte after 6E00 or 6882, once with the
 * other form of Le after 6700. At most 64 rounds.
 * Source: ISO/IEC 7816-4 (status bytes), 7816-3 (T=0 cases).
 *
 * @param rsp   data and the last status word; sw stays 0 when no answer came
 * @retval IOTSAFE_ERR_SPACE      the answer is longer than rsp->cap
 * @retval IOTSAFE_ERR_PROTOCOL   an answer without status word, endless chaining
 * @retval IOTSAFE_ERR_TRANSPORT  and others of the transport
 * @return otherwise error_from_sw() of the status word, with the op written
 */
IOTSAFE_NODISCARD enum iotsafe_err channel_exchange(struct channel *ch, const struct apdu_cmd *cmd,
                                                    struct apdu_rsp *rsp, deadline_t deadline,
                                                    struct iotsafe_op *op);

#endif
