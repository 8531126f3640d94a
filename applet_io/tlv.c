/* SPDX-License-Identifier: Apache-2.0 */
/* see tlv.h */
#include "tlv.h"

#include <string.h>

/* ---------------------------------------------------------------- writing */

size_t tlv_room(const struct tlv_writer *w)
{
    return w->failed ? 0 : w->cap - w->len;
}

void tlv_put_bytes(struct tlv_writer *w, const uint8_t *bytes, size_t len)
{
    if (w->failed || len > tlv_room(w)) {
        w->failed = true;
        return;
    }
    if (len != 0)
        memcpy(w->out + w->len, bytes, len);
    w->len += len;
}

/* All of an object or nothing. */
static void put_object(struct tlv_writer *w, const uint8_t *head, size_t head_len,
                       const uint8_t *val, size_t val_len)
{
    if (head_len + val_len > tlv_room(w))
        w->failed = true;
    tlv_put_bytes(w, head, head_len);
    tlv_put_bytes(w, val, val_len);
}

void tlv_put_raw_length(struct tlv_writer *w, uint8_t tag, const uint8_t *val, size_t val_len)
{
    const uint8_t head[2] = { tag, (uint8_t)val_len };

    if (val_len > 0xff)
        w->failed = true;
    put_object(w, head, sizeof(head), val, val_len);
}

void tlv_put(struct tlv_writer *w, uint8_t tag, const uint8_t *val, size_t val_len)
{
    if (val_len > 0x7f)
        w->failed = true;
    tlv_put_raw_length(w, tag, val, val_len);
}

void tlv_put_head(struct tlv_writer *w, uint8_t tag, size_t val_len)
{
    const uint8_t high = (uint8_t)(val_len >> 8), low = (uint8_t)val_len;

    if (val_len > 0xffff)
        w->failed = true;
    else if (val_len > 0xff)
        tlv_put_bytes(w, (const uint8_t[]){ tag, 0x82, high, low }, 4);
    else if (val_len > 0x7f)
        tlv_put_bytes(w, (const uint8_t[]){ tag, 0x81, low }, 3);
    else
        tlv_put_bytes(w, (const uint8_t[]){ tag, low }, 2);
}

void tlv_put_signature(struct tlv_writer *w, const uint8_t *sig, size_t sig_len, bool short_length)
{
    const uint8_t two_bytes[] = { IOTSAFE_TAG_SIGNATURE, 0, (uint8_t)sig_len };

    if (sig_len > 0x7f)
        w->failed = true;
    else if (short_length)
        tlv_put(w, IOTSAFE_TAG_SIGNATURE, sig, sig_len);
    else
        put_object(w, two_bytes, sizeof(two_bytes), sig, sig_len);
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

/* ---------------------------------------------------------------- reading */

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

/* Templates of the object list begin with a name: tags of labels and identifiers. */
static bool is_template(uint8_t tag)
{
    return tag >= IOTSAFE_TAG_PRIVATE_KEY_TEMPLATE && tag <= IOTSAFE_TAG_SECRET_TEMPLATE;
}

static bool name_at(const struct tlv_reader *r, size_t at)
{
    const uint8_t tag = at < r->len ? r->in[at] : 0;

    return (tag >= IOTSAFE_TAG_FILE_LABEL && tag <= IOTSAFE_TAG_SECRET_LABEL)
           || (tag >= IOTSAFE_TAG_FILE_ID && tag <= IOTSAFE_TAG_SECRET_ID);
}

/* Decode the length field; false if no form of it fits. Of a template where only one form
 * makes the value begin with a name, that form is right; else the one that ends well. */
static bool read_length(const struct tlv_reader *r, size_t *ret_head, size_t *ret_val_len)
{
    size_t raw, ber_head, ber;
    bool by_name;

    if (r->len < 2)
        return false;
    raw = r->in[1];
    *ret_head = 2;
    *ret_val_len = raw;
    if (raw < 0x80)
        return fits(r, 2, raw);
    if (raw == 0x81 && r->len >= 3) {
        ber_head = 3;
        ber = r->in[2];
    } else if (raw == 0x82 && r->len >= 4) {
        ber_head = 4;
        ber = (size_t)r->in[2] * 256 + r->in[3];
    } else {
        return fits(r, 2, raw);
    }
    if (!fits(r, ber_head, ber))
        return fits(r, 2, raw);
    by_name = is_template(r->in[0]) && !name_at(r, 2) && name_at(r, ber_head);
    if (!by_name && (ends_well(r, 2, raw) || (!ends_well(r, ber_head, ber) && fits(r, 2, raw))))
        return fits(r, 2, raw);
    *ret_head = ber_head;
    *ret_val_len = ber;
    return true;
}

static struct tlv step_over(struct tlv_reader *r, size_t head, size_t val_len)
{
    const struct tlv tlv = { .tag = r->in[0], .val = r->in + head, .len = val_len };

    r->in += head + val_len;
    r->len -= head + val_len;
    return tlv;
}

enum iotsafe_err tlv_next(struct tlv_reader *r, struct tlv *ret_tlv)
{
    size_t head, val_len;

    if (r->len == 0)
        return IOTSAFE_ERR_NOT_FOUND;
    if (!read_length(r, &head, &val_len))
        return IOTSAFE_ERR_PROTOCOL;
    *ret_tlv = step_over(r, head, val_len);
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

/* Head and length of an object with a length in BER form; false if it is none. */
static bool read_ber(const struct tlv_reader *r, size_t *ret_head, size_t *ret_val_len)
{
    const size_t n_length = r->len >= 2 && r->in[1] > 0x80 ? r->in[1] & 0x7f : 0;
    size_t val_len = 0;

    if (r->len < 2 || r->in[1] == 0x80 || n_length > 2 || r->len < 2 + n_length)
        return false;
    for (size_t i = 0; i < n_length; i++)
        val_len = val_len << 8 | r->in[2 + i];
    *ret_head = 2 + n_length;
    *ret_val_len = n_length != 0 ? val_len : r->in[1];
    return fits(r, *ret_head, *ret_val_len);
}

bool tlv_take_ber(struct tlv_reader *r, uint8_t tag, struct tlv *ret_tlv)
{
    size_t head, val_len;

    if (r->len == 0 || r->in[0] != tag || !read_ber(r, &head, &val_len))
        return false;
    *ret_tlv = step_over(r, head, val_len);
    return true;
}

void tlv_give_back(struct tlv_reader *r, struct tlv *tlv)
{
    tlv->len--;
    r->in--;
    r->len++;
}

struct tlv tlv_signature(const uint8_t *in, size_t len)
{
    const struct tlv whole = { .tag = IOTSAFE_TAG_SIGNATURE, .val = in, .len = len };
    struct tlv_reader r = { .in = in, .len = len };
    size_t head = 0, val_len;

    if (len < 2 || in[0] != IOTSAFE_TAG_SIGNATURE)
        return whole;
    if (in[1] == len - 2)
        head = 2;
    else if (len >= 3 && (size_t)(in[1] << 8 | in[2]) == len - 3)
        head = 3;
    else if (!read_ber(&r, &head, &val_len) || head + val_len != len)
        return whole;
    return (struct tlv){ .tag = in[0], .val = in + head, .len = len - head };
}

struct tlv tlv_without_zeros(const struct tlv *tlv)
{
    struct tlv rest = *tlv;

    while (rest.len > 0 && rest.val[0] == 0) {
        rest.val++;
        rest.len--;
    }
    return rest;
}

uint16_t tlv_number(const struct tlv *tlv)
{
    if (tlv->len == 1)
        return tlv->val[0];
    if (tlv->len == 2)
        return (uint16_t)(tlv->val[0] << 8 | tlv->val[1]);
    return 0;
}
