/* SPDX-License-Identifier: Apache-2.0 */
/* COMPUTE SIGNATURE and VERIFY SIGNATURE: INIT, UPDATE, close. Both collect the same
 * input in the same three modes and part only at the last block. */
#include <string.h>

#include "blocks.h"
#include "crypto.h"
#include "exchange.h"
#include "sha2.h"

/* Extension of one vendor: AES-128 CMAC with a secret. */
#define SIG_CMAC 0x08
#define TAG_CMAC_DATA 0x9f
#define KEY_TYPE_CMAC 0xb0

struct algorithms {
    uint8_t mode;
    uint16_t hash;
    uint8_t sig_alg;
};

static bool one_bit(unsigned v)
{
    return v != 0 && (v & (v - 1)) == 0;
}

static bool byte_tlv(const struct tlv_list *list, uint8_t tag, uint8_t *ret)
{
    const struct tlv *t = softsim_tlv_find(list, tag);

    if (t == NULL || t->len != 1)
        return false;
    *ret = t->val[0];
    return true;
}

/* 91 is mandatory but for CMAC. What the applet does not offer at all is bad data. */
static bool read_algorithms(const struct exchange *x, const struct tlv_list *list,
                            struct algorithms *ret)
{
    const struct tlv *hash = softsim_tlv_find(list, IOTSAFE_TAG_HASH);
    struct algorithms a = { 0 };

    if (!byte_tlv(list, IOTSAFE_TAG_MODE, &a.mode)
        || !byte_tlv(list, IOTSAFE_TAG_SIGNATURE_ALG, &a.sig_alg))
        return false;
    if (a.mode < IOTSAFE_MODE_FULL_TEXT || a.mode > IOTSAFE_MODE_PAD_AND_SIGN)
        return false;
    if (dim(x, DIM_MODES) == MODES_HASH_ONLY && a.mode != IOTSAFE_MODE_PAD_AND_SIGN)
        return false;
    if (!one_bit(a.sig_alg) || (a.sig_alg & dim(x, DIM_SIG_ALGS)) == 0)
        return false;
    if (a.sig_alg == SIG_CMAC) {
        *ret = a;
        return dim(x, DIM_CMAC) == ON && a.mode == IOTSAFE_MODE_FULL_TEXT && hash == NULL;
    }
    if (hash == NULL || hash->len != 2)
        return false;
    a.hash = u16_be(hash->val);
    if (!one_bit(a.hash) || (a.hash & dim(x, DIM_HASH_ALGS)) == 0)
        return false;
    *ret = a;
    return true;
}

static bool key_fits(const struct object *o, uint8_t sig_alg)
{
    if (sig_alg == SIG_CMAC)
        return o->kind == KIND_SECRET && o->key_type == KEY_TYPE_CMAC && o->content.len == 16;
    return o->key != NULL && crypto_type_is_rsa(o->key_type) == (sig_alg != IOTSAFE_SIG_ECDSA);
}

static uint16_t may_use(const struct exchange *x, const struct object *o,
                        const struct algorithms *a)
{
    static const struct need need = { .active = true, .functions = IOTSAFE_FUNCTION_SIGN };
    uint16_t sw = x_permit(x, o, &need);

    if (sw != SW_OK)
        return sw;
    if (!key_fits(o, a->sig_alg))
        return SW_CONDITIONS;
    if (dim(x, DIM_ENFORCE_ATTRIBUTES) == OFF)
        return SW_OK;
    if ((o->sig_algs & a->sig_alg) == 0 || (o->hash_algs & a->hash) != a->hash)
        return SW_CONDITIONS;
    if (dim(x, DIM_ENFORCE_USAGE) == USAGE_TLS && o->usage != IOTSAFE_USAGE_GENERAL
        && a->mode != IOTSAFE_MODE_FULL_TEXT)
        return SW_CONDITIONS; /* without the text the card cannot see what it signs */
    return SW_OK;
}

static uint16_t open_session(struct exchange *x, enum session_use use, enum kind kind)
{
    const uint8_t allowed[] = {
        kind_tags[kind].id_tag,    kind_tags[kind].label_tag,
        IOTSAFE_TAG_MODE,          IOTSAFE_TAG_HASH,
        IOTSAFE_TAG_SIGNATURE_ALG, use == SESSION_SIGN ? IOTSAFE_TAG_SECRET_ID : (uint8_t)0,
        IOTSAFE_TAG_SECRET_LABEL,  0
    };
    struct algorithms a;
    struct tlv_list list;
    struct object *o;
    struct session *s;
    uint16_t sw = x_parse(x, allowed, &list);

    if (sw != SW_OK)
        return sw;
    if (!read_algorithms(x, &list, &a))
        return x_malformed(x);
    sw = x_find_object(x, &list, a.sig_alg == SIG_CMAC ? KIND_SECRET : kind, &o);
    if (sw == SW_OK)
        sw = may_use(x, o, &a);
    if (sw == SW_OK)
        sw = softsim_session_open(x, use, &s);
    if (sw != SW_OK)
        return sw;
    s->object_uid = o->uid;
    s->generation = o->generation;
    s->mode = a.mode;
    s->hash = a.hash;
    s->sig_alg = a.sig_alg;
    return SW_OK;
}

/* ---- input of UPDATE: all but the last step gives SW_OK and no digest ---- */

struct input {
    struct session *s;
    struct object *o;
    bool last;
    const struct tlv *signature; /* of VERIFY, in the last block */
    uint8_t digest[HASH_BYTES_MAX];
    size_t digest_len;
};

/* The text of CertificateVerify, for keys that may sign nothing else. */
static bool usage_allows_text(const struct exchange *x, const struct object *o,
                              const struct buf *text)
{
    static const char tls13[] = "TLS 1.3, client CertificateVerify";

    if (dim(x, DIM_ENFORCE_USAGE) == USAGE_OFF || o->usage != IOTSAFE_USAGE_TLS13)
        return true;
    if (text->len < 64 + sizeof(tls13))
        return false;
    for (size_t i = 0; i < 64; i++)
        if (text->data[i] != ' ')
            return false;
    return memcmp(text->data + 64, tls13, sizeof(tls13)) == 0;
}

static uint16_t input_full_text(struct exchange *x, struct input *in, struct tlv_list *rest)
{
    const uint8_t allowed[] = { in->s->sig_alg == SIG_CMAC ? TAG_CMAC_DATA : IOTSAFE_TAG_FULL_TEXT,
                                in->s->use == SESSION_VERIFY ? IOTSAFE_TAG_SIGNATURE : (uint8_t)0,
                                0 };
    unsigned len = 0;

    if (!blocks_take(in->s, allowed[0], x->apdu.data, x->apdu.lc, rest)
        || !softsim_tlv_only(rest, allowed) || (in->last && in->s->text_missing != 0))
        return x_malformed(x);
    if (!in->last || in->s->sig_alg == SIG_CMAC)
        return SW_OK;
    if (!usage_allows_text(x, in->o, &in->s->text))
        return SW_CONDITIONS;
    if (EVP_Digest(in->s->text.data, in->s->text.len, in->digest, &len, crypto_hash(in->s->hash),
                   NULL)
        != 1)
        return SW_UNKNOWN_ERROR;
    in->digest_len = len;
    return SW_OK;
}

static uint16_t input_last_block(struct exchange *x, struct input *in, struct tlv_list *list)
{
    static const uint8_t allowed[] = { IOTSAFE_TAG_LAST_BLOCK, IOTSAFE_TAG_INTERMEDIATE_HASH,
                                       IOTSAFE_TAG_HASHED_LENGTH, IOTSAFE_TAG_SIGNATURE, 0 };
    const struct tlv *block, *chain, *count;
    struct sha2_rest rest = { .hash = in->s->hash };
    uint16_t sw = x_parse(x, allowed, list);

    if (sw != SW_OK)
        return sw;
    block = softsim_tlv_find(list, IOTSAFE_TAG_LAST_BLOCK);
    chain = softsim_tlv_find(list, IOTSAFE_TAG_INTERMEDIATE_HASH);
    count = softsim_tlv_find(list, IOTSAFE_TAG_HASHED_LENGTH);
    if (block == NULL || chain == NULL || count == NULL || count->len != 4)
        return x_malformed(x);
    rest.block = block->val;
    rest.block_len = block->len;
    rest.chain = chain->val;
    rest.chain_len = chain->len;
    rest.hashed = (uint32_t)u16_be(count->val) << 16 | u16_be(count->val + 2);
    return sha2_finish(&rest, in->digest, &in->digest_len) ? SW_OK : x_malformed(x);
}

static uint16_t input_hash(struct exchange *x, struct input *in, struct tlv_list *list)
{
    static const uint8_t allowed[] = { IOTSAFE_TAG_FINAL_HASH, IOTSAFE_TAG_SIGNATURE, 0 };
    const struct tlv *hash;
    uint16_t sw = x_parse(x, allowed, list);

    if (sw != SW_OK)
        return sw;
    hash = softsim_tlv_find(list, IOTSAFE_TAG_FINAL_HASH);
    if (hash == NULL || hash->len != (size_t)EVP_MD_get_size(crypto_hash(in->s->hash)))
        return x_malformed(x);
    memcpy(in->digest, hash->val, hash->len);
    in->digest_len = hash->len;
    return SW_OK;
}

/* Modes 2 and 3 need one command; mode 1 may come in blocks. */
static uint16_t take_input(struct exchange *x, struct input *in, struct tlv_list *list)
{
    uint16_t sw;

    if (in->s->mode != IOTSAFE_MODE_FULL_TEXT && !in->last)
        return x_malformed(x);
    if (in->s->mode == IOTSAFE_MODE_FULL_TEXT)
        sw = input_full_text(x, in, list);
    else if (in->s->mode == IOTSAFE_MODE_LAST_BLOCK)
        sw = input_last_block(x, in, list);
    else
        sw = input_hash(x, in, list);
    if (sw != SW_OK)
        return sw;
    in->signature = softsim_tlv_find(list, IOTSAFE_TAG_SIGNATURE);
    if ((in->signature != NULL) != (in->last && in->s->use == SESSION_VERIFY))
        return x_malformed(x);
    return SW_OK;
}

/* ---- output ---- */

static void put_signature(struct exchange *x, const uint8_t *value, size_t len, int len_bytes)
{
    buf_u8(&x->out, IOTSAFE_TAG_SIGNATURE);
    if (len_bytes == 2 || len > 0xff)
        buf_u8(&x->out, (uint8_t)(len >> 8));
    buf_u8(&x->out, (uint8_t)len);
    buf_put(&x->out, value, len);
}

static uint16_t finish_cmac(struct exchange *x, const struct input *in)
{
    uint8_t mac[16];

    if (!crypto_cmac(in->o->content.data, in->s->text.data, in->s->text.len, mac))
        return SW_UNKNOWN_ERROR;
    put_signature(x, mac, sizeof(mac), 1);
    return SW_OK;
}

static struct sign_request request_for(const struct exchange *x, const struct input *in)
{
    return (struct sign_request){
        .key = in->o->key,
        .sig_alg = in->s->sig_alg,
        .md = crypto_hash(in->s->hash),
        .digest = in->digest,
        .digest_len = in->digest_len,
        .deterministic = dim(x, DIM_DETERMINISTIC) == ON,
    };
}

static uint16_t finish_sign(struct exchange *x, const struct input *in)
{
    struct sign_request req = request_for(x, in);
    uint8_t sig[SIG_BYTES_MAX];
    struct buf der = { 0 };
    size_t len;

    if (in->s->sig_alg == SIG_CMAC)
        return finish_cmac(x, in);
    if (!crypto_sign(&req, sig, &len))
        return SW_UNKNOWN_ERROR;
    if (in->s->sig_alg == IOTSAFE_SIG_ECDSA && dim(x, DIM_SIG_VALUE) == SIG_DER) {
        if (crypto_sig_to_der(sig, &der))
            put_signature(x, der.data, der.len, dim(x, DIM_SIG_LEN));
        buf_clear(&der);
        return x->out.len == 0 ? SW_UNKNOWN_ERROR : SW_OK;
    }
    put_signature(x, sig, len, dim(x, DIM_SIG_LEN));
    return SW_OK;
}

static uint16_t finish_verify(struct exchange *x, const struct input *in)
{
    struct sign_request req = request_for(x, in);

    return crypto_verify(&req, in->signature->val, in->signature->len) ? SW_OK : SW_SIGNATURE_WRONG;
}

static uint16_t update(struct exchange *x, enum session_use use)
{
    struct input in = { .s = softsim_session_find_open(x, use),
                        .last = (x->apdu.p1 & IOTSAFE_P1_LAST_BLOCK) != 0 };
    struct tlv_list list;
    uint16_t sw;

    if (in.s == NULL)
        return SW_CONDITIONS;
    if (x->card->admin_busy)
        return SW_BUSY_ADMIN;
    in.o = store_by_uid(x->card->store, in.s->object_uid);
    if (in.o == NULL || in.o->generation != in.s->generation) {
        softsim_session_clear(in.s);
        return SW_LIMIT_OR_CHANGED; /* the operator has changed it in between */
    }
    sw = take_input(x, &in, &list);
    if (sw == SW_OK && in.last)
        sw = use == SESSION_SIGN ? finish_sign(x, &in) : finish_verify(x, &in);
    if (sw != SW_OK || in.last)
        softsim_session_finish(x->card, in.s);
    return sw;
}

static uint16_t close_session(struct exchange *x, enum session_use use)
{
    struct session closed;
    uint16_t sw = softsim_session_close(x, use, &closed);

    softsim_session_clear(&closed);
    return sw;
}

uint16_t cmd_sign_open(struct exchange *x)
{
    return open_session(x, SESSION_SIGN, KIND_PRIVATE);
}

uint16_t cmd_sign_update(struct exchange *x)
{
    return update(x, SESSION_SIGN);
}

uint16_t cmd_sign_close(struct exchange *x)
{
    return close_session(x, SESSION_SIGN);
}

uint16_t cmd_verify_open(struct exchange *x)
{
    return open_session(x, SESSION_VERIFY, KIND_PUBLIC);
}

uint16_t cmd_verify_update(struct exchange *x)
{
    return update(x, SESSION_VERIFY);
}

uint16_t cmd_verify_close(struct exchange *x)
{
    return close_session(x, SESSION_VERIFY);
}
