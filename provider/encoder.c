/* SPDX-License-Identifier: Apache-2.0 */
/* Encoders for keys of this provider, see provider-encoder(7): the public key, for
 * which a library context may have nobody else. Others are in encoder_export.c.
 *
 * libcrypto tries the encoders of a key's own provider and no others, so that
 * software keys must be served here, too: by the default provider. */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "crypto.h"
#include "key.h"
#include "keymgmt.h"

static OSSL_FUNC_encoder_newctx_fn encoder_newctx;
static OSSL_FUNC_encoder_freectx_fn encoder_freectx;
static OSSL_FUNC_encoder_does_selection_fn encoder_public_does_selection;
static OSSL_FUNC_encoder_encode_fn encoder_public_pem_encode;
static OSSL_FUNC_encoder_encode_fn encoder_public_der_encode;
#ifndef HAVE_EXPORT
static OSSL_FUNC_encoder_does_selection_fn encoder_private_does_selection;
static OSSL_FUNC_encoder_encode_fn encoder_absent_encode;
#endif

#define SELECT_PRIVATE OSSL_KEYMGMT_SELECT_PRIVATE_KEY
#define SELECT_PUBLIC OSSL_KEYMGMT_SELECT_PUBLIC_KEY

/* There is nothing to remember. */
static void *encoder_newctx(void *provctx)
{
    return provctx;
}

static void encoder_freectx(void *ctx)
{
    (void)ctx;
}

static int encoder_public_does_selection(void *provctx, int selection)
{
    (void)provctx;
    return selection == 0 || (selection & (SELECT_PRIVATE | SELECT_PUBLIC)) == SELECT_PUBLIC;
}

static EVP_PKEY *public_pkey(struct isprov_key *key)
{
    if (isprov_key_is_on_card(key) && isprov_pin_or_raise(key) == NULL)
        return NULL;
    return isprov_key_public_pkey(key);
}

static int write_public(struct isprov *prov, OSSL_CORE_BIO *core_out, struct isprov_key *key,
                        int (*write)(BIO *, const EVP_PKEY *))
{
    EVP_PKEY *pkey = public_pkey(key);
    BIO *out = pkey != NULL ? isprov_bio(prov, core_out) : NULL;
    int good = out != NULL && write(out, pkey) > 0;

    BIO_free(out);
    return good;
}

static int encoder_public_pem_encode(void *ctx, OSSL_CORE_BIO *core_out, const void *object,
                                     const OSSL_PARAM abstract[], int selection,
                                     OSSL_PASSPHRASE_CALLBACK *pw_cb, void *pw_arg)
{
    ISPROV_KEEP_ERRNO;
    struct isprov_key *key = (struct isprov_key *)(uintptr_t)object; /* may get pinned */

    (void)selection;
    (void)pw_cb;
    (void)pw_arg;
    return key != NULL && abstract == NULL
           && write_public(ctx, core_out, key, PEM_write_bio_PUBKEY);
}

static int encoder_public_der_encode(void *ctx, OSSL_CORE_BIO *core_out, const void *object,
                                     const OSSL_PARAM abstract[], int selection,
                                     OSSL_PASSPHRASE_CALLBACK *pw_cb, void *pw_arg)
{
    ISPROV_KEEP_ERRNO;
    struct isprov_key *key = (struct isprov_key *)(uintptr_t)object; /* may get pinned */

    (void)selection;
    (void)pw_cb;
    (void)pw_arg;
    return key != NULL && abstract == NULL && write_public(ctx, core_out, key, i2d_PUBKEY_bio);
}

#ifndef HAVE_EXPORT
static int encoder_private_does_selection(void *provctx, int selection)
{
    (void)provctx;
    return selection == 0 || (selection & SELECT_PRIVATE) != 0;
}

/* In the place of those that were left out, for the error. */
static int encoder_absent_encode(void *ctx, OSSL_CORE_BIO *core_out, const void *object,
                                 const OSSL_PARAM abstract[], int selection,
                                 OSSL_PASSPHRASE_CALLBACK *pw_cb, void *pw_arg)
{
    ISPROV_KEEP_ERRNO;

    (void)core_out;
    (void)object;
    (void)abstract;
    (void)selection;
    (void)pw_cb;
    (void)pw_arg;
    isprov_raise_text(ctx, IOTSAFE_ERR_UNSUPPORTED,
                      "this build writes keys neither as text nor as key-reference files");
    return 0;
}
#endif

#define ENTRY(id, function)                              \
    {                                                    \
        OSSL_FUNC_ENCODER_##id, (void (*)(void))function \
    }
#define LIFE_ENTRIES ENTRY(NEWCTX, encoder_newctx), ENTRY(FREECTX, encoder_freectx)

const OSSL_DISPATCH isprov_encoder_public_pem[] = { LIFE_ENTRIES,
                                                    ENTRY(DOES_SELECTION,
                                                          encoder_public_does_selection),
                                                    ENTRY(ENCODE, encoder_public_pem_encode),
                                                    { 0, NULL } };

const OSSL_DISPATCH isprov_encoder_public_der[] = { LIFE_ENTRIES,
                                                    ENTRY(DOES_SELECTION,
                                                          encoder_public_does_selection),
                                                    ENTRY(ENCODE, encoder_public_der_encode),
                                                    { 0, NULL } };

#ifndef HAVE_EXPORT
const OSSL_DISPATCH isprov_encoder_text[] = { LIFE_ENTRIES,
                                              ENTRY(ENCODE, encoder_absent_encode),
                                              { 0, NULL } };

const OSSL_DISPATCH isprov_encoder_private_pem[] = { LIFE_ENTRIES,
                                                     ENTRY(DOES_SELECTION,
                                                           encoder_private_does_selection),
                                                     ENTRY(ENCODE, encoder_absent_encode),
                                                     { 0, NULL } };

const OSSL_DISPATCH isprov_encoder_private_der[] = { LIFE_ENTRIES,
                                                     ENTRY(DOES_SELECTION,
                                                           encoder_private_does_selection),
                                                     ENTRY(ENCODE, encoder_absent_encode),
                                                     { 0, NULL } };
#endif
