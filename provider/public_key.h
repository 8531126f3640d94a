/* SPDX-License-Identifier: Apache-2.0 */
/* Public keys of card keys, made of whatever tells them: a point or an RSA key
 * that the card gives, a certificate's key, a SubjectPublicKeyInfo. */
#ifndef ISPROV_PUBLIC_KEY_H
#define ISPROV_PUBLIC_KEY_H

#include <openssl/evp.h>

#include "key_type.h"
#include "prov.h"

/** A public key: immutable once it was given to others. */
struct isprov_public_key {
    const struct isprov_type *type;
    EVP_PKEY *pkey;                         /* in the provider's own library context */
    uint8_t octets[IOTSAFE_POINT_SIZE];     /* of a point, uncompressed */
    struct iotsafe_name name;               /* of the object that it was read from; else empty */
    struct isprov_public_key *next_retired; /* see key.c */
};

/**
 * Make a public key of a point.
 * @param type    a curve; NULL: the one that the point lies on
 * @param octets  uncompressed
 * @return NULL if it is not a public key of that curve, or memory is short;
 *         nothing is raised. The same for all functions here
 */
struct isprov_public_key *isprov_public_key_of_point(
    struct isprov *prov, const struct isprov_type *type,
    const uint8_t octets[static IOTSAFE_POINT_SIZE]);

/** The same of what the card gave. */
struct isprov_public_key *isprov_public_key_of_card(struct isprov *prov,
                                                    const struct iotsafe_public_key *key);

/** And of another public key, from any library context. */
struct isprov_public_key *isprov_public_key_of_pkey(struct isprov *prov, const EVP_PKEY *pkey);

/** And of `len` bytes of DER SubjectPublicKeyInfo, nothing behind it. */
struct isprov_public_key *isprov_public_key_of_spki(struct isprov *prov, const uint8_t *spki,
                                                    size_t len);

void isprov_public_key_free(struct isprov_public_key *pub); /* NULL accepted */

bool isprov_public_key_eq(const struct isprov *prov, const struct isprov_public_key *pub,
                          const EVP_PKEY *other);

#endif
