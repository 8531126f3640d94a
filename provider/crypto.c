/* SPDX-License-Identifier: Apache-2.0 */
/* see crypto.h. Verifying, hashing and ephemeral keys are all done by libcrypto's default
 * provider in a library context that nobody else sees. */
#include "crypto.h"

#include <openssl/provider.h>

struct isprov_crypto {
    OSSL_LIB_CTX *libctx;
    OSSL_PROVIDER *deflt; /* unloaded before libctx is freed */
};

void isprov_crypto_free(struct isprov_crypto *crypto)
{
    if (crypto == NULL)
        return;
    if (crypto->deflt != NULL)
        OSSL_PROVIDER_unload(crypto->deflt);
    OSSL_LIB_CTX_free(crypto->libctx);
    OPENSSL_free(crypto);
}

static struct isprov_crypto *crypto_new(void)
{
    struct isprov_crypto *crypto = OPENSSL_zalloc(sizeof(*crypto));

    if (crypto == NULL)
        return NULL;
    crypto->libctx = OSSL_LIB_CTX_new();
    if (crypto->libctx != NULL)
        crypto->deflt = OSSL_PROVIDER_load(crypto->libctx, "default");
    if (crypto->deflt != NULL)
        return crypto;
    isprov_crypto_free(crypto);
    return NULL;
}

OSSL_LIB_CTX *isprov_libctx(struct isprov *prov)
{
    struct isprov_crypto *known = atomic_load(&prov->crypto);
    struct isprov_crypto *made;

    if (known != NULL)
        return known->libctx;
    made = crypto_new();
    if (made == NULL) {
        isprov_raise_text(prov, IOTSAFE_ERR_MEMORY, "cannot load libcrypto's default provider");
        return NULL;
    }
    /* No lock, which fork() could leave held: who comes second drops his own. */
    if (atomic_compare_exchange_strong(&prov->crypto, &known, made))
        return made->libctx;
    isprov_crypto_free(made);
    return known->libctx;
}

BIO *isprov_bio(struct isprov *prov, OSSL_CORE_BIO *core_bio)
{
    BIO *bio = BIO_new_from_core_bio(prov->bio_ctx, core_bio);

    if (bio == NULL)
        isprov_raise(prov, IOTSAFE_ERR_MEMORY, NULL);
    return bio;
}
