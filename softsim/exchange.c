/* SPDX-License-Identifier: Apache-2.0 */
/* What the command handlers share. */
#include "exchange.h"

#include "answer.h"
#include "crypto.h"

uint16_t x_malformed(const struct exchange *x)
{
    return dim(x, DIM_MALFORMED_SW) == MALFORMED_6985 ? SW_CONDITIONS : SW_WRONG_DATA;
}

static bool is_key_name(uint8_t tag)
{
    return tag == IOTSAFE_TAG_PRIVATE_KEY_ID || tag == IOTSAFE_TAG_PUBLIC_KEY_ID
           || tag == IOTSAFE_TAG_PRIVATE_KEY_LABEL || tag == IOTSAFE_TAG_PUBLIC_KEY_LABEL;
}

static bool tag_allowed(const uint8_t *tags, uint8_t tag)
{
    for (; *tags != 0; tags++)
        if (*tags == tag)
            return true;
    return false;
}

/* Where private and public keys are numbered in common, either tag names the key.
 * The tags of the two halves differ in the lowest bit. */
static void unify_names(struct tlv_list *list, const uint8_t *allowed)
{
    for (size_t i = 0; i < list->n; i++) {
        uint8_t *tag = &list->item[i].tag;

        if (is_key_name(*tag) && !tag_allowed(allowed, *tag))
            *tag ^= 1;
    }
}

uint16_t x_parse(const struct exchange *x, const uint8_t *allowed_tags, struct tlv_list *ret)
{
    if (!softsim_tlv_parse(x->apdu.data, x->apdu.lc, ret) || ret->missing != 0)
        return x_malformed(x);
    if (dim(x, DIM_NAMESPACE) == NAMESPACE_SINGLE)
        unify_names(ret, allowed_tags);
    return softsim_tlv_only(ret, allowed_tags) ? SW_OK : x_malformed(x);
}

static bool id_passes_policy(const struct exchange *x, const struct tlv *id)
{
    switch (dim(x, DIM_ID_POLICY)) {
    case ID_2_BYTES:
        return id->len == 2;
    case ID_ASCII:
        for (size_t i = 0; i < id->len; i++)
            if (id->val[i] < 0x21 || id->val[i] > 0x7e)
                return false;
        return true;
    default:
        return true;
    }
}

static bool names_are_sane(const struct exchange *x, const struct tlv *id, const struct tlv *label)
{
    if (id == NULL && label == NULL)
        return false;
    if (id != NULL && label != NULL && dim(x, DIM_BOTH_NAMES) == NAMES_REFUSE)
        return false;
    if (id != NULL && (id->len == 0 || id->len > IOTSAFE_ID_MAX || !id_passes_policy(x, id)))
        return false;
    return label == NULL || (label->len != 0 && label->len <= IOTSAFE_LABEL_MAX);
}

static uint16_t not_found(const struct exchange *x, enum kind kind)
{
    if (kind == KIND_FILE || dim(x, DIM_UNKNOWN_KEY) == UNKNOWN_6A82)
        return SW_NOT_FOUND;
    return SW_WRONG_DATA;
}

uint16_t x_find_object(struct exchange *x, const struct tlv_list *list, enum kind kind,
                       struct object **ret)
{
    const struct tlv *id = softsim_tlv_find(list, kind_tags[kind].id_tag);
    const struct tlv *label = softsim_tlv_find(list, kind_tags[kind].label_tag);
    const struct store *store = x->card->store;
    struct object *by_label = NULL;
    struct object *o;

    if (!names_are_sane(x, id, label))
        return x_malformed(x);
    if (label != NULL)
        by_label = store_by_label(store, kind, (const char *)label->val, label->len);
    o = id == NULL ? by_label : store_by_id(store, kind, id->val, id->len);
    if (o == NULL || (label != NULL && o != by_label))
        return not_found(x, kind);
    if (x->card->admin_busy)
        return SW_BUSY_ADMIN;
    *ret = o;
    return SW_OK;
}

static bool has_bits(uint8_t have, uint8_t want)
{
    return (have & want) == want;
}

uint16_t x_permit(const struct exchange *x, const struct object *o, const struct need *need)
{
    if (need->active && !object_has_content(o))
        return SW_CONDITIONS;
    if (dim(x, DIM_ENFORCE_ATTRIBUTES) == OFF)
        return SW_OK;
    if (need->active && o->state != IOTSAFE_STATE_ACTIVATED)
        return SW_CONDITIONS;
    return has_bits(o->functions, need->functions) && has_bits(o->access, need->access)
                   && has_bits(o->agreement, need->agreement)
                   && has_bits(o->derivation, need->derivation)
               ? SW_OK
               : SW_CONDITIONS;
}

uint16_t x_commit(const struct exchange *x)
{
    struct err err;

    return store_save(x->card->store, &err) ? SW_OK : SW_MEMORY_FAILURE;
}

static bool put_rsa_key(struct buf *out, EVP_PKEY *key)
{
    struct buf n = { 0 }, e = { 0 }, inner = { 0 }, outer = { 0 };
    bool ok = crypto_rsa_numbers(key, &n, &e);

    softsim_tlv_put(&inner, IOTSAFE_TAG_RSA_MODULUS, n.data, n.len, TLV_LEN_BER);
    softsim_tlv_put(&inner, IOTSAFE_TAG_RSA_EXPONENT, e.data, e.len, TLV_LEN_BER);
    softsim_tlv_put(&outer, IOTSAFE_TAG_ECC_PUBLIC_KEY, inner.data, inner.len, TLV_LEN_BER);
    softsim_tlv_put(out, IOTSAFE_TAG_PUBLIC_KEY_DATA, outer.data, outer.len, TLV_LEN_BER);
    buf_clear(&n);
    buf_clear(&e);
    buf_clear(&inner);
    buf_clear(&outer);
    return ok;
}

uint16_t x_put_public_key(struct exchange *x, const struct object *o)
{
    uint8_t point[EC_POINT_BYTES];

    if (crypto_type_is_rsa(o->key_type))
        return put_rsa_key(&x->out, o->key) ? SW_OK : SW_DATA_CORRUPT;
    if (!crypto_point(o->key, point))
        return SW_DATA_CORRUPT;
    if (dim(x, DIM_PUBKEY_FORM) == PUBKEY_NESTED) {
        softsim_tlv_put_header(&x->out, IOTSAFE_TAG_PUBLIC_KEY_DATA, 4 + sizeof(point),
                               TLV_LEN_RAW);
        softsim_tlv_put_header(&x->out, IOTSAFE_TAG_ECC_PUBLIC_KEY, 2 + sizeof(point), TLV_LEN_RAW);
        softsim_tlv_put_header(&x->out, IOTSAFE_TAG_ECC_POINT, sizeof(point), TLV_LEN_RAW);
    }
    buf_put(&x->out, point, sizeof(point));
    return SW_OK;
}
