/* ECDSA, see provider-signature(7). Signing with a card key hashes in software
 * and sends the digest to the card. All else - verifying, and signing with
 * ephemeral software keys - is handed to the default provider. */
#include <openssl/core_names.h>
#include <openssl/objects.h>
#include <openssl/params.h>
#include <openssl/x509.h>
#include <string.h>

#include "card_key.h"
#include "key.h"

static OSSL_FUNC_signature_newctx_fn signature_ecdsa_newctx;
static OSSL_FUNC_signature_freectx_fn signature_ecdsa_freectx;
static OSSL_FUNC_signature_dupctx_fn signature_ecdsa_dupctx;
static OSSL_FUNC_signature_sign_init_fn signature_ecdsa_sign_init;
static OSSL_FUNC_signature_sign_fn signature_ecdsa_sign;
static OSSL_FUNC_signature_verify_init_fn signature_ecdsa_verify_init;
static OSSL_FUNC_signature_verify_fn signature_ecdsa_verify;
static OSSL_FUNC_signature_digest_sign_init_fn signature_ecdsa_digest_sign_init;
static OSSL_FUNC_signature_digest_sign_update_fn signature_ecdsa_digest_sign_update;
static OSSL_FUNC_signature_digest_sign_final_fn signature_ecdsa_digest_sign_final;
static OSSL_FUNC_signature_digest_sign_fn signature_ecdsa_digest_sign;
static OSSL_FUNC_signature_digest_verify_init_fn signature_ecdsa_digest_verify_init;
static OSSL_FUNC_signature_digest_verify_update_fn signature_ecdsa_digest_verify_update;
static OSSL_FUNC_signature_digest_verify_final_fn signature_ecdsa_digest_verify_final;
static OSSL_FUNC_signature_get_ctx_params_fn signature_ecdsa_get_ctx_params;
static OSSL_FUNC_signature_gettable_ctx_params_fn signature_ecdsa_gettable_ctx_params;
static OSSL_FUNC_signature_set_ctx_params_fn signature_ecdsa_set_ctx_params;
static OSSL_FUNC_signature_settable_ctx_params_fn signature_ecdsa_settable_ctx_params;

/* The digests of which the applet takes the result: by their length it knows them.
 * With the algorithm that goes into certificates (RFC 5758; NIST CSOR). */
struct digest {
    const char *name;
    int signature_nid;
};

static const struct digest signable[] = {
    { "SHA2-256", NID_ecdsa_with_SHA256 },
    { "SHA2-384", NID_ecdsa_with_SHA384 },
    { "SHA2-512", NID_ecdsa_with_SHA512 },
    { "SHA3-256", NID_ecdsa_with_SHA3_256 },
    { "SHA3-384", NID_ecdsa_with_SHA3_384 },
    { "SHA3-512", NID_ecdsa_with_SHA3_512 },
};

#define DIGEST_NAME_MAX 80 /* bytes with the NUL */

struct signature {
    struct isprov *prov;
    struct isprov_key *key; /* a reference */
    enum {
        IDLE,               /* not initialised, or in vain */
        CARD_DIGEST,        /* the card signs a ready digest */
        CARD_MESSAGE,       /* the card signs the digest of what we hash */
        OTHER_DIGEST,       /* the default provider signs or verifies a ready digest */
        OTHER_MESSAGE       /* the default provider hashes and signs or verifies */
    } mode;
    EVP_MD *md;             /* CARD_...; NULL: any that is signable */
    const struct digest *digest; /* of md */
    EVP_MD_CTX *hash;       /* ..._MESSAGE */
    EVP_PKEY_CTX *other;    /* OTHER_DIGEST */
};

/* ------------------------------------------------------------ life of a context */

static void *signature_ecdsa_newctx(void *provctx, const char *propq)
{
    ISPROV_KEEP_ERRNO;
    struct isprov *prov = provctx;
    struct signature *sig = OPENSSL_zalloc(sizeof(*sig));

    (void)propq; /* of the application's library context, not of ours */
    if (sig == NULL) {
        isprov_raise(prov, IOTSAFE_ERR_MEMORY, NULL);
        return NULL;
    }
    sig->prov = prov;
    return sig;
}

/* Everything but the key. */
static void drop_operation(struct signature *sig)
{
    EVP_PKEY_CTX_free(sig->other);
    EVP_MD_CTX_free(sig->hash);
    EVP_MD_free(sig->md);
    sig->other = NULL;
    sig->hash = NULL;
    sig->md = NULL;
    sig->mode = IDLE;
}

static void signature_ecdsa_freectx(void *ctx)
{
    ISPROV_KEEP_ERRNO;
    struct signature *sig = ctx;

    if (sig == NULL)
        return;
    drop_operation(sig);
    isprov_key_free(sig->key);
    OPENSSL_free(sig);
}

static bool copy_operation(struct signature *to, const struct signature *from)
{
    if (from->md != NULL && EVP_MD_up_ref(from->md))
        to->md = from->md;
    to->digest = from->digest;
    if (from->hash != NULL)
        to->hash = EVP_MD_CTX_new();
    if (from->other != NULL)
        to->other = EVP_PKEY_CTX_dup(from->other);
    to->mode = from->mode;
    return (from->hash == NULL || (to->hash != NULL && EVP_MD_CTX_copy_ex(to->hash, from->hash)))
           && (from->other == NULL || to->other != NULL);
}

static void *signature_ecdsa_dupctx(void *ctx)
{
    ISPROV_KEEP_ERRNO;
    const struct signature *from = ctx;
    struct signature *to = signature_ecdsa_newctx(from->prov, NULL);

    if (to == NULL)
        return NULL;
    to->key = from->key != NULL ? isprov_key_ref(from->key) : NULL;
    if (copy_operation(to, from))
        return to;
    isprov_raise(from->prov, IOTSAFE_ERR_MEMORY, NULL);
    signature_ecdsa_freectx(to);
    return NULL;
}

/* Begins an operation. Without a key it is the one of before (re-initialisation). */
static bool begin(struct signature *sig, struct isprov_key *key)
{
    drop_operation(sig);
    if (key != NULL) {
        isprov_key_ref(key);
        isprov_key_free(sig->key);
        sig->key = key;
    }
    if (sig->key != NULL)
        return true;
    isprov_raise_text(sig->prov, IOTSAFE_ERR_ARGUMENT, "no key was set");
    return false;
}

static int not_begun(const struct signature *sig)
{
    isprov_raise_text(sig->prov, IOTSAFE_ERR_ARGUMENT, "the operation was not initialised");
    return 0;
}

/* The default provider's key for verifying, or for signing with a software key. */
static EVP_PKEY *other_key(const struct signature *sig)
{
    EVP_PKEY *pkey = isprov_key_public_pkey(sig->key);

    if (pkey == NULL)
        isprov_raise_text(sig->prov, IOTSAFE_ERR_KEY, "no public key is known to verify with");
    return pkey;
}

/* Hands a ready digest to the default provider. */
static bool begin_other_digest(struct signature *sig, int (*init)(EVP_PKEY_CTX *))
{
    EVP_PKEY *pkey = other_key(sig);

    if (pkey == NULL)
        return false;
    sig->other = EVP_PKEY_CTX_new_from_pkey(isprov_libctx(sig->prov), pkey, NULL);
    if (sig->other == NULL || init(sig->other) <= 0)
        return false;
    sig->mode = OTHER_DIGEST;
    return true;
}

typedef int message_init_fn(EVP_MD_CTX *, EVP_PKEY_CTX **, const char *, OSSL_LIB_CTX *,
                            const char *, EVP_PKEY *, const OSSL_PARAM[]);

/* Hands a message to the default provider. */
static bool begin_other_message(struct signature *sig, const char *name, message_init_fn *init)
{
    EVP_PKEY *pkey = other_key(sig);

    if (pkey == NULL)
        return false;
    sig->hash = EVP_MD_CTX_new();
    if (sig->hash == NULL
        || init(sig->hash, NULL, name, isprov_libctx(sig->prov), NULL, pkey, NULL) <= 0)
        return false;
    sig->mode = OTHER_MESSAGE;
    return true;
}

/* -------------------------------------------------------------------- digests */

/* Takes the digest that a card key signs with. Names come in many spellings, so
 * that the default provider resolves them. */
static bool set_digest(struct signature *sig, const char *name)
{
    OSSL_LIB_CTX *libctx = isprov_libctx(sig->prov);
    EVP_MD *md;

    if (libctx == NULL)
        return false;
    isprov_mark(sig->prov);
    md = EVP_MD_fetch(libctx, name, NULL);
    isprov_drop(sig->prov);
    for (size_t i = 0; md != NULL && i < sizeof(signable) / sizeof(signable[0]); i++)
        if (EVP_MD_is_a(md, signable[i].name)) {
            EVP_MD_free(sig->md);
            sig->md = md;
            sig->digest = &signable[i];
            return true;
        }
    EVP_MD_free(md);
    isprov_raise_text(sig->prov, IOTSAFE_ERR_DIGEST,
                      "%.40s: IoT SAFE applets sign SHA-256, SHA-384 and SHA-512", name);
    return false;
}

static bool digest_len_is_signable(size_t len)
{
    return len == 32 || len == 48 || len == 64;
}

/* The AlgorithmIdentifier of ECDSA with that digest, without parameters. */
static bool algorithm_id(const struct signature *sig, OSSL_PARAM *p)
{
    X509_ALGOR *alg;
    unsigned char *der = NULL;
    int len = 0;
    bool good;

    if (sig->md == NULL) {
        isprov_raise_text(sig->prov, IOTSAFE_ERR_DIGEST, "no digest was set");
        return false;
    }
    alg = X509_ALGOR_new();
    if (alg != NULL
        && X509_ALGOR_set0(alg, OBJ_nid2obj(sig->digest->signature_nid), V_ASN1_UNDEF, NULL))
        len = i2d_X509_ALGOR(alg, &der);
    good = len > 0 && OSSL_PARAM_set_octet_string(p, der, (size_t)len);
    OPENSSL_free(der);
    X509_ALGOR_free(alg);
    return good;
}

/* ------------------------------------------------------- signing a ready digest */

static int signature_ecdsa_sign_init(void *ctx, void *keydata, const OSSL_PARAM params[])
{
    ISPROV_KEEP_ERRNO;
    struct signature *sig = ctx;

    if (!begin(sig, keydata))
        return 0;
    if (isprov_key_is_on_card(sig->key))
        sig->mode = CARD_DIGEST;
    else if (!begin_other_digest(sig, EVP_PKEY_sign_init))
        return 0;
    return signature_ecdsa_set_ctx_params(sig, params);
}

/* With a card key. The size question is answered without the card, and a buffer
 * that might turn out too small is refused before it is asked. */
static int sign_digest(const struct signature *sig, uint8_t *ret_sig, size_t *ret_len, size_t cap,
                       const uint8_t *digest, size_t digest_len)
{
    const size_t max_len = (size_t)sig->key->curve->max_signature_len;
    uint8_t der[ISPROV_ECDSA_DER_MAX];
    size_t len;

    if (ret_sig == NULL) {
        *ret_len = max_len;
        return 1;
    }
    if (cap < max_len) {
        isprov_raise_text(sig->prov, IOTSAFE_ERR_ARGUMENT,
                          "the buffer for the signature has %zu bytes, %zu are needed", cap,
                          max_len);
        return 0;
    }
    if (!isprov_card_key_sign(sig->key, digest, digest_len, der, &len))
        return 0;
    memcpy(ret_sig, der, len);
    *ret_len = len;
    return 1;
}

static int signature_ecdsa_sign(void *ctx, unsigned char *ret_sig, size_t *ret_len, size_t cap,
                                const unsigned char *tbs, size_t tbs_len)
{
    ISPROV_KEEP_ERRNO;
    struct signature *sig = ctx;

    if (sig->mode == OTHER_DIGEST) {
        *ret_len = cap;
        return EVP_PKEY_sign(sig->other, ret_sig, ret_len, tbs, tbs_len) > 0;
    }
    if (sig->mode != CARD_DIGEST)
        return not_begun(sig);
    if (ret_sig != NULL
        && (sig->md != NULL ? tbs_len != (size_t)EVP_MD_get_size(sig->md)
                            : !digest_len_is_signable(tbs_len))) {
        isprov_raise_text(sig->prov, IOTSAFE_ERR_DIGEST,
                          "%zu bytes to sign: a digest of SHA-256, SHA-384 or SHA-512 (32, 48 or "
                          "64 bytes) is needed%s",
                          tbs_len, sig->md != NULL ? ", the one that was set" : "");
        return 0;
    }
    return sign_digest(sig, ret_sig, ret_len, cap, tbs, tbs_len);
}

/* ------------------------------------------------------------ signing a message */

/* No card is touched here: libssl asks this way which digests a key can sign. */
static int signature_ecdsa_digest_sign_init(void *ctx, const char *name, void *keydata,
                                            const OSSL_PARAM params[])
{
    ISPROV_KEEP_ERRNO;
    struct signature *sig = ctx;

    if (!begin(sig, keydata))
        return 0;
    if (isprov_key_is_on_card(sig->key)) {
        sig->hash = EVP_MD_CTX_new();
        if (sig->hash == NULL
            || !set_digest(sig, name != NULL && name[0] != '\0' ? name : "SHA256")
            || !EVP_DigestInit_ex2(sig->hash, sig->md, NULL))
            return 0;
        sig->mode = CARD_MESSAGE;
    } else if (!begin_other_message(sig, name, EVP_DigestSignInit_ex)) {
        return 0;
    }
    return signature_ecdsa_set_ctx_params(sig, params);
}

static int signature_ecdsa_digest_sign_update(void *ctx, const unsigned char *data, size_t len)
{
    ISPROV_KEEP_ERRNO;
    struct signature *sig = ctx;

    if (sig->mode == CARD_MESSAGE)
        return EVP_DigestUpdate(sig->hash, data, len) > 0;
    if (sig->mode == OTHER_MESSAGE)
        return EVP_DigestSignUpdate(sig->hash, data, len) > 0;
    return not_begun(sig);
}

static int signature_ecdsa_digest_sign_final(void *ctx, unsigned char *ret_sig, size_t *ret_len,
                                             size_t cap)
{
    ISPROV_KEEP_ERRNO;
    struct signature *sig = ctx;
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned int digest_len = 0;

    if (sig->mode == OTHER_MESSAGE) {
        *ret_len = cap;
        return EVP_DigestSignFinal(sig->hash, ret_sig, ret_len) > 0;
    }
    if (sig->mode != CARD_MESSAGE)
        return not_begun(sig);
    if (ret_sig != NULL && !EVP_DigestFinal_ex(sig->hash, digest, &digest_len))
        return 0;
    return sign_digest(sig, ret_sig, ret_len, cap, digest, digest_len);
}

static int signature_ecdsa_digest_sign(void *ctx, unsigned char *ret_sig, size_t *ret_len,
                                       size_t cap, const unsigned char *tbs, size_t tbs_len)
{
    if (ret_sig != NULL && !signature_ecdsa_digest_sign_update(ctx, tbs, tbs_len))
        return 0;
    return signature_ecdsa_digest_sign_final(ctx, ret_sig, ret_len, cap);
}

/* ------------------------------------------------------------------- verifying */

static int signature_ecdsa_verify_init(void *ctx, void *keydata, const OSSL_PARAM params[])
{
    ISPROV_KEEP_ERRNO;
    struct signature *sig = ctx;

    return begin(sig, keydata) && begin_other_digest(sig, EVP_PKEY_verify_init)
           && signature_ecdsa_set_ctx_params(sig, params);
}

static int signature_ecdsa_verify(void *ctx, const unsigned char *given, size_t given_len,
                                  const unsigned char *tbs, size_t tbs_len)
{
    ISPROV_KEEP_ERRNO;
    struct signature *sig = ctx;

    if (sig->mode != OTHER_DIGEST)
        return not_begun(sig);
    return EVP_PKEY_verify(sig->other, given, given_len, tbs, tbs_len) == 1;
}

static int signature_ecdsa_digest_verify_init(void *ctx, const char *name, void *keydata,
                                              const OSSL_PARAM params[])
{
    ISPROV_KEEP_ERRNO;
    struct signature *sig = ctx;

    return begin(sig, keydata) && begin_other_message(sig, name, EVP_DigestVerifyInit_ex)
           && signature_ecdsa_set_ctx_params(sig, params);
}

static int signature_ecdsa_digest_verify_update(void *ctx, const unsigned char *data, size_t len)
{
    ISPROV_KEEP_ERRNO;
    struct signature *sig = ctx;

    if (sig->mode != OTHER_MESSAGE)
        return not_begun(sig);
    return EVP_DigestVerifyUpdate(sig->hash, data, len) > 0;
}

static int signature_ecdsa_digest_verify_final(void *ctx, const unsigned char *given,
                                               size_t given_len)
{
    ISPROV_KEEP_ERRNO;
    struct signature *sig = ctx;

    if (sig->mode != OTHER_MESSAGE)
        return not_begun(sig);
    return EVP_DigestVerifyFinal(sig->hash, given, given_len) == 1;
}

/* ------------------------------------------------------------------ parameters */

/* The default provider's context; NULL if it is not at work. */
static EVP_PKEY_CTX *other_ctx(const struct signature *sig)
{
    return sig->mode == OTHER_MESSAGE ? EVP_MD_CTX_get_pkey_ctx(sig->hash) : sig->other;
}

static int signature_ecdsa_get_ctx_params(void *ctx, OSSL_PARAM params[])
{
    ISPROV_KEEP_ERRNO;
    struct signature *sig = ctx;
    OSSL_PARAM *p;

    if (other_ctx(sig) != NULL)
        return EVP_PKEY_CTX_get_params(other_ctx(sig), params) > 0;
    p = OSSL_PARAM_locate(params, OSSL_SIGNATURE_PARAM_ALGORITHM_ID);
    if (p != NULL && !algorithm_id(sig, p))
        return 0;
    p = OSSL_PARAM_locate(params, OSSL_SIGNATURE_PARAM_DIGEST_SIZE);
    if (p != NULL && !OSSL_PARAM_set_size_t(p, sig->md != NULL ? (size_t)EVP_MD_get_size(sig->md)
                                                               : 0))
        return 0;
    p = OSSL_PARAM_locate(params, OSSL_SIGNATURE_PARAM_DIGEST);
    return p == NULL
           || OSSL_PARAM_set_utf8_string(p, sig->md != NULL ? EVP_MD_get0_name(sig->md) : "");
}

static const OSSL_PARAM *signature_ecdsa_gettable_ctx_params(void *ctx, void *provctx)
{
    static const OSSL_PARAM params[] = {
        OSSL_PARAM_octet_string(OSSL_SIGNATURE_PARAM_ALGORITHM_ID, NULL, 0),
        OSSL_PARAM_size_t(OSSL_SIGNATURE_PARAM_DIGEST_SIZE, NULL),
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, NULL, 0),
        OSSL_PARAM_END
    };

    (void)ctx;
    (void)provctx;
    return params;
}

/* The digest for the default provider's context, without the property query
 * beside it, which speaks of the application's providers. */
static bool set_other_digest(struct signature *sig, char *name)
{
    OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, name, 0),
                            OSSL_PARAM_construct_end() };

    return EVP_PKEY_CTX_set_params(other_ctx(sig), params) > 0;
}

static int signature_ecdsa_set_ctx_params(void *ctx, const OSSL_PARAM params[])
{
    ISPROV_KEEP_ERRNO;
    struct signature *sig = ctx;
    const OSSL_PARAM *p =
        params != NULL ? OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_DIGEST) : NULL;
    char name[DIGEST_NAME_MAX], *to = name;

    if (p == NULL)
        return 1;
    if (!OSSL_PARAM_get_utf8_string(p, &to, sizeof(name)))
        return 0;
    if (other_ctx(sig) != NULL)
        return set_other_digest(sig, name);
    if (sig->mode != CARD_MESSAGE)
        return set_digest(sig, name);
    if (EVP_MD_is_a(sig->md, name)) /* asked for once more */
        return 1;
    isprov_raise_text(sig->prov, IOTSAFE_ERR_ARGUMENT, "%.40s: hashing has begun with %s", name,
                      EVP_MD_get0_name(sig->md));
    return 0;
}

static const OSSL_PARAM *signature_ecdsa_settable_ctx_params(void *ctx, void *provctx)
{
    static const OSSL_PARAM params[] = {
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PROPERTIES, NULL, 0),
        OSSL_PARAM_END
    };

    (void)ctx;
    (void)provctx;
    return params;
}

#define ENTRY(id, function) { OSSL_FUNC_SIGNATURE_##id, (void (*)(void))signature_ecdsa_##function }

const OSSL_DISPATCH isprov_signature_ecdsa[] = {
    ENTRY(NEWCTX, newctx),
    ENTRY(FREECTX, freectx),
    ENTRY(DUPCTX, dupctx),
    ENTRY(SIGN_INIT, sign_init),
    ENTRY(SIGN, sign),
    ENTRY(VERIFY_INIT, verify_init),
    ENTRY(VERIFY, verify),
    ENTRY(DIGEST_SIGN_INIT, digest_sign_init),
    ENTRY(DIGEST_SIGN_UPDATE, digest_sign_update),
    ENTRY(DIGEST_SIGN_FINAL, digest_sign_final),
    ENTRY(DIGEST_SIGN, digest_sign),
    ENTRY(DIGEST_VERIFY_INIT, digest_verify_init),
    ENTRY(DIGEST_VERIFY_UPDATE, digest_verify_update),
    ENTRY(DIGEST_VERIFY_FINAL, digest_verify_final),
    ENTRY(GET_CTX_PARAMS, get_ctx_params),
    ENTRY(GETTABLE_CTX_PARAMS, gettable_ctx_params),
    ENTRY(SET_CTX_PARAMS, set_ctx_params),
    ENTRY(SETTABLE_CTX_PARAMS, settable_ctx_params),
    { 0, NULL }
};
