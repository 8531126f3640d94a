/* SPDX-License-Identifier: Apache-2.0 */
/* COMPUTE DH, COMPUTE PRF, COMPUTE HKDF. */
#include "crypto.h"
#include "derive.h"
#include "exchange.h"

uint16_t cmd_compute_dh(struct exchange *x)
{
    static const uint8_t allowed[] = { IOTSAFE_TAG_PRIVATE_KEY_ID, IOTSAFE_TAG_PRIVATE_KEY_LABEL,
                                       IOTSAFE_TAG_PUBLIC_KEY_ID, IOTSAFE_TAG_PUBLIC_KEY_LABEL, 0 };
    static const struct need need = { .active = true,
                                      .functions = IOTSAFE_FUNCTION_AGREE,
                                      .agreement = IOTSAFE_AGREEMENT_ECKA };
    uint8_t secret[EC_FIELD_BYTES];
    struct tlv_list list;
    struct object *own, *peer;
    uint16_t sw = x_parse(x, allowed, &list);

    if (sw == SW_OK)
        sw = x_find_object(x, &list, KIND_PRIVATE, &own);
    if (sw == SW_OK)
        sw = x_find_object(x, &list, KIND_PUBLIC, &peer);
    if (sw == SW_OK)
        sw = x_permit(x, own, &need);
    if (sw == SW_OK)
        sw = x_permit(x, peer, &need);
    if (sw != SW_OK)
        return sw;
    if (crypto_type_is_rsa(own->key_type) || !crypto_key_has_type(peer->key, own->key_type))
        return SW_CONDITIONS;
    if (!crypto_agree(own->key, peer->key, secret))
        return SW_UNKNOWN_ERROR;
    buf_put(&x->out, secret, sizeof(secret));
    OPENSSL_cleanse(secret, sizeof(secret));
    return SW_OK;
}

static struct octet_view view_of(const struct tlv *t)
{
    return t == NULL ? (struct octet_view){ NULL, 0 } : (struct octet_view){ t->val, t->len };
}

static bool names_secret(const struct tlv_list *list)
{
    return softsim_tlv_find(list, IOTSAFE_TAG_SECRET_ID) != NULL
           || softsim_tlv_find(list, IOTSAFE_TAG_SECRET_LABEL) != NULL;
}

/* The secret is in the card (86, 76) or in the command (D1), not both. */
static uint16_t find_secret(struct exchange *x, const struct tlv_list *list, uint8_t derivation,
                            struct octet_view *ret)
{
    const struct need need = { .active = true,
                               .functions = IOTSAFE_FUNCTION_DERIVE,
                               .derivation = derivation };
    const struct tlv *given = softsim_tlv_find(list, IOTSAFE_TAG_DERIVE_SECRET);
    struct object *o;
    uint16_t sw;

    if ((given != NULL) == names_secret(list))
        return x_malformed(x);
    if (given != NULL) {
        *ret = view_of(given);
        return SW_OK;
    }
    sw = x_find_object(x, list, KIND_SECRET, &o);
    if (sw == SW_OK)
        sw = x_permit(x, o, &need);
    if (sw == SW_OK)
        *ret = (struct octet_view){ o->content.data, o->content.len };
    return sw;
}

/* Which of D1, D4 and a stored secret a form of the command takes. */
static bool prf_form_is_sane(const struct tlv_list *list, uint8_t p1)
{
    bool other = softsim_tlv_find(list, IOTSAFE_TAG_DERIVE_PREMASTER) != NULL;

    if (p1 != IOTSAFE_P1_PRF_GENERAL && !names_secret(list))
        return false;
    return other == (p1 == IOTSAFE_P1_PRF_PSK_ECDHE);
}

static bool prf_output(struct exchange *x, struct octet_view secret, struct octet_view seed,
                       size_t len)
{
    uint8_t out[255];
    bool ok = derive_prf(secret, seed, out, len);

    if (ok)
        buf_put(&x->out, out, len);
    OPENSSL_cleanse(out, sizeof(out));
    return ok;
}

uint16_t cmd_compute_prf(struct exchange *x)
{
    static const uint8_t allowed[] = { IOTSAFE_TAG_SECRET_ID,
                                       IOTSAFE_TAG_SECRET_LABEL,
                                       IOTSAFE_TAG_DERIVE_SECRET,
                                       IOTSAFE_TAG_DERIVE_PREMASTER,
                                       IOTSAFE_TAG_DERIVE_LABEL_SEED,
                                       IOTSAFE_TAG_DERIVE_LENGTH,
                                       0 };
    struct octet_view secret = { NULL, 0 };
    struct buf premaster = { 0 };
    const struct tlv *seed, *length;
    struct tlv_list list;
    uint16_t sw = x_parse(x, allowed, &list);
    bool ok = true;

    if (sw != SW_OK)
        return sw;
    seed = softsim_tlv_find(&list, IOTSAFE_TAG_DERIVE_LABEL_SEED);
    length = softsim_tlv_find(&list, IOTSAFE_TAG_DERIVE_LENGTH);
    if (!prf_form_is_sane(&list, x->apdu.p1) || seed == NULL || length == NULL || length->len != 1
        || length->val[0] == 0)
        return x_malformed(x);
    sw = find_secret(x, &list, IOTSAFE_DERIVATION_PRF, &secret);
    if (sw != SW_OK)
        return sw;
    if (x->apdu.p1 != IOTSAFE_P1_PRF_GENERAL) {
        ok = derive_psk_premaster(secret,
                                  view_of(softsim_tlv_find(&list, IOTSAFE_TAG_DERIVE_PREMASTER)),
                                  &premaster);
        secret = (struct octet_view){ premaster.data, premaster.len };
    }
    ok = ok && prf_output(x, secret, view_of(seed), length->val[0]);
    buf_clear(&premaster);
    return ok ? SW_OK : SW_UNKNOWN_ERROR;
}

uint16_t cmd_compute_hkdf(struct exchange *x)
{
    static const uint8_t allowed[] = { IOTSAFE_TAG_SECRET_ID,     IOTSAFE_TAG_SECRET_LABEL,
                                       IOTSAFE_TAG_DERIVE_SECRET, IOTSAFE_TAG_DERIVE_SALT,
                                       IOTSAFE_TAG_HASH,          0 };
    uint8_t prk[HASH_BYTES_MAX];
    struct octet_view ikm = { NULL, 0 };
    const struct tlv *salt, *hash;
    const EVP_MD *md;
    struct tlv_list list;
    uint16_t sw = x_parse(x, allowed, &list);

    if (sw != SW_OK)
        return sw;
    salt = softsim_tlv_find(&list, IOTSAFE_TAG_DERIVE_SALT);
    hash = softsim_tlv_find(&list, IOTSAFE_TAG_HASH);
    if (salt == NULL || hash == NULL || hash->len != 2)
        return x_malformed(x);
    md = crypto_hash(u16_be(hash->val));
    if (md == NULL || (u16_be(hash->val) & dim(x, DIM_HASH_ALGS)) == 0)
        return x_malformed(x);
    sw = find_secret(x, &list, IOTSAFE_DERIVATION_HKDF, &ikm);
    if (sw != SW_OK)
        return sw;
    if (!derive_hkdf_extract(md, view_of(salt), ikm, prk))
        return SW_UNKNOWN_ERROR;
    buf_put(&x->out, prk, (size_t)EVP_MD_get_size(md));
    OPENSSL_cleanse(prk, sizeof(prk));
    return SW_OK;
}
