/* SPDX-License-Identifier: Apache-2.0 */
/* see soft_key.h */
#include "soft_key.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/params.h>
#include <string.h>

#include "crypto.h"

static EVP_PKEY_CTX *new_ctx(struct isprov *prov, const char *algorithm)
{
    OSSL_LIB_CTX *libctx = isprov_libctx(prov);

    return libctx != NULL ? EVP_PKEY_CTX_new_from_name(libctx, algorithm, NULL) : NULL;
}

EVP_PKEY *isprov_soft_from_params(struct isprov *prov, const char *algorithm, int selection,
                                  const OSSL_PARAM params[])
{
    EVP_PKEY_CTX *ctx = new_ctx(prov, algorithm);
    /* EVP_PKEY_fromdata() has no const; it only reads. */
    OSSL_PARAM *given = (OSSL_PARAM *)(uintptr_t)params;
    EVP_PKEY *pkey = NULL;

    if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) <= 0
        || EVP_PKEY_fromdata(ctx, &pkey, selection, given) <= 0)
        pkey = NULL;
    EVP_PKEY_CTX_free(ctx);
    return pkey;
}

#define LARGEST_VALUE 4096 /* bytes; no number of a key is longer */
#define ASKED(name, type)                                                   \
    {                                                                       \
        name, OSSL_PARAM_##type, NULL, LARGEST_VALUE, OSSL_PARAM_UNMODIFIED \
    }

/* Without a place for a value its size is told, which is enough to know of it. */
int isprov_soft_parts(const EVP_PKEY *pkey)
{
    static const int part[] = { OSSL_KEYMGMT_SELECT_PUBLIC_KEY, OSSL_KEYMGMT_SELECT_PRIVATE_KEY,
                                OSSL_KEYMGMT_SELECT_PUBLIC_KEY, OSSL_KEYMGMT_SELECT_PRIVATE_KEY };
    static const OSSL_PARAM values[] = { ASKED(OSSL_PKEY_PARAM_PUB_KEY, OCTET_STRING),
                                         ASKED(OSSL_PKEY_PARAM_PRIV_KEY, UNSIGNED_INTEGER),
                                         ASKED(OSSL_PKEY_PARAM_RSA_N, UNSIGNED_INTEGER),
                                         ASKED(OSSL_PKEY_PARAM_RSA_D, UNSIGNED_INTEGER),
                                         OSSL_PARAM_END };
    OSSL_PARAM asked[sizeof(values) / sizeof(values[0])];
    int parts = OSSL_KEYMGMT_SELECT_ALL_PARAMETERS;

    memcpy(asked, values, sizeof(values));
    if (EVP_PKEY_get_params(pkey, asked))
        for (size_t i = 0; i < sizeof(part) / sizeof(part[0]); i++)
            parts |= OSSL_PARAM_modified(&asked[i]) ? part[i] : 0;
    return parts;
}

EVP_PKEY *isprov_soft_from_group(struct isprov *prov, const char *group)
{
    EVP_PKEY_CTX *ctx = new_ctx(prov, "EC");
    EVP_PKEY *pkey = NULL;

    if (ctx == NULL || EVP_PKEY_paramgen_init(ctx) <= 0
        || EVP_PKEY_CTX_set_group_name(ctx, group) <= 0 || EVP_PKEY_generate(ctx, &pkey) <= 0)
        pkey = NULL;
    EVP_PKEY_CTX_free(ctx);
    return pkey;
}

EVP_PKEY *isprov_soft_copy_public(struct isprov *prov, const EVP_PKEY *from, int selection)
{
    const int public = selection & ~OSSL_KEYMGMT_SELECT_PRIVATE_KEY;
    OSSL_PARAM *params = NULL;
    EVP_PKEY *copy = NULL;

    if (EVP_PKEY_todata(from, public, &params) > 0)
        copy = isprov_soft_from_params(prov, EVP_PKEY_get0_type_name(from), public, params);
    OSSL_PARAM_free(params);
    return copy;
}

bool isprov_soft_check(struct isprov *prov, EVP_PKEY *pkey, int (*check)(EVP_PKEY_CTX *))
{
    OSSL_LIB_CTX *libctx = isprov_libctx(prov);
    EVP_PKEY_CTX *ctx = libctx != NULL ? EVP_PKEY_CTX_new_from_pkey(libctx, pkey, NULL) : NULL;
    bool good = ctx != NULL && check(ctx) > 0;

    EVP_PKEY_CTX_free(ctx);
    return good;
}
