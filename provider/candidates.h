/* SPDX-License-Identifier: Apache-2.0 */
/* Public keys on a card by name, and those that may be the public key of a private
 * key. The rules are those of iotsafe-uri(7); nothing here is kept, applet_io remembers
 * what it read. */
#ifndef ISPROV_CANDIDATES_H
#define ISPROV_CANDIDATES_H

#include "public_key.h"
#include "prov.h"

/** A name that a card can take as it is, without the object list: one part alone. */
static inline bool isprov_name_has_one_part(const struct iotsafe_name *name)
{
    return (name->label_len != 0) != (name->id_len != 0);
}

/**
 * The public keys that may belong to a private key, best first: the public-key
 * object with equal label, with equal identifier, the certificate file with
 * equal label, with equal identifier. Each is read when its turn comes.
 *
 * A private key named by label alone costs one exchange, as long as the first
 * candidate is taken: its object is read by that label, and the object list is
 * not. Otherwise the list is read, and must have the private key.
 */
struct isprov_candidates {
    struct isprov *prov;
    struct iotsafe_card *card;      /* borrowed */
    struct iotsafe_name name;       /* completed from the list */
    const struct isprov_type *type; /* as the list tells it, once it was read */
    struct iotsafe_object *objects;
    size_t n_objects;
    enum {
        ISPROV_CANDIDATES_DIRECT,
        ISPROV_CANDIDATES_LIST,
        ISPROV_CANDIDATES_RANKS,
        ISPROV_CANDIDATES_END
    } stage;
    bool direct_hit; /* the object with equal label was already given */
    size_t rank;
    size_t next;
    enum iotsafe_err refused; /* the first candidate that the card did not give; IOTSAFE_OK: none */
    char refusal[sizeof(((struct iotsafe_op *)0)->text)]; /* what it said, for people */
};

/** @param card  borrowed until isprov_candidates_clear() */
void isprov_candidates_init(struct isprov_candidates *it, struct isprov *prov,
                            struct iotsafe_card *card, const struct iotsafe_name *private_key);

/**
 * @param ret_pub  the next candidate, isprov_public_key_free() it; NULL: no more
 * @retval IOTSAFE_ERR_NOT_FOUND    there is no such private key
 * @retval IOTSAFE_ERR_AMBIGUOUS    there are several
 * @retval IOTSAFE_ERR_UNSUPPORTED  it is of a type that this provider does not know
 */
IOTSAFE_NODISCARD enum iotsafe_err isprov_candidates_next(struct isprov_candidates *it,
                                                          struct isprov_public_key **ret_pub,
                                                          struct iotsafe_op *op);
void isprov_candidates_clear(struct isprov_candidates *it);

/**
 * A public-key object.
 * @param object    kind IOTSAFE_PUBLIC_KEY
 * @param ret_pub  isprov_public_key_free() it
 * @retval IOTSAFE_ERR_KEY          not a point of a curve, or no RSA key of a card
 * @retval IOTSAFE_ERR_UNSUPPORTED  of a type that this provider does not know
 */
IOTSAFE_NODISCARD enum iotsafe_err isprov_object_public_key(struct isprov *prov,
                                                            struct iotsafe_card *card,
                                                            const struct iotsafe_object *object,
                                                            struct isprov_public_key **ret_pub,
                                                            struct iotsafe_op *op);

/**
 * The public key that a name stands for: the public-key object so named, else the
 * first candidate of the private key so named.
 * @param ret_pub  as above
 * @retval IOTSAFE_ERR_NOT_FOUND  neither
 */
IOTSAFE_NODISCARD enum iotsafe_err isprov_named_public_key(struct isprov *prov,
                                                           struct iotsafe_card *card,
                                                           const struct iotsafe_name *name,
                                                           struct isprov_public_key **ret_pub,
                                                           struct iotsafe_op *op);

#endif
