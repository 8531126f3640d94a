/* SPDX-License-Identifier: Apache-2.0 */
/* The types that keys on a card can have, one row each: two curves and RSA. */
#ifndef ISPROV_KEY_TYPE_H
#define ISPROV_KEY_TYPE_H

#include "iotsafe.h"

#define ISPROV_FIELD_MAX 32 /* bytes of a coordinate, of the order, of r and of s */

struct isprov_type {
    const char *algorithm; /* libcrypto's name of the key type: "EC" or "RSA" */
    const char *group;     /* libcrypto's name of the group; NULL: RSA */
    const char *nist_name; /* NIST's, for people; NULL if it has none */
    int bits;
    int security_bits;
    size_t field_len;      /* bytes */
    int max_signature_len; /* bytes of the longest DER ECDSA-Sig-Value, or of the modulus */
    uint8_t order[ISPROV_FIELD_MAX]; /* big-endian, field_len bytes */
    uint8_t card_types[2]; /* how the object list tells it, struct iotsafe_object.key_type */
};

/** The type of a key of which the card does not tell any. Static storage. */
const struct isprov_type *isprov_type_default(void);

/** The type that RSA keys on a card have. */
const struct isprov_type *isprov_type_rsa(void);

/** The types on curves, one after another: NULL ends them. */
const struct isprov_type *isprov_type_curve(size_t i);

/** The curve that libcrypto calls `group`, under any of its names; NULL: none here. */
const struct isprov_type *isprov_type_by_group(const char *group);

/** The type of a listed key: the default one if the card did not tell it; NULL
 *  if it is one that this provider does not know. */
const struct isprov_type *isprov_type_of_object(const struct iotsafe_object *object);

#ifdef HAVE_RSA
#define ISPROV_HAS_RSA true
#else
#define ISPROV_HAS_RSA false /* RSA keys are of a type that this provider does not know */
#endif

static inline bool isprov_type_is_rsa(const struct isprov_type *type)
{
    return ISPROV_HAS_RSA && type->group == NULL;
}

#endif
