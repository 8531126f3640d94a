/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters of the signature operations (signature.c): digests, the paddings of
 * RSA, and the AlgorithmIdentifier that goes into certificates. */
#include <openssl/core_names.h>
#include <openssl/objects.h>
#include <openssl/params.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "crypto.h"
#include "signature.h"

static const struct isprov_digest signable[] = {
    { "SHA2-256", NID_ecdsa_with_SHA256, NID_sha256WithRSAEncryption },
    { "SHA2-384", NID_ecdsa_with_SHA384, NID_sha384WithRSAEncryption },
    { "SHA2-512", NID_ecdsa_with_SHA512, NID_sha512WithRSAEncryption },
    { "SHA3-256", NID_ecdsa_with_SHA3_256, NID_undef },
    { "SHA3-384", NID_ecdsa_with_SHA3_384, NID_undef },
    { "SHA3-512", NID_ecdsa_with_SHA3_512, NID_undef },
};
#define N_SIGNABLE (sizeof(signable) / sizeof(signable[0]))

#define NAME_MAX_BYTES 80 /* bytes of a digest's name with the NUL */

/* -------------------------------------------------------------------- digests */

static const struct isprov_digest *find_digest(const struct isprov_signature *sig, const EVP_MD *md)
{
    for (size_t i = 0; md != NULL && i < N_SIGNABLE; i++)
        if (EVP_MD_is_a(md, signable[i].name))
            return isprov_signature_is_rsa(sig) && signable[i].rsa_nid == NID_undef ? NULL
                                                                                    : &signable[i];
    return NULL;
}

/* Names come in many spellings, so that the default provider resolves them. */
bool isprov_signature_set_digest(struct isprov_signature *sig, const char *name)
{
    OSSL_LIB_CTX *libctx = isprov_libctx(sig->prov);
    const struct isprov_digest *digest;
    EVP_MD *md;

    if (libctx == NULL)
        return false;
    isprov_mark(sig->prov);
    md = EVP_MD_fetch(libctx, name, NULL);
    isprov_drop(sig->prov);
    digest = find_digest(sig, md);
    if (digest != NULL) {
        EVP_MD_free(sig->md);
        sig->md = md;
        sig->digest = digest;
        return true;
    }
    EVP_MD_free(md);
    isprov_raise_text(sig->prov, IOTSAFE_ERR_DIGEST,
                      "%.40s: IoT SAFE applets sign SHA-256, SHA-384 and SHA-512", name);
    return false;
}

/* ------------------------------------------------------------------------ PSS */

/* What was asked for in bytes; "auto" leaves it to the card. */
static int salt_in_bytes(const struct isprov_signature *sig)
{
    const int digest_len = EVP_MD_get_size(sig->md);

    switch (sig->salt_len) {
    case RSA_PSS_SALTLEN_DIGEST:
        return digest_len;
    case RSA_PSS_SALTLEN_MAX:
        return sig->key->type->max_signature_len - digest_len - 2;
    default:
        return sig->salt_len;
    }
}

bool isprov_signature_scheme(const struct isprov_signature *sig, struct isprov_scheme *ret_scheme)
{
    *ret_scheme = (struct isprov_scheme){ .id = IOTSAFE_ECDSA, .salt_len = ISPROV_ANY_SALT };
    if (!isprov_signature_is_rsa(sig))
        return true;
    ret_scheme->id = sig->pss ? IOTSAFE_RSA_PSS : IOTSAFE_RSA_PKCS1;
    ret_scheme->md = sig->md;
    if (!sig->pss)
        return true;
    ret_scheme->salt_len = salt_in_bytes(sig);
    if (sig->mgf1_digest[0] == '\0' || EVP_MD_is_a(sig->md, sig->mgf1_digest))
        return true;
    isprov_raise_text(sig->prov, IOTSAFE_ERR_UNSUPPORTED,
                      "%s for MGF1: applets use the digest of the message there", sig->mgf1_digest);
    return false;
}

/* -------------------------------------------------------------- AlgorithmIdentifier */

/* RSASSA-PSS (RFC 8017, A.2.3) with one digest for all and a short salt. */
static bool pss_algorithm_id(struct isprov_signature *sig, OSSL_PARAM *p)
{
    /* clang-format off */
    uint8_t der[] = {
        0x30, 0x41, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a,
        0x30, 0x34,
        0xa0, 0x0f, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0,
        0x05, 0x00,
        0xa1, 0x1c, 0x30, 0x1a, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08,
        0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0, 0x05, 0x00,
        0xa2, 0x03, 0x02, 0x01, 0 };
    /* clang-format on */
    enum { HASH_AT = 29, MGF1_AT = 59, SALT_AT = sizeof(der) - 1 };
    const uint8_t hash = (uint8_t)(1 + (sig->digest - signable)); /* SHA-256 is 1, and so on */
    int salt;

    if (sig->salt_len == RSA_PSS_SALTLEN_AUTO) /* now it is promised */
        sig->salt_len = RSA_PSS_SALTLEN_DIGEST;
    salt = salt_in_bytes(sig);
    if (salt < 0 || salt > 0x7f) {
        isprov_raise_text(sig->prov, IOTSAFE_ERR_UNSUPPORTED, "a salt of %d bytes in a certificate",
                          salt);
        return false;
    }
    der[HASH_AT] = hash;
    der[MGF1_AT] = hash;
    der[SALT_AT] = (uint8_t)salt;
    return OSSL_PARAM_set_octet_string(p, der, sizeof(der));
}

/* ECDSA without parameters (RFC 5758), RSA with a NULL (RFC 8017). */
static bool plain_algorithm_id(const struct isprov_signature *sig, OSSL_PARAM *p)
{
    const bool rsa = isprov_signature_is_rsa(sig);
    const int nid = rsa ? sig->digest->rsa_nid : sig->digest->ecdsa_nid;
    X509_ALGOR *alg = X509_ALGOR_new();
    unsigned char *der = NULL;
    int len = 0;
    bool good;

    if (alg != NULL
        && X509_ALGOR_set0(alg, OBJ_nid2obj(nid), rsa ? V_ASN1_NULL : V_ASN1_UNDEF, NULL))
        len = i2d_X509_ALGOR(alg, &der);
    good = len > 0 && OSSL_PARAM_set_octet_string(p, der, (size_t)len);
    OPENSSL_free(der);
    X509_ALGOR_free(alg);
    return good;
}

static bool algorithm_id(struct isprov_signature *sig, OSSL_PARAM *p)
{
    if (sig->md == NULL) {
        isprov_raise_text(sig->prov, IOTSAFE_ERR_DIGEST, "no digest was set");
        return false;
    }
    return isprov_signature_is_rsa(sig) && sig->pss ? pss_algorithm_id(sig, p)
                                                    : plain_algorithm_id(sig, p);
}

/* -------------------------------------------------------------------- getting */

/* The default provider's context; NULL if it is not at work. */
static EVP_PKEY_CTX *other_ctx(const struct isprov_signature *sig)
{
    return sig->mode == ISPROV_OTHER_MESSAGE ? EVP_MD_CTX_get_pkey_ctx(sig->hash) : sig->other;
}

/* Both kinds of parameter are in use for this. */
static bool put_padding(const struct isprov_signature *sig, OSSL_PARAM *p)
{
    if (p->data_type == OSSL_PARAM_UTF8_STRING)
        return OSSL_PARAM_set_utf8_string(p, sig->pss ? OSSL_PKEY_RSA_PAD_MODE_PSS
                                                      : OSSL_PKEY_RSA_PAD_MODE_PKCSV15);
    return OSSL_PARAM_set_int(p, sig->pss ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING);
}

static bool put_salt(const struct isprov_signature *sig, OSSL_PARAM *p)
{
    char text[16];

    if (p->data_type != OSSL_PARAM_UTF8_STRING)
        return OSSL_PARAM_set_int(p, sig->salt_len);
    if (sig->salt_len == RSA_PSS_SALTLEN_DIGEST)
        return OSSL_PARAM_set_utf8_string(p, OSSL_PKEY_RSA_PSS_SALT_LEN_DIGEST);
    if (sig->salt_len == RSA_PSS_SALTLEN_MAX)
        return OSSL_PARAM_set_utf8_string(p, OSSL_PKEY_RSA_PSS_SALT_LEN_MAX);
    if (sig->salt_len == RSA_PSS_SALTLEN_AUTO)
        return OSSL_PARAM_set_utf8_string(p, OSSL_PKEY_RSA_PSS_SALT_LEN_AUTO);
    BIO_snprintf(text, sizeof(text), "%d", sig->salt_len);
    return OSSL_PARAM_set_utf8_string(p, text);
}

static bool put_rsa(const struct isprov_signature *sig, OSSL_PARAM params[])
{
    const char *digest = sig->md != NULL ? EVP_MD_get0_name(sig->md) : "";
    OSSL_PARAM *padding = OSSL_PARAM_locate(params, OSSL_SIGNATURE_PARAM_PAD_MODE);
    OSSL_PARAM *salt = OSSL_PARAM_locate(params, OSSL_SIGNATURE_PARAM_PSS_SALTLEN);
    OSSL_PARAM *mgf1 = OSSL_PARAM_locate(params, OSSL_SIGNATURE_PARAM_MGF1_DIGEST);

    return (padding == NULL || put_padding(sig, padding)) && (salt == NULL || put_salt(sig, salt))
           && (mgf1 == NULL
               || OSSL_PARAM_set_utf8_string(mgf1, sig->mgf1_digest[0] != '\0' ? sig->mgf1_digest
                                                                               : digest));
}

int isprov_signature_get_ctx_params(void *ctx, OSSL_PARAM params[])
{
    ISPROV_KEEP_ERRNO;
    struct isprov_signature *sig = ctx;
    OSSL_PARAM *p;

    if (other_ctx(sig) != NULL)
        return EVP_PKEY_CTX_get_params(other_ctx(sig), params) > 0;
    if (isprov_signature_is_rsa(sig) && !put_rsa(sig, params))
        return 0;
    p = OSSL_PARAM_locate(params, OSSL_SIGNATURE_PARAM_ALGORITHM_ID);
    if (p != NULL && !algorithm_id(sig, p))
        return 0;
    p = OSSL_PARAM_locate(params, OSSL_SIGNATURE_PARAM_DIGEST_SIZE);
    if (p != NULL
        && !OSSL_PARAM_set_size_t(p, sig->md != NULL ? (size_t)EVP_MD_get_size(sig->md) : 0))
        return 0;
    p = OSSL_PARAM_locate(params, OSSL_SIGNATURE_PARAM_DIGEST);
    return p == NULL
           || OSSL_PARAM_set_utf8_string(p, sig->md != NULL ? EVP_MD_get0_name(sig->md) : "");
}

#define RSA_TYPES                                                          \
    OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),        \
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0), \
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_MGF1_DIGEST, NULL, 0)

const OSSL_PARAM *isprov_signature_gettable_ctx_params(void *ctx, void *provctx)
{
    static const OSSL_PARAM params[] = {
        OSSL_PARAM_octet_string(OSSL_SIGNATURE_PARAM_ALGORITHM_ID, NULL, 0),
        OSSL_PARAM_size_t(OSSL_SIGNATURE_PARAM_DIGEST_SIZE, NULL),
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, NULL, 0), OSSL_PARAM_END, /* of ECDSA */
    };
    static const OSSL_PARAM rsa_params[] = {
        OSSL_PARAM_octet_string(OSSL_SIGNATURE_PARAM_ALGORITHM_ID, NULL, 0),
        OSSL_PARAM_size_t(OSSL_SIGNATURE_PARAM_DIGEST_SIZE, NULL),
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, NULL, 0), RSA_TYPES, OSSL_PARAM_END
    };
    const struct isprov_signature *sig = ctx;

    (void)provctx;
    if (sig != NULL && other_ctx(sig) != NULL)
        return EVP_PKEY_CTX_gettable_params(other_ctx(sig));
    return ISPROV_HAS_RSA && (sig == NULL || sig->rsa) ? rsa_params : params;
}

/* -------------------------------------------------------------------- setting */

#define OTHER_PARAMS_MAX 8

static bool is_property_query(const char *key)
{
    return strcmp(key, OSSL_SIGNATURE_PARAM_PROPERTIES) == 0
           || strcmp(key, OSSL_SIGNATURE_PARAM_MGF1_PROPERTIES) == 0;
}

/* For the default provider's context, without the property queries, which speak
 * of the application's providers. */
static bool set_other(struct isprov_signature *sig, const OSSL_PARAM params[])
{
    OSSL_PARAM taken[OTHER_PARAMS_MAX + 1];
    size_t n = 0;

    for (; params->key != NULL && n < OTHER_PARAMS_MAX; params++)
        if (!is_property_query(params->key))
            taken[n++] = *params;
    taken[n] = OSSL_PARAM_construct_end();
    return n == 0 || EVP_PKEY_CTX_set_params(other_ctx(sig), taken) > 0;
}

static bool set_card_digest(struct isprov_signature *sig, const OSSL_PARAM *p)
{
    char name[NAME_MAX_BYTES], *to = name;

    if (!OSSL_PARAM_get_utf8_string(p, &to, sizeof(name)))
        return false;
    if (sig->message == NULL)
        return isprov_signature_set_digest(sig, name);
    if (EVP_MD_is_a(sig->md, name)) /* asked for once more */
        return true;
    isprov_raise_text(sig->prov, IOTSAFE_ERR_ARGUMENT, "%.40s: hashing has begun with %s", name,
                      EVP_MD_get0_name(sig->md));
    return false;
}

static bool set_padding(struct isprov_signature *sig, const OSSL_PARAM *p)
{
    const char *name;
    int padding = 0;

    if (p->data_type == OSSL_PARAM_UTF8_STRING) {
        name = p->data;
        padding = strcmp(name, OSSL_PKEY_RSA_PAD_MODE_PSS) == 0       ? RSA_PKCS1_PSS_PADDING
                  : strcmp(name, OSSL_PKEY_RSA_PAD_MODE_PKCSV15) == 0 ? RSA_PKCS1_PADDING
                                                                      : 0;
    } else if (!OSSL_PARAM_get_int(p, &padding)) {
        return false;
    }
    if (padding != RSA_PKCS1_PADDING && padding != RSA_PKCS1_PSS_PADDING) {
        isprov_raise_text(sig->prov, IOTSAFE_ERR_UNSUPPORTED,
                          "applets support only the paddings of PKCS #1 version 1.5 and PSS");
        return false;
    }
    sig->pss = padding == RSA_PKCS1_PSS_PADDING;
    return true;
}

static bool set_salt(struct isprov_signature *sig, const OSSL_PARAM *p)
{
    const char *text = p->data;
    char *end;
    long n = 0;
    int len = 0;

    if (p->data_type != OSSL_PARAM_UTF8_STRING) {
        if (!OSSL_PARAM_get_int(p, &len))
            return false;
    } else if (strcmp(text, OSSL_PKEY_RSA_PSS_SALT_LEN_DIGEST) == 0) {
        len = RSA_PSS_SALTLEN_DIGEST;
    } else if (strcmp(text, OSSL_PKEY_RSA_PSS_SALT_LEN_MAX) == 0) {
        len = RSA_PSS_SALTLEN_MAX;
    } else if (strcmp(text, OSSL_PKEY_RSA_PSS_SALT_LEN_AUTO) == 0) {
        len = RSA_PSS_SALTLEN_AUTO;
    } else {
        n = strtol(text, &end, 10);
        len = end != text && *end == '\0' && n >= 0 && n <= INT16_MAX ? (int)n : INT32_MIN;
    }
    if (len < RSA_PSS_SALTLEN_MAX) {
        isprov_raise_text(sig->prov, IOTSAFE_ERR_ARGUMENT, "no length of a salt");
        return false;
    }
    sig->salt_len = len;
    return true;
}

static bool set_mgf1_digest(struct isprov_signature *sig, const OSSL_PARAM *p)
{
    char *to = sig->mgf1_digest;

    return OSSL_PARAM_get_utf8_string(p, &to, sizeof(sig->mgf1_digest));
}

#define IF_RSA(set) (ISPROV_HAS_RSA ? (set) : NULL)

int isprov_signature_set_ctx_params(void *ctx, const OSSL_PARAM params[])
{
    static const struct {
        const char *key;
        bool (*set)(struct isprov_signature *, const OSSL_PARAM *);
        bool rsa_only;
    } setters[] = {
        { OSSL_SIGNATURE_PARAM_DIGEST, set_card_digest, false },
        { OSSL_SIGNATURE_PARAM_PAD_MODE, IF_RSA(set_padding), true },
        { OSSL_SIGNATURE_PARAM_PSS_SALTLEN, IF_RSA(set_salt), true },
        { OSSL_SIGNATURE_PARAM_MGF1_DIGEST, IF_RSA(set_mgf1_digest), true },
    };
    ISPROV_KEEP_ERRNO;
    struct isprov_signature *sig = ctx;
    const OSSL_PARAM *p;

    if (params == NULL)
        return 1;
    if (other_ctx(sig) != NULL)
        return set_other(sig, params);
    for (size_t i = 0; i < sizeof(setters) / sizeof(setters[0]); i++) {
        p = OSSL_PARAM_locate_const(params, setters[i].key);
        if (p != NULL && (isprov_signature_is_rsa(sig) || !setters[i].rsa_only)
            && !setters[i].set(sig, p))
            return 0;
    }
    return 1;
}

const OSSL_PARAM *isprov_signature_settable_ctx_params(void *ctx, void *provctx)
{
    static const OSSL_PARAM params[] = {
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PROPERTIES, NULL, 0),
        OSSL_PARAM_END, /* of ECDSA */
    };
    static const OSSL_PARAM rsa_params[] = {
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PROPERTIES, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_MGF1_PROPERTIES, NULL, 0), RSA_TYPES,
        OSSL_PARAM_END
    };
    const struct isprov_signature *sig = ctx;

    (void)provctx;
    if (sig != NULL && other_ctx(sig) != NULL)
        return EVP_PKEY_CTX_settable_params(other_ctx(sig));
    return ISPROV_HAS_RSA && (sig == NULL || sig->rsa) ? rsa_params : params;
}
