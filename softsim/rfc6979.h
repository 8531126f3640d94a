/* SPDX-License-Identifier: Apache-2.0 */
/* ECDSA with the deterministic nonce of RFC 6979, which libcrypto does not offer
 * before 3.2. Only for reproducing published signatures. */
#ifndef SOFTSIM_RFC6979_H
#define SOFTSIM_RFC6979_H

#include "crypto.h"

/** Sign req->digest with req->key (EC, private half present); r and s of 32 bytes each. */
bool rfc6979_sign(const struct sign_request *req, uint8_t ret_sig[static EC_SIG_BYTES]);

#endif
