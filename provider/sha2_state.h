/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-2 that shows its state. An applet that hashes for itself takes the state
 * before the last block and that block (IoT.05 2.5.14); libcrypto's digests do
 * not give theirs away. The digest itself is libcrypto's business.
 */
#ifndef ISPROV_SHA2_STATE_H
#define ISPROV_SHA2_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ISPROV_SHA2_BLOCK_MAX 128

struct isprov_sha2 {
    uint64_t h[8];                       /* SHA-256: 32 bits of each */
    uint64_t hashed;                     /* bytes in h: a multiple of the block size */
    size_t block_size;                   /* 64: SHA-256; 128: SHA-384 and SHA-512 */
    uint8_t rest[ISPROV_SHA2_BLOCK_MAX]; /* what follows; a full block is kept back, too */
    size_t rest_len;                     /* 0 only if nothing was hashed */
};

/** @param digest_len  32, 48 or 64 bytes: SHA-256, SHA-384 or SHA-512 */
void isprov_sha2_init(struct isprov_sha2 *sha2, size_t digest_len);
void isprov_sha2_update(struct isprov_sha2 *sha2, const uint8_t *data, size_t len);

/** The state as a card takes it, big-endian: 32 bytes, or 64 also for SHA-384.
 *  @return their number */
size_t isprov_sha2_state(const struct isprov_sha2 *sha2, uint8_t ret_state[static 64]);

#endif
