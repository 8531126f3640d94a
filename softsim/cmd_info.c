/* SPDX-License-Identifier: Apache-2.0 */
/* GET DATA: application information, object list, single object. */
#include <string.h>

#include "exchange.h"

static uint8_t all_functions(void)
{
    return IOTSAFE_FUNCTION_SIGN | IOTSAFE_FUNCTION_GENERATE | IOTSAFE_FUNCTION_AGREE
           | IOTSAFE_FUNCTION_DERIVE;
}

static void put_applet_id(struct exchange *x)
{
    const struct octets *id = &x->card->profile.app_id;
    size_t wrong = dim(x, DIM_APP_ID_LEN_BUG) == ON ? 1 : 0;

    softsim_tlv_put_header(&x->out, IOTSAFE_TAG_APPLET_ID, id->len + wrong, TLV_LEN_RAW);
    buf_put(&x->out, id->b, id->len);
}

static void put_limits(struct exchange *x)
{
    static const uint8_t tags[] = { IOTSAFE_TAG_MAX_FILES, IOTSAFE_TAG_MAX_PRIVATE_KEYS,
                                    IOTSAFE_TAG_MAX_PUBLIC_KEYS, IOTSAFE_TAG_MAX_SECRETS };

    for (size_t i = 0; i < sizeof(tags); i++)
        softsim_tlv_put_u8(&x->out, tags[i], STORE_OBJECTS_PER_KIND);
}

uint16_t cmd_get_data_application(struct exchange *x)
{
    bool alt = dim(x, DIM_APP_TAGS) == APP_TAGS_90_93;

    softsim_tlv_put_u8(&x->out, IOTSAFE_TAG_VERSION, 0x10);
    put_applet_id(x);
    put_limits(x);
    softsim_tlv_put_u8(&x->out, alt ? IOTSAFE_TAG_APP_FUNCTIONS_ALT : IOTSAFE_TAG_FUNCTIONS,
                       all_functions());
    if (dim(x, DIM_APP_HASH_LEN) == 1)
        softsim_tlv_put_u8(&x->out, IOTSAFE_TAG_HASH, (uint8_t)dim(x, DIM_HASH_ALGS));
    else
        softsim_tlv_put_u16(&x->out, IOTSAFE_TAG_HASH, (uint16_t)dim(x, DIM_HASH_ALGS));
    softsim_tlv_put_u8(&x->out, IOTSAFE_TAG_SIGNATURE_ALG, (uint8_t)dim(x, DIM_SIG_ALGS));
    softsim_tlv_put_u8(&x->out, alt ? IOTSAFE_TAG_APP_AGREEMENT_ALT : IOTSAFE_TAG_AGREEMENT,
                       IOTSAFE_AGREEMENT_ECKA);
    softsim_tlv_put_u8(&x->out, IOTSAFE_TAG_DERIVATION, (uint8_t)dim(x, DIM_DERIVATION_ALGS));
    softsim_tlv_put_u8(&x->out, IOTSAFE_TAG_MAX_SESSIONS, (uint8_t)dim(x, DIM_SESSION_COUNT));
    return SW_OK;
}

static void put_template(struct exchange *x, struct buf *out, enum kind kind,
                         const struct buf *attributes)
{
    softsim_tlv_put(out, kind_tags[kind].template_tag, attributes->data, attributes->len,
                    (enum tlv_len_form)dim(x, DIM_LEN_GE_128));
}

/* Objects of one kind in the three layouts: a template each, one for all, or none. */
static void list_kind(struct exchange *x, enum kind kind, struct buf *out)
{
    int form = dim(x, DIM_LIST_FORM);
    struct buf attributes = { 0 };

    for (size_t i = 0; i < x->card->store->n_objects; i++) {
        const struct object *o = x->card->store->objects[i];

        if (o->kind != kind)
            continue;
        object_put_attributes(o, &x->card->profile, form == LIST_FLAT ? out : &attributes);
        if (form == LIST_PER_OBJECT) {
            put_template(x, out, kind, &attributes);
            buf_clear(&attributes);
        }
    }
    if (attributes.len != 0)
        put_template(x, out, kind, &attributes);
    buf_clear(&attributes);
}

static void build_list(struct exchange *x, struct buf *out)
{
    static const enum kind orders[][KIND_COUNT] = {
        [ORDER_PRIV_PUB_FILE_SECRET] = { KIND_PRIVATE, KIND_PUBLIC, KIND_FILE, KIND_SECRET },
        [ORDER_PRIV_PUB_SECRET_FILE] = { KIND_PRIVATE, KIND_PUBLIC, KIND_SECRET, KIND_FILE },
    };

    for (size_t k = 0; k < KIND_COUNT; k++)
        list_kind(x, orders[dim(x, DIM_LIST_ORDER)][k], out);
}

/* Pages are cut from one snapshot, at any byte, so that they fit together. */
uint16_t cmd_get_data_list(struct exchange *x)
{
    struct channel *c = x->channel;
    size_t page = (size_t)dim(x, DIM_LIST_PAGE);
    size_t n;

    if (x->apdu.p2 == IOTSAFE_P2_LIST_FIRST) {
        buf_clear(&c->list);
        c->list_at = 0;
        build_list(x, &c->list);
        if (c->list.failed)
            return SW_NO_SPACE;
    } else if (c->list_at == 0) {
        return SW_CONDITIONS; /* nothing to continue */
    }
    n = c->list.len - c->list_at;
    if (page != 0 && n > page)
        n = page;
    buf_put(&x->out, n == 0 ? NULL : c->list.data + c->list_at, n);
    c->list_at += n;
    if (c->list_at < c->list.len)
        return SW_MORE_DATA;
    buf_clear(&c->list);
    c->list_at = 0;
    return SW_OK;
}

/* Identifier and size, all that one emulator gives. */
static void put_minimal(struct exchange *x, const struct object *o)
{
    softsim_tlv_put(&x->out, IOTSAFE_TAG_FILE_ID, o->id, o->id_len, TLV_LEN_RAW);
    softsim_tlv_put_u16(&x->out, IOTSAFE_TAG_FILE_SIZE,
                        (uint16_t)object_file_size(o, &x->card->profile));
}

/* One client names a file by the tags of secrets here, and only here. */
static uint16_t parse_name(const struct exchange *x, enum kind kind, struct tlv_list *ret)
{
    const struct kind_tags *own = &kind_tags[kind], *other = &kind_tags[KIND_SECRET];
    int by = kind == KIND_FILE ? dim(x, DIM_INFO_FILE_TAGS) : INFO_BY_FILE;
    const uint8_t with_own[] = { own->id_tag, own->label_tag, 0 };
    const uint8_t with_other[] = { other->id_tag, other->label_tag, 0 };
    uint16_t sw = by == INFO_BY_SECRET ? SW_WRONG_DATA : x_parse(x, with_own, ret);

    if (sw == SW_OK || by == INFO_BY_FILE)
        return sw;
    sw = x_parse(x, with_other, ret);
    for (size_t i = 0; sw == SW_OK && i < ret->n; i++)
        ret->item[i].tag = ret->item[i].tag == other->id_tag ? own->id_tag : own->label_tag;
    return sw;
}

uint16_t cmd_get_data_object(struct exchange *x)
{
    enum kind kind = kind_by_template(x->apdu.p1);
    struct buf attributes = { 0 };
    struct tlv_list list;
    struct object *o;
    uint16_t sw = parse_name(x, kind, &list);

    if (sw == SW_OK)
        sw = x_find_object(x, &list, kind, &o);
    if (sw != SW_OK)
        return sw;
    if (dim(x, DIM_SINGLE_FORM) == SINGLE_MINIMAL && kind == KIND_FILE) {
        put_minimal(x, o);
        return SW_OK;
    }
    object_put_attributes(o, &x->card->profile, &attributes);
    if (dim(x, DIM_SINGLE_FORM) == SINGLE_WRAPPED)
        put_template(x, &x->out, kind, &attributes);
    else
        buf_put(&x->out, attributes.data, attributes.len);
    buf_clear(&attributes);
    return SW_OK;
}
