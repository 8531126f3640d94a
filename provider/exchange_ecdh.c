/* SPDX-License-Identifier: Apache-2.0 */
/* ECDH, see provider-keyexch(7). With a card key the card computes the shared
 * secret and a key derivation, if one is wanted, is done here with it. With
 * software keys, which are made here when this provider stands before `default`,
 * the default provider does the work. */
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <string.h>

#include "card_agree.h"
#include "crypto.h"
#include "key.h"

static OSSL_FUNC_keyexch_newctx_fn exchange_ecdh_newctx;
static OSSL_FUNC_keyexch_freectx_fn exchange_ecdh_freectx;
static OSSL_FUNC_keyexch_dupctx_fn exchange_ecdh_dupctx;
static OSSL_FUNC_keyexch_init_fn exchange_ecdh_init;
static OSSL_FUNC_keyexch_set_peer_fn exchange_ecdh_set_peer;
static OSSL_FUNC_keyexch_derive_fn exchange_ecdh_derive;
static OSSL_FUNC_keyexch_set_ctx_params_fn exchange_ecdh_set_ctx_params;
static OSSL_FUNC_keyexch_settable_ctx_params_fn exchange_ecdh_settable_ctx_params;
static OSSL_FUNC_keyexch_get_ctx_params_fn exchange_ecdh_get_ctx_params;
static OSSL_FUNC_keyexch_gettable_ctx_params_fn exchange_ecdh_gettable_ctx_params;

/* X9.63, the key derivation that CMS and others ask for. */
struct kdf {
    bool wanted;
    char digest[80];
    size_t out_len;
    uint8_t *ukm;
    size_t ukm_len;
};

struct exchange {
    struct isprov *prov;
    EVP_PKEY_CTX *ctx; /* of the default provider; NULL until init, and for card keys */

    /* for card keys */
    struct isprov_key *key;
    struct isprov_public_key *peer;
    struct kdf kdf;
};

static void drop_operation(struct exchange *ex)
{
    EVP_PKEY_CTX_free(ex->ctx);
    isprov_key_free(ex->key);
    isprov_public_key_free(ex->peer);
    OPENSSL_clear_free(ex->kdf.ukm, ex->kdf.ukm_len);
    *ex = (struct exchange){ .prov = ex->prov };
}

static void *exchange_ecdh_newctx(void *provctx)
{
    ISPROV_KEEP_ERRNO;
    struct exchange *ex = OPENSSL_zalloc(sizeof(*ex));

    if (ex == NULL)
        isprov_raise(provctx, IOTSAFE_ERR_MEMORY, NULL);
    else
        ex->prov = provctx;
    return ex;
}

static void exchange_ecdh_freectx(void *ctx)
{
    ISPROV_KEEP_ERRNO;
    struct exchange *ex = ctx;

    if (ex == NULL)
        return;
    drop_operation(ex);
    OPENSSL_free(ex);
}

static bool copy_operation(struct exchange *to, const struct exchange *from)
{
    if (from->ctx != NULL)
        to->ctx = EVP_PKEY_CTX_dup(from->ctx);
    to->key = from->key != NULL ? isprov_key_ref(from->key) : NULL;
    if (from->peer != NULL)
        to->peer = isprov_public_key_of_point(from->prov, from->peer->type, from->peer->octets);
    to->kdf = from->kdf;
    if (from->kdf.ukm != NULL)
        to->kdf.ukm = OPENSSL_memdup(from->kdf.ukm, from->kdf.ukm_len);
    return (to->ctx != NULL) == (from->ctx != NULL) && (to->peer != NULL) == (from->peer != NULL)
           && (to->kdf.ukm != NULL) == (from->kdf.ukm != NULL);
}

static void *exchange_ecdh_dupctx(void *ctx)
{
    ISPROV_KEEP_ERRNO;
    const struct exchange *from = ctx;
    struct exchange *to = exchange_ecdh_newctx(from->prov);

    if (to == NULL || copy_operation(to, from))
        return to;
    isprov_raise(from->prov, IOTSAFE_ERR_MEMORY, NULL);
    exchange_ecdh_freectx(to);
    return NULL;
}

static int exchange_ecdh_init(void *ctx, void *keydata, const OSSL_PARAM params[])
{
    ISPROV_KEEP_ERRNO;
    struct exchange *ex = ctx;
    struct isprov_key *key = keydata;

    drop_operation(ex);
    if (isprov_key_is_card_public(key))
        return 0;
    if (isprov_key_is_on_card(key)) {
        ex->key = isprov_key_ref(key);
        return params == NULL || exchange_ecdh_set_ctx_params(ex, params);
    }
    if (key->soft == NULL)
        return 0;
    ex->ctx = EVP_PKEY_CTX_new_from_pkey(isprov_libctx(ex->prov), key->soft, NULL);
    return ex->ctx != NULL && EVP_PKEY_derive_init_ex(ex->ctx, params) > 0;
}

/* The copy is made anew from the octets, which checks the point once more. */
static bool take_peer(struct exchange *ex, const EVP_PKEY *peer)
{
    isprov_public_key_free(ex->peer);
    ex->peer = isprov_public_key_of_pkey(ex->prov, peer);
    if (ex->peer != NULL && ex->peer->type == ex->key->type)
        return true;
    isprov_raise_text(ex->prov, IOTSAFE_ERR_KEY, "%s: the peer's key is not a point on %s",
                      isprov_key_name(ex->key).text, ex->key->type->group);
    isprov_public_key_free(ex->peer);
    ex->peer = NULL;
    return false;
}

static int exchange_ecdh_set_peer(void *ctx, void *keydata)
{
    ISPROV_KEEP_ERRNO;
    struct exchange *ex = ctx;
    EVP_PKEY *peer = isprov_key_public_pkey(keydata);

    if (peer == NULL)
        return 0;
    if (ex->key != NULL)
        return take_peer(ex, peer);
    return ex->ctx != NULL && EVP_PKEY_derive_set_peer(ex->ctx, peer) > 0;
}

/* -------------------------------------------------------------------- card keys */

static bool run_kdf(struct exchange *ex, const uint8_t *secret, uint8_t *ret_out)
{
    EVP_KDF *kdf = EVP_KDF_fetch(isprov_libctx(ex->prov), OSSL_KDF_NAME_X963KDF, NULL);
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
    OSSL_PARAM params[4], *p = params;
    bool good;

    /* OSSL_PARAM has no const; nobody writes through it. */
    *p++ = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, ex->kdf.digest, 0);
    *p++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, (void *)(uintptr_t)secret,
                                             IOTSAFE_SHARED_SECRET_SIZE);
    if (ex->kdf.ukm != NULL)
        *p++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, ex->kdf.ukm, ex->kdf.ukm_len);
    *p = OSSL_PARAM_construct_end();
    good = ctx != NULL && EVP_KDF_derive(ctx, ret_out, ex->kdf.out_len, params) > 0;
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
    return good;
}

/* The secret never lies on the stack of the program: a secure heap, where it has one,
 * is locked in memory. */
static bool agree_on_card(struct exchange *ex, uint8_t *ret_out, size_t len, struct iotsafe_op *op)
{
    uint8_t *secret = OPENSSL_secure_malloc(IOTSAFE_SHARED_SECRET_SIZE);
    bool good;

    if (secret == NULL) {
        isprov_raise(ex->prov, IOTSAFE_ERR_MEMORY, NULL);
        return false;
    }
    good = isprov_card_key_agree(ex->key, ex->peer, secret, op);
    if (good && ex->kdf.wanted)
        good = run_kdf(ex, secret, ret_out);
    else if (good)
        memcpy(ret_out, secret, len);
    OPENSSL_secure_clear_free(secret, IOTSAFE_SHARED_SECRET_SIZE);
    return good;
}

static int derive_on_card(struct exchange *ex, unsigned char *ret_out, size_t *ret_len, size_t cap)
{
    const size_t len = ex->kdf.wanted ? ex->kdf.out_len : IOTSAFE_SHARED_SECRET_SIZE;
    struct iotsafe_op op = isprov_op_begin(ex->prov);

    if (ret_out == NULL) {
        *ret_len = len;
        return 1;
    }
    if (ex->peer == NULL || len == 0 || cap < len
        || (ex->kdf.wanted && ex->kdf.digest[0] == '\0')) {
        isprov_raise_text(ex->prov, IOTSAFE_ERR_ARGUMENT, "%s",
                          ex->peer == NULL ? "no peer was set"
                          : cap < len      ? "the buffer for the secret is too short"
                                           : "the key derivation lacks a length or a digest");
        return 0;
    }
    if (!agree_on_card(ex, ret_out, len, &op))
        return 0;
    *ret_len = len;
    return 1;
}

static int exchange_ecdh_derive(void *ctx, unsigned char *secret, size_t *ret_len, size_t cap)
{
    ISPROV_KEEP_ERRNO;
    struct exchange *ex = ctx;

    if (ex->key != NULL)
        return derive_on_card(ex, secret, ret_len, cap);
    if (ex->ctx == NULL)
        return 0;
    *ret_len = cap;
    return EVP_PKEY_derive(ex->ctx, secret, ret_len) > 0;
}

/* ------------------------------------------------------------------- parameters */

static bool set_kdf_type(struct exchange *ex, const OSSL_PARAM *p)
{
    const char *name = NULL;

    if (!OSSL_PARAM_get_utf8_string_ptr(p, &name))
        return false;
    ex->kdf.wanted = name[0] != '\0';
    if (!ex->kdf.wanted || OPENSSL_strcasecmp(name, OSSL_KDF_NAME_X963KDF) == 0)
        return true;
    isprov_raise_text(ex->prov, IOTSAFE_ERR_UNSUPPORTED,
                      "%.40s after ECDH is not supported, only X963KDF is", name);
    ex->kdf.wanted = false;
    return false;
}

static bool set_ukm(struct kdf *kdf, const OSSL_PARAM *p)
{
    void *ukm = NULL;
    size_t len = 0;

    if (p->data_size != 0 && !OSSL_PARAM_get_octet_string(p, &ukm, 0, &len))
        return false;
    OPENSSL_clear_free(kdf->ukm, kdf->ukm_len);
    kdf->ukm = ukm;
    kdf->ukm_len = len;
    return true;
}

/* Cofactor mode is set by many and means nothing here: the cofactor is one. */
static bool set_card_params(struct exchange *ex, const OSSL_PARAM params[])
{
    const OSSL_PARAM *type = OSSL_PARAM_locate_const(params, OSSL_EXCHANGE_PARAM_KDF_TYPE);
    const OSSL_PARAM *digest = OSSL_PARAM_locate_const(params, OSSL_EXCHANGE_PARAM_KDF_DIGEST);
    const OSSL_PARAM *out_len = OSSL_PARAM_locate_const(params, OSSL_EXCHANGE_PARAM_KDF_OUTLEN);
    const OSSL_PARAM *ukm = OSSL_PARAM_locate_const(params, OSSL_EXCHANGE_PARAM_KDF_UKM);
    char *name = ex->kdf.digest;

    return (type == NULL || set_kdf_type(ex, type))
           && (digest == NULL || OSSL_PARAM_get_utf8_string(digest, &name, sizeof(ex->kdf.digest)))
           && (out_len == NULL || OSSL_PARAM_get_size_t(out_len, &ex->kdf.out_len))
           && (ukm == NULL || set_ukm(&ex->kdf, ukm));
}

static int exchange_ecdh_set_ctx_params(void *ctx, const OSSL_PARAM params[])
{
    ISPROV_KEEP_ERRNO;
    struct exchange *ex = ctx;

    if (params == NULL)
        return 1;
    if (ex->key != NULL)
        return set_card_params(ex, params);
    return ex->ctx != NULL && EVP_PKEY_CTX_set_params(ex->ctx, params) > 0;
}

static const OSSL_PARAM *exchange_ecdh_settable_ctx_params(void *ctx, void *provctx)
{
    static const OSSL_PARAM params[] = {
        OSSL_PARAM_int(OSSL_EXCHANGE_PARAM_EC_ECDH_COFACTOR_MODE, NULL),
        OSSL_PARAM_utf8_string(OSSL_EXCHANGE_PARAM_KDF_TYPE, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_EXCHANGE_PARAM_KDF_DIGEST, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_EXCHANGE_PARAM_KDF_DIGEST_PROPS, NULL, 0),
        OSSL_PARAM_size_t(OSSL_EXCHANGE_PARAM_KDF_OUTLEN, NULL),
        OSSL_PARAM_octet_string(OSSL_EXCHANGE_PARAM_KDF_UKM, NULL, 0),
        OSSL_PARAM_END
    };

    (void)ctx;
    (void)provctx;
    return params;
}

static bool get_card_params(const struct exchange *ex, OSSL_PARAM params[])
{
    OSSL_PARAM *cofactor = OSSL_PARAM_locate(params, OSSL_EXCHANGE_PARAM_EC_ECDH_COFACTOR_MODE);
    OSSL_PARAM *type = OSSL_PARAM_locate(params, OSSL_EXCHANGE_PARAM_KDF_TYPE);
    OSSL_PARAM *digest = OSSL_PARAM_locate(params, OSSL_EXCHANGE_PARAM_KDF_DIGEST);
    OSSL_PARAM *out_len = OSSL_PARAM_locate(params, OSSL_EXCHANGE_PARAM_KDF_OUTLEN);
    OSSL_PARAM *ukm = OSSL_PARAM_locate(params, OSSL_EXCHANGE_PARAM_KDF_UKM);

    return (cofactor == NULL || OSSL_PARAM_set_int(cofactor, 0))
           && (type == NULL
               || OSSL_PARAM_set_utf8_string(type, ex->kdf.wanted ? OSSL_KDF_NAME_X963KDF : ""))
           && (digest == NULL || OSSL_PARAM_set_utf8_string(digest, ex->kdf.digest))
           && (out_len == NULL || OSSL_PARAM_set_size_t(out_len, ex->kdf.out_len))
           && (ukm == NULL || OSSL_PARAM_set_octet_ptr(ukm, ex->kdf.ukm, ex->kdf.ukm_len));
}

static int exchange_ecdh_get_ctx_params(void *ctx, OSSL_PARAM params[])
{
    ISPROV_KEEP_ERRNO;
    struct exchange *ex = ctx;

    if (ex->key != NULL)
        return get_card_params(ex, params);
    return ex->ctx != NULL && EVP_PKEY_CTX_get_params(ex->ctx, params) > 0;
}

static const OSSL_PARAM *exchange_ecdh_gettable_ctx_params(void *ctx, void *provctx)
{
    static const OSSL_PARAM params[] = {
        OSSL_PARAM_int(OSSL_EXCHANGE_PARAM_EC_ECDH_COFACTOR_MODE, NULL),
        OSSL_PARAM_utf8_string(OSSL_EXCHANGE_PARAM_KDF_TYPE, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_EXCHANGE_PARAM_KDF_DIGEST, NULL, 0),
        OSSL_PARAM_size_t(OSSL_EXCHANGE_PARAM_KDF_OUTLEN, NULL),
        OSSL_PARAM_DEFN(OSSL_EXCHANGE_PARAM_KDF_UKM, OSSL_PARAM_OCTET_PTR, NULL, 0),
        OSSL_PARAM_END
    };

    (void)ctx;
    (void)provctx;
    return params;
}

#define ENTRY(id, function)                                              \
    {                                                                    \
        OSSL_FUNC_KEYEXCH_##id, (void (*)(void))exchange_ecdh_##function \
    }

const OSSL_DISPATCH isprov_exchange_ecdh[] = { ENTRY(NEWCTX, newctx),
                                               ENTRY(FREECTX, freectx),
                                               ENTRY(DUPCTX, dupctx),
                                               ENTRY(INIT, init),
                                               ENTRY(SET_PEER, set_peer),
                                               ENTRY(DERIVE, derive),
                                               ENTRY(SET_CTX_PARAMS, set_ctx_params),
                                               ENTRY(SETTABLE_CTX_PARAMS, settable_ctx_params),
                                               ENTRY(GET_CTX_PARAMS, get_ctx_params),
                                               ENTRY(GETTABLE_CTX_PARAMS, gettable_ctx_params),
                                               { 0, NULL } };
