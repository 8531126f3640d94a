/* SPDX-License-Identifier: Apache-2.0 */
/* A modem on a port that this process has for itself: AT commands in step with their
 * answers, and APDUs in the hex fields of +CSIM and +CGLA. Knows what is peculiar to the
 * modem, nothing of channels and applets. */
#ifndef APPLET_IO_AT_MODEM_H
#define APPLET_IO_AT_MODEM_H

#include <sys/types.h>

#include "at.h"
#include "transport.h"

/** Whose turn it is to speak. Nothing is sent but in step. */
enum at_step {
    AT_STEP_UNKNOWN, /* what comes next may belong to an earlier command */
    AT_STEP_IN,      /* the last command has had its full, fitting answer */
    AT_STEP_OWES,    /* the answer to the last command is still to come */
};

struct at_modem {
    const char *device; /* for messages; borrowed */
    char path[100];
    speed_t speed;
    struct at_port port;
    dev_t dev; /* which file the port was when it was opened */
    ino_t ino;
    enum at_step step;
    bool talked; /* it has answered AT once */
    bool in_use; /* we hold the lock and have marked the port */

    /* quirks, as far as they have shown */
    bool init_by_ok;  /* INIT is answered by OK alone */
    bool le_never;    /* a command with Le behind data is refused */
    bool le_works;    /* such a command has gone through */
    size_t piece_max; /* bytes of data in one response; 0: no limit seen */
    size_t cut_at;    /* bytes after which a response was cut off last; 0: none was */
};

void at_modem_init(struct at_modem *m, const char *device);

/** Open without writing a byte; only a terminal is good enough. The port is not yet in use. */
IOTSAFE_NODISCARD enum iotsafe_err at_modem_open(struct at_modem *m, struct iotsafe_op *op);
/** True while the descriptor is still the port that was opened. */
bool at_modem_is_ours(const struct at_modem *m);
/** True while the port's name still leads to a device node (a modem that was plugged in
 *  again has a new one). */
bool at_modem_is_there(const struct at_modem *m);
/** Close, if it is still ours. */
void at_modem_close(struct at_modem *m);

/** Begin and end the use of the port, its lock held. A use that ends out of step is left
 *  marked for whoever is next. */
IOTSAFE_NODISCARD enum iotsafe_err at_modem_begin(struct at_modem *m, struct iotsafe_op *op);
void at_modem_end(struct at_modem *m);

/** Get into step, whatever was before. */
IOTSAFE_NODISCARD enum iotsafe_err at_modem_synchronise(struct at_modem *m, deadline_t deadline,
                                                        struct iotsafe_op *op);

/** True once after lines that look like a restart of modem or SIM. Echo and error format
 *  are set again then. */
bool at_modem_restarted(struct at_modem *m, deadline_t deadline);

/**
 * One command and its answer, in step; waits while the SIM is busy.
 *
 * @param prefix    of the information line wanted, NULL for none: see at_command()
 * @param ret_line  AT_LINE_MAX + 1 characters; "" for no such line
 * @param ret_failure  why the modem refused, for IOTSAFE_ERR_CARD
 * @retval IOTSAFE_ERR_CARD      the modem refused
 * @retval IOTSAFE_ERR_DAMAGED  damaged, or a result code that belonged to something else
 */
IOTSAFE_NODISCARD enum iotsafe_err at_modem_command(struct at_modem *m, const char *text,
                                                    const char *prefix, char *ret_line,
                                                    int *ret_failure, deadline_t deadline,
                                                    struct iotsafe_op *op);

/** One APDU: +CGLA in the session `id`, or +CSIM where that is NULL. Repeated in another
 *  way where the modem shows that it cannot do it. See transport.h for the rest. */
IOTSAFE_NODISCARD enum iotsafe_err at_modem_transmit(struct at_modem *m, const char *id,
                                                     const struct transmission *tx, size_t *ret_len,
                                                     struct iotsafe_op *op);

/** A family of commands by which modems reach the SIM. */
struct at_family {
    const char *word; /* in ?mode= and in the name of the record */
    bool opens_channels;
    enum iotsafe_err (*transmit)(struct at_modem *m, const struct transmission *tx, size_t *ret_len,
                                 struct iotsafe_op *op);
    enum iotsafe_err (*open_channel)(struct at_modem *m, const uint8_t *aid, size_t aid_len,
                                     deadline_t deadline, char ret_session[static SESSION_TEXT_MAX],
                                     struct iotsafe_op *op);
    void (*close_channel)(struct at_modem *m, const char *session, deadline_t deadline);
};

extern const struct at_family at_cgla, at_csim;

#endif
