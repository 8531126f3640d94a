/* SPDX-License-Identifier: Apache-2.0 */
/* TLS 1.2 PRF, HKDF-Extract, PSK premaster secrets. */
#include "derive.h"

#include <string.h>

#include <openssl/hmac.h>

#define SHA256_BYTES 32

/* HMAC() takes NULL for "the key of before"; an empty key needs an address. */
static bool hmac(const EVP_MD *md, struct octet_view key, struct octet_view data, uint8_t *out)
{
    static const uint8_t none = 0;

    return HMAC(md, key.len == 0 ? &none : key.p, (int)key.len, data.len == 0 ? &none : data.p,
                data.len, out, NULL)
           != NULL;
}

/* A(i) stands in front of the seed in one buffer, so that each round is two HMACs. */
static bool prf_rounds(struct octet_view secret, struct buf *work, uint8_t *ret, size_t len)
{
    uint8_t block[SHA256_BYTES];
    bool ok = true;

    while (ok && len > 0) {
        size_t n = len < sizeof(block) ? len : sizeof(block);

        ok = hmac(EVP_sha256(), secret, (struct octet_view){ work->data, work->len }, block);
        memcpy(ret, block, n);
        ret += n;
        len -= n;
        ok = ok
             && hmac(EVP_sha256(), secret, (struct octet_view){ work->data, SHA256_BYTES }, block);
        memcpy(work->data, block, sizeof(block));
    }
    OPENSSL_cleanse(block, sizeof(block));
    return ok;
}

bool derive_prf(struct octet_view secret, struct octet_view seed, uint8_t *ret, size_t len)
{
    uint8_t a1[SHA256_BYTES];
    struct buf work = { 0 };
    bool ok = hmac(EVP_sha256(), secret, seed, a1);

    buf_put(&work, a1, sizeof(a1));
    buf_put(&work, seed.p, seed.len);
    ok = ok && !work.failed && prf_rounds(secret, &work, ret, len);
    OPENSSL_cleanse(a1, sizeof(a1));
    buf_clear(&work);
    return ok;
}

bool derive_hkdf_extract(const EVP_MD *md, struct octet_view salt, struct octet_view ikm,
                         uint8_t ret[static 64])
{
    return hmac(md, salt, ikm, ret);
}

static void put_u16(struct buf *out, size_t v)
{
    buf_u8(out, (uint8_t)(v >> 8));
    buf_u8(out, (uint8_t)v);
}

bool derive_psk_premaster(struct octet_view psk, struct octet_view other, struct buf *ret)
{
    size_t n = other.p == NULL ? psk.len : other.len;

    put_u16(ret, n);
    for (size_t i = 0; i < n; i++)
        buf_u8(ret, other.p == NULL ? 0 : other.p[i]);
    put_u16(ret, psk.len);
    buf_put(ret, psk.p, psk.len);
    return !ret->failed;
}
