/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 6979, section 3.2, for curves of 256 bits, and the ECDSA equations of
 * section 2.4 (FIPS 186-4, 6.4) around it. */
#include "rfc6979.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/hmac.h>
#include <openssl/obj_mac.h>

#define ORDER_BYTES 32 /* of P-256 and brainpoolP256r1 */

struct drbg {
    const EVP_MD *md;
    size_t md_len;
    uint8_t k[HASH_BYTES_MAX];
    uint8_t v[HASH_BYTES_MAX];
};

static bool hmac(struct drbg *g, const uint8_t *data, size_t len, uint8_t *out)
{
    return HMAC(g->md, g->k, (int)g->md_len, data, len, out, NULL) != NULL;
}

/* K = HMAC_K(V || sep || seed), V = HMAC_K(V); steps d to g of 3.2. */
static bool drbg_update(struct drbg *g, uint8_t sep, const uint8_t *seed, size_t seed_len)
{
    uint8_t in[HASH_BYTES_MAX + 1 + 2 * ORDER_BYTES];
    uint8_t out[HASH_BYTES_MAX];

    memcpy(in, g->v, g->md_len);
    in[g->md_len] = sep;
    if (seed_len != 0)
        memcpy(in + g->md_len + 1, seed, seed_len);
    if (!hmac(g, in, g->md_len + 1 + seed_len, out))
        return false;
    memcpy(g->k, out, g->md_len);
    OPENSSL_cleanse(in, sizeof(in));
    if (!hmac(g, g->v, g->md_len, out))
        return false;
    memcpy(g->v, out, g->md_len);
    return true;
}

/* bits2octets(digest) of 2.3.4: leftmost 256 bits, once reduced. */
static bool digest_number(const struct sign_request *req, const BIGNUM *order, BIGNUM *h)
{
    size_t len = req->digest_len < ORDER_BYTES ? req->digest_len : ORDER_BYTES;

    if (BN_bin2bn(req->digest, (int)len, h) == NULL)
        return false;
    return BN_cmp(h, order) < 0 || BN_sub(h, h, order) == 1;
}

static bool drbg_init(struct drbg *g, const EVP_MD *md, const BIGNUM *d, const BIGNUM *h)
{
    uint8_t seed[2 * ORDER_BYTES];
    bool ok;

    g->md = md;
    g->md_len = (size_t)EVP_MD_get_size(md);
    memset(g->k, 0x00, sizeof(g->k));
    memset(g->v, 0x01, sizeof(g->v));
    ok = BN_bn2binpad(d, seed, ORDER_BYTES) == ORDER_BYTES
         && BN_bn2binpad(h, seed + ORDER_BYTES, ORDER_BYTES) == ORDER_BYTES
         && drbg_update(g, 0x00, seed, sizeof(seed)) && drbg_update(g, 0x01, seed, sizeof(seed));
    OPENSSL_cleanse(seed, sizeof(seed));
    return ok;
}

/* Step h: the next candidate in [1, order - 1]. */
static bool drbg_next(struct drbg *g, const BIGNUM *order, BIGNUM *k)
{
    uint8_t out[HASH_BYTES_MAX];

    for (;;) {
        if (!hmac(g, g->v, g->md_len, out))
            return false;
        memcpy(g->v, out, g->md_len);
        if (BN_bin2bn(g->v, ORDER_BYTES, k) == NULL)
            return false;
        if (!BN_is_zero(k) && BN_cmp(k, order) < 0)
            return true;
        if (!drbg_update(g, 0x00, NULL, 0))
            return false;
    }
}

struct numbers {
    BN_CTX *ctx;
    EC_GROUP *group;
    EC_POINT *point;
    BIGNUM *d, *h, *k, *r, *s;
};

/* r = x(kG) mod n, s = (h + r d) / k mod n; false also for the zero cases. */
static bool sign_with_nonce(struct numbers *w)
{
    const BIGNUM *n = EC_GROUP_get0_order(w->group);

    return EC_POINT_mul(w->group, w->point, w->k, NULL, NULL, w->ctx) == 1
           && EC_POINT_get_affine_coordinates(w->group, w->point, w->r, NULL, w->ctx) == 1
           && BN_nnmod(w->r, w->r, n, w->ctx) == 1 && !BN_is_zero(w->r)
           && BN_mod_mul(w->s, w->r, w->d, n, w->ctx) == 1
           && BN_mod_add(w->s, w->s, w->h, n, w->ctx) == 1
           && BN_mod_inverse(w->k, w->k, n, w->ctx) != NULL
           && BN_mod_mul(w->s, w->s, w->k, n, w->ctx) == 1 && !BN_is_zero(w->s);
}

static bool numbers_init(struct numbers *w, EVP_PKEY *key)
{
    char name[64];
    size_t len;

    if (!EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, name, sizeof(name), &len))
        return false;
    w->ctx = BN_CTX_new();
    w->group = EC_GROUP_new_by_curve_name(OBJ_sn2nid(name));
    w->point = w->group == NULL ? NULL : EC_POINT_new(w->group);
    w->h = BN_new();
    w->k = BN_secure_new();
    w->r = BN_new();
    w->s = BN_new();
    return w->ctx != NULL && w->point != NULL && w->h != NULL && w->k != NULL && w->r != NULL
           && w->s != NULL && EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &w->d) == 1;
}

static void numbers_clear(struct numbers *w)
{
    BN_clear_free(w->d);
    BN_clear_free(w->k);
    BN_free(w->h);
    BN_free(w->r);
    BN_free(w->s);
    EC_POINT_free(w->point);
    EC_GROUP_free(w->group);
    BN_CTX_free(w->ctx);
}

bool rfc6979_sign(const struct sign_request *req, uint8_t ret_sig[static EC_SIG_BYTES])
{
    struct numbers w = { 0 };
    struct drbg g;
    const BIGNUM *order;
    bool ok = numbers_init(&w, req->key);

    if (ok) {
        order = EC_GROUP_get0_order(w.group);
        ok = digest_number(req, order, w.h) && drbg_init(&g, req->md, w.d, w.h)
             && drbg_next(&g, order, w.k) && sign_with_nonce(&w)
             && BN_bn2binpad(w.r, ret_sig, EC_FIELD_BYTES) == EC_FIELD_BYTES
             && BN_bn2binpad(w.s, ret_sig + EC_FIELD_BYTES, EC_FIELD_BYTES) == EC_FIELD_BYTES;
        OPENSSL_cleanse(&g, sizeof(g));
    }
    numbers_clear(&w);
    return ok;
}
