/* What a card key can do: be found on the card, sign, and show that it belongs
 * to a public key. The rules about public halves that do not fit are here.
 *
 * Nothing here calls the application while the card is at work.
 */
#ifndef ISPROV_CARD_KEY_H
#define ISPROV_CARD_KEY_H

#include "ecdsa_der.h"
#include "key.h"
#include "keyref.h"

/**
 * The private key that a URI names, with its public half if the card gives one.
 * One exchange by label; by identifier the object list is read as well.
 *
 * @return NULL after an error was raised
 */
struct isprov_key *isprov_card_key_open(struct isprov *prov, const struct iotsafe_uri *uri);

/**
 * The private key of a key-reference file. With a public key in it the card is
 * not asked, and that public key is pinned; without one as above.
 *
 * @return NULL after an error was raised
 */
struct isprov_key *isprov_card_key_from_ref(struct isprov *prov, const struct isprov_keyref *ref);

/**
 * Sign a digest and check the signature before it is given out.
 *
 * A public half that nobody has relied on yet and that does not fit is dropped,
 * and the other candidates are tried, read afresh. Without any public half the
 * signature is given out unchecked: there is nothing that it could contradict.
 *
 * @param digest  32, 48 or 64 bytes
 * @return 1, or 0 after an error was raised
 */
int isprov_card_key_sign(struct isprov_key *key, const uint8_t *digest, size_t digest_len,
                         uint8_t ret_der[static ISPROV_ECDSA_DER_MAX], size_t *ret_len);

/**
 * Does the private key belong to `other`? Compares with the public half in use;
 * while that is not pinned, with the other candidates, too. Where the card gives
 * no public key at all, it signs a random digest and `other` checks it.
 *
 * @param other  a public key of the default provider
 * @return true: `other` is the public half now, and pinned
 */
bool isprov_card_key_belongs_to(struct isprov_key *key, EVP_PKEY *other);

/** Sign a random digest and check it: 1 if the halves belong together, or 0
 *  after an error was raised. */
int isprov_card_key_prove(struct isprov_key *key);

#endif
