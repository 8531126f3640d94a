/* SPDX-License-Identifier: Apache-2.0 */
/* The SIMs that a provider has used, by the names that URIs have for them. */
#ifndef ISPROV_CARDS_H
#define ISPROV_CARDS_H

#include "prov.h"

/** The card of a URI, with its settings. No I/O. The provider keeps it from then on.
 *  @param ret_card  iotsafe_card_free() it */
IOTSAFE_NODISCARD enum iotsafe_err isprov_card_of_uri(struct isprov *prov,
                                                      const struct iotsafe_uri *uri,
                                                      struct iotsafe_card **ret_card,
                                                      struct iotsafe_op *op);
void isprov_cards_free(struct isprov *prov);

#endif
