/* SPDX-License-Identifier: Apache-2.0 */
/* Key derivation of COMPUTE PRF and COMPUTE HKDF. */
#ifndef SOFTSIM_DERIVE_H
#define SOFTSIM_DERIVE_H

#include <openssl/evp.h>

#include "util.h"

struct octet_view {
    const uint8_t *p;
    size_t len;
};

/** P_SHA256(secret, seed) of RFC 5246, section 5; seed is label and seed. */
bool derive_prf(struct octet_view secret, struct octet_view seed, uint8_t *ret, size_t len);

/** Extract of RFC 5869: HMAC(salt, ikm), digest-sized. */
bool derive_hkdf_extract(const EVP_MD *md, struct octet_view salt, struct octet_view ikm,
                         uint8_t ret[static 64]);

/**
 * Premaster secret of a pre-shared key: other, then psk, each behind a two-byte
 * length (RFC 4279, section 2; RFC 5489, section 2). Without `other` (p NULL) it is
 * as many zeros as the key is long.
 */
bool derive_psk_premaster(struct octet_view psk, struct octet_view other, struct buf *ret);

#endif
