/* The curves that keys on a card can have, one row each. */
#ifndef ISPROV_CURVE_H
#define ISPROV_CURVE_H

#include "iotsafe.h"

#define ISPROV_FIELD_MAX 32 /* bytes of a coordinate, of the order, of r and of s */

struct isprov_curve {
    const char *group;      /* libcrypto's name of the group */
    const char *nist_name;  /* NIST's, for people; NULL if it has none */
    int bits;
    int security_bits;
    size_t field_len;       /* bytes */
    int max_signature_len;  /* bytes of the longest DER ECDSA-Sig-Value */
    uint8_t order[ISPROV_FIELD_MAX]; /* big-endian, field_len bytes */
    uint8_t card_types[2];  /* how the object list tells it, struct iotsafe_object.key_type */
};

/** The curve of a key of which the card does not tell any. Static storage. */
const struct isprov_curve *isprov_curve_default(void);

/** The curve that libcrypto calls `group`, under any of its names; NULL: none here. */
const struct isprov_curve *isprov_curve_by_group(const char *group);

/** The curve of a listed key: the default one if the card did not tell its
 *  type; NULL if it is a type of key that this provider does not know. */
const struct isprov_curve *isprov_curve_of_object(const struct iotsafe_object *object);

#endif
