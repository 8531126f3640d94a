/* SPDX-License-Identifier: Apache-2.0 */
/* Key pairs made on a card, and agreement with them. `op` is the operation of the
 * dispatch function that calls; what fails is raised with its text. */
#ifndef ISPROV_CARD_PAIR_H
#define ISPROV_CARD_PAIR_H

#include "key.h"

/** The type that the object list tells of a private key's container; NULL if it
 *  cannot be told. Raises nothing. */
const struct isprov_type *isprov_card_container_type(struct isprov *prov,
                                                     const struct iotsafe_uri *uri,
                                                     const struct iotsafe_op *op);

/**
 * Make a key pair on the card, which replaces what the container held.
 *
 * @param group  the group that is wanted; empty: that of the container
 * @return the new key with its public key pinned; NULL after an error was raised
 */
struct isprov_key *isprov_card_key_generate(struct isprov *prov, const struct iotsafe_uri *uri,
                                            const char *group, struct iotsafe_op *op);

/**
 * COMPUTE DH with a card key.
 *
 * @param peer        on the same curve, or an error
 * @param ret_secret  the caller wipes it
 * @return 1, or 0 after an error was raised
 */
int isprov_card_key_agree(struct isprov_key *key, const struct isprov_public_key *peer,
                          uint8_t ret_secret[static IOTSAFE_SHARED_SECRET_SIZE],
                          struct iotsafe_op *op);

#endif
