/* SPDX-License-Identifier: Apache-2.0 */
/* ECDSA and RSA signatures, see provider-signature(7). Signing with a card key
 * hashes in software and sends the digest to the card, or what else it wants.
 * All else - verifying, and signing with software keys - is handed to the default
 * provider. */
#include <openssl/core_names.h>
#include <string.h>

#include "signature.h"

#include "card_public.h"
#include "crypto.h"

static OSSL_FUNC_signature_newctx_fn signature_ecdsa_newctx;
static OSSL_FUNC_signature_newctx_fn signature_rsa_newctx;
static OSSL_FUNC_signature_verify_recover_init_fn signature_verify_recover_init;
static OSSL_FUNC_signature_verify_recover_fn signature_verify_recover;

/* ------------------------------------------------------------ life of a context */

struct isprov_signature *isprov_signature_new(struct isprov *prov, bool rsa)
{
    struct isprov_signature *sig = OPENSSL_zalloc(sizeof(*sig));

    if (sig == NULL) {
        isprov_raise(prov, IOTSAFE_ERR_MEMORY, NULL);
        return NULL;
    }
    sig->prov = prov;
    sig->rsa = rsa;
    return sig;
}

/* A property query is of the application's library context, not of ours. */
static void *signature_ecdsa_newctx(void *provctx, const char *propq)
{
    ISPROV_KEEP_ERRNO;

    (void)propq;
    return isprov_signature_new(provctx, false);
}

static void *signature_rsa_newctx(void *provctx, const char *propq)
{
    ISPROV_KEEP_ERRNO;

    (void)propq;
    return isprov_signature_new(provctx, true);
}

/* Everything but the key. */
static void drop_operation(struct isprov_signature *sig)
{
    EVP_PKEY_CTX_free(sig->other);
    EVP_MD_CTX_free(sig->hash);
    EVP_MD_free(sig->md);
    isprov_message_free(sig->message);
    OPENSSL_free(sig->given);
    sig->other = NULL;
    sig->hash = NULL;
    sig->md = NULL;
    sig->message = NULL;
    sig->given = NULL;
    sig->pss = false;
    sig->salt_len = ISPROV_ANY_SALT;
    sig->mgf1_digest[0] = '\0';
    sig->mode = ISPROV_IDLE;
}

void isprov_signature_freectx(void *ctx)
{
    ISPROV_KEEP_ERRNO;
    struct isprov_signature *sig = ctx;

    if (sig == NULL)
        return;
    drop_operation(sig);
    isprov_key_free(sig->key);
    OPENSSL_free(sig);
}

static bool copy_operation(struct isprov_signature *to, const struct isprov_signature *from)
{
    if (from->md != NULL && EVP_MD_up_ref(from->md))
        to->md = from->md;
    to->digest = from->digest;
    to->pss = from->pss;
    to->salt_len = from->salt_len;
    OPENSSL_strlcpy(to->mgf1_digest, from->mgf1_digest, sizeof(to->mgf1_digest));
    to->fixed_digest = from->fixed_digest;
    to->given_len = from->given_len;
    if (from->given != NULL)
        to->given = OPENSSL_memdup(from->given, from->given_len);
    if (from->message != NULL)
        to->message = isprov_message_dup(from->message);
    if (from->hash != NULL)
        to->hash = EVP_MD_CTX_new();
    if (from->other != NULL)
        to->other = EVP_PKEY_CTX_dup(from->other);
    to->mode = from->mode;
    return (from->hash == NULL || (to->hash != NULL && EVP_MD_CTX_copy_ex(to->hash, from->hash)))
           && (from->other == NULL || to->other != NULL)
           && (from->message == NULL || to->message != NULL)
           && (from->given == NULL || to->given != NULL);
}

void *isprov_signature_dupctx(void *ctx)
{
    ISPROV_KEEP_ERRNO;
    const struct isprov_signature *from = ctx;
    struct isprov_signature *to = isprov_signature_new(from->prov, from->rsa);

    if (to == NULL)
        return NULL;
    to->key = from->key != NULL ? isprov_key_ref(from->key) : NULL;
    if (copy_operation(to, from))
        return to;
    isprov_raise(from->prov, IOTSAFE_ERR_MEMORY, NULL);
    isprov_signature_freectx(to);
    return NULL;
}

/* Begins an operation. Without a key it is the one of before (re-initialisation). */
static bool begin(struct isprov_signature *sig, struct isprov_key *key)
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

static int not_begun(const struct isprov_signature *sig)
{
    isprov_raise_text(sig->prov, IOTSAFE_ERR_ARGUMENT, "the operation was not initialised");
    return 0;
}

/* The default provider's key for verifying, or for signing with a software key,
 * which may lack its public part. */
static EVP_PKEY *other_key(const struct isprov_signature *sig)
{
    EVP_PKEY *pkey = isprov_key_is_on_card(sig->key) ? isprov_key_public_pkey(sig->key)
                                                     : sig->key->soft;

    if (pkey == NULL)
        isprov_raise_text(sig->prov, IOTSAFE_ERR_KEY, "no public key is known to verify with");
    return pkey;
}

/* Hands a ready digest to the default provider. */
static bool begin_other_digest(struct isprov_signature *sig, int (*init)(EVP_PKEY_CTX *))
{
    EVP_PKEY *pkey = other_key(sig);

    if (pkey == NULL)
        return false;
    sig->other = EVP_PKEY_CTX_new_from_pkey(isprov_libctx(sig->prov), pkey, NULL);
    if (sig->other == NULL || init(sig->other) <= 0)
        return false;
    sig->mode = ISPROV_OTHER_DIGEST;
    return true;
}

typedef int message_init_fn(EVP_MD_CTX *, EVP_PKEY_CTX **, const char *, OSSL_LIB_CTX *,
                            const char *, EVP_PKEY *, const OSSL_PARAM[]);

/* Hands a message to the default provider. */
static bool begin_other_message(struct isprov_signature *sig, const char *name,
                                message_init_fn *init)
{
    EVP_PKEY *pkey = other_key(sig);

    if (pkey == NULL)
        return false;
    sig->hash = EVP_MD_CTX_new();
    if (sig->hash == NULL
        || init(sig->hash, NULL, name, isprov_libctx(sig->prov), NULL, pkey, NULL) <= 0)
        return false;
    sig->mode = ISPROV_OTHER_MESSAGE;
    return true;
}

/* ------------------------------------------------------- signing a ready digest */

static bool can_sign(const struct isprov_signature *sig)
{
    if (!isprov_key_is_card_public(sig->key))
        return true;
    isprov_raise_text(sig->prov, IOTSAFE_ERR_KEY, "%s: a public key cannot sign",
                      isprov_key_name(sig->key).text);
    return false;
}

int isprov_signature_sign_init(void *ctx, void *keydata, const OSSL_PARAM params[])
{
    ISPROV_KEEP_ERRNO;
    struct isprov_signature *sig = ctx;

    if (!begin(sig, keydata) || !can_sign(sig))
        return 0;
    if (isprov_key_is_on_card(sig->key))
        sig->mode = ISPROV_CARD_DIGEST;
    else if (!begin_other_digest(sig, EVP_PKEY_sign_init))
        return 0;
    return isprov_signature_set_ctx_params(sig, params);
}

/* The size question is answered without the card, and a buffer that might turn
 * out too small is refused before it is asked. */
static bool has_room(const struct isprov_signature *sig, size_t cap)
{
    const size_t max_len = (size_t)sig->key->type->max_signature_len;

    if (cap >= max_len)
        return true;
    isprov_raise_text(sig->prov, IOTSAFE_ERR_ARGUMENT,
                      "the buffer for the signature has %zu bytes, %zu are needed", cap, max_len);
    return false;
}

static int sign_input(const struct isprov_signature *sig, const struct iotsafe_input *input,
                      uint8_t *ret_sig, size_t *ret_len)
{
    struct iotsafe_op op = isprov_op_begin(sig->prov);
    struct isprov_scheme scheme;
    uint8_t made[ISPROV_SIGNATURE_MAX];
    size_t len;

    if (!isprov_signature_scheme(sig, &scheme)
        || !isprov_card_key_sign(sig->key, &scheme, input, made, &len, &op))
        return 0;
    memcpy(ret_sig, made, len);
    *ret_len = len;
    return 1;
}

static bool digest_len_is_signable(const struct isprov_signature *sig, size_t len)
{
    if (sig->md != NULL)
        return len == (size_t)EVP_MD_get_size(sig->md);
    return !isprov_signature_is_rsa(sig) && iotsafe_hash_of_size(len) != 0;
}

int isprov_signature_sign(void *ctx, unsigned char *ret_sig, size_t *ret_len, size_t cap,
                          const unsigned char *tbs, size_t tbs_len)
{
    ISPROV_KEEP_ERRNO;
    struct isprov_signature *sig = ctx;
    struct iotsafe_input input;

    if (sig->mode == ISPROV_OTHER_DIGEST) {
        *ret_len = cap;
        return EVP_PKEY_sign(sig->other, ret_sig, ret_len, tbs, tbs_len) > 0;
    }
    if (sig->mode != ISPROV_CARD_DIGEST)
        return not_begun(sig);
    if (ret_sig == NULL) {
        *ret_len = (size_t)sig->key->type->max_signature_len;
        return 1;
    }
    if (!digest_len_is_signable(sig, tbs_len)) {
        isprov_raise_text(sig->prov, IOTSAFE_ERR_DIGEST,
                          "%zu bytes to sign: a digest of SHA-256, SHA-384 or SHA-512 (32, 48 or "
                          "64 bytes) is needed%s",
                          tbs_len,
                          sig->md != NULL                ? ", the one that was set"
                          : isprov_signature_is_rsa(sig) ? ", and which one must be set"
                                                         : "");
        return 0;
    }
    return has_room(sig, cap) && iotsafe_input_from_digest(tbs, tbs_len, &input, NULL) == IOTSAFE_OK
           && sign_input(sig, &input, ret_sig, ret_len);
}

/* ------------------------------------------------------------ signing a message */

static bool begin_message(struct isprov_signature *sig, const char *name)
{
    if (!isprov_signature_set_digest(sig, name != NULL && name[0] != '\0' ? name : "SHA256"))
        return false;
    sig->message = isprov_message_new(sig->prov, EVP_MD_get0_name(sig->md));
    if (sig->message == NULL)
        isprov_raise(sig->prov, IOTSAFE_ERR_MEMORY, NULL);
    return sig->message != NULL;
}

static bool update_message(struct isprov_signature *sig, const void *data, size_t len)
{
    if (isprov_message_update(sig->message, data, len))
        return true;
    isprov_raise(sig->prov, IOTSAFE_ERR_MEMORY, NULL);
    return false;
}

/* No card is touched here: libssl asks this way which digests a key can sign. */
int isprov_signature_digest_sign_init(void *ctx, const char *name, void *keydata,
                                      const OSSL_PARAM params[])
{
    ISPROV_KEEP_ERRNO;
    struct isprov_signature *sig = ctx;

    if (!begin(sig, keydata) || !can_sign(sig))
        return 0;
    if (isprov_key_is_on_card(sig->key)) {
        if (!begin_message(sig, name))
            return 0;
        sig->mode = ISPROV_CARD_MESSAGE;
    } else if (!begin_other_message(sig, name, EVP_DigestSignInit_ex)) {
        return 0;
    }
    return isprov_signature_set_ctx_params(sig, params);
}

int isprov_signature_digest_sign_update(void *ctx, const unsigned char *data, size_t len)
{
    ISPROV_KEEP_ERRNO;
    struct isprov_signature *sig = ctx;

    if (sig->mode == ISPROV_CARD_MESSAGE)
        return update_message(sig, data, len);
    if (sig->mode == ISPROV_OTHER_MESSAGE)
        return EVP_DigestSignUpdate(sig->hash, data, len) > 0;
    return not_begun(sig);
}

int isprov_signature_digest_sign_final(void *ctx, unsigned char *ret_sig, size_t *ret_len,
                                       size_t cap)
{
    ISPROV_KEEP_ERRNO;
    struct isprov_signature *sig = ctx;
    struct iotsafe_input input;

    if (sig->mode == ISPROV_OTHER_MESSAGE) {
        *ret_len = cap;
        return EVP_DigestSignFinal(sig->hash, ret_sig, ret_len) > 0;
    }
    if (sig->mode != ISPROV_CARD_MESSAGE)
        return not_begun(sig);
    if (ret_sig == NULL) {
        *ret_len = (size_t)sig->key->type->max_signature_len;
        return 1;
    }
    return has_room(sig, cap) && isprov_message_finish(sig->message, &input)
           && sign_input(sig, &input, ret_sig, ret_len);
}

int isprov_signature_digest_sign(void *ctx, unsigned char *ret_sig, size_t *ret_len, size_t cap,
                                 const unsigned char *tbs, size_t tbs_len)
{
    if (ret_sig != NULL && !isprov_signature_digest_sign_update(ctx, tbs, tbs_len))
        return 0;
    return isprov_signature_digest_sign_final(ctx, ret_sig, ret_len, cap);
}

/* ------------------------------------------------------------------- verifying */

int isprov_signature_verify_init(void *ctx, void *keydata, const OSSL_PARAM params[])
{
    ISPROV_KEEP_ERRNO;
    struct isprov_signature *sig = ctx;
    struct iotsafe_op op = isprov_op_begin(sig->prov);

    if (!begin(sig, keydata))
        return 0;
    if (!isprov_key_is_card_public(sig->key)) {
        if (!begin_other_digest(sig, EVP_PKEY_verify_init))
            return 0;
    } else if (isprov_card_public_is_fixed(sig->key, &op)) {
        sig->mode = ISPROV_CARD_VERIFY_DIGEST;
    } else {
        return 0;
    }
    return isprov_signature_set_ctx_params(sig, params);
}

int isprov_signature_verify(void *ctx, const unsigned char *given, size_t given_len,
                            const unsigned char *tbs, size_t tbs_len)
{
    ISPROV_KEEP_ERRNO;
    struct isprov_signature *sig = ctx;
    struct iotsafe_op op = isprov_op_begin(sig->prov);
    struct iotsafe_input input;

    if (sig->mode == ISPROV_CARD_VERIFY_DIGEST)
        return digest_len_is_signable(sig, tbs_len)
               && iotsafe_input_from_digest(tbs, tbs_len, &input, NULL) == IOTSAFE_OK
               && isprov_card_public_verify(sig->key, &input, given, given_len, &op);
    if (sig->mode != ISPROV_OTHER_DIGEST)
        return not_begun(sig);
    return EVP_PKEY_verify(sig->other, given, given_len, tbs, tbs_len) == 1;
}

static int signature_verify_recover_init(void *ctx, void *keydata, const OSSL_PARAM params[])
{
    ISPROV_KEEP_ERRNO;
    struct isprov_signature *sig = ctx;

    return begin(sig, keydata) && begin_other_digest(sig, EVP_PKEY_verify_recover_init)
           && isprov_signature_set_ctx_params(sig, params);
}

static int signature_verify_recover(void *ctx, unsigned char *ret_data, size_t *ret_len, size_t cap,
                                    const unsigned char *given, size_t given_len)
{
    ISPROV_KEEP_ERRNO;
    struct isprov_signature *sig = ctx;

    if (sig->mode != ISPROV_OTHER_DIGEST)
        return not_begun(sig);
    *ret_len = cap;
    return EVP_PKEY_verify_recover(sig->other, ret_data, ret_len, given, given_len) > 0;
}

int isprov_signature_digest_verify_init(void *ctx, const char *name, void *keydata,
                                        const OSSL_PARAM params[])
{
    ISPROV_KEEP_ERRNO;
    struct isprov_signature *sig = ctx;
    struct iotsafe_op op = isprov_op_begin(sig->prov);

    if (!begin(sig, keydata))
        return 0;
    if (!isprov_key_is_card_public(sig->key)) {
        if (!begin_other_message(sig, name, EVP_DigestVerifyInit_ex))
            return 0;
    } else {
        if (!isprov_card_public_is_fixed(sig->key, &op) || !begin_message(sig, name))
            return 0;
        sig->mode = ISPROV_CARD_VERIFY_MESSAGE;
    }
    return isprov_signature_set_ctx_params(sig, params);
}

int isprov_signature_digest_verify_update(void *ctx, const unsigned char *data, size_t len)
{
    ISPROV_KEEP_ERRNO;
    struct isprov_signature *sig = ctx;

    if (sig->mode == ISPROV_CARD_VERIFY_MESSAGE)
        return update_message(sig, data, len);
    if (sig->mode != ISPROV_OTHER_MESSAGE)
        return not_begun(sig);
    return EVP_DigestVerifyUpdate(sig->hash, data, len) > 0;
}

int isprov_signature_digest_verify_final(void *ctx, const unsigned char *given, size_t given_len)
{
    ISPROV_KEEP_ERRNO;
    struct isprov_signature *sig = ctx;
    struct iotsafe_op op = isprov_op_begin(sig->prov);
    struct iotsafe_input input;

    if (sig->mode == ISPROV_CARD_VERIFY_MESSAGE)
        return isprov_message_finish(sig->message, &input)
               && isprov_card_public_verify(sig->key, &input, given, given_len, &op);
    if (sig->mode != ISPROV_OTHER_MESSAGE)
        return not_begun(sig);
    return EVP_DigestVerifyFinal(sig->hash, given, given_len) == 1;
}

#define ENTRY(id, function)                                \
    {                                                      \
        OSSL_FUNC_SIGNATURE_##id, (void (*)(void))function \
    }

#define COMMON_ENTRIES                                                                            \
    ENTRY(FREECTX, isprov_signature_freectx), ENTRY(DUPCTX, isprov_signature_dupctx),             \
        ENTRY(SIGN_INIT, isprov_signature_sign_init), ENTRY(SIGN, isprov_signature_sign),         \
        ENTRY(VERIFY_INIT, isprov_signature_verify_init), ENTRY(VERIFY, isprov_signature_verify), \
        ENTRY(DIGEST_SIGN_INIT, isprov_signature_digest_sign_init),                               \
        ENTRY(DIGEST_SIGN_UPDATE, isprov_signature_digest_sign_update),                           \
        ENTRY(DIGEST_SIGN_FINAL, isprov_signature_digest_sign_final),                             \
        ENTRY(DIGEST_SIGN, isprov_signature_digest_sign),                                         \
        ENTRY(DIGEST_VERIFY_INIT, isprov_signature_digest_verify_init),                           \
        ENTRY(DIGEST_VERIFY_UPDATE, isprov_signature_digest_verify_update),                       \
        ENTRY(DIGEST_VERIFY_FINAL, isprov_signature_digest_verify_final),                         \
        ENTRY(GET_CTX_PARAMS, isprov_signature_get_ctx_params),                                   \
        ENTRY(GETTABLE_CTX_PARAMS, isprov_signature_gettable_ctx_params),                         \
        ENTRY(SET_CTX_PARAMS, isprov_signature_set_ctx_params),                                   \
        ENTRY(SETTABLE_CTX_PARAMS, isprov_signature_settable_ctx_params)

const OSSL_DISPATCH isprov_signature_ecdsa[] = { ENTRY(NEWCTX, signature_ecdsa_newctx),
                                                 COMMON_ENTRIES,
                                                 { 0, NULL } };

const OSSL_DISPATCH isprov_signature_rsa[] = { ENTRY(NEWCTX, signature_rsa_newctx),
                                               COMMON_ENTRIES,
                                               ENTRY(VERIFY_RECOVER_INIT,
                                                     signature_verify_recover_init),
                                               ENTRY(VERIFY_RECOVER, signature_verify_recover),
                                               { 0, NULL } };
