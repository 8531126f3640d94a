/* SPDX-License-Identifier: Apache-2.0 */
/* ECDSA signatures in their two forms: r || s of fixed length, as cards give
 * them, and the DER ECDSA-Sig-Value of X9.62 and RFC 3279, as OpenSSL wants it. */
#ifndef ISPROV_ECDSA_DER_H
#define ISPROV_ECDSA_DER_H

#include "key_type.h"

/** Bytes of the longest DER form: SEQUENCE header, two INTEGERs of 33 bytes. */
#define ISPROV_ECDSA_DER_MAX (2 + 2 * (2 + 1 + ISPROV_FIELD_MAX))

/**
 * r || s to DER with minimal INTEGERs.
 *
 * @param raw  2 * curve->field_len bytes
 * @return false if raw_len is another one, or r or s is not in 1 .. order - 1
 */
IOTSAFE_NODISCARD bool isprov_ecdsa_from_raw(const struct isprov_type *curve, const uint8_t *raw,
                                             size_t raw_len,
                                             uint8_t ret_der[static ISPROV_ECDSA_DER_MAX],
                                             size_t *ret_len);

/**
 * DER to r || s.
 *
 * @param ret_raw  2 * curve->field_len bytes
 * @return false if it is not exactly one DER ECDSA-Sig-Value, or r or s is not
 *         in 1 .. order - 1
 */
IOTSAFE_NODISCARD bool isprov_ecdsa_to_raw(const struct isprov_type *curve, const uint8_t *der,
                                           size_t der_len,
                                           uint8_t ret_raw[static 2 * ISPROV_FIELD_MAX]);

/**
 * What a card answered, in either form, to DER with minimal INTEGERs. Told
 * apart by the length: no DER form of a real signature is as short as r || s.
 *
 * @return false if it is neither
 */
IOTSAFE_NODISCARD bool isprov_ecdsa_normalise(const struct isprov_type *curve, const uint8_t *sig,
                                              size_t sig_len,
                                              uint8_t ret_der[static ISPROV_ECDSA_DER_MAX],
                                              size_t *ret_len);

#endif
