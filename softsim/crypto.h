/* SPDX-License-Identifier: Apache-2.0 */
/* What the card computes, over libcrypto. Speaks of keys and bytes, not of tags or
 * status words. Every function returns false on failure and then leaves its outputs
 * untouched; nothing stays in OpenSSL's error queue. */
#ifndef SOFTSIM_CRYPTO_H
#define SOFTSIM_CRYPTO_H

#include <openssl/evp.h>

#include "util.h"

#define EC_FIELD_BYTES 32
#define EC_POINT_BYTES 65
#define EC_SIG_BYTES 64
#define SIG_BYTES_MAX 512
#define HASH_BYTES_MAX 64

/** Key types are values of tag 4B; one that the card cannot hold is not among these. */
bool crypto_type_is_rsa(uint8_t key_type);
/** Volatile types lose their value when the card is reset. */
bool crypto_type_is_volatile(uint8_t key_type);
/** True if the key is one of this type (curve, modulus size). */
bool crypto_key_has_type(EVP_PKEY *key, uint8_t key_type);

/** New key pair of this type; NULL on failure. Caller frees. */
EVP_PKEY *crypto_generate(uint8_t key_type);
/** Key pair from a private scalar of 32 bytes; NULL if it is out of range. Caller frees. */
EVP_PKEY *crypto_from_scalar(uint8_t key_type, const uint8_t scalar[static EC_FIELD_BYTES]);
/** Public key from 04 X Y; NULL if the point is not on the curve. Caller frees. */
EVP_PKEY *crypto_from_point(uint8_t key_type, const uint8_t *point, size_t len);
/** The public half alone. Caller frees. */
EVP_PKEY *crypto_public_half(EVP_PKEY *pair);

/** Uncompressed point of an EC key. */
bool crypto_point(EVP_PKEY *key, uint8_t ret_point[static EC_POINT_BYTES]);
/** Big-endian modulus and exponent, appended to two buffers. */
bool crypto_rsa_numbers(EVP_PKEY *key, struct buf *n, struct buf *e);

/** DER for the store: PKCS #8 or SubjectPublicKeyInfo, appended. */
bool crypto_encode(EVP_PKEY *key, bool is_private, struct buf *out);
EVP_PKEY *crypto_decode(const uint8_t *der, size_t len, bool is_private);

/** Digest of one of the hash bits of tag 91; NULL if it is not exactly one known bit. */
const EVP_MD *crypto_hash(uint16_t hash);

struct sign_request {
    EVP_PKEY *key;
    uint8_t sig_alg; /* one bit of tag 92 */
    const EVP_MD *md;
    const uint8_t *digest;
    size_t digest_len;
    bool deterministic; /* ECDSA with the nonce of RFC 6979 */
};

/** ECDSA gives r and s of 32 bytes each, RSA a block of the modulus size. */
bool crypto_sign(const struct sign_request *req, uint8_t ret_sig[static SIG_BYTES_MAX],
                 size_t *ret_len);
/** sig in the same form; ECDSA also as DER. */
bool crypto_verify(const struct sign_request *req, const uint8_t *sig, size_t sig_len);
/** r and s to an ECDSA-Sig-Value, appended to out. */
bool crypto_sig_to_der(const uint8_t sig[static EC_SIG_BYTES], struct buf *out);

/** ECKAS-DH1: the X coordinate of the common point. */
bool crypto_agree(EVP_PKEY *own, EVP_PKEY *peer, uint8_t ret_secret[static EC_FIELD_BYTES]);

/** AES-128 CMAC over data. */
bool crypto_cmac(const uint8_t key[static 16], const uint8_t *data, size_t len,
                 uint8_t ret_mac[static 16]);

#endif
