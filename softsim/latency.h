/* SPDX-License-Identifier: Apache-2.0 */
/* How long a real SIM would take: overhead per exchange + bytes / rate + the operation. */
#ifndef SOFTSIM_LATENCY_H
#define SOFTSIM_LATENCY_H

#include "card.h"

struct latency {
    long overhead_ms;
    long rate; /* bytes per second; 0: no limit */
    long sign_ms, verify_ms, generate_ms, ecdh_ms;
    bool case4_by_61;
};

/** One of none, reader, modem, slow. */
bool latency_init(struct latency *l, const char *name, struct err *err);
/** "NAME=VALUE" with overhead, rate, sign, verify, generate, ecdh (numbers) or case4-61
 *  (yes, no). */
bool latency_set(struct latency *l, const char *setting, struct err *err);
/** Microseconds for an exchange of so many bytes in both directions together. */
uint64_t latency_us(const struct latency *l, size_t bytes, enum operation op);

#endif
