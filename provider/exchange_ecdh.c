/* ECDH, see provider-keyexch(7), for the ephemeral software keys that are made
 * here when this provider stands before `default`. The default provider does
 * the work. */
#include <openssl/core_names.h>
#include <openssl/params.h>

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

struct exchange {
    struct isprov *prov;
    EVP_PKEY_CTX *ctx; /* of the default provider; NULL until init */
};

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
    EVP_PKEY_CTX_free(ex->ctx);
    OPENSSL_free(ex);
}

static void *exchange_ecdh_dupctx(void *ctx)
{
    ISPROV_KEEP_ERRNO;
    const struct exchange *from = ctx;
    struct exchange *to = exchange_ecdh_newctx(from->prov);

    if (to == NULL || from->ctx == NULL)
        return to;
    to->ctx = EVP_PKEY_CTX_dup(from->ctx);
    if (to->ctx != NULL)
        return to;
    exchange_ecdh_freectx(to);
    return NULL;
}

static int exchange_ecdh_init(void *ctx, void *keydata, const OSSL_PARAM params[])
{
    ISPROV_KEEP_ERRNO;
    struct exchange *ex = ctx;
    const struct isprov_key *key = keydata;

    if (isprov_key_is_on_card(key)) {
        isprov_raise_text(ex->prov, IOTSAFE_ERR_UNSUPPORTED,
                          "%s: this release does not do key agreement with keys on a SIM",
                          isprov_key_name(key).text);
        return 0;
    }
    if (key->soft == NULL)
        return 0;
    EVP_PKEY_CTX_free(ex->ctx);
    ex->ctx = EVP_PKEY_CTX_new_from_pkey(isprov_libctx(ex->prov), key->soft, NULL);
    return ex->ctx != NULL && EVP_PKEY_derive_init_ex(ex->ctx, params) > 0;
}

static int exchange_ecdh_set_peer(void *ctx, void *keydata)
{
    ISPROV_KEEP_ERRNO;
    struct exchange *ex = ctx;
    EVP_PKEY *peer = isprov_key_public_pkey(keydata);

    return ex->ctx != NULL && peer != NULL && EVP_PKEY_derive_set_peer(ex->ctx, peer) > 0;
}

static int exchange_ecdh_derive(void *ctx, unsigned char *secret, size_t *ret_len, size_t cap)
{
    ISPROV_KEEP_ERRNO;
    struct exchange *ex = ctx;

    if (ex->ctx == NULL)
        return 0;
    *ret_len = cap;
    return EVP_PKEY_derive(ex->ctx, secret, ret_len) > 0;
}

static int exchange_ecdh_set_ctx_params(void *ctx, const OSSL_PARAM params[])
{
    ISPROV_KEEP_ERRNO;
    struct exchange *ex = ctx;

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

static int exchange_ecdh_get_ctx_params(void *ctx, OSSL_PARAM params[])
{
    ISPROV_KEEP_ERRNO;
    struct exchange *ex = ctx;

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

#define ENTRY(id, function) { OSSL_FUNC_KEYEXCH_##id, (void (*)(void))exchange_ecdh_##function }

const OSSL_DISPATCH isprov_exchange_ecdh[] = {
    ENTRY(NEWCTX, newctx),
    ENTRY(FREECTX, freectx),
    ENTRY(DUPCTX, dupctx),
    ENTRY(INIT, init),
    ENTRY(SET_PEER, set_peer),
    ENTRY(DERIVE, derive),
    ENTRY(SET_CTX_PARAMS, set_ctx_params),
    ENTRY(SETTABLE_CTX_PARAMS, settable_ctx_params),
    ENTRY(GET_CTX_PARAMS, get_ctx_params),
    ENTRY(GETTABLE_CTX_PARAMS, gettable_ctx_params),
    { 0, NULL }
};
