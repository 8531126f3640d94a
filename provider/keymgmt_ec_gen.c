/* Generation of EC keys, the part of key management (keymgmt_ec.c) that makes
 * software keys: the ephemeral ones of a process in which we stand before
 * `default`, of any group that `default` has. */
#include <openssl/core_names.h>
#include <openssl/params.h>

#include "key.h"

struct gen {
    struct isprov *prov;
    EVP_PKEY_CTX *ctx; /* of the default provider */
    int parts;         /* what the result will have */
};

int isprov_keymgmt_ec_gen_set_params(void *genctx, const OSSL_PARAM params[])
{
    ISPROV_KEEP_ERRNO;
    struct gen *gen = genctx;

    return params == NULL || EVP_PKEY_CTX_set_params(gen->ctx, params) > 0;
}

const OSSL_PARAM *isprov_keymgmt_ec_gen_settable_params(void *genctx, void *provctx)
{
    static const OSSL_PARAM params[] = {
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
        OSSL_PARAM_int(OSSL_PKEY_PARAM_USE_COFACTOR_ECDH, NULL),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_EC_ENCODING, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, NULL, 0),
        OSSL_PARAM_END
    };

    (void)genctx;
    (void)provctx;
    return params;
}

void isprov_keymgmt_ec_gen_cleanup(void *genctx)
{
    ISPROV_KEEP_ERRNO;
    struct gen *gen = genctx;

    if (gen == NULL)
        return;
    EVP_PKEY_CTX_free(gen->ctx);
    OPENSSL_free(gen);
}

void *isprov_keymgmt_ec_gen_init(void *provctx, int selection, const OSSL_PARAM params[])
{
    ISPROV_KEEP_ERRNO;
    struct isprov *prov = provctx;
    const bool pair = (selection & OSSL_KEYMGMT_SELECT_KEYPAIR) != 0;
    OSSL_LIB_CTX *libctx = isprov_libctx(prov);
    struct gen *gen = OPENSSL_zalloc(sizeof(*gen));

    if (libctx == NULL || gen == NULL)
        goto fail;
    gen->prov = prov;
    gen->parts = OSSL_KEYMGMT_SELECT_ALL_PARAMETERS | (pair ? OSSL_KEYMGMT_SELECT_KEYPAIR : 0);
    gen->ctx = EVP_PKEY_CTX_new_from_name(libctx, "EC", NULL);
    if (gen->ctx == NULL
        || (pair ? EVP_PKEY_keygen_init(gen->ctx) : EVP_PKEY_paramgen_init(gen->ctx)) <= 0
        || !isprov_keymgmt_ec_gen_set_params(gen, params))
        goto fail;
    return gen;

fail:
    isprov_keymgmt_ec_gen_cleanup(gen);
    return NULL;
}

int isprov_keymgmt_ec_gen_set_template(void *genctx, void *template)
{
    ISPROV_KEEP_ERRNO;
    struct gen *gen = genctx;
    char name[ISPROV_GROUP_NAME_MAX];

    return isprov_key_group(template, name) && EVP_PKEY_CTX_set_group_name(gen->ctx, name) > 0;
}

/* In software: ephemeral keys on a card would be slow, and containers are few. */
void *isprov_keymgmt_ec_gen(void *genctx, OSSL_CALLBACK *cb, void *arg)
{
    ISPROV_KEEP_ERRNO;
    struct gen *gen = genctx;
    struct isprov_key *key = isprov_key_new_soft(gen->prov);
    EVP_PKEY *pkey = NULL;

    (void)cb; /* done before anybody could read of it */
    (void)arg;
    if (key == NULL || EVP_PKEY_generate(gen->ctx, &pkey) <= 0) {
        isprov_raise_text(gen->prov, IOTSAFE_ERR_ARGUMENT,
                          "EC key generation failed; the group is missing or unknown");
        isprov_key_free(key);
        return NULL;
    }
    isprov_key_reset_soft(key, pkey, gen->parts);
    return key;
}
