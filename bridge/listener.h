/* SPDX-License-Identifier: Apache-2.0 */
/* The Unix socket that clients connect to: made here, or handed over by systemd. */
#ifndef BRIDGE_LISTENER_H
#define BRIDGE_LISTENER_H

#include <sys/types.h>

#include "util.h"

#define LISTENER_PATH_MAX 108

struct listener {
    int fd;                       /* -1: none */
    char path[LISTENER_PATH_MAX]; /* that we made; "" if it was handed over */
    dev_t dev;                    /* which file it is, to remove no other at the end */
    ino_t ino;
};

/**
 * Take the listening socket that was passed by the protocol of sd_listen_fds(3).
 * @return false with an empty op: none was passed; false with a text: it is unusable
 */
bool listener_inherit(struct listener *ret, struct iotsafe_op *op);

/**
 * Make a socket file. A dead one is replaced; one that somebody listens on, and
 * anything else of that name, is an error.
 * @param mode  of the file
 * @param gid   its group; (gid_t)-1 leaves ours
 */
bool listener_open(const char *path, mode_t mode, gid_t gid, struct listener *ret,
                   struct iotsafe_op *op);

/** Close, and remove the file if it is still ours. */
void listener_close(struct listener *l);

#endif
