/* SPDX-License-Identifier: Apache-2.0 */
/* Public keys that stand on a card, where card-verify is set: the applet verifies with
 * them. `op` is the operation of the dispatch function that calls; what fails is
 * raised with its text. */
#ifndef ISPROV_CARD_PUBLIC_H
#define ISPROV_CARD_PUBLIC_H

#include "key.h"

#ifdef HAVE_CARD_VERIFY
/** Was card-verify set? */
static inline bool isprov_card_verifies(struct isprov *prov)
{
    return iotsafe_config_card_verify(isprov_config(prov));
}

/**
 * A public key that stands on a card, to verify with there.
 *
 * @param pub  owned from here on
 * @return NULL after an error was raised
 */
struct isprov_key *isprov_card_public_new(struct isprov *prov, struct iotsafe_card *card,
                                          const struct iotsafe_uri *uri,
                                          struct isprov_public_key *pub);

/** May the applet verify with it? What the device can overwrite proves nothing.
 *  @return false after an error was raised */
bool isprov_card_public_is_fixed(const struct isprov_key *key, struct iotsafe_op *op);

/** VERIFY SIGNATURE. @return 1: valid; 0: not, or an error was raised */
int isprov_card_public_verify(const struct isprov_key *key, const struct iotsafe_input *input,
                              const uint8_t *sig, size_t sig_len, struct iotsafe_op *op);
#else
/* The setting is refused, so that no such key is ever made. */
static inline bool isprov_card_verifies(struct isprov *prov)
{
    (void)prov;
    return false;
}

static inline struct isprov_key *isprov_card_public_new(struct isprov *prov,
                                                        struct iotsafe_card *card,
                                                        const struct iotsafe_uri *uri,
                                                        struct isprov_public_key *pub)
{
    (void)prov;
    (void)card;
    (void)uri;
    isprov_public_key_free(pub);
    return NULL;
}

static inline bool isprov_card_public_is_fixed(const struct isprov_key *key, struct iotsafe_op *op)
{
    (void)key;
    (void)op;
    return false;
}

static inline int isprov_card_public_verify(const struct isprov_key *key,
                                            const struct iotsafe_input *input, const uint8_t *sig,
                                            size_t sig_len, struct iotsafe_op *op)
{
    (void)key;
    (void)input;
    (void)sig;
    (void)sig_len;
    (void)op;
    return 0;
}
#endif

#endif
