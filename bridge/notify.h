/* SPDX-License-Identifier: Apache-2.0 */
/* A word to the service manager: the protocol of sd_notify(3). */
#ifndef BRIDGE_NOTIFY_H
#define BRIDGE_NOTIFY_H

/** Send e.g. "READY=1"; does nothing where $NOTIFY_SOCKET is not set. */
void notify(const char *state);

#endif
