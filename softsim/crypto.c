/* SPDX-License-Identifier: Apache-2.0 */
/* Keys, signatures and key agreement over libcrypto. */
#include "crypto.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "iotsafe_defs.h"
#include "rfc6979.h"

static const struct key_type {
    uint8_t type;
    bool rsa;
    bool is_volatile;
    const char *group; /* of EC */
} key_types[] = {
    { IOTSAFE_KEY_RSA2048, true, false, NULL },
    { IOTSAFE_KEY_P256, false, false, SN_X9_62_prime256v1 },
    { IOTSAFE_KEY_P256_VOLATILE, false, true, SN_X9_62_prime256v1 },
    { IOTSAFE_KEY_BP256, false, false, SN_brainpoolP256r1 },
    { IOTSAFE_KEY_BP256_VOLATILE, false, true, SN_brainpoolP256r1 },
};

static const struct key_type *find_type(uint8_t type)
{
    for (size_t i = 0; i < ARRAY_LEN(key_types); i++)
        if (key_types[i].type == type)
            return &key_types[i];
    return NULL;
}

bool crypto_type_is_rsa(uint8_t key_type)
{
    const struct key_type *t = find_type(key_type);

    return t != NULL && t->rsa;
}

bool crypto_type_is_volatile(uint8_t key_type)
{
    const struct key_type *t = find_type(key_type);

    return t != NULL && t->is_volatile;
}

bool crypto_key_has_type(EVP_PKEY *key, uint8_t key_type)
{
    const struct key_type *t = find_type(key_type);
    char group[64] = "";
    size_t len;

    if (t == NULL)
        return false;
    if (t->rsa)
        return EVP_PKEY_is_a(key, "RSA") && EVP_PKEY_get_bits(key) == 2048;
    return EVP_PKEY_is_a(key, "EC")
           && EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof(group),
                                             &len)
           && strcmp(group, t->group) == 0;
}

/* A failed call leaves reasons behind that nobody will read. */
static bool done(bool ok)
{
    if (!ok)
        ERR_clear_error();
    return ok;
}

EVP_PKEY *crypto_generate(uint8_t key_type)
{
    const struct key_type *t = find_type(key_type);
    EVP_PKEY *key = NULL;

    if (t != NULL && t->rsa)
        key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
    else if (t != NULL)
        key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", t->group);
    done(key != NULL);
    return key;
}

static EVP_PKEY *from_params(const char *alg, int selection, OSSL_PARAM_BLD *bld)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, alg, NULL);
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
    EVP_PKEY *key = NULL;

    if (ctx == NULL || params == NULL || EVP_PKEY_fromdata_init(ctx) != 1
        || EVP_PKEY_fromdata(ctx, &key, selection, params) != 1)
        key = NULL;
    OSSL_PARAM_free(params);
    EVP_PKEY_CTX_free(ctx);
    return key;
}

/* EVP does not refuse a key only because it makes no sense; this does. */
static EVP_PKEY *checked(EVP_PKEY *key)
{
    EVP_PKEY_CTX *ctx = key == NULL ? NULL : EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);

    if (ctx == NULL || EVP_PKEY_public_check(ctx) != 1) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    EVP_PKEY_CTX_free(ctx);
    done(key != NULL);
    return key;
}

EVP_PKEY *crypto_from_point(uint8_t key_type, const uint8_t *point, size_t len)
{
    const struct key_type *t = find_type(key_type);
    OSSL_PARAM_BLD *bld;
    EVP_PKEY *key = NULL;

    if (t == NULL || t->rsa || len != EC_POINT_BYTES || point[0] != 0x04)
        return NULL;
    bld = OSSL_PARAM_BLD_new();
    if (bld != NULL && OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, t->group, 0)
        && OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, len))
        key = from_params("EC", EVP_PKEY_PUBLIC_KEY, bld);
    OSSL_PARAM_BLD_free(bld);
    return checked(key);
}

/* The public point of a scalar, uncompressed. */
static bool point_of(const char *group_name, const BIGNUM *d, uint8_t point[static EC_POINT_BYTES])
{
    EC_GROUP *group = EC_GROUP_new_by_curve_name(OBJ_sn2nid(group_name));
    EC_POINT *p = group == NULL ? NULL : EC_POINT_new(group);
    bool ok = p != NULL && !BN_is_zero(d) && BN_cmp(d, EC_GROUP_get0_order(group)) < 0
              && EC_POINT_mul(group, p, d, NULL, NULL, NULL) == 1
              && EC_POINT_point2oct(group, p, POINT_CONVERSION_UNCOMPRESSED, point, EC_POINT_BYTES,
                                    NULL)
                     == EC_POINT_BYTES;

    EC_POINT_free(p);
    EC_GROUP_free(group);
    return ok;
}

EVP_PKEY *crypto_from_scalar(uint8_t key_type, const uint8_t scalar[static EC_FIELD_BYTES])
{
    const struct key_type *t = find_type(key_type);
    BIGNUM *d = BN_secure_new();
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    uint8_t point[EC_POINT_BYTES];
    EVP_PKEY *key = NULL;

    if (t != NULL && !t->rsa && d != NULL && bld != NULL
        && BN_bin2bn(scalar, EC_FIELD_BYTES, d) != NULL && point_of(t->group, d, point)
        && OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, t->group, 0)
        && OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point))
        && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_PRIV_KEY, d))
        key = from_params("EC", EVP_PKEY_KEYPAIR, bld);
    OSSL_PARAM_BLD_free(bld);
    BN_clear_free(d);
    done(key != NULL);
    return key;
}

EVP_PKEY *crypto_public_half(EVP_PKEY *pair)
{
    struct buf der = { 0 };
    EVP_PKEY *key = NULL;

    if (crypto_encode(pair, false, &der))
        key = crypto_decode(der.data, der.len, false);
    buf_clear(&der);
    return key;
}

bool crypto_point(EVP_PKEY *key, uint8_t ret_point[static EC_POINT_BYTES])
{
    uint8_t *point = NULL;
    size_t len = EVP_PKEY_get1_encoded_public_key(key, &point);
    bool ok = len == EC_POINT_BYTES && point[0] == 0x04;

    if (ok)
        memcpy(ret_point, point, len);
    OPENSSL_free(point);
    return done(ok);
}

static bool put_bn(EVP_PKEY *key, const char *param, struct buf *out)
{
    BIGNUM *bn = NULL;
    uint8_t bytes[SIG_BYTES_MAX];
    bool ok = EVP_PKEY_get_bn_param(key, param, &bn) == 1 && BN_num_bytes(bn) <= SIG_BYTES_MAX;

    if (ok)
        buf_put(out, bytes, (size_t)BN_bn2bin(bn, bytes));
    BN_free(bn);
    return ok && !out->failed;
}

bool crypto_rsa_numbers(EVP_PKEY *key, struct buf *n, struct buf *e)
{
    return done(put_bn(key, OSSL_PKEY_PARAM_RSA_N, n) && put_bn(key, OSSL_PKEY_PARAM_RSA_E, e));
}

static int encode_private(EVP_PKEY *key, uint8_t **der)
{
    PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
    int len = info == NULL ? -1 : i2d_PKCS8_PRIV_KEY_INFO(info, der);

    PKCS8_PRIV_KEY_INFO_free(info);
    return len;
}

bool crypto_encode(EVP_PKEY *key, bool is_private, struct buf *out)
{
    uint8_t *der = NULL;
    int len = is_private ? encode_private(key, &der) : i2d_PUBKEY(key, &der);
    bool ok = len > 0;

    if (ok)
        buf_put(out, der, (size_t)len);
    OPENSSL_clear_free(der, ok ? (size_t)len : 0);
    return done(ok && !out->failed);
}

EVP_PKEY *crypto_decode(const uint8_t *der, size_t len, bool is_private)
{
    const uint8_t *p = der;
    EVP_PKEY *key = is_private ? d2i_AutoPrivateKey(NULL, &p, (long)len)
                               : d2i_PUBKEY(NULL, &p, (long)len);

    done(key != NULL);
    return key;
}

const EVP_MD *crypto_hash(uint16_t hash)
{
    switch (hash) {
    case IOTSAFE_HASH_SHA256:
        return EVP_sha256();
    case IOTSAFE_HASH_SHA384:
        return EVP_sha384();
    case IOTSAFE_HASH_SHA512:
        return EVP_sha512();
    default:
        return NULL;
    }
}

static bool raw_to_sig(const uint8_t *raw, ECDSA_SIG **ret)
{
    BIGNUM *r = BN_bin2bn(raw, EC_FIELD_BYTES, NULL);
    BIGNUM *s = BN_bin2bn(raw + EC_FIELD_BYTES, EC_FIELD_BYTES, NULL);
    ECDSA_SIG *sig = ECDSA_SIG_new();

    if (r == NULL || s == NULL || sig == NULL || ECDSA_SIG_set0(sig, r, s) != 1) {
        BN_free(r);
        BN_free(s);
        ECDSA_SIG_free(sig);
        return false;
    }
    *ret = sig;
    return true;
}

bool crypto_sig_to_der(const uint8_t sig[static EC_SIG_BYTES], struct buf *out)
{
    ECDSA_SIG *es = NULL;
    uint8_t *der = NULL;
    int len = -1;

    if (raw_to_sig(sig, &es))
        len = i2d_ECDSA_SIG(es, &der);
    if (len > 0)
        buf_put(out, der, (size_t)len);
    OPENSSL_free(der);
    ECDSA_SIG_free(es);
    return done(len > 0 && !out->failed);
}

static bool der_to_raw(const uint8_t *der, size_t len, uint8_t raw[static EC_SIG_BYTES])
{
    const uint8_t *p = der;
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)len);
    bool ok = sig != NULL
              && BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, EC_FIELD_BYTES) == EC_FIELD_BYTES
              && BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + EC_FIELD_BYTES, EC_FIELD_BYTES)
                     == EC_FIELD_BYTES;

    ECDSA_SIG_free(sig);
    return ok;
}

/* Sets digest and padding; both are what the RSA key then checks or makes. */
static bool set_rsa_padding(EVP_PKEY_CTX *ctx, const struct sign_request *req)
{
    bool pss = req->sig_alg == IOTSAFE_SIG_RSA_PSS;

    return EVP_PKEY_CTX_set_rsa_padding(ctx, pss ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING) > 0
           && EVP_PKEY_CTX_set_signature_md(ctx, req->md) > 0
           && (!pss || EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) > 0);
}

static bool sign_evp(const struct sign_request *req, uint8_t *sig, size_t *ret_len)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, req->key, NULL);
    size_t len = SIG_BYTES_MAX;
    bool ok = ctx != NULL && EVP_PKEY_sign_init(ctx) == 1
              && (req->sig_alg == IOTSAFE_SIG_ECDSA || set_rsa_padding(ctx, req))
              && EVP_PKEY_sign(ctx, sig, &len, req->digest, req->digest_len) == 1;

    EVP_PKEY_CTX_free(ctx);
    if (ok)
        *ret_len = len;
    return ok;
}

bool crypto_sign(const struct sign_request *req, uint8_t ret_sig[static SIG_BYTES_MAX],
                 size_t *ret_len)
{
    uint8_t sig[SIG_BYTES_MAX];
    uint8_t raw[EC_SIG_BYTES];
    size_t len = 0;

    if (req->sig_alg == IOTSAFE_SIG_ECDSA) {
        bool ok = req->deterministic ? rfc6979_sign(req, raw)
                                     : sign_evp(req, sig, &len) && der_to_raw(sig, len, raw);
        if (ok) {
            memcpy(ret_sig, raw, sizeof(raw));
            *ret_len = sizeof(raw);
        }
        return done(ok);
    }
    if (!sign_evp(req, sig, &len))
        return done(false);
    memcpy(ret_sig, sig, len);
    *ret_len = len;
    return true;
}

bool crypto_verify(const struct sign_request *req, const uint8_t *sig, size_t sig_len)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, req->key, NULL);
    struct buf der = { 0 };
    bool ok = ctx != NULL && EVP_PKEY_verify_init(ctx) == 1;

    if (ok && req->sig_alg == IOTSAFE_SIG_ECDSA && sig_len == EC_SIG_BYTES) {
        ok = crypto_sig_to_der(sig, &der);
        sig = der.data;
        sig_len = der.len;
    }
    ok = ok && (req->sig_alg == IOTSAFE_SIG_ECDSA || set_rsa_padding(ctx, req))
         && EVP_PKEY_verify(ctx, sig, sig_len, req->digest, req->digest_len) == 1;
    buf_clear(&der);
    EVP_PKEY_CTX_free(ctx);
    return done(ok);
}

bool crypto_agree(EVP_PKEY *own, EVP_PKEY *peer, uint8_t ret_secret[static EC_FIELD_BYTES])
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, own, NULL);
    uint8_t secret[EC_FIELD_BYTES];
    size_t len = sizeof(secret);
    bool ok = ctx != NULL && EVP_PKEY_derive_init(ctx) == 1
              && EVP_PKEY_derive_set_peer(ctx, peer) == 1 && EVP_PKEY_derive(ctx, secret, &len) == 1
              && len == sizeof(secret);

    EVP_PKEY_CTX_free(ctx);
    if (ok)
        memcpy(ret_secret, secret, sizeof(secret));
    OPENSSL_cleanse(secret, sizeof(secret));
    return done(ok);
}

bool crypto_cmac(const uint8_t key[static 16], const uint8_t *data, size_t len,
                 uint8_t ret_mac[static 16])
{
    size_t mac_len = 0;
    uint8_t mac[16];
    bool ok = EVP_Q_mac(NULL, "CMAC", NULL, "AES-128-CBC", NULL, key, 16, data, len, mac,
                        sizeof(mac), &mac_len)
                  != NULL
              && mac_len == sizeof(mac);

    if (ok)
        memcpy(ret_mac, mac, sizeof(mac));
    return done(ok);
}
