/* SPDX-License-Identifier: Apache-2.0 */
/* One device, many processes: who may use it now, and which logical channel
 * all of them share.
 *
 * The lock is flock() on a file per device in the lock folder, opened
 * read-only, so that processes of different users share it. It is opened for
 * each use: a descriptor that a forked child inherits could keep a dead
 * holder's lock. A second file is the queue in front of it: whoever waits at
 * its head is served next, so that a busy process cannot starve the others.
 *
 * Beside the lock each user keeps a record of the channel that it opened last;
 * the youngest record of all users counts. It is a hint, written by anyone who
 * may use the folder: a channel named there is checked before it is trusted.
 */
#ifndef APPLET_IO_DEVICE_LOCK_H
#define APPLET_IO_DEVICE_LOCK_H

#include "traits.h"
#include "util.h"

#define SESSION_TEXT_MAX 40 /* bytes with NUL: a channel number or a modem's handle */
#define ATR_MAX 33

/** What processes tell each other of the channel on a device. */
struct channel_record {
    uint64_t generation;            /* grows with each record; 0: none */
    char session[SESSION_TEXT_MAX]; /* decimal channel, or the modem's session id */
    uint8_t aid[IOTSAFE_AID_MAX];
    size_t aid_len;
    uint8_t atr[ATR_MAX];
    size_t atr_len;
    struct traits traits;
};

struct device_lock {
    char folder[128];
    char base[96]; /* name of the files without their endings */
    int dir_fd;    /* -1: not held */
    int lock_fd;   /* -1: not held */
    int device_fd; /* -1, or a device node that is locked instead of a file;
                      the folder then serves the queue and the record only
                      and may be missing; borrowed */
};

/**
 * Find or make the folder (`preferred`, else $XDG_RUNTIME_DIR/iotsafe) and
 * choose the file names for a device. No lock is taken.
 * @param device  any text that names the device, e.g. the reader's name
 * @retval IOTSAFE_ERR_LOCK  no folder; the op names both
 */
IOTSAFE_NODISCARD enum iotsafe_err device_lock_init(struct device_lock *lock, const char *preferred,
                                                    const char *device, struct iotsafe_op *op);

/** @retval IOTSAFE_ERR_TIMEOUT  another process had it until the deadline; the
 *                               op names it where the system tells */
IOTSAFE_NODISCARD enum iotsafe_err device_lock_take(struct device_lock *lock, deadline_t deadline,
                                                    struct iotsafe_op *op);
void device_lock_give(struct device_lock *lock); /* does nothing when not held */

/** The youngest valid record; generation 0 if there is none. Lock held. */
void device_lock_read(const struct device_lock *lock, struct channel_record *ret_record);

/** Write our record, with the generation after the youngest. Lock held.
 *  @return false if it cannot be written: then no channel may be left open */
bool device_lock_write(const struct device_lock *lock, struct channel_record *record);

/** A record as a line of text, and back (a decoder of hostile bytes). */
#define RECORD_TEXT_MAX 320
size_t channel_record_format(const struct channel_record *record,
                             char ret_text[static RECORD_TEXT_MAX]);
bool channel_record_parse(const char *text, size_t len, struct channel_record *ret_record);

#endif
