/* SPDX-License-Identifier: Apache-2.0 */
/* Agreement with key pairs on a card. `op` is the operation of the dispatch function that
 * calls; what fails is raised with its text. */
#ifndef ISPROV_CARD_AGREE_H
#define ISPROV_CARD_AGREE_H

#include "key.h"

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
