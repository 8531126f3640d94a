/* SPDX-License-Identifier: Apache-2.0 */
/* From names to what belongs together on a card: public keys that may be the
 * half of a private key, and certificates. The rules are those of
 * iotsafe-uri(7); nothing here is kept, applet_io remembers what it read. */
#ifndef ISPROV_OBJECT_H
#define ISPROV_OBJECT_H

#include <openssl/x509.h>

#include "half.h"
#include "prov.h"

/** The card of a URI, with its settings. No I/O. The provider keeps it from then on.
 *  @param ret_card  iotsafe_card_free() it */
IOTSAFE_NODISCARD enum iotsafe_err isprov_card_of_uri(struct isprov *prov,
                                                      const struct iotsafe_uri *uri,
                                                      struct iotsafe_card **ret_card,
                                                      struct iotsafe_op *op);
void isprov_cards_free(struct isprov *prov);

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
    int rank;
    size_t next;
};

/** @param card  borrowed until isprov_candidates_clear() */
void isprov_candidates_init(struct isprov_candidates *it, struct isprov *prov,
                            struct iotsafe_card *card, const struct iotsafe_name *private_key);

/**
 * @param ret_half  the next candidate, isprov_half_free() it; NULL: no more
 * @retval IOTSAFE_ERR_NOT_FOUND    there is no such private key
 * @retval IOTSAFE_ERR_AMBIGUOUS    there are several
 * @retval IOTSAFE_ERR_UNSUPPORTED  it is of a type that this provider does not know
 */
IOTSAFE_NODISCARD enum iotsafe_err isprov_candidates_next(struct isprov_candidates *it,
                                                          struct isprov_half **ret_half,
                                                          struct iotsafe_op *op);
void isprov_candidates_clear(struct isprov_candidates *it);

/**
 * The certificates in a file object, leaf first.
 * @param object     kind IOTSAFE_FILE
 * @param ret_certs  sk_X509_pop_free() it; not empty
 * @retval IOTSAFE_ERR_CERTIFICATE  the file holds none
 */
IOTSAFE_NODISCARD enum iotsafe_err isprov_file_certs(struct isprov *prov, struct iotsafe_card *card,
                                                     const struct iotsafe_object *object,
                                                     STACK_OF(X509) **ret_certs,
                                                     struct iotsafe_op *op);

/**
 * The certificates that a name stands for: those of the file so named, else those
 * of the file whose first certificate holds the public key of the private key so
 * named, preferring equal label or identifier.
 * @param ret_certs  as above
 * @retval IOTSAFE_ERR_NOT_FOUND  neither
 */
IOTSAFE_NODISCARD enum iotsafe_err isprov_named_certs(struct isprov *prov,
                                                      struct iotsafe_card *card,
                                                      const struct iotsafe_name *name,
                                                      STACK_OF(X509) **ret_certs,
                                                      struct iotsafe_op *op);

/**
 * A public-key object.
 * @param object    kind IOTSAFE_PUBLIC_KEY
 * @param ret_half  isprov_half_free() it
 * @retval IOTSAFE_ERR_KEY          not a point of a curve, or no RSA key of a card
 * @retval IOTSAFE_ERR_UNSUPPORTED  of a type that this provider does not know
 */
IOTSAFE_NODISCARD enum iotsafe_err isprov_public_key(struct isprov *prov, struct iotsafe_card *card,
                                                     const struct iotsafe_object *object,
                                                     struct isprov_half **ret_half,
                                                     struct iotsafe_op *op);

/**
 * The public key that a name stands for: the public-key object so named, else the
 * first candidate of the private key so named.
 * @param ret_half  as above
 * @retval IOTSAFE_ERR_NOT_FOUND  neither
 */
IOTSAFE_NODISCARD enum iotsafe_err isprov_named_public_key(struct isprov *prov,
                                                           struct iotsafe_card *card,
                                                           const struct iotsafe_name *name,
                                                           struct isprov_half **ret_half,
                                                           struct iotsafe_op *op);

#endif
