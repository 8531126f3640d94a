/* SPDX-License-Identifier: Apache-2.0 */
/* READ PUBLIC KEY and GENERATE KEY PAIR. */
#include "crypto.h"
#include "exchange.h"

uint16_t cmd_read_public_key(struct exchange *x)
{
    static const uint8_t allowed[] = { IOTSAFE_TAG_PUBLIC_KEY_ID, IOTSAFE_TAG_PUBLIC_KEY_LABEL, 0 };
    static const struct need need = { .active = true, .access = IOTSAFE_ACCESS_READ };
    struct tlv_list list;
    struct object *o = NULL;
    uint16_t sw = x_parse(x, allowed, &list);

    if (sw == SW_OK)
        sw = x_find_object(x, &list, KIND_PUBLIC, &o);
    if (sw == SW_OK)
        sw = x_permit(x, o, &need);
    return sw == SW_OK ? x_put_public_key(x, o) : sw;
}

/* The preconditions of GENERATE KEY PAIR, 6985 for each. */
static uint16_t may_generate(const struct exchange *x, const struct object *private_key,
                             const struct object *public_key)
{
    static const struct need of_private = { .functions = IOTSAFE_FUNCTION_GENERATE };
    static const struct need of_public = { .functions = IOTSAFE_FUNCTION_GENERATE,
                                           .access = IOTSAFE_ACCESS_READ };

    if (public_key == NULL || softsim_session_uses_object(x->card, private_key->uid)
        || softsim_session_uses_object(x->card, public_key->uid))
        return SW_CONDITIONS;
    if (private_key->key_type != public_key->key_type)
        return SW_CONDITIONS;
    if (dim(x, DIM_KEYGEN_CHECK) == OFF)
        return SW_OK;
    if (x_permit(x, private_key, &of_private) != SW_OK)
        return SW_CONDITIONS;
    return x_permit(x, public_key, &of_public);
}

/* Next identifier of the same length that no object of the kind has; 255 tries are
 * enough for the few objects of a card. */
static void renumber(const struct exchange *x, struct object *o)
{
    uint8_t *last = &o->id[o->id_len - 1];
    uint8_t old = *last;

    for (unsigned i = 1; i < 256; i++) {
        uint8_t id[IOTSAFE_ID_MAX];

        for (size_t k = 0; k < o->id_len; k++)
            id[k] = o->id[k];
        id[o->id_len - 1] = (uint8_t)(old + i);
        if (store_by_id(x->card->store, o->kind, id, o->id_len) == NULL) {
            *last = id[o->id_len - 1];
            return;
        }
    }
}

static bool fill_pair(struct object *private_key, struct object *public_key)
{
    EVP_PKEY *pair = crypto_generate(private_key->key_type);
    EVP_PKEY *half = pair == NULL ? NULL : crypto_public_half(pair);

    if (half == NULL) {
        EVP_PKEY_free(pair);
        return false;
    }
    object_set_key(private_key, pair);
    object_set_key(public_key, half);
    return true;
}

static uint16_t answer_pair(struct exchange *x, const struct object *private_key,
                            const struct object *public_key)
{
    if (dim(x, DIM_GEN_ANSWER) != GEN_KEY_ONLY) {
        softsim_tlv_put(&x->out, IOTSAFE_TAG_PRIVATE_KEY_ID, private_key->id, private_key->id_len,
                        TLV_LEN_RAW);
        softsim_tlv_put(&x->out, IOTSAFE_TAG_PUBLIC_KEY_ID, public_key->id, public_key->id_len,
                        TLV_LEN_RAW);
    }
    return x_put_public_key(x, public_key);
}

uint16_t cmd_generate_key_pair(struct exchange *x)
{
    static const uint8_t allowed[] = { IOTSAFE_TAG_PRIVATE_KEY_ID, IOTSAFE_TAG_PRIVATE_KEY_LABEL,
                                       0 };
    struct tlv_list list;
    struct object *private_key, *public_key;
    uint16_t sw = x_parse(x, allowed, &list);

    if (sw == SW_OK)
        sw = x_find_object(x, &list, KIND_PRIVATE, &private_key);
    if (sw != SW_OK)
        return sw;
    public_key = store_public_half(x->card->store, private_key);
    sw = may_generate(x, private_key, public_key);
    if (sw != SW_OK)
        return sw;
    if (!fill_pair(private_key, public_key))
        return SW_UNKNOWN_ERROR;
    if (dim(x, DIM_GEN_ANSWER) == GEN_NEW_IDS) {
        renumber(x, private_key);
        renumber(x, public_key);
    }
    sw = x_commit(x);
    return sw == SW_OK ? answer_pair(x, private_key, public_key) : sw;
}
