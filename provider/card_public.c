/* SPDX-License-Identifier: Apache-2.0 */
/* see card_public.h. Verifying there is of use where the device itself must not be able
 * to change the keys, so that those which it may overwrite are refused. */
#include "card_public.h"

#include "ecdsa_der.h"

struct isprov_key *isprov_card_public_new(struct isprov *prov, struct iotsafe_card *card,
                                          const struct iotsafe_uri *uri,
                                          struct isprov_public_key *pub)
{
    struct isprov_key *key = isprov_key_new_card(prov, ISPROV_KEY_CARD_PUBLIC, card, uri,
                                                 pub->type);

    if (key == NULL || !isprov_key_replace(key, NULL, pub, true)) {
        isprov_public_key_free(pub);
        isprov_key_free(key);
        return NULL;
    }
    return key;
}

bool isprov_card_public_is_fixed(const struct isprov_key *key, struct iotsafe_op *op)
{
    struct iotsafe_object object = { .told = 0 };
    enum iotsafe_err err = iotsafe_find(key->card, IOTSAFE_PUBLIC_KEY, &key->uri.name, &object, op);
    const char *why;

    if (err == IOTSAFE_OK && iotsafe_key_replaceable(&object, &why) != IOTSAFE_REPLACEABLE_NO) {
        isprov_op_set(op,
                      "%s: with card-verify = yes, only public keys that this device cannot "
                      "overwrite can be used; this one %s (%s)",
                      isprov_key_name(key).text, why, iotsafe_card_transport(key->card));
        err = IOTSAFE_ERR_ACCESS;
    }
    if (err != IOTSAFE_OK)
        isprov_raise(key->prov, err, op);
    return err == IOTSAFE_OK;
}

int isprov_card_public_verify(const struct isprov_key *key, const struct iotsafe_input *input,
                              const uint8_t *sig, size_t sig_len, struct iotsafe_op *op)
{
    uint8_t raw[2 * ISPROV_FIELD_MAX];
    bool valid = false;
    enum iotsafe_err err;

    if (!isprov_ecdsa_to_raw(key->type, sig, sig_len, raw))
        return 0;
    err = iotsafe_verify(key->card, &key->uri.name, input, raw, &valid, op);
    if (err != IOTSAFE_OK)
        isprov_raise(key->prov, err, op);
    return err == IOTSAFE_OK && valid;
}
