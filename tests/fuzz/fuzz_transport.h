/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for the socket transport at link time: a card that says anything. */
#ifndef FUZZ_TRANSPORT_H
#define FUZZ_TRANSPORT_H

#include "fuzz_input.h"
#include "iotsafe.h"

/** Each response is the next frame of it; when it is used up the connection ends. */
extern struct fuzz_input fuzz_input;

/** The card, and the configuration that names it. A command shorter than `cmd_min` bytes, or
 *  malformed in another way, aborts. Both are the caller's to free. */
struct iotsafe_card *fuzz_transport_card(const char *timeout_ms, size_t cmd_min,
                                         struct iotsafe_config **ret_config);

#endif
