/* SPDX-License-Identifier: Apache-2.0 */
/* Modems behind a library that needs GLib: what mbim: and qmi: share. Both own
 * channel and SELECT; the session is the channel's number in decimal digits. */
#ifndef BRIDGE_MODEM_H
#define BRIDGE_MODEM_H

#include <gio/gio.h>

#include "transport.h"

extern const struct transport_ops transport_mbim;
extern const struct transport_ops transport_qmi;

/** What stands behind the scheme: /dev/NAME?proxy=yes|no&slot=N */
struct modem_address {
    char path[100];
    bool proxy;    /* share the device with ModemManager; default */
    unsigned slot; /* of the SIM, from 1; qmi only */
};

/** A modem as transport; the first member of each kind's own structure. */
struct modem {
    struct transport base;
    struct modem_address address;
    const struct modem_kind *kind;
    GObject *device;  /* owned; NULL: not connected */
    unsigned channel; /* that we have opened; 0: none */
    bool removed;     /* the device or the proxy has gone */
};

/** What the two libraries do in their own words. */
struct modem_kind {
    const struct transport_ops *ops;
    size_t size; /* of its own structure */
    bool slots;  /* whether the address may name a slot */
    const char *removed_signal;
    GQuark (*core_error)(void); /* of the library's own errors, and "no answer in time" */
    gint timeout_code;

    void (*device_new)(GFile *file, GCancellable *cancellable, GAsyncReadyCallback callback,
                       gpointer arg);
    GObject *(*device_new_finish)(GAsyncResult *result, GError **error);
    /** Open the device and all that is needed for channels. */
    enum iotsafe_err (*start)(struct modem *m, deadline_t deadline, struct iotsafe_op *op);
    bool (*is_open)(struct modem *m);
    void (*close_channel)(struct modem *m, unsigned channel, deadline_t deadline);
    /** Let go of what start() made; `orderly`: the modem listens, so tell it. */
    void (*stop)(struct modem *m, bool orderly);
};

#define MODEM_CLOSE_MS 2000 /* for each step of an orderly end */

/** For `open` of the transport. */
enum iotsafe_err modem_open(const struct modem_kind *kind, const char *address,
                            struct transport **ret_transport, struct iotsafe_op *op);

/** The rest of struct transport_ops that is the same for both. */
enum iotsafe_err modem_connect(struct transport *t, unsigned n, deadline_t deadline,
                               struct iotsafe_op *op);
enum iotsafe_err modem_acquire(struct transport *t, deadline_t deadline, enum card_reset *ret_reset,
                               struct iotsafe_op *op);
void modem_release(struct transport *t);
void modem_close_channel(struct transport *t, const char *session, deadline_t deadline);
void modem_disconnect(struct transport *t);
void modem_drop(struct transport *t);
void modem_close(struct transport *t);

/** A request that came to no answer: `error` is freed, NULL stands for no result in time. */
IOTSAFE_NODISCARD enum iotsafe_err modem_unanswered(const struct modem *m, const char *what,
                                                    GError *error, struct iotsafe_op *op);

/** @param scheme  for the message
 *  @param slots   whether `slot` is allowed */
bool modem_address_parse(const char *scheme, bool slots, const char *address,
                         struct modem_address *ret, struct iotsafe_op *op);

/** The channel is open: keep its number. */
void modem_has_channel(struct modem *m, unsigned channel,
                       char ret_session[static SESSION_TEXT_MAX]);

/** A channel's number from session text; 0: it is none. */
unsigned modem_session_parse(const char *session);

/** The class byte of a command with a channel in it. A modem that makes the
 *  class byte itself arrives at the same; one that does not needs it. */
uint8_t modem_class(uint8_t cla, unsigned channel);

#endif
