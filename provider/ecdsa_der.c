/* SPDX-License-Identifier: Apache-2.0 */
/* see ecdsa_der.h */
#include "ecdsa_der.h"

#include <string.h>

enum { DER_INTEGER = 0x02, DER_SEQUENCE = 0x30 };

/* Big-endian, field_len bytes: true if 0 < value < order. Signatures are
 * public, so nothing here needs constant time. */
static bool in_range(const struct isprov_type *curve, const uint8_t *value)
{
    static const uint8_t zero[ISPROV_FIELD_MAX];

    return memcmp(value, zero, curve->field_len) != 0
           && memcmp(value, curve->order, curve->field_len) < 0;
}

/* Writes an INTEGER; returns the bytes written, at most 3 + len. */
static size_t put_integer(uint8_t *out, const uint8_t *value, size_t len)
{
    size_t pad;

    while (len > 1 && value[0] == 0) {
        value++;
        len--;
    }
    pad = value[0] >> 7; /* a set top bit would make it negative */
    out[0] = DER_INTEGER;
    out[1] = (uint8_t)(pad + len);
    out[2] = 0;
    memcpy(out + 2 + pad, value, len);
    return 2 + pad + len;
}

bool isprov_ecdsa_from_raw(const struct isprov_type *curve, const uint8_t *raw, size_t raw_len,
                           uint8_t ret_der[static ISPROV_ECDSA_DER_MAX], size_t *ret_len)
{
    const uint8_t *r = raw, *s;
    size_t len = 2;

    if (raw_len != 2 * curve->field_len)
        return false;
    s = raw + curve->field_len;
    if (!in_range(curve, r) || !in_range(curve, s))
        return false;
    len += put_integer(ret_der + len, r, curve->field_len);
    len += put_integer(ret_der + len, s, curve->field_len);
    ret_der[0] = DER_SEQUENCE;
    ret_der[1] = (uint8_t)(len - 2); /* at most 70: the short form */
    *ret_len = len;
    return true;
}

/* Reads one minimal, positive INTEGER into field_len bytes. Returns the bytes
 * taken, or 0. */
static size_t get_integer(const uint8_t *der, size_t left, size_t field_len, uint8_t *ret_value)
{
    const uint8_t *value;
    size_t len;

    if (left < 3 || der[0] != DER_INTEGER || der[1] == 0 || der[1] > left - 2)
        return 0;
    value = der + 2;
    len = der[1];
    if ((value[0] & 0x80) != 0 || (len > 1 && value[0] == 0 && (value[1] & 0x80) == 0))
        return 0;
    if (value[0] == 0) {
        value++;
        len--;
    }
    if (len == 0 || len > field_len) /* zero is in no signature */
        return 0;
    memset(ret_value, 0, field_len - len);
    memcpy(ret_value + field_len - len, value, len);
    return 2 + (size_t)der[1];
}

bool isprov_ecdsa_to_raw(const struct isprov_type *curve, const uint8_t *der, size_t der_len,
                         uint8_t ret_raw[static 2 * ISPROV_FIELD_MAX])
{
    uint8_t raw[2 * ISPROV_FIELD_MAX];
    size_t r_len, s_len;

    if (der_len < 2 || der_len > ISPROV_ECDSA_DER_MAX || der[0] != DER_SEQUENCE
        || der[1] != der_len - 2)
        return false;
    r_len = get_integer(der + 2, der_len - 2, curve->field_len, raw);
    if (r_len == 0)
        return false;
    s_len = get_integer(der + 2 + r_len, der_len - 2 - r_len, curve->field_len,
                        raw + curve->field_len);
    if (s_len == 0 || 2 + r_len + s_len != der_len)
        return false;
    if (!in_range(curve, raw) || !in_range(curve, raw + curve->field_len))
        return false;
    memcpy(ret_raw, raw, 2 * curve->field_len);
    return true;
}

bool isprov_ecdsa_normalise(const struct isprov_type *curve, const uint8_t *sig, size_t sig_len,
                            uint8_t ret_der[static ISPROV_ECDSA_DER_MAX], size_t *ret_len)
{
    uint8_t raw[2 * ISPROV_FIELD_MAX];

    if (sig_len == 2 * curve->field_len)
        return isprov_ecdsa_from_raw(curve, sig, sig_len, ret_der, ret_len);
    return isprov_ecdsa_to_raw(curve, sig, sig_len, raw)
           && isprov_ecdsa_from_raw(curve, raw, 2 * curve->field_len, ret_der, ret_len);
}
