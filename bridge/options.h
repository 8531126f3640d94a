/* SPDX-License-Identifier: Apache-2.0 */
/* The command line. */
#ifndef BRIDGE_OPTIONS_H
#define BRIDGE_OPTIONS_H

#include <stdbool.h>
#include <sys/types.h>

struct options {
    const char *listen; /* path of the socket; NULL: it is handed over */
    mode_t mode;
    gid_t gid; /* (gid_t)-1: unchanged */
};

/**
 * Read the command line. Settings of the card library (--transport and others)
 * go into the environment, where iotsafe_config_new() reads them.
 *
 * @return -1: go on; else the exit status, all has been said
 */
int options_read(int argc, char **argv, struct options *ret);

#endif
