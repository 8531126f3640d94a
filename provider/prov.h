/* SPDX-License-Identifier: Apache-2.0 */
/* The provider's context: one for each library context that loaded it. */
#ifndef ISPROV_PROV_H
#define ISPROV_PROV_H

#include <stdatomic.h>

#include "core.h"
#include "iotsafe.h"

struct isprov_crypto;
struct isprov_card_slot;

struct isprov {
    struct isprov_core core;
    OSSL_LIB_CTX *bio_ctx;                    /* for BIOs of the core, nothing else */
    _Atomic(struct isprov_crypto *) crypto;   /* see crypto.h */
    _Atomic(struct isprov_card_slot *) cards; /* see cards.h */
    struct iotsafe_config *environment;       /* the configuration when the module was loaded */
    _Atomic(struct iotsafe_config *) config;  /* since the first use, see isprov_config() */
    OSSL_ITEM reasons[IOTSAFE_ERR_MAX];
    OSSL_ALGORITHM *fips[OSSL_OP__HIGHEST + 1]; /* by operation, see assume_fips.h; else NULL */
};

/**
 * The configuration. Programs may add settings until the first use (-provparam does so
 * behind -provider), the environment is that of the time when the module was loaded.
 */
const struct iotsafe_config *isprov_config(struct isprov *prov);

/**
 * Begin an operation as OpenSSL sees it: a load, a signature, a derivation. Each
 * function of a dispatch table that may reach a card begins one and passes it to all
 * that it calls, so that all of it together ends by `timeout-ms`. What is tried
 * quietly inside it takes iotsafe_op_within().
 */
static inline struct iotsafe_op isprov_op_begin(struct isprov *prov)
{
    return iotsafe_op_begin(isprov_config(prov));
}

/* Dispatch tables, each at the end of the file of its operation. */
extern const OSSL_DISPATCH isprov_keymgmt_ec[];
extern const OSSL_DISPATCH isprov_keymgmt_rsa[];
extern const OSSL_DISPATCH isprov_signature_ecdsa[];
extern const OSSL_DISPATCH isprov_signature_rsa[];
#ifdef OSSL_FUNC_SIGNATURE_SIGN_MESSAGE_INIT
/* Signature algorithms that name their digest (OpenSSL 3.4), under all names that the
 * default provider gives them. */
#define ISPROV_COMPOSITE_SIGNATURES(X)                                                    \
    X(ecdsa, sha256, "ECDSA-SHA2-256:ECDSA-SHA256:ecdsa-with-SHA256:1.2.840.10045.4.3.2") \
    X(ecdsa, sha384, "ECDSA-SHA2-384:ECDSA-SHA384:ecdsa-with-SHA384:1.2.840.10045.4.3.3") \
    X(ecdsa, sha512, "ECDSA-SHA2-512:ECDSA-SHA512:ecdsa-with-SHA512:1.2.840.10045.4.3.4") \
    ISPROV_COMPOSITE_RSA(X)
#ifdef HAVE_RSA
#define ISPROV_COMPOSITE_RSA(X)                                                             \
    X(rsa, sha256, "RSA-SHA2-256:RSA-SHA256:sha256WithRSAEncryption:1.2.840.113549.1.1.11") \
    X(rsa, sha384, "RSA-SHA2-384:RSA-SHA384:sha384WithRSAEncryption:1.2.840.113549.1.1.12") \
    X(rsa, sha512, "RSA-SHA2-512:RSA-SHA512:sha512WithRSAEncryption:1.2.840.113549.1.1.13")
#else
#define ISPROV_COMPOSITE_RSA(X)
#endif
#define ISPROV_DECLARE_SIGNATURE(type, digest, names) \
    extern const OSSL_DISPATCH isprov_signature_##type##_##digest[];
ISPROV_COMPOSITE_SIGNATURES(ISPROV_DECLARE_SIGNATURE)
#endif
extern const OSSL_DISPATCH isprov_exchange_ecdh[];
extern const OSSL_DISPATCH isprov_kdf_hkdf[];
extern const OSSL_DISPATCH isprov_kdf_prf[];
extern const OSSL_DISPATCH isprov_rand_seed[];
extern const OSSL_DISPATCH isprov_store[];
extern const OSSL_DISPATCH isprov_decoder_pem[];
extern const OSSL_DISPATCH isprov_decoder_block[];
extern const OSSL_DISPATCH isprov_decoder_der[];
extern const OSSL_DISPATCH isprov_encoder_text[];
extern const OSSL_DISPATCH isprov_encoder_private_pem[];
extern const OSSL_DISPATCH isprov_encoder_private_der[];
extern const OSSL_DISPATCH isprov_encoder_public_pem[];
extern const OSSL_DISPATCH isprov_encoder_public_der[];

/** Parameter of EC key generation: the URI of a container on a card, UTF-8. */
#define ISPROV_PKEY_PARAM_CONTAINER "container"

/* What isprov_keymgmt_ec takes from keymgmt_ec_gen.c. */
extern OSSL_FUNC_keymgmt_gen_init_fn isprov_keymgmt_ec_gen_init;
extern OSSL_FUNC_keymgmt_gen_set_template_fn isprov_keymgmt_ec_gen_set_template;
extern OSSL_FUNC_keymgmt_gen_set_params_fn isprov_keymgmt_ec_gen_set_params;
extern OSSL_FUNC_keymgmt_gen_settable_params_fn isprov_keymgmt_ec_gen_settable_params;
extern OSSL_FUNC_keymgmt_gen_fn isprov_keymgmt_ec_gen;
extern OSSL_FUNC_keymgmt_gen_cleanup_fn isprov_keymgmt_ec_gen_cleanup;

/** The capability TLS-GROUP: the groups for which our key management can make
 *  ephemeral keys. See provider-base(7). */
int isprov_tls_groups(OSSL_CALLBACK *cb, void *arg);

#endif
