/* SPDX-License-Identifier: Apache-2.0 */
/* One device, many processes: who may use it now.
 *
 * The lock is flock() on a file per device in the lock folder, for which
 * reading is enough, so that processes of different users share it. It is
 * opened for each use: a descriptor that a forked child inherits could keep a
 * dead holder's lock. A second file is the queue in front of it: whoever waits
 * at its head is served next, and behind the head stands a line in the order of
 * arrival, of those who may write to the file as to the folder. Others wait for
 * the head as chance has it, but cannot be starved by one busy process.
 * What processes tell each other beside it: channel_record.h.
 */
#ifndef APPLET_IO_DEVICE_LOCK_H
#define APPLET_IO_DEVICE_LOCK_H

#include "util.h"

#define DEVICE_LOCK_BASE_MAX 96

/** Whose writing in the folder is believed. */
enum folder_trust {
    FOLDER_PUBLIC = 0, /* everybody may write, or it belongs to another user */
    FOLDER_GROUP,      /* a group may write; it belongs to root or to this user */
    FOLDER_OWN,        /* only its owner may: root or this user */
};

struct device_lock {
    char folder[128];
    char base[DEVICE_LOCK_BASE_MAX]; /* name of the files without their endings */
    enum folder_trust trust;         /* as found when the lock was taken */
    int dir_fd;                      /* -1: not held */
    int lock_fd;                     /* -1: not held */
    int device_fd;                   /* -1, or a device node that is locked instead of a file;
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

#endif
