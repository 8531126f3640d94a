/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of front ends: unix sockets, and TCP on loopback only, because whoever
 * reaches the card may use its keys. */
#ifndef SOFTSIM_ADDR_H
#define SOFTSIM_ADDR_H

#include <sys/socket.h>

#include "util.h"

struct addr {
    struct sockaddr_storage sa;
    socklen_t len;
    bool is_tcp;
    char path[108]; /* of a unix socket */
};

/** "HOST:PORT"; HOST is localhost, an address in 127/8, or [::1]. */
bool addr_parse_tcp(const char *text, struct addr *ret, struct err *err);
/** "unix:PATH" or "tcp:HOST:PORT". */
bool addr_parse(const char *text, struct addr *ret, struct err *err);
/** A path, with or without "unix:" in front. */
bool addr_parse_unix(const char *text, struct addr *ret, struct err *err);

/**
 * Listen. A unix socket file that nobody serves any more is replaced; one that is
 * served is an error. The file gets this mode. Close-on-exec, non-blocking.
 *
 * @return the descriptor, -1 with a reason
 */
int addr_listen(const struct addr *a, unsigned mode, struct err *err);
/** Port of a listening TCP socket. */
unsigned addr_port(int fd);

#endif
