/* SPDX-License-Identifier: Apache-2.0 */
/* What a card key can do: be found on the card, sign, and show that it belongs
 * to a public key. The rules about public keys that do not fit are here.
 *
 * Nothing here calls the application while the card is at work. `op` is the
 * operation of the dispatch function that calls; what fails is raised with its text.
 */
#ifndef ISPROV_CARD_KEY_H
#define ISPROV_CARD_KEY_H

#include "ecdsa_der.h"
#include "key.h"
#include "keyref.h"

/**
 * The private key that a URI names, with its public key if the card gives one.
 * One exchange by label; by identifier the object list is read as well.
 *
 * @return NULL after an error was raised
 */
struct isprov_key *isprov_card_key_open(struct isprov *prov, const struct iotsafe_uri *uri,
                                        struct iotsafe_op *op);

/**
 * The private key of a key-reference file. With a public key in it the card is
 * not asked, and that public key is pinned; without one as above.
 *
 * @return NULL after an error was raised
 */
struct isprov_key *isprov_card_key_from_ref(struct isprov *prov, const struct isprov_keyref *ref,
                                            struct iotsafe_op *op);

#define ISPROV_SIGNATURE_MAX IOTSAFE_SIGNATURE_MAX /* bytes, DER ECDSA-Sig-Value or RSA */

#define ISPROV_ANY_SALT (-2) /* as RSA_PSS_SALTLEN_AUTO */

/** How a signature is made. */
struct isprov_scheme {
    enum iotsafe_scheme id;
    const EVP_MD *md; /* RSA: the digest of the input */
    int salt_len;     /* IOTSAFE_RSA_PSS: bytes, or ISPROV_ANY_SALT */
};

/**
 * Sign and check the signature before it is given out.
 *
 * A public key that nobody has relied on yet and that does not fit is dropped,
 * and the other candidates are tried, read afresh. Without any public key the
 * signature is given out unchecked: there is nothing that it could contradict.
 * So is the salt of PSS, which the card chooses.
 *
 * @param input  with the digest
 * @return 1, or 0 after an error was raised
 */
int isprov_card_key_sign(struct isprov_key *key, const struct isprov_scheme *scheme,
                         const struct iotsafe_input *input,
                         uint8_t ret_sig[static ISPROV_SIGNATURE_MAX], size_t *ret_len,
                         struct iotsafe_op *op);

/**
 * Does the private key belong to `other`? Compares with the public key in use;
 * while that is not pinned, with the other candidates, too. Where the card gives
 * no public key at all, it signs a random digest and `other` checks it.
 *
 * @param other  a public key of the default provider
 * @return true: `other` is the public key now, and pinned
 */
bool isprov_card_key_belongs_to(struct isprov_key *key, EVP_PKEY *other, struct iotsafe_op *op);

/** Sign a random digest and check it: 1 if private and public key belong together, or 0
 *  after an error was raised. */
int isprov_card_key_prove(struct isprov_key *key, struct iotsafe_op *op);

#endif
