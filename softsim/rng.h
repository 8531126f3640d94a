/* SPDX-License-Identifier: Apache-2.0 */
/* A small generator for the random dimensions: the same seed gives the same card. Not for keys. */
#ifndef SOFTSIM_RNG_H
#define SOFTSIM_RNG_H

#include <stdint.h>

/** 0 to n - 1; state must not be 0. */
static inline uint32_t rng_below(uint64_t *state, uint32_t n)
{
    *state ^= *state << 13; /* xorshift64 */
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (uint32_t)((*state >> 16) % n);
}

#endif
