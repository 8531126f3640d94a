/* SPDX-License-Identifier: Apache-2.0 */
/* What the channel needs of the way to a card: one table of functions for each
 * kind of device. A transport moves bytes and keeps time; it knows no TLV, no
 * instruction of the applet and no status word of it.
 *
 * Two kinds of device fit:
 * - those that pass APDUs (readers, sockets): the channel layer opens logical
 *   channels itself, by MANAGE CHANNEL and SELECT, and puts the channel number
 *   into the class byte;
 * - those that own the channel (a modem's AT+CCHO/CGLA, MBIM): `opens_channels` is
 *   set, `open_channel` selects an AID and returns the device's session handle as
 *   text, which `transmit` takes back; the device is to put the channel into the
 *   class byte, and not every device does.
 *
 * Order of calls: open, then for each use either connect (when not connected)
 * or acquire, any number of transmits, release. connect leaves the device
 * acquired. All calls on one transport come from one thread at a time.
 */
#ifndef APPLET_IO_TRANSPORT_H
#define APPLET_IO_TRANSPORT_H

#include "channel_record.h"
#include "instruction.h"

struct transport;

/** One command on its way; all pointers are borrowed for the call. */
struct transmission {
    const uint8_t *cmd; /* cmd_len bytes, APDU_HEADER_SIZE to APDU_CMD_MAX */
    size_t cmd_len;
    unsigned flags;      /* enum instruction_flag; of the command that a GET RESPONSE serves */
    bool rest;           /* a GET RESPONSE: what it brings is gone if it gets lost */
    const char *session; /* from open_channel; "" where the class byte tells the channel */
    uint8_t *rsp;        /* room for rsp_cap bytes of response */
    size_t rsp_cap;
    deadline_t deadline;
};

/** Whether the card was reset, so that its channels are gone. */
enum card_reset {
    RESET_NONE = 0,  /* not that we know */
    RESET_SUSPECTED, /* something looks like it */
    RESET_CERTAIN
};

struct transport_ops {
    const char *scheme; /* "pcsc": what stands before the colon */

    /** Parse the address and allocate; no I/O.
     *  @param address   what stands behind the colon; "" if there was none
     *  @param lock_dir  folder for locks and channel records; borrowed for ever */
    enum iotsafe_err (*open)(const char *address, const char *lock_dir,
                             struct transport **ret_transport, struct iotsafe_op *op);

    /** Reach the n-th device (0, 1, ...) that the address may mean and acquire it.
     *  @retval IOTSAFE_ERR_NOT_FOUND  there is no n-th device; n > 0 only */
    enum iotsafe_err (*connect)(struct transport *t, unsigned n, deadline_t deadline,
                                struct iotsafe_op *op);

    /** Take exclusive use of the connected device.
     *  @param ret_reset  what is known of a reset since the last use; written always */
    enum iotsafe_err (*acquire)(struct transport *t, deadline_t deadline,
                                enum card_reset *ret_reset, struct iotsafe_op *op);
    void (*release)(struct transport *t);

    /** For devices with `opens_channels`, else NULL.
     *  @retval IOTSAFE_ERR_NO_APPLET  the card has no such AID
     *  @retval IOTSAFE_ERR_NO_CHANNEL no channel is free */
    enum iotsafe_err (*open_channel)(struct transport *t, const uint8_t *aid, size_t aid_len,
                                     deadline_t deadline, char ret_session[static SESSION_TEXT_MAX],
                                     struct iotsafe_op *op);
    void (*close_channel)(struct transport *t, const char *session, deadline_t deadline);

    /** One command, one response.
     *  @param ret_len  bytes of response in tx->rsp, at most tx->rsp_cap; what a card
     *                  answers has >= 2. Nothing of a response stands behind them */
    enum iotsafe_err (*transmit)(struct transport *t, const struct transmission *tx,
                                 size_t *ret_len, struct iotsafe_op *op);

    /** End the connection and whatever is acquired; connect may follow. */
    void (*disconnect)(struct transport *t);

    /** In a forked child: forget the parent's connection without a word to the
     *  device; connect may follow. */
    void (*drop)(struct transport *t);

    /** Free; disconnected before. */
    void (*close)(struct transport *t);
};

/** The part that all transports share; each embeds it as its first member. */
struct transport {
    const struct transport_ops *ops;
    bool connected;
    bool one_device;        /* the address names one device: its basic channel may serve
                               where the card has no other */
    bool opens_channels;    /* the device owns channels; set when connected */
    bool proved;            /* set by the channel: our applet has answered over this connection */
    bool brief;             /* set by the card: the device was silent; see transport_taken() */
    bool taken;             /* the device was ours to talk to since the card last asked for it */
    bool stirred;           /* it was asked briefly, and is alive but slower than that */
    deadline_t brief_until; /* 0: the time has not begun */
    /* what to do where the card gives no logical channel, and where the device refuses to let
       one be opened; NULL: nothing */
    const char *channel_advice, *refusal_advice;
    const char *open_hint; /* why a device that opens channels may have found no applet; NULL */
    bool no_turns;         /* the server keeps none: see provider-iotsafe(7) */
    bool le_never;         /* T=0: no Le behind data */
    size_t cut_at;         /* bytes after which the device cut a response off; 0: never */
    char device[128];      /* what was reached, for messages */
    uint8_t atr[ATR_MAX];
    size_t atr_len;
    struct device_lock *lock; /* beside it the record of the shared channel; NULL where a
                                 channel belongs to the connection */
};

/** To be called by `connect` and `acquire` once nobody else has the device: the time that
 *  other programs have it does not count as its silence.
 *  @return the deadline for what it is now asked; of a device that was silent for a whole
 *          operation (`brief`) a short one, which begins with the first such call */
deadline_t transport_taken(struct transport *t, deadline_t deadline);

extern const struct transport_ops transport_socket;
#ifdef HAVE_AT
extern const struct transport_ops transport_at;
#endif
#ifdef HAVE_PCSC
extern const struct transport_ops transport_pcsc;
#endif

/** Add a kind of transport that this program brings itself (the bridge does).
 *  Before the first configuration is read; at most 4; `ops` is kept. */
void transport_add(const struct transport_ops *ops);

/** Make the transport that a configuration string means ("pcsc:NAME").
 *  @retval IOTSAFE_ERR_CONFIG  unknown scheme or bad address; the op lists what is built in */
IOTSAFE_NODISCARD enum iotsafe_err transport_open(const char *text, const char *lock_dir,
                                                  struct transport **ret_transport,
                                                  struct iotsafe_op *op);

/** Check the string alone, as transport_open() would. */
IOTSAFE_NODISCARD enum iotsafe_err transport_check(const char *text, struct iotsafe_op *op);

#endif
