/* SPDX-License-Identifier: Apache-2.0 */
/* What the modems of the tests share: a pseudo terminal for the host, and a
 * software SIM behind its socket. */
#ifndef BRIDGE_FAKE_MODEM_H
#define BRIDGE_FAKE_MODEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Open a raw pseudo terminal, print its name on standard output; -1 on failure. */
int fake_pty(void);

/** Write or read exactly n bytes. */
bool fake_move(int fd, bool out, uint8_t *p, size_t n);

/** The SIM: a connection is a power-up, so that a new one has lost its channels. */
struct fake_sim {
    const char *path;
    int fd;     /* -1: not connected */
    bool fresh; /* set at each connection; the modem clears it */
};

bool fake_sim_find(struct fake_sim *sim);
void fake_sim_lose(struct fake_sim *sim);

/** One command, one answer. @return its bytes with the status word; 0: the SIM is gone */
size_t fake_sim_exchange(struct fake_sim *sim, const uint8_t *cmd, size_t len, uint8_t *rsp,
                         size_t cap);

/** The same, with GET RESPONSE while bytes wait. */
size_t fake_sim_collect(struct fake_sim *sim, const uint8_t *cmd, size_t len, uint8_t *rsp,
                        size_t cap);

#endif
