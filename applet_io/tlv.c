/* SPDX-License-Identifier: Apache-2.0 */
/* see tlv.h */
#include "tlv.h"

#include <string.h>

void tlv_put(struct tlv_writer *w, uint8_t tag, const uint8_t *val, size_t val_len)
{
    if (w->failed || val_len > 0x7f || w->cap - w->len < 2 + val_len) {
        w->failed = true;
        return;
    }
    w->out[w->len++] = tag;
    w->out[w->len++] = (uint8_t)val_len;
    if (val_len != 0)
        memcpy(w->out + w->len, val, val_len);
    w->len += val_len;
}

void tlv_put_u8(struct tlv_writer *w, uint8_t tag, uint8_t val)
{
    tlv_put(w, tag, &val, 1);
}

void tlv_put_u16(struct tlv_writer *w, uint8_t tag, uint16_t val)
{
    const uint8_t bytes[2] = { (uint8_t)(val >> 8), (uint8_t)val };

    tlv_put(w, tag, bytes, sizeof(bytes));
}

enum iotsafe_err tlv_finish(const struct tlv_writer *w, size_t *ret_len)
{
    if (w->failed)
        return IOTSAFE_ERR_SPACE;
    *ret_len = w->len;
    return IOTSAFE_OK;
}

/* Tags that may follow another object in an answer. */
static bool tag_is_known(uint8_t tag)
{
    static const uint8_t known[] = {
        0x10, 0x11, 0x20, 0x21, 0x33, 0x34, 0x49, 0x4a, 0x4b, 0x4e, 0x60, 0x61,
        0x6f, 0x73, 0x74, 0x75, 0x76, 0x83, 0x84, 0x85, 0x86, 0x90, 0x91, 0x92,
        0x93, 0x94, 0xb1, 0xb2, 0xb3, 0xb4, 0xb7, 0xc1, 0xc2, 0xc3, 0xc4,
    };

    return memchr(known, tag, sizeof(known)) != NULL;
}

/* True if a value of val_len bytes behind head bytes ends where one may end. */
static bool ends_well(const struct tlv_reader *r, size_t head, size_t val_len)
{
    if (head > r->len || val_len > r->len - head)
        return false;
    return head + val_len == r->len || tag_is_known(r->in[head + val_len]);
}

static bool fits(const struct tlv_reader *r, size_t head, size_t val_len)
{
    return head <= r->len && val_len <= r->len - head;
}

/* Decode the length field; false if no form of it fits. */
static bool read_length(const struct tlv_reader *r, size_t *ret_head, size_t *ret_val_len)
{
    size_t raw, ber_head, ber;

    if (r->len < 2)
        return false;
    raw = r->in[1];
    *ret_head = 2;
    *ret_val_len = raw;
    if (raw < 0x80 || ends_well(r, 2, raw))
        return fits(r, 2, raw);
    if (raw == 0x81 && r->len >= 3) {
        ber_head = 3;
        ber = r->in[2];
    } else if (raw == 0x82 && r->len >= 4) {
        ber_head = 4;
        ber = (size_t)(r->in[2] << 8 | r->in[3]);
    } else {
        return fits(r, 2, raw);
    }
    if (!ends_well(r, ber_head, ber) && (fits(r, 2, raw) || !fits(r, ber_head, ber)))
        return fits(r, 2, raw);
    *ret_head = ber_head;
    *ret_val_len = ber;
    return true;
}

enum iotsafe_err tlv_next(struct tlv_reader *r, struct tlv *ret_tlv)
{
    size_t head, val_len;

    if (r->len == 0)
        return IOTSAFE_ERR_NOT_FOUND;
    if (!read_length(r, &head, &val_len))
        return IOTSAFE_ERR_PROTOCOL;
    ret_tlv->tag = r->in[0];
    ret_tlv->val = r->in + head;
    ret_tlv->len = val_len;
    r->in += head + val_len;
    r->len -= head + val_len;
    return IOTSAFE_OK;
}

enum iotsafe_err tlv_find(const uint8_t *in, size_t len, uint8_t tag, struct tlv *ret_tlv)
{
    struct tlv_reader r = { .in = in, .len = len };
    struct tlv tlv;
    enum iotsafe_err err;

    while ((err = tlv_next(&r, &tlv)) == IOTSAFE_OK) {
        if (tlv.tag != tag)
            continue;
        *ret_tlv = tlv;
        return IOTSAFE_OK;
    }
    return err;
}

uint16_t tlv_number(const struct tlv *tlv)
{
    if (tlv->len == 1)
        return tlv->val[0];
    if (tlv->len == 2)
        return (uint16_t)(tlv->val[0] << 8 | tlv->val[1]);
    return 0;
}
