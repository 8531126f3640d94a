/* SPDX-License-Identifier: Apache-2.0 */
/* Objects and their attribute lists. */
#include "object.h"

#include <stdlib.h>
#include <string.h>

#include "tlv.h"

const struct kind_tags kind_tags[KIND_COUNT] = {
    [KIND_PRIVATE] = { "private", IOTSAFE_TAG_PRIVATE_KEY_TEMPLATE, IOTSAFE_TAG_PRIVATE_KEY_LABEL,
                       IOTSAFE_TAG_PRIVATE_KEY_ID },
    [KIND_PUBLIC] = { "public", IOTSAFE_TAG_PUBLIC_KEY_TEMPLATE, IOTSAFE_TAG_PUBLIC_KEY_LABEL,
                      IOTSAFE_TAG_PUBLIC_KEY_ID },
    [KIND_FILE] = { "file", IOTSAFE_TAG_FILE_TEMPLATE, IOTSAFE_TAG_FILE_LABEL,
                    IOTSAFE_TAG_FILE_ID },
    [KIND_SECRET] = { "secret", IOTSAFE_TAG_SECRET_TEMPLATE, IOTSAFE_TAG_SECRET_LABEL,
                      IOTSAFE_TAG_SECRET_ID },
};

enum kind kind_by_name(const char *name)
{
    for (size_t k = 0; k < KIND_COUNT; k++)
        if (strcmp(kind_tags[k].name, name) == 0)
            return (enum kind)k;
    return KIND_COUNT;
}

enum kind kind_by_template(uint8_t tag)
{
    for (size_t k = 0; k < KIND_COUNT; k++)
        if (kind_tags[k].template_tag == tag)
            return (enum kind)k;
    return KIND_COUNT;
}

struct object *object_new(enum kind kind, const char *label, const uint8_t *id, size_t id_len)
{
    struct object *o;

    if (id_len == 0 || id_len > IOTSAFE_ID_MAX || strlen(label) > IOTSAFE_LABEL_MAX)
        return NULL;
    o = calloc(1, sizeof(*o));
    if (o == NULL)
        return NULL;
    o->kind = kind;
    memcpy(o->label, label, strlen(label) + 1);
    memcpy(o->id, id, id_len);
    o->id_len = id_len;
    return o;
}

void object_free(struct object *o)
{
    if (o == NULL)
        return;
    EVP_PKEY_free(o->key);
    buf_clear(&o->content);
    free(o);
}

bool object_has_content(const struct object *o)
{
    if (o->kind == KIND_PRIVATE || o->kind == KIND_PUBLIC)
        return o->key != NULL;
    return o->content.len != 0;
}

void object_set_key(struct object *o, EVP_PKEY *key)
{
    EVP_PKEY_free(o->key);
    o->key = key;
    o->state = key == NULL ? IOTSAFE_STATE_DEACTIVATED : IOTSAFE_STATE_ACTIVATED;
}

bool object_set_content(struct object *o, const uint8_t *data, size_t len)
{
    struct buf fresh = { 0 };

    buf_put(&fresh, data, len);
    if (fresh.failed) {
        buf_clear(&fresh);
        return false;
    }
    buf_clear(&o->content);
    o->content = fresh;
    o->state = len == 0 ? IOTSAFE_STATE_DEACTIVATED : IOTSAFE_STATE_ACTIVATED;
    if (o->size < len)
        o->size = len;
    return true;
}

size_t object_file_size(const struct object *o, const struct profile *p)
{
    return p->v[DIM_FILE_PADDING] == PADDING_ZEROS ? o->size : o->content.len;
}

static void put_optional(struct buf *out, uint8_t tag, uint8_t val)
{
    if (val != 0)
        softsim_tlv_put_u8(out, tag, val);
}

static void put_file_attributes(const struct object *o, const struct profile *p, struct buf *out)
{
    uint16_t size = (uint16_t)object_file_size(o, p);

    if (p->v[DIM_FILE_USAGE_TAG] == ON)
        softsim_tlv_put_u8(out, IOTSAFE_TAG_FILE_USAGE, o->file_usage);
    if (p->v[DIM_FILE_SIZE_ORDER] == BYTE_ORDER_LITTLE)
        size = (uint16_t)(size >> 8 | size << 8);
    softsim_tlv_put_u16(out, IOTSAFE_TAG_FILE_SIZE, size);
}

static void put_key_attributes(const struct object *o, const struct profile *p, struct buf *out)
{
    softsim_tlv_put_u8(out, IOTSAFE_TAG_KEY_TYPE, o->key_type);
    put_optional(out, IOTSAFE_TAG_KEY_USAGE, o->usage);
    softsim_tlv_put_u8(out, IOTSAFE_TAG_FUNCTIONS, o->functions);
    if (o->sig_algs != 0 && p->v[DIM_TAG92_BUG] == ON) {
        /* seen on a real card: the length says two, one byte follows */
        softsim_tlv_put_header(out, IOTSAFE_TAG_SIGNATURE_ALG, 2, TLV_LEN_RAW);
        buf_u8(out, o->sig_algs);
    } else {
        put_optional(out, IOTSAFE_TAG_SIGNATURE_ALG, o->sig_algs);
    }
    if (o->hash_algs != 0)
        softsim_tlv_put_u16(out, IOTSAFE_TAG_HASH, o->hash_algs);
    put_optional(out, IOTSAFE_TAG_AGREEMENT, o->agreement);
    put_optional(out, IOTSAFE_TAG_DERIVATION, o->derivation);
}

void object_put_attributes(const struct object *o, const struct profile *p, struct buf *out)
{
    const struct kind_tags *t = &kind_tags[o->kind];

    if (o->label[0] != '\0')
        softsim_tlv_put(out, t->label_tag, o->label, strlen(o->label), TLV_LEN_RAW);
    softsim_tlv_put(out, t->id_tag, o->id, o->id_len, TLV_LEN_RAW);
    softsim_tlv_put_u8(out, IOTSAFE_TAG_ACCESS, o->access);
    softsim_tlv_put_u8(out, IOTSAFE_TAG_STATE, o->state);
    if (o->kind == KIND_FILE)
        put_file_attributes(o, p, out);
    else
        put_key_attributes(o, p, out);
}
