/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-2 resumed from a chaining value, which EVP does not offer: in mode 02 of
 * COMPUTE SIGNATURE the host has hashed all full blocks but the last. */
#ifndef SOFTSIM_SHA2_H
#define SOFTSIM_SHA2_H

#include "util.h"

struct sha2_rest {
    uint16_t hash;        /* one bit of tag 91 */
    const uint8_t *chain; /* 32 bytes for SHA-256, 64 for SHA-384 and SHA-512 */
    size_t chain_len;
    uint32_t hashed;      /* bytes behind the chaining value: a multiple of the block */
    const uint8_t *block; /* the rest of the text, at most one block, unpadded */
    size_t block_len;
};

/**
 * Pad, finish, and write the digest of the whole text.
 *
 * @param ret_digest  32, 48 or 64 bytes; ret_len says how many
 * @return false if the sizes do not fit the hash
 */
bool sha2_finish(const struct sha2_rest *rest, uint8_t ret_digest[static 64], size_t *ret_len);

#endif
