/* SPDX-License-Identifier: Apache-2.0 */
/* Signature algorithms that name their digest, as ECDSA-SHA256, with the interface
 * for whole messages, see provider-signature(7): for OpenSSL 3.4 and later. All is done
 * by signature.c; here the digest is fixed, and RSA pads as in PKCS #1 version 1.5. */
#include "signature.h"

#ifdef OSSL_FUNC_SIGNATURE_SIGN_MESSAGE_INIT

#include <openssl/core_names.h>
#include <openssl/params.h>

static OSSL_FUNC_signature_sign_init_fn composite_sign_init;
static OSSL_FUNC_signature_sign_fn composite_sign;
static OSSL_FUNC_signature_sign_message_init_fn composite_sign_message_init;
static OSSL_FUNC_signature_verify_init_fn composite_verify_init;
static OSSL_FUNC_signature_verify_fn composite_verify;
static OSSL_FUNC_signature_verify_message_init_fn composite_verify_message_init;
static OSSL_FUNC_signature_verify_message_final_fn composite_verify_message_final;
static OSSL_FUNC_signature_set_ctx_params_fn composite_set_ctx_params;
static OSSL_FUNC_signature_settable_ctx_params_fn composite_settable_ctx_params;
static OSSL_FUNC_signature_query_key_types_fn query_ecdsa;
static OSSL_FUNC_signature_query_key_types_fn query_rsa;

static void *composite_new(void *provctx, bool rsa, const char *digest)
{
    struct isprov_signature *sig = isprov_signature_new(provctx, rsa);

    if (sig != NULL)
        sig->fixed_digest = digest;
    return sig;
}

/* ------------------------------------------------------------------- parameters */

/* The signature is the only one: everything else is in the name. */
static int composite_set_ctx_params(void *ctx, const OSSL_PARAM params[])
{
    ISPROV_KEEP_ERRNO;
    struct isprov_signature *sig = ctx;
    const OSSL_PARAM *p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_SIGNATURE);
    void *given = NULL;
    size_t len = 0;

    if (p == NULL)
        return 1;
    if (!OSSL_PARAM_get_octet_string(p, &given, 0, &len))
        return 0;
    OPENSSL_free(sig->given);
    sig->given = given;
    sig->given_len = len;
    return 1;
}

static const OSSL_PARAM *composite_settable_ctx_params(void *ctx, void *provctx)
{
    static const OSSL_PARAM params[] = {
        OSSL_PARAM_octet_string(OSSL_SIGNATURE_PARAM_SIGNATURE, NULL, 0), OSSL_PARAM_END
    };

    (void)ctx;
    (void)provctx;
    return params;
}

/* -------------------------------------------------------- of digests made outside */

static bool fix_digest(struct isprov_signature *sig)
{
    /* OSSL_PARAM has no const; nobody writes through it. */
    char *name = (char *)(uintptr_t)sig->fixed_digest;
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, name, 0), OSSL_PARAM_END
    };

    return isprov_signature_set_ctx_params(sig, params);
}

static int composite_sign_init(void *ctx, void *keydata, const OSSL_PARAM params[])
{
    ISPROV_KEEP_ERRNO;

    return isprov_signature_sign_init(ctx, keydata, NULL) && fix_digest(ctx)
           && composite_set_ctx_params(ctx, params);
}

static int composite_verify_init(void *ctx, void *keydata, const OSSL_PARAM params[])
{
    ISPROV_KEEP_ERRNO;

    return isprov_signature_verify_init(ctx, keydata, NULL) && fix_digest(ctx)
           && composite_set_ctx_params(ctx, params);
}

/* --------------------------------------------------------------- of whole messages */

static int composite_sign_message_init(void *ctx, void *keydata, const OSSL_PARAM params[])
{
    ISPROV_KEEP_ERRNO;
    const struct isprov_signature *sig = ctx;

    return isprov_signature_digest_sign_init(ctx, sig->fixed_digest, keydata, NULL)
           && composite_set_ctx_params(ctx, params);
}

static int composite_verify_message_init(void *ctx, void *keydata, const OSSL_PARAM params[])
{
    ISPROV_KEEP_ERRNO;
    const struct isprov_signature *sig = ctx;

    return isprov_signature_digest_verify_init(ctx, sig->fixed_digest, keydata, NULL)
           && composite_set_ctx_params(ctx, params);
}

static int composite_verify_message_final(void *ctx)
{
    const struct isprov_signature *sig = ctx;

    if (sig->given != NULL)
        return isprov_signature_digest_verify_final(ctx, sig->given, sig->given_len);
    isprov_raise_text(sig->prov, IOTSAFE_ERR_ARGUMENT, "no signature was set");
    return 0;
}

/* In one go: of a message, if that was begun. The context may be used again, so that a
 * copy of it is used up. */
static int composite_sign(void *ctx, unsigned char *ret_sig, size_t *ret_len, size_t cap,
                          const unsigned char *tbs, size_t tbs_len)
{
    ISPROV_KEEP_ERRNO;
    void *copy;
    int good;

    if (!isprov_signature_hashes(ctx))
        return isprov_signature_sign(ctx, ret_sig, ret_len, cap, tbs, tbs_len);
    copy = isprov_signature_dupctx(ctx);
    good = copy != NULL && isprov_signature_digest_sign(copy, ret_sig, ret_len, cap, tbs, tbs_len);
    isprov_signature_freectx(copy);
    return good;
}

static int composite_verify(void *ctx, const unsigned char *given, size_t given_len,
                            const unsigned char *tbs, size_t tbs_len)
{
    ISPROV_KEEP_ERRNO;
    void *copy;
    int good;

    if (!isprov_signature_hashes(ctx))
        return isprov_signature_verify(ctx, given, given_len, tbs, tbs_len);
    copy = isprov_signature_dupctx(ctx);
    good = copy != NULL && isprov_signature_digest_verify_update(copy, tbs, tbs_len)
           && isprov_signature_digest_verify_final(copy, given, given_len);
    isprov_signature_freectx(copy);
    return good;
}

/* ------------------------------------------------------------------------- tables */

static const char **query_ecdsa(void)
{
    static const char *types[] = { "EC", NULL };

    return types;
}

static const char **query_rsa(void)
{
    static const char *types[] = { "RSA", NULL };

    return types;
}

#define ENTRY(id, function)                                \
    {                                                      \
        OSSL_FUNC_SIGNATURE_##id, (void (*)(void))function \
    }

#define COMPOSITE(type, digest, names)                                       \
    static OSSL_FUNC_signature_newctx_fn newctx_##type##_##digest;           \
    static void *newctx_##type##_##digest(void *provctx, const char *propq)  \
    {                                                                        \
        ISPROV_KEEP_ERRNO;                                                   \
                                                                             \
        (void)propq;                                                         \
        return composite_new(provctx, query_##type == query_rsa, #digest);   \
    }                                                                        \
    const OSSL_DISPATCH isprov_signature_##type##_##digest[] = {             \
        ENTRY(NEWCTX, newctx_##type##_##digest),                             \
        ENTRY(FREECTX, isprov_signature_freectx),                            \
        ENTRY(DUPCTX, isprov_signature_dupctx),                              \
        ENTRY(SIGN_INIT, composite_sign_init),                               \
        ENTRY(SIGN, composite_sign),                                         \
        ENTRY(SIGN_MESSAGE_INIT, composite_sign_message_init),               \
        ENTRY(SIGN_MESSAGE_UPDATE, isprov_signature_digest_sign_update),     \
        ENTRY(SIGN_MESSAGE_FINAL, isprov_signature_digest_sign_final),       \
        ENTRY(VERIFY_INIT, composite_verify_init),                           \
        ENTRY(VERIFY, composite_verify),                                     \
        ENTRY(VERIFY_MESSAGE_INIT, composite_verify_message_init),           \
        ENTRY(VERIFY_MESSAGE_UPDATE, isprov_signature_digest_verify_update), \
        ENTRY(VERIFY_MESSAGE_FINAL, composite_verify_message_final),         \
        ENTRY(QUERY_KEY_TYPES, query_##type),                                \
        ENTRY(GET_CTX_PARAMS, isprov_signature_get_ctx_params),              \
        ENTRY(GETTABLE_CTX_PARAMS, isprov_signature_gettable_ctx_params),    \
        ENTRY(SET_CTX_PARAMS, composite_set_ctx_params),                     \
        ENTRY(SETTABLE_CTX_PARAMS, composite_settable_ctx_params),           \
        { 0, NULL }                                                          \
    };

ISPROV_COMPOSITE_SIGNATURES(COMPOSITE)

#endif
