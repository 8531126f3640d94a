/* SPDX-License-Identifier: Apache-2.0 */
/* Key pairs made on a card. `op` is the operation of the dispatch function that calls;
 * what fails is raised with its text. */
#ifndef ISPROV_CARD_GENERATE_H
#define ISPROV_CARD_GENERATE_H

#include "key.h"

#ifdef HAVE_GENERATE
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
#else
static inline const struct isprov_type *isprov_card_container_type(struct isprov *prov,
                                                                   const struct iotsafe_uri *uri,
                                                                   const struct iotsafe_op *op)
{
    (void)prov;
    (void)uri;
    (void)op;
    return NULL;
}

static inline struct isprov_key *isprov_card_key_generate(struct isprov *prov,
                                                          const struct iotsafe_uri *uri,
                                                          const char *group, struct iotsafe_op *op)
{
    (void)uri;
    (void)group;
    (void)op;
    isprov_raise_text(prov, IOTSAFE_ERR_UNSUPPORTED, "this build makes no key pairs on a SIM");
    return NULL;
}
#endif

#endif
