/* SPDX-License-Identifier: Apache-2.0 */
/* Key management for RSA keys, see provider-keymgmt(7) and keymgmt.h. Keys on a
 * card have 2048 bits. */
#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "assume_fips.h"
#include "crypto.h"
#include "keymgmt.h"
#include "soft_key.h"

static OSSL_FUNC_keymgmt_import_fn keymgmt_rsa_import;
static OSSL_FUNC_keymgmt_import_types_fn keymgmt_rsa_import_types;
static OSSL_FUNC_keymgmt_export_fn keymgmt_rsa_export;
static OSSL_FUNC_keymgmt_get_params_fn keymgmt_rsa_get_params;
static OSSL_FUNC_keymgmt_gettable_params_fn keymgmt_rsa_gettable_params;
static OSSL_FUNC_keymgmt_gen_init_fn keymgmt_rsa_gen_init;
static OSSL_FUNC_keymgmt_gen_set_params_fn keymgmt_rsa_gen_set_params;
static OSSL_FUNC_keymgmt_gen_settable_params_fn keymgmt_rsa_gen_settable_params;
static OSSL_FUNC_keymgmt_gen_fn keymgmt_rsa_gen;
static OSSL_FUNC_keymgmt_gen_cleanup_fn keymgmt_rsa_gen_cleanup;
static OSSL_FUNC_keymgmt_query_operation_name_fn keymgmt_rsa_query_operation_name;

#define SELECT_PUBLIC OSSL_KEYMGMT_SELECT_PUBLIC_KEY
#define SELECT_PRIVATE OSSL_KEYMGMT_SELECT_PRIVATE_KEY
#define SELECT_PAIR OSSL_KEYMGMT_SELECT_KEYPAIR

/* ---------------------------------------------------------- import and export */

static int keymgmt_rsa_import(void *keydata, int selection, const OSSL_PARAM params[])
{
    ISPROV_KEEP_ERRNO;

    return isprov_keymgmt_import_soft(keydata, "RSA", selection, params);
}

/* Nothing of a card key where the private key is asked for, see keymgmt_ec.c. */
static int keymgmt_rsa_export(void *keydata, int selection, OSSL_CALLBACK *cb, void *arg)
{
    ISPROV_KEEP_ERRNO;
    struct isprov_key *key = keydata;
    const struct isprov_public_key *pub;

    if (key == NULL || (selection & SELECT_PUBLIC) == 0)
        return 0;
    if (!isprov_key_is_on_card(key))
        return isprov_keymgmt_export_soft(key, selection, cb, arg);
    if ((selection & SELECT_PRIVATE) != 0)
        return 0;
    pub = isprov_key_pin(key);
    return pub != NULL && EVP_PKEY_export(pub->pkey, EVP_PKEY_PUBLIC_KEY, cb, arg);
}

#define TYPE(name) OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_##name, NULL, 0)
#define PRIVATE_TYPES \
    TYPE(D), TYPE(FACTOR1), TYPE(FACTOR2), TYPE(EXPONENT1), TYPE(EXPONENT2), TYPE(COEFFICIENT1)
#define N_PRIVATE_TYPES 6
#define PUBLIC_TYPES TYPE(N), TYPE(E)

static const OSSL_PARAM *keymgmt_rsa_import_types(int selection)
{
    static const OSSL_PARAM pair[] = { PRIVATE_TYPES, PUBLIC_TYPES, OSSL_PARAM_END };

    return (selection & SELECT_PRIVATE) != 0  ? pair
           : (selection & SELECT_PUBLIC) != 0 ? pair + N_PRIVATE_TYPES
                                              : NULL;
}

/* ------------------------------------------------------------------ parameters */

/* The public key, which is looked at only if it is asked for. */
static bool put_numbers(struct isprov_key *key, OSSL_PARAM params[])
{
    OSSL_PARAM *n = OSSL_PARAM_locate(params, OSSL_PKEY_PARAM_RSA_N);
    OSSL_PARAM *e = OSSL_PARAM_locate(params, OSSL_PKEY_PARAM_RSA_E);
    const struct isprov_public_key *pub;
    OSSL_PARAM asked[3], *p = asked;

    if (n == NULL && e == NULL)
        return true;
    pub = isprov_pin_or_raise(key);
    if (pub == NULL)
        return false;
    if (n != NULL)
        *p++ = *n;
    if (e != NULL)
        *p++ = *e;
    *p = OSSL_PARAM_construct_end();
    if (!EVP_PKEY_get_params(pub->pkey, asked))
        return false;
    if (n != NULL)
        n->return_size = asked[0].return_size;
    if (e != NULL)
        e->return_size = p[-1].return_size;
    return true;
}

static int keymgmt_rsa_get_params(void *keydata, OSSL_PARAM params[])
{
    ISPROV_KEEP_ERRNO;
    struct isprov_key *key = keydata;

    if (key == NULL)
        return 0;
    if (!isprov_key_is_on_card(key))
        return key->soft != NULL && EVP_PKEY_get_params(key->soft, params);
    return isprov_put_int(params, OSSL_PKEY_PARAM_BITS, key->type->bits)
           && isprov_put_int(params, OSSL_PKEY_PARAM_SECURITY_BITS, key->type->security_bits)
           && isprov_put_int(params, OSSL_PKEY_PARAM_MAX_SIZE, key->type->max_signature_len)
           && isprov_put_text(params, OSSL_PKEY_PARAM_DEFAULT_DIGEST, "SHA256")
           && put_numbers(key, params);
}

static const OSSL_PARAM *keymgmt_rsa_gettable_params(void *provctx)
{
    static const OSSL_PARAM params[] = { OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
                                         OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
                                         OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
                                         OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST,
                                                                NULL, 0),
                                         PUBLIC_TYPES,
                                         PRIVATE_TYPES, /* of software keys */
                                         OSSL_PARAM_END };

    (void)provctx;
    return params;
}

/* ------------------------------------------------------------------ generation */

/* In software, by the default provider, for a process in which we stand before
 * it: its RSA keys are asked of us. */
struct gen {
    struct isprov *prov;
    EVP_PKEY_CTX *ctx;
};

static int keymgmt_rsa_gen_set_params(void *genctx, const OSSL_PARAM params[])
{
    ISPROV_KEEP_ERRNO;
    struct gen *gen = genctx;

    return params == NULL || EVP_PKEY_CTX_set_params(gen->ctx, params) > 0;
}

static const OSSL_PARAM *keymgmt_rsa_gen_settable_params(void *genctx, void *provctx)
{
    static const OSSL_PARAM params[] = { OSSL_PARAM_size_t(OSSL_PKEY_PARAM_RSA_BITS, NULL),
                                         OSSL_PARAM_size_t(OSSL_PKEY_PARAM_RSA_PRIMES, NULL),
                                         OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, NULL, 0),
                                         OSSL_PARAM_END };

    (void)genctx;
    (void)provctx;
    return params;
}

static void keymgmt_rsa_gen_cleanup(void *genctx)
{
    ISPROV_KEEP_ERRNO;
    struct gen *gen = genctx;

    if (gen == NULL)
        return;
    EVP_PKEY_CTX_free(gen->ctx);
    OPENSSL_free(gen);
}

static void *keymgmt_rsa_gen_init(void *provctx, int selection, const OSSL_PARAM params[])
{
    ISPROV_KEEP_ERRNO;
    struct isprov *prov = provctx;
    OSSL_LIB_CTX *libctx = isprov_libctx(prov);
    struct gen *gen;

    if (libctx == NULL || (selection & SELECT_PAIR) == 0 || !isprov_may_generate(prov))
        return NULL;
    gen = OPENSSL_zalloc(sizeof(*gen));
    if (gen == NULL)
        return NULL;
    gen->prov = prov;
    gen->ctx = EVP_PKEY_CTX_new_from_name(libctx, "RSA", NULL);
    if (gen->ctx != NULL && EVP_PKEY_keygen_init(gen->ctx) > 0
        && keymgmt_rsa_gen_set_params(gen, params))
        return gen;
    keymgmt_rsa_gen_cleanup(gen);
    return NULL;
}

static void *keymgmt_rsa_gen(void *genctx, OSSL_CALLBACK *cb, void *arg)
{
    ISPROV_KEEP_ERRNO;
    struct gen *gen = genctx;
    struct isprov_key *key = isprov_key_new_soft(gen->prov);
    EVP_PKEY *pkey = NULL;

    (void)cb;
    (void)arg;
    if (key != NULL && EVP_PKEY_generate(gen->ctx, &pkey) > 0 && isprov_key_take_soft(key, pkey))
        return key;
    isprov_raise_text(gen->prov, IOTSAFE_ERR_ARGUMENT, "RSA key generation failed");
    isprov_key_free(key);
    return NULL;
}

static const char *keymgmt_rsa_query_operation_name(int operation)
{
    (void)operation;
    return "RSA";
}

const OSSL_DISPATCH isprov_keymgmt_rsa[] = {
    ISPROV_KEYMGMT_COMMON,
    { OSSL_FUNC_KEYMGMT_IMPORT, (void (*)(void))keymgmt_rsa_import },
    { OSSL_FUNC_KEYMGMT_IMPORT_TYPES, (void (*)(void))keymgmt_rsa_import_types },
    { OSSL_FUNC_KEYMGMT_EXPORT, (void (*)(void))keymgmt_rsa_export },
    { OSSL_FUNC_KEYMGMT_EXPORT_TYPES, (void (*)(void))keymgmt_rsa_import_types },
    { OSSL_FUNC_KEYMGMT_GET_PARAMS, (void (*)(void))keymgmt_rsa_get_params },
    { OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, (void (*)(void))keymgmt_rsa_gettable_params },
    { OSSL_FUNC_KEYMGMT_GEN_INIT, (void (*)(void))keymgmt_rsa_gen_init },
    { OSSL_FUNC_KEYMGMT_GEN_SET_PARAMS, (void (*)(void))keymgmt_rsa_gen_set_params },
    { OSSL_FUNC_KEYMGMT_GEN_SETTABLE_PARAMS, (void (*)(void))keymgmt_rsa_gen_settable_params },
    { OSSL_FUNC_KEYMGMT_GEN, (void (*)(void))keymgmt_rsa_gen },
    { OSSL_FUNC_KEYMGMT_GEN_CLEANUP, (void (*)(void))keymgmt_rsa_gen_cleanup },
    { OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, (void (*)(void))keymgmt_rsa_query_operation_name },
    { 0, NULL }
};
