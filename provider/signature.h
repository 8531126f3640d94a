/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the signature operations: what signature.c, signature_params.c and
 * signature_composite.c share. See provider-signature(7). */
#ifndef ISPROV_SIGNATURE_H
#define ISPROV_SIGNATURE_H

#include "card_key.h"
#include "key.h"
#include "message.h"

/* A digest of which the applet takes the result, with the algorithms that go into
 * certificates (RFC 5758, RFC 8017; NIST CSOR). */
struct isprov_digest {
    const char *name;
    int ecdsa_nid;
    int rsa_nid; /* NID_undef: not for RSA, where the applet names the digest */
};

struct isprov_signature {
    struct isprov *prov;
    struct isprov_key *key; /* a reference */
    bool rsa;
    enum {
        ISPROV_IDLE,               /* not initialised, or in vain */
        ISPROV_CARD_DIGEST,        /* the card signs a ready digest */
        ISPROV_CARD_MESSAGE,       /* the card signs the digest of what we hash */
        ISPROV_CARD_VERIFY_DIGEST, /* the card verifies, as above: card-verify */
        ISPROV_CARD_VERIFY_MESSAGE,
        ISPROV_OTHER_DIGEST, /* the default provider signs or verifies a ready digest */
        ISPROV_OTHER_MESSAGE /* the default provider hashes and signs or verifies */
    } mode;

    /* ISPROV_CARD_... */
    EVP_MD *md;                         /* NULL: any that is signable */
    const struct isprov_digest *digest; /* of md */
    struct isprov_message *message;     /* ISPROV_CARD_..._MESSAGE */
    bool pss;
    int salt_len;         /* bytes, or RSA_PSS_SALTLEN_... */
    char mgf1_digest[80]; /* empty: that of the message */

    /* of the algorithms that name their digest; else NULL */
    const char *fixed_digest;
    uint8_t *given; /* the signature to verify */
    size_t given_len;

    EVP_MD_CTX *hash;    /* ISPROV_OTHER_MESSAGE */
    EVP_PKEY_CTX *other; /* ISPROV_OTHER_DIGEST */
};

struct isprov_signature *isprov_signature_new(struct isprov *prov, bool rsa);

static inline bool isprov_signature_is_rsa(const struct isprov_signature *sig)
{
    return ISPROV_HAS_RSA && sig->rsa;
}

/** True if messages are hashed here, and no ready digests are taken. */
static inline bool isprov_signature_hashes(const struct isprov_signature *sig)
{
    return sig->message != NULL || sig->hash != NULL;
}

/** Take the digest that a card key signs with, by any of libcrypto's names.
 *  @return false after an error was raised */
bool isprov_signature_set_digest(struct isprov_signature *sig, const char *name);

/** The scheme as it was set up; false after an error was raised. */
bool isprov_signature_scheme(const struct isprov_signature *sig, struct isprov_scheme *ret_scheme);

extern OSSL_FUNC_signature_freectx_fn isprov_signature_freectx;
extern OSSL_FUNC_signature_dupctx_fn isprov_signature_dupctx;
extern OSSL_FUNC_signature_sign_init_fn isprov_signature_sign_init;
extern OSSL_FUNC_signature_sign_fn isprov_signature_sign;
extern OSSL_FUNC_signature_verify_init_fn isprov_signature_verify_init;
extern OSSL_FUNC_signature_verify_fn isprov_signature_verify;
extern OSSL_FUNC_signature_digest_sign_init_fn isprov_signature_digest_sign_init;
extern OSSL_FUNC_signature_digest_sign_update_fn isprov_signature_digest_sign_update;
extern OSSL_FUNC_signature_digest_sign_final_fn isprov_signature_digest_sign_final;
extern OSSL_FUNC_signature_digest_sign_fn isprov_signature_digest_sign;
extern OSSL_FUNC_signature_digest_verify_init_fn isprov_signature_digest_verify_init;
extern OSSL_FUNC_signature_digest_verify_update_fn isprov_signature_digest_verify_update;
extern OSSL_FUNC_signature_digest_verify_final_fn isprov_signature_digest_verify_final;
extern OSSL_FUNC_signature_get_ctx_params_fn isprov_signature_get_ctx_params;
extern OSSL_FUNC_signature_gettable_ctx_params_fn isprov_signature_gettable_ctx_params;
extern OSSL_FUNC_signature_set_ctx_params_fn isprov_signature_set_ctx_params;
extern OSSL_FUNC_signature_settable_ctx_params_fn isprov_signature_settable_ctx_params;

#endif
