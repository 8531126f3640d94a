/* SPDX-License-Identifier: Apache-2.0 */
/* Entry point and operation tables. Nothing here reaches a card: a missing
 * device or a bad setting shows at the first use, not when the module loads. */
#include <openssl/core_names.h>
#include <openssl/params.h>

#include "assume_fips.h"
#include "cards.h"
#include "crypto.h"
#include "isprov.h"
#include "prov.h"

#define PROPERTIES "provider=iotsafe"
#define EC_NAMES "EC:id-ecPublicKey:1.2.840.10045.2.1"
#define RSA_NAMES "RSA:rsaEncryption:1.2.840.113549.1.1.1"

static OSSL_FUNC_provider_teardown_fn provider_teardown;
static OSSL_FUNC_provider_gettable_params_fn provider_gettable_params;
static OSSL_FUNC_provider_get_params_fn provider_get_params;
static OSSL_FUNC_provider_query_operation_fn provider_query_operation;
static OSSL_FUNC_provider_get_reason_strings_fn provider_get_reason_strings;
static OSSL_FUNC_provider_get_capabilities_fn provider_get_capabilities;

static const OSSL_ALGORITHM keymgmt[] = {
    { EC_NAMES, PROPERTIES, isprov_keymgmt_ec, "IoT SAFE EC keys" },
#ifdef HAVE_RSA
    { RSA_NAMES, PROPERTIES, isprov_keymgmt_rsa, "IoT SAFE RSA keys" },
#endif
    { NULL, NULL, NULL, NULL }
};

/* clang-format off */
static const OSSL_ALGORITHM signature[] = {
    { "ECDSA", PROPERTIES, isprov_signature_ecdsa, "IoT SAFE ECDSA" },
#ifdef HAVE_RSA
    { RSA_NAMES, PROPERTIES, isprov_signature_rsa, "IoT SAFE RSA signatures" },
#endif
#ifdef ISPROV_COMPOSITE_SIGNATURES
#define COMPOSITE(type, digest, names) \
    { names, PROPERTIES, isprov_signature_##type##_##digest, "IoT SAFE signatures of messages" },
    ISPROV_COMPOSITE_SIGNATURES(COMPOSITE)
#endif
    { NULL, NULL, NULL, NULL }
};
/* clang-format on */

#ifdef HAVE_ECDH
static const OSSL_ALGORITHM exchange[] = { { "ECDH", PROPERTIES, isprov_exchange_ecdh,
                                             "ECDH for EC keys of this provider" },
                                           { NULL, NULL, NULL, NULL } };
#endif

#ifdef HAVE_KDF
static const OSSL_ALGORITHM kdfs[] = {
    { "IOTSAFE-HKDF", PROPERTIES, isprov_kdf_hkdf, "HKDF with a secret of a SIM" },
    { "IOTSAFE-TLS1-PRF", PROPERTIES, isprov_kdf_prf, "PRF of TLS 1.2 with a secret of a SIM" },
    { NULL, NULL, NULL, NULL }
};
#endif

#ifdef HAVE_SEED
static const OSSL_ALGORITHM rands[] = { { "IOTSAFE-SEED-SRC", PROPERTIES, isprov_rand_seed,
                                          "Seeds from a SIM and the system" },
                                        { NULL, NULL, NULL, NULL } };
#endif

static const OSSL_ALGORITHM store[] = {
    { "iotsafe", PROPERTIES, isprov_store, "IoT SAFE objects by URI" }, { NULL, NULL, NULL, NULL }
};

/*
 * libcrypto collects decoders backwards from what it wants, a step at a time, and asks
 * those that it found last first. The decoder of PEM is a step behind libcrypto's own, so
 * that it is asked before that one in every order of the providers.
 */
#define PEM_BLOCK "ISKR" /* short: looked up some 200 times for each certificate, before 3.2 */
#define REFERENCE ",structure=iotsafe-key-reference"

static const OSSL_ALGORITHM decoder[] = {
    { PEM_BLOCK, PROPERTIES ",input=pem", isprov_decoder_pem, "IoT SAFE key-reference files" },
    { "DER", PROPERTIES ",input=" PEM_BLOCK REFERENCE, isprov_decoder_block,
      "IoT SAFE key references" },
    { "EC", PROPERTIES ",input=der" REFERENCE, isprov_decoder_der, "IoT SAFE key references" },
#ifdef HAVE_RSA
    { "RSA", PROPERTIES ",input=der" REFERENCE, isprov_decoder_der, "IoT SAFE key references" },
#endif
    { NULL, NULL, NULL, NULL }
};

static const OSSL_ALGORITHM encoder[] = {
    { EC_NAMES, PROPERTIES ",output=text", isprov_encoder_text, "EC keys as text" },
    { EC_NAMES, PROPERTIES ",output=pem,structure=PrivateKeyInfo", isprov_encoder_private_pem,
      "IoT SAFE keys as key-reference files" },
    { EC_NAMES, PROPERTIES ",output=der,structure=PrivateKeyInfo", isprov_encoder_private_der,
      "Software EC keys" },
    { EC_NAMES, PROPERTIES ",output=pem,structure=SubjectPublicKeyInfo", isprov_encoder_public_pem,
      "Public EC keys" },
    { EC_NAMES, PROPERTIES ",output=der,structure=SubjectPublicKeyInfo", isprov_encoder_public_der,
      "Public EC keys" },
#ifdef HAVE_RSA
    { RSA_NAMES, PROPERTIES ",output=text", isprov_encoder_text, "RSA keys as text" },
    { RSA_NAMES, PROPERTIES ",output=pem,structure=PrivateKeyInfo", isprov_encoder_private_pem,
      "IoT SAFE keys as key-reference files" },
    { RSA_NAMES, PROPERTIES ",output=der,structure=PrivateKeyInfo", isprov_encoder_private_der,
      "Software RSA keys" },
    { RSA_NAMES, PROPERTIES ",output=pem,structure=SubjectPublicKeyInfo", isprov_encoder_public_pem,
      "Public RSA keys" },
    { RSA_NAMES, PROPERTIES ",output=der,structure=SubjectPublicKeyInfo", isprov_encoder_public_der,
      "Public RSA keys" },
#endif
    { NULL, NULL, NULL, NULL }
};

static const OSSL_ALGORITHM *table_of(int operation)
{
    switch (operation) {
    case OSSL_OP_KEYMGMT:
        return keymgmt;
    case OSSL_OP_SIGNATURE:
        return signature;
#ifdef HAVE_ECDH
    case OSSL_OP_KEYEXCH:
        return exchange;
#endif
#ifdef HAVE_KDF
    case OSSL_OP_KDF:
        return kdfs;
#endif
#ifdef HAVE_SEED
    case OSSL_OP_RAND:
        return rands;
#endif
    case OSSL_OP_STORE:
        return store;
    case OSSL_OP_DECODER:
        return decoder;
    case OSSL_OP_ENCODER:
        return encoder;
    default:
        return NULL;
    }
}

static const OSSL_ALGORITHM *provider_query_operation(void *provctx, int operation, int *no_cache)
{
    const struct isprov *prov = provctx;
    const OSSL_ALGORITHM *table = table_of(operation);

    *no_cache = 0;
    return table != NULL && !isprov_takes_software_keys(prov) ? prov->fips[operation] : table;
}

static bool make_fips_tables(struct isprov *prov)
{
    for (int i = 0; i <= OSSL_OP__HIGHEST && !isprov_takes_software_keys(prov); i++) {
        if (table_of(i) == NULL)
            continue;
        prov->fips[i] = isprov_assume_fips(table_of(i));
        if (prov->fips[i] == NULL)
            return false;
    }
    return true;
}

static const OSSL_PARAM *provider_gettable_params(void *provctx)
{
    static const OSSL_PARAM params[] = {
        OSSL_PARAM_DEFN(OSSL_PROV_PARAM_NAME, OSSL_PARAM_UTF8_PTR, NULL, 0),
        OSSL_PARAM_DEFN(OSSL_PROV_PARAM_VERSION, OSSL_PARAM_UTF8_PTR, NULL, 0),
        OSSL_PARAM_DEFN(OSSL_PROV_PARAM_BUILDINFO, OSSL_PARAM_UTF8_PTR, NULL, 0),
        OSSL_PARAM_DEFN(OSSL_PROV_PARAM_STATUS, OSSL_PARAM_INTEGER, NULL, 0), OSSL_PARAM_END
    };

    (void)provctx;
    return params;
}

static int provider_get_params(void *provctx, OSSL_PARAM params[])
{
    OSSL_PARAM *p;

    (void)provctx;
    p = OSSL_PARAM_locate(params, OSSL_PROV_PARAM_NAME);
    if (p != NULL && !OSSL_PARAM_set_utf8_ptr(p, "IoT SAFE Provider"))
        return 0;
    p = OSSL_PARAM_locate(params, OSSL_PROV_PARAM_VERSION);
    if (p != NULL && !OSSL_PARAM_set_utf8_ptr(p, IOTSAFE_VERSION))
        return 0;
    p = OSSL_PARAM_locate(params, OSSL_PROV_PARAM_BUILDINFO);
    if (p != NULL && !OSSL_PARAM_set_utf8_ptr(p, IOTSAFE_VERSION))
        return 0;
    p = OSSL_PARAM_locate(params, OSSL_PROV_PARAM_STATUS);
    return p == NULL || OSSL_PARAM_set_int(p, 1);
}

static const OSSL_ITEM *provider_get_reason_strings(void *provctx)
{
    const struct isprov *prov = provctx;

    return prov->reasons;
}

/* A capability that we do not have is no failure: libssl would give up every
 * SSL_CTX of the process. */
static int provider_get_capabilities(void *provctx, const char *capability, OSSL_CALLBACK *cb,
                                     void *arg)
{
    if (OPENSSL_strcasecmp(capability, "TLS-GROUP") == 0 && isprov_takes_software_keys(provctx))
        return isprov_tls_groups(cb, arg);
    return 1;
}

static void provider_teardown(void *provctx)
{
    ISPROV_KEEP_ERRNO;
    struct isprov *prov = provctx;

    isprov_cards_free(prov);
    isprov_crypto_free(atomic_load(&prov->crypto));
    for (int i = 0; i <= OSSL_OP__HIGHEST; i++)
        OPENSSL_free(prov->fips[i]);
    OSSL_LIB_CTX_free(prov->bio_ctx);
    iotsafe_config_free(atomic_load(&prov->config));
    iotsafe_config_free(prov->environment);
    OPENSSL_free(prov);
}

/* The first is left out for a core that must not have it, see isprov_core_reasons(). */
static const OSSL_DISPATCH dispatch[] = {
    { OSSL_FUNC_PROVIDER_GET_REASON_STRINGS, (void (*)(void))provider_get_reason_strings },
    { OSSL_FUNC_PROVIDER_TEARDOWN, (void (*)(void))provider_teardown },
    { OSSL_FUNC_PROVIDER_GETTABLE_PARAMS, (void (*)(void))provider_gettable_params },
    { OSSL_FUNC_PROVIDER_GET_PARAMS, (void (*)(void))provider_get_params },
    { OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))provider_query_operation },
    { OSSL_FUNC_PROVIDER_GET_CAPABILITIES, (void (*)(void))provider_get_capabilities },
    { 0, NULL }
};

static const char *lookup_setting(void *arg, const char *key)
{
    const struct isprov *prov = arg;

    return isprov_core_setting(&prov->core, key);
}

const struct iotsafe_config *isprov_config(struct isprov *prov)
{
    struct iotsafe_config *known = atomic_load(&prov->config);
    struct iotsafe_config *made;

    if (known != NULL)
        return known;
    made = iotsafe_config_look_again(prov->environment);
    if (made == NULL)
        return prov->environment;
    /* No lock, which fork() could leave held: who comes second drops his own. */
    if (atomic_compare_exchange_strong(&prov->config, &known, made))
        return made;
    iotsafe_config_free(made);
    return known;
}

const struct iotsafe_config *isprov_get0_config(void *provctx)
{
    return isprov_config(provctx);
}

__attribute__((visibility("default"))) int OSSL_provider_init(const OSSL_CORE_HANDLE *handle,
                                                              const OSSL_DISPATCH *in,
                                                              const OSSL_DISPATCH **out,
                                                              void **provctx)
{
    ISPROV_KEEP_ERRNO;
    struct isprov *prov = OPENSSL_zalloc(sizeof(*prov));

    if (prov == NULL)
        return 0;
    isprov_core_init(&prov->core, handle, in);
    isprov_core_reasons(&prov->core, prov->reasons);
    atomic_init(&prov->crypto, NULL);
    atomic_init(&prov->cards, NULL);
    prov->bio_ctx = OSSL_LIB_CTX_new_from_dispatch(handle, in);
    atomic_init(&prov->config, NULL);
    prov->environment = iotsafe_config_new(lookup_setting, prov);
    if (prov->bio_ctx == NULL || prov->environment == NULL || !make_fips_tables(prov)) {
        provider_teardown(prov);
        return 0;
    }
    *out = prov->core.error_library != 0 ? dispatch + 1 : dispatch;
    *provctx = prov;
    return 1;
}
