/* SPDX-License-Identifier: Apache-2.0 */
/* Key derivation with secrets of a card, see provider-kdf(7): IOTSAFE-HKDF, of which
 * the card does the extract step, and IOTSAFE-TLS1-PRF. The parameter `secret` is
 * the URI of the secret. The names differ from libcrypto's own, so that no
 * property query leads TLS here. */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <string.h>

#include "cards.h"
#include "crypto.h"

static OSSL_FUNC_kdf_newctx_fn kdf_hkdf_newctx;
static OSSL_FUNC_kdf_newctx_fn kdf_prf_newctx;
static OSSL_FUNC_kdf_dupctx_fn kdf_dupctx;
static OSSL_FUNC_kdf_freectx_fn kdf_freectx;
static OSSL_FUNC_kdf_reset_fn kdf_reset;
static OSSL_FUNC_kdf_derive_fn kdf_hkdf_derive;
static OSSL_FUNC_kdf_derive_fn kdf_prf_derive;
static OSSL_FUNC_kdf_settable_ctx_params_fn kdf_hkdf_settable_ctx_params;
static OSSL_FUNC_kdf_settable_ctx_params_fn kdf_prf_settable_ctx_params;
static OSSL_FUNC_kdf_set_ctx_params_fn kdf_set_ctx_params;
static OSSL_FUNC_kdf_gettable_ctx_params_fn kdf_gettable_ctx_params;
static OSSL_FUNC_kdf_get_ctx_params_fn kdf_get_ctx_params;

#define INPUT_MAX 1024 /* bytes of salt, info or seed */

struct octets {
    uint8_t bytes[INPUT_MAX];
    size_t len;
};

struct kdf {
    struct isprov *prov;
    bool prf;
    bool has_secret;
    struct iotsafe_uri secret;
    uint16_t hash;            /* IOTSAFE_HASH_...; 0: not set */
    int mode;                 /* EVP_KDF_HKDF_MODE_... */
    struct octets salt, info; /* info: of HKDF; seed of the PRF, its label included */
};

static struct kdf *kdf_new(struct isprov *prov, bool prf)
{
    struct kdf *kdf = OPENSSL_zalloc(sizeof(*kdf));

    if (kdf == NULL) {
        isprov_raise(prov, IOTSAFE_ERR_MEMORY, NULL);
        return NULL;
    }
    kdf->prov = prov;
    kdf->prf = prf;
    return kdf;
}

static void *kdf_hkdf_newctx(void *provctx)
{
    ISPROV_KEEP_ERRNO;

    return kdf_new(provctx, false);
}

static void *kdf_prf_newctx(void *provctx)
{
    ISPROV_KEEP_ERRNO;

    return kdf_new(provctx, true);
}

static void *kdf_dupctx(void *ctx)
{
    ISPROV_KEEP_ERRNO;

    return OPENSSL_memdup(ctx, sizeof(struct kdf));
}

static void kdf_freectx(void *ctx)
{
    ISPROV_KEEP_ERRNO;

    OPENSSL_clear_free(ctx, sizeof(struct kdf));
}

static void kdf_reset(void *ctx)
{
    struct kdf *kdf = ctx;
    struct isprov *prov = kdf->prov;
    const bool prf = kdf->prf;

    OPENSSL_cleanse(kdf, sizeof(*kdf));
    kdf->prov = prov;
    kdf->prf = prf;
}

/* ------------------------------------------------------------------- parameters */

static const struct {
    const char *name;
    uint16_t hash;
} hashes[] = {
    { "SHA2-256", IOTSAFE_HASH_SHA256 },
    { "SHA2-384", IOTSAFE_HASH_SHA384 },
    { "SHA2-512", IOTSAFE_HASH_SHA512 },
};
#define N_HASHES (sizeof(hashes) / sizeof(hashes[0]))

static bool set_digest(struct kdf *kdf, const OSSL_PARAM *p)
{
    OSSL_LIB_CTX *libctx = isprov_libctx(kdf->prov);
    const char *name = NULL;
    EVP_MD *md;

    if (libctx == NULL || !OSSL_PARAM_get_utf8_string_ptr(p, &name))
        return false;
    isprov_mark(kdf->prov);
    md = EVP_MD_fetch(libctx, name, NULL);
    isprov_drop(kdf->prov);
    kdf->hash = 0;
    for (size_t i = 0; md != NULL && i < N_HASHES; i++)
        if (EVP_MD_is_a(md, hashes[i].name))
            kdf->hash = hashes[i].hash;
    EVP_MD_free(md);
    if (kdf->hash != 0 && (!kdf->prf || kdf->hash == IOTSAFE_HASH_SHA256))
        return true;
    kdf->hash = 0;
    isprov_raise_text(kdf->prov, IOTSAFE_ERR_DIGEST, "%.40s: %s", name,
                      kdf->prf ? "the PRF of applets is that of TLS 1.2 with SHA-256"
                               : "applets derive with SHA-256, SHA-384 and SHA-512");
    return false;
}

/* The URI, as text or as its octets. */
static bool set_secret(struct kdf *kdf, const OSSL_PARAM *p)
{
    char text[IOTSAFE_URI_MAX];
    struct iotsafe_op op = { .text = "" };
    enum iotsafe_err err = IOTSAFE_ERR_URI;

    kdf->has_secret = false;
    if (p->data != NULL && p->data_size < sizeof(text)
        && (p->data_type == OSSL_PARAM_OCTET_STRING || p->data_type == OSSL_PARAM_UTF8_STRING)) {
        memcpy(text, p->data, p->data_size);
        text[p->data_size] = '\0';
        err = iotsafe_uri_parse(text, &kdf->secret, &op);
        if (err == IOTSAFE_OK && iotsafe_name_is_empty(&kdf->secret.name))
            err = IOTSAFE_ERR_URI;
        OPENSSL_cleanse(text, sizeof(text)); /* perhaps a real secret, given by mistake */
    }
    if (err != IOTSAFE_OK) {
        isprov_raise_text(kdf->prov, IOTSAFE_ERR_URI, "%s",
                          "the parameter 'secret' is the iotsafe: URI of one secret on the SIM, "
                          "not the secret itself");
        return false;
    }
    kdf->has_secret = true;
    return true;
}

static bool append(struct kdf *kdf, struct octets *to, const OSSL_PARAM *p)
{
    if (p->data_size == 0)
        return true;
    if (p->data_type != OSSL_PARAM_OCTET_STRING || p->data == NULL
        || p->data_size > sizeof(to->bytes) - to->len) {
        isprov_raise_text(kdf->prov, IOTSAFE_ERR_ARGUMENT, "%s: octets, %d at most", p->key,
                          INPUT_MAX);
        return false;
    }
    memcpy(to->bytes + to->len, p->data, p->data_size);
    to->len += p->data_size;
    return true;
}

static bool set_mode(struct kdf *kdf, const OSSL_PARAM *p)
{
    static const char *const names[] = { "EXTRACT_AND_EXPAND", "EXTRACT_ONLY" };
    const char *name = NULL;
    int mode = -1;

    if (p->data_type == OSSL_PARAM_UTF8_STRING && OSSL_PARAM_get_utf8_string_ptr(p, &name)) {
        for (int i = 0; i < 2; i++)
            if (OPENSSL_strcasecmp(name, names[i]) == 0)
                mode = i;
    } else if (!OSSL_PARAM_get_int(p, &mode)) {
        return false;
    }
    if (mode == EVP_KDF_HKDF_MODE_EXTRACT_AND_EXPAND || mode == EVP_KDF_HKDF_MODE_EXTRACT_ONLY) {
        kdf->mode = mode;
        return true;
    }
    isprov_raise_text(kdf->prov, IOTSAFE_ERR_UNSUPPORTED,
                      "the modes are EXTRACT_AND_EXPAND and EXTRACT_ONLY: the secret of a SIM is "
                      "the input of the extract step");
    return false;
}

/* What may stand several times (info, seed) is concatenated. */
static int kdf_set_ctx_params(void *ctx, const OSSL_PARAM params[])
{
    ISPROV_KEEP_ERRNO;
    struct kdf *kdf = ctx;
    bool good = true, fresh_info = true;

    for (const OSSL_PARAM *p = params; good && p != NULL && p->key != NULL; p++) {
        if (strcmp(p->key, OSSL_KDF_PARAM_SECRET) == 0) {
            good = set_secret(kdf, p);
        } else if (strcmp(p->key, OSSL_KDF_PARAM_DIGEST) == 0) {
            good = set_digest(kdf, p);
        } else if (!kdf->prf && strcmp(p->key, OSSL_KDF_PARAM_MODE) == 0) {
            good = set_mode(kdf, p);
        } else if (!kdf->prf && strcmp(p->key, OSSL_KDF_PARAM_SALT) == 0) {
            kdf->salt.len = 0;
            good = append(kdf, &kdf->salt, p);
        } else if (!kdf->prf && strcmp(p->key, OSSL_KDF_PARAM_INFO) == 0) {
            if (fresh_info)
                kdf->info.len = 0;
            fresh_info = false;
            good = append(kdf, &kdf->info, p);
        } else if (kdf->prf && strcmp(p->key, OSSL_KDF_PARAM_SEED) == 0) {
            good = append(kdf, &kdf->info, p);
        }
    }
    return good;
}

#define COMMON_TYPES                                            \
    OSSL_PARAM_octet_string(OSSL_KDF_PARAM_SECRET, NULL, 0),    \
        OSSL_PARAM_utf8_string(OSSL_KDF_PARAM_DIGEST, NULL, 0), \
        OSSL_PARAM_utf8_string(OSSL_KDF_PARAM_PROPERTIES, NULL, 0)

static const OSSL_PARAM *kdf_hkdf_settable_ctx_params(void *ctx, void *provctx)
{
    static const OSSL_PARAM params[] = { COMMON_TYPES,
                                         OSSL_PARAM_utf8_string(OSSL_KDF_PARAM_MODE, NULL, 0),
                                         OSSL_PARAM_int(OSSL_KDF_PARAM_MODE, NULL),
                                         OSSL_PARAM_octet_string(OSSL_KDF_PARAM_SALT, NULL, 0),
                                         OSSL_PARAM_octet_string(OSSL_KDF_PARAM_INFO, NULL, 0),
                                         OSSL_PARAM_END };

    (void)ctx;
    (void)provctx;
    return params;
}

static const OSSL_PARAM *kdf_prf_settable_ctx_params(void *ctx, void *provctx)
{
    static const OSSL_PARAM params[] = { COMMON_TYPES,
                                         OSSL_PARAM_octet_string(OSSL_KDF_PARAM_SEED, NULL, 0),
                                         OSSL_PARAM_END };

    (void)ctx;
    (void)provctx;
    return params;
}

static int kdf_get_ctx_params(void *ctx, OSSL_PARAM params[])
{
    const struct kdf *kdf = ctx;
    OSSL_PARAM *p = OSSL_PARAM_locate(params, OSSL_KDF_PARAM_SIZE);
    const bool fixed = !kdf->prf && kdf->mode == EVP_KDF_HKDF_MODE_EXTRACT_ONLY;

    return p == NULL || OSSL_PARAM_set_size_t(p, fixed ? iotsafe_hash_size(kdf->hash) : SIZE_MAX);
}

static const OSSL_PARAM *kdf_gettable_ctx_params(void *ctx, void *provctx)
{
    static const OSSL_PARAM params[] = { OSSL_PARAM_size_t(OSSL_KDF_PARAM_SIZE, NULL),
                                         OSSL_PARAM_END };

    (void)ctx;
    (void)provctx;
    return params;
}

/* -------------------------------------------------------------------- derivation */

static enum iotsafe_err begin(struct kdf *kdf, const OSSL_PARAM params[],
                              struct iotsafe_card **ret_card, struct iotsafe_op *op)
{
    if (!kdf_set_ctx_params(kdf, params))
        return IOTSAFE_ERR_MAX; /* raised already */
    if (!kdf->has_secret || (!kdf->prf && kdf->hash == 0)) {
        isprov_op_set(op, "the parameter '%s' is missing",
                      kdf->has_secret ? OSSL_KDF_PARAM_DIGEST : OSSL_KDF_PARAM_SECRET);
        return IOTSAFE_ERR_ARGUMENT;
    }
    return isprov_card_of_uri(kdf->prov, &kdf->secret, ret_card, op);
}

static int end(const struct kdf *kdf, enum iotsafe_err err, const struct iotsafe_op *op)
{
    if (err != IOTSAFE_OK && err != IOTSAFE_ERR_MAX)
        isprov_raise(kdf->prov, err, op);
    return err == IOTSAFE_OK;
}

/* The expand step, in software. */
static bool expand(struct kdf *kdf, uint8_t *prk, uint8_t *ret_key, size_t len)
{
    EVP_KDF *fetched = EVP_KDF_fetch(isprov_libctx(kdf->prov), OSSL_KDF_NAME_HKDF, NULL);
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(fetched);
    int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
    char digest[16] = "";
    OSSL_PARAM params[5], *p = params;
    bool good;

    for (size_t i = 0; i < N_HASHES; i++)
        if (hashes[i].hash == kdf->hash)
            OPENSSL_strlcpy(digest, hashes[i].name, sizeof(digest));
    *p++ = OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode);
    *p++ = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0);
    *p++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, prk, iotsafe_hash_size(kdf->hash));
    *p++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, kdf->info.bytes, kdf->info.len);
    *p = OSSL_PARAM_construct_end();
    good = ctx != NULL && EVP_KDF_derive(ctx, ret_key, len, params) > 0;
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(fetched);
    return good;
}

static enum iotsafe_err finish_hkdf(struct kdf *kdf, uint8_t *prk, uint8_t *ret_key, size_t len,
                                    struct iotsafe_op *op)
{
    if (kdf->mode == EVP_KDF_HKDF_MODE_EXTRACT_ONLY) {
        memcpy(ret_key, prk, len);
        return IOTSAFE_OK;
    }
    if (expand(kdf, prk, ret_key, len))
        return IOTSAFE_OK;
    isprov_op_set(op, "HKDF cannot output %zu bytes", len);
    return IOTSAFE_ERR_ARGUMENT;
}

#define PRK_MAX 64 /* bytes, of SHA-512 */

static int kdf_hkdf_derive(void *ctx, unsigned char *ret_key, size_t len, const OSSL_PARAM params[])
{
    ISPROV_KEEP_ERRNO;
    struct kdf *kdf = ctx;
    struct iotsafe_op op = isprov_op_begin(kdf->prov);
    struct iotsafe_card *card = NULL;
    uint8_t *prk = OPENSSL_secure_malloc(PRK_MAX);
    enum iotsafe_err err = prk != NULL ? begin(kdf, params, &card, &op) : IOTSAFE_ERR_MEMORY;
    const size_t prk_len = iotsafe_hash_size(kdf->hash);

    if (err == IOTSAFE_OK
        && (len == 0 || (kdf->mode == EVP_KDF_HKDF_MODE_EXTRACT_ONLY && len != prk_len))) {
        isprov_op_set(&op, "the extract step outputs %zu bytes, not %zu", prk_len, len);
        err = IOTSAFE_ERR_ARGUMENT;
    }
    if (err == IOTSAFE_OK)
        err = iotsafe_hkdf_extract(card, &kdf->secret.name, kdf->salt.bytes, kdf->salt.len,
                                   kdf->hash, prk, &op);
    if (err == IOTSAFE_OK)
        err = finish_hkdf(kdf, prk, ret_key, len, &op);
    OPENSSL_secure_clear_free(prk, PRK_MAX);
    iotsafe_card_free(card);
    return end(kdf, err, &op);
}

static int kdf_prf_derive(void *ctx, unsigned char *ret_key, size_t len, const OSSL_PARAM params[])
{
    ISPROV_KEEP_ERRNO;
    struct kdf *kdf = ctx;
    struct iotsafe_op op = isprov_op_begin(kdf->prov);
    struct iotsafe_card *card = NULL;
    enum iotsafe_err err = begin(kdf, params, &card, &op);

    if (err == IOTSAFE_OK && (len == 0 || len > 255)) {
        isprov_op_set(&op, "applets derive 1 to 255 bytes, not %zu", len);
        err = IOTSAFE_ERR_ARGUMENT;
    }
    if (err == IOTSAFE_OK)
        err = iotsafe_prf(card, &kdf->secret.name, kdf->info.bytes, kdf->info.len, ret_key, len,
                          &op);
    iotsafe_card_free(card);
    return end(kdf, err, &op);
}

#define COMMON_ENTRIES                                                                  \
    { OSSL_FUNC_KDF_DUPCTX, (void (*)(void))kdf_dupctx },                               \
        { OSSL_FUNC_KDF_FREECTX, (void (*)(void))kdf_freectx },                         \
        { OSSL_FUNC_KDF_RESET, (void (*)(void))kdf_reset },                             \
        { OSSL_FUNC_KDF_SET_CTX_PARAMS, (void (*)(void))kdf_set_ctx_params },           \
        { OSSL_FUNC_KDF_GETTABLE_CTX_PARAMS, (void (*)(void))kdf_gettable_ctx_params }, \
    {                                                                                   \
        OSSL_FUNC_KDF_GET_CTX_PARAMS, (void (*)(void))kdf_get_ctx_params                \
    }

const OSSL_DISPATCH isprov_kdf_hkdf[] = { { OSSL_FUNC_KDF_NEWCTX, (void (*)(void))kdf_hkdf_newctx },
                                          { OSSL_FUNC_KDF_DERIVE, (void (*)(void))kdf_hkdf_derive },
                                          { OSSL_FUNC_KDF_SETTABLE_CTX_PARAMS,
                                            (void (*)(void))kdf_hkdf_settable_ctx_params },
                                          COMMON_ENTRIES,
                                          { 0, NULL } };

const OSSL_DISPATCH isprov_kdf_prf[] = { { OSSL_FUNC_KDF_NEWCTX, (void (*)(void))kdf_prf_newctx },
                                         { OSSL_FUNC_KDF_DERIVE, (void (*)(void))kdf_prf_derive },
                                         { OSSL_FUNC_KDF_SETTABLE_CTX_PARAMS,
                                           (void (*)(void))kdf_prf_settable_ctx_params },
                                         COMMON_ENTRIES,
                                         { 0, NULL } };
