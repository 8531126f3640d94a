/* SPDX-License-Identifier: Apache-2.0 */
/* PUT PUBLIC KEY: a session that fills a public-key container. */
#include "blocks.h"
#include "crypto.h"
#include "exchange.h"

uint16_t cmd_put_open(struct exchange *x)
{
    static const uint8_t allowed[] = { IOTSAFE_TAG_PUBLIC_KEY_ID, IOTSAFE_TAG_PUBLIC_KEY_LABEL, 0 };
    static const struct need need = { .access = IOTSAFE_ACCESS_UPDATE };
    struct tlv_list list;
    struct object *o;
    struct session *s;
    uint16_t sw = x_parse(x, allowed, &list);

    if (sw == SW_OK)
        sw = x_find_object(x, &list, KIND_PUBLIC, &o);
    if (sw == SW_OK)
        sw = x_permit(x, o, &need);
    if (sw == SW_OK)
        sw = softsim_session_open(x, SESSION_PUT, &s);
    if (sw != SW_OK)
        return sw;
    s->object_uid = o->uid;
    s->generation = o->generation;
    return SW_OK;
}

/* The value of tag 34: 49 { 86 point }. One emulator also takes the point without 49. No
 * container for RSA keys can be updated. */
static EVP_PKEY *decode_key(const struct exchange *x, uint8_t key_type, const struct buf *value)
{
    struct tlv_list outer, inner;
    const struct tlv *ecc;
    const struct tlv *point;
    EVP_PKEY *key;

    if (!softsim_tlv_parse(value->data, value->len, &outer) || outer.missing != 0)
        return NULL;
    inner = outer;
    ecc = softsim_tlv_find(&outer, IOTSAFE_TAG_ECC_PUBLIC_KEY);
    if (ecc != NULL && (!softsim_tlv_parse(ecc->val, ecc->len, &inner) || inner.missing != 0))
        return NULL;
    if (ecc == NULL && dim(x, DIM_NAMESPACE) != NAMESPACE_SINGLE)
        return NULL;
    point = softsim_tlv_find(&inner, IOTSAFE_TAG_ECC_POINT);
    key = point == NULL ? NULL : crypto_from_point(key_type, point->val, point->len);
    if (key != NULL && !crypto_key_has_type(key, key_type)) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    return key;
}

static uint16_t finish_put(struct exchange *x, struct session *s, struct object *o)
{
    EVP_PKEY *key = decode_key(x, o->key_type, &s->text);
    uint16_t sw;

    if (key == NULL) {
        object_set_key(o, NULL); /* a refused key leaves an empty container */
        x_commit(x);
        return x_malformed(x);
    }
    if (dim(x, DIM_PUT_CLOSE_NEEDED) == ON) {
        s->staged = key;
        return SW_OK;
    }
    object_set_key(o, key);
    sw = x_commit(x);
    return sw;
}

static uint16_t take_block(struct exchange *x, struct session *s, struct object *o)
{
    static const uint8_t allowed[] = { IOTSAFE_TAG_PUBLIC_KEY_DATA, 0 };
    bool last = (x->apdu.p1 & IOTSAFE_P1_LAST_BLOCK) != 0;
    struct tlv_list rest;

    if (!blocks_take(s, IOTSAFE_TAG_PUBLIC_KEY_DATA, x->apdu.data, x->apdu.lc, &rest)
        || !softsim_tlv_only(&rest, allowed) || (last && s->text_missing != 0))
        return x_malformed(x);
    return last ? finish_put(x, s, o) : SW_OK;
}

uint16_t cmd_put_update(struct exchange *x)
{
    struct session *s = softsim_session_find_open(x, SESSION_PUT);
    struct object *o;
    uint16_t sw;

    if (s == NULL)
        return SW_CONDITIONS;
    if (x->card->admin_busy)
        return SW_BUSY_ADMIN;
    o = store_by_uid(x->card->store, s->object_uid);
    if (o == NULL || o->generation != s->generation) {
        softsim_session_clear(s);
        return SW_LIMIT_OR_CHANGED;
    }
    sw = take_block(x, s, o);
    if (sw != SW_OK || (x->apdu.p1 & IOTSAFE_P1_LAST_BLOCK) != 0)
        softsim_session_finish(x->card, s);
    return sw;
}

uint16_t cmd_put_close(struct exchange *x)
{
    struct session closed;
    uint16_t sw = softsim_session_close(x, SESSION_PUT, &closed);
    struct object *o = store_by_uid(x->card->store, closed.object_uid);

    if (sw == SW_OK && closed.staged != NULL && o != NULL) {
        object_set_key(o, closed.staged);
        closed.staged = NULL;
        sw = x_commit(x);
    }
    softsim_session_clear(&closed);
    return sw;
}
