/* SPDX-License-Identifier: Apache-2.0 */
/* When the next attempt is made: pauses that grow, with jitter, so that a fleet does not
 * come back all at once, and not before the server wants it. */
#ifndef ENROLL_RETRY_H
#define ENROLL_RETRY_H

#include <stdbool.h>

struct retry {
    bool wanted;
    long max_s;     /* from the beginning */
    long began_s;   /* CLOCK_MONOTONIC */
    unsigned tries; /* so far */
};

void retry_begin(struct retry *retry, bool wanted, long max_s);

/**
 * Pause before the next attempt.
 * @param at_least_s  what the server asked for (Retry-After); 0: nothing
 * @return false, at once, if there is none: not wanted, or the time would be over then
 */
bool retry_pause(struct retry *retry, long at_least_s);

/** Milliseconds before attempt number `tries` + 1, for a random number. */
long retry_pause_ms(unsigned tries, long at_least_s, unsigned random);

#endif
