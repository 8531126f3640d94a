/* SPDX-License-Identifier: Apache-2.0 */
/* TLV reader and writer of the card. */
#include "tlv.h"

#include "iotsafe_defs.h"

struct length {
    size_t header; /* bytes of the length field */
    size_t value;
};

/* BER length field of up to three bytes; false if it is none or breaks off. */
static bool ber_length(const uint8_t *p, size_t left, struct length *ret)
{
    size_t n = (size_t)(p[0] & 0x7f);
    size_t value = 0;

    if (p[0] < 0x80) {
        *ret = (struct length){ 1, p[0] };
        return true;
    }
    if (n < 1 || n > 3 || left < 1 + n)
        return false;
    for (size_t i = 1; i <= n; i++)
        value = value << 8 | p[i];
    *ret = (struct length){ 1 + n, value };
    return true;
}

/* p is the first length byte, left the bytes from there to the end of the data. */
static bool read_length(uint8_t tag, const uint8_t *p, size_t left, struct length *ret)
{
    struct length ber = { 0, 0 };
    bool is_ber;

    if (left == 0)
        return false;
    if (tag == IOTSAFE_TAG_SIGNATURE && p[0] == 0 && left > 1) {
        *ret = (struct length){ 2, p[1] };
        return p[1] <= left - 2;
    }
    is_ber = ber_length(p, left, &ber);
    if (is_ber && ber.value <= left - ber.header) {
        *ret = ber;
        return true;
    }
    if ((size_t)p[0] == left - 1) {
        *ret = (struct length){ 1, p[0] };
        return true;
    }
    /* A short length past the end is an error; only a long one announces a value in blocks. */
    if (is_ber && p[0] >= 0x80) {
        *ret = ber;
        return true;
    }
    return false;
}

bool softsim_tlv_parse(const uint8_t *data, size_t len, struct tlv_list *ret)
{
    size_t at = 0;

    *ret = (struct tlv_list){ .n = 0 };
    while (at < len) {
        struct length l;
        struct tlv *t = &ret->item[ret->n];
        size_t left;

        if (ret->n == TLV_LIST_MAX)
            return false;
        if (!read_length(data[at], data + at + 1, len - at - 1, &l))
            return false;
        left = len - at - 1 - l.header;
        *t = (struct tlv){ data[at], data + at + 1 + l.header, l.value };
        if (l.value > left) {
            ret->missing = l.value - left;
            t->len = left;
        }
        ret->n++;
        at += 1 + l.header + t->len;
    }
    return true;
}

const struct tlv *softsim_tlv_find(const struct tlv_list *list, uint8_t tag)
{
    for (size_t i = 0; i < list->n; i++)
        if (list->item[i].tag == tag)
            return &list->item[i];
    return NULL;
}

static bool tag_in(const uint8_t *tags, uint8_t tag)
{
    for (; *tags != 0; tags++)
        if (*tags == tag)
            return true;
    return false;
}

bool softsim_tlv_only(const struct tlv_list *list, const uint8_t *allowed)
{
    for (size_t i = 0; i < list->n; i++)
        if (!tag_in(allowed, list->item[i].tag)
            || softsim_tlv_find(list, list->item[i].tag) != &list->item[i])
            return false;
    return true;
}

void softsim_tlv_put_header(struct buf *out, uint8_t tag, size_t len, enum tlv_len_form form)
{
    buf_u8(out, tag);
    if (len > 0xff) {
        buf_u8(out, 0x82);
        buf_u8(out, (uint8_t)(len >> 8));
    } else if (len >= 0x80 && form == TLV_LEN_BER) {
        buf_u8(out, 0x81);
    }
    buf_u8(out, (uint8_t)len);
}

void softsim_tlv_put(struct buf *out, uint8_t tag, const void *val, size_t len,
                     enum tlv_len_form form)
{
    softsim_tlv_put_header(out, tag, len, form);
    buf_put(out, val, len);
}

void softsim_tlv_put_u8(struct buf *out, uint8_t tag, uint8_t val)
{
    softsim_tlv_put(out, tag, &val, 1, TLV_LEN_RAW);
}

void softsim_tlv_put_u16(struct buf *out, uint8_t tag, uint16_t val)
{
    const uint8_t be[2] = { (uint8_t)(val >> 8), (uint8_t)val };

    softsim_tlv_put(out, tag, be, sizeof(be), TLV_LEN_RAW);
}
