/* SPDX-License-Identifier: Apache-2.0 */
/* Encoders that a device may do without: keys as text; and PEM where a program asks
 * for the PKCS #8 form of a private key. A card key then becomes a key-reference file,
 * so that what programs write they can read again. As DER it has no form: that there is
 * an encoder at all is for the error. Software keys: see encoder.c. */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/pem.h>

#include "crypto.h"
#include "key.h"
#include "keymgmt.h"
#include "keyref.h"

static OSSL_FUNC_encoder_newctx_fn encoder_newctx;
static OSSL_FUNC_encoder_freectx_fn encoder_freectx;
static OSSL_FUNC_encoder_settable_ctx_params_fn encoder_settable_ctx_params;
static OSSL_FUNC_encoder_set_ctx_params_fn encoder_set_ctx_params;
static OSSL_FUNC_encoder_does_selection_fn encoder_text_does_selection;
static OSSL_FUNC_encoder_encode_fn encoder_text_encode;
static OSSL_FUNC_encoder_does_selection_fn encoder_private_does_selection;
static OSSL_FUNC_encoder_encode_fn encoder_private_pem_encode;
static OSSL_FUNC_encoder_encode_fn encoder_private_der_encode;

#define SELECT_PRIVATE OSSL_KEYMGMT_SELECT_PRIVATE_KEY
#define SELECT_PUBLIC OSSL_KEYMGMT_SELECT_PUBLIC_KEY
#define SELECT_DOMAIN OSSL_KEYMGMT_SELECT_DOMAIN_PARAMETERS

struct encoder {
    struct isprov *prov;
    EVP_CIPHER *cipher; /* for software keys; NULL: no encryption */
};

static void *encoder_newctx(void *provctx)
{
    ISPROV_KEEP_ERRNO;
    struct encoder *enc = OPENSSL_zalloc(sizeof(*enc));

    if (enc == NULL)
        isprov_raise(provctx, IOTSAFE_ERR_MEMORY, NULL);
    else
        enc->prov = provctx;
    return enc;
}

static void encoder_freectx(void *ctx)
{
    ISPROV_KEEP_ERRNO;
    struct encoder *enc = ctx;

    if (enc == NULL)
        return;
    EVP_CIPHER_free(enc->cipher);
    OPENSSL_free(enc);
}

static const OSSL_PARAM *encoder_settable_ctx_params(void *provctx)
{
    static const OSSL_PARAM params[] = { OSSL_PARAM_utf8_string(OSSL_ENCODER_PARAM_CIPHER, NULL, 0),
                                         OSSL_PARAM_END };

    (void)provctx;
    return params;
}

static int encoder_set_ctx_params(void *ctx, const OSSL_PARAM params[])
{
    ISPROV_KEEP_ERRNO;
    struct encoder *enc = ctx;
    const OSSL_PARAM *p = OSSL_PARAM_locate_const(params, OSSL_ENCODER_PARAM_CIPHER);
    const char *name = NULL;

    if (p == NULL)
        return 1;
    if (!OSSL_PARAM_get_utf8_string_ptr(p, &name))
        return 0;
    EVP_CIPHER_free(enc->cipher);
    enc->cipher = NULL;
    if (name == NULL || name[0] == '\0')
        return 1;
    enc->cipher = EVP_CIPHER_fetch(isprov_libctx(enc->prov), name, NULL);
    return enc->cipher != NULL;
}

/* ------------------------------------------------------------------------- text */

static int encoder_text_does_selection(void *provctx, int selection)
{
    (void)provctx;
    return selection == 0 || (selection & (SELECT_PRIVATE | SELECT_PUBLIC | SELECT_DOMAIN)) != 0;
}

static int print_soft(BIO *out, const struct isprov_key *key, int selection)
{
    if (key->soft == NULL)
        return 0;
    if ((selection & key->soft_parts & SELECT_PRIVATE) != 0)
        return EVP_PKEY_print_private(out, key->soft, 0, NULL);
    if ((selection & key->soft_parts & SELECT_PUBLIC) != 0)
        return EVP_PKEY_print_public(out, key->soft, 0, NULL);
    return EVP_PKEY_print_params(out, key->soft, 0, NULL);
}

/* Fifteen octets a line, as libcrypto prints its own keys. */
static int print_octets(BIO *out, const uint8_t *octets, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (BIO_printf(out, "%s%02x%s", i % 15 == 0 ? "\n    " : "", octets[i],
                       i + 1 < len ? ":" : "\n")
            <= 0)
            return 0;
    return 1;
}

static int print_number(BIO *out, const char *title, const EVP_PKEY *pkey, const char *name)
{
    BIGNUM *number = NULL;
    uint8_t octets[IOTSAFE_RSA_MODULUS_MAX + 1] = { 0 }; /* a zero in front, as libcrypto prints */
    int len = 0, good = 0;

    if (EVP_PKEY_get_bn_param(pkey, name, &number)
        && (len = BN_num_bytes(number)) <= IOTSAFE_RSA_MODULUS_MAX)
        good = len <= BN_BYTES
                   ? BIO_printf(out, "%s: %llu (0x%llx)\n", title,
                                (unsigned long long)BN_get_word(number),
                                (unsigned long long)BN_get_word(number))
                         > 0
                   : BN_bn2bin(number, octets + 1) == len && BIO_printf(out, "%s:", title) > 0
                         && print_octets(out, octets, (size_t)len + 1);
    BN_free(number);
    return good;
}

static int print_public_key(BIO *out, struct isprov_key *key)
{
    const struct isprov_public_key *pub = isprov_key_pin(key);

    if (pub == NULL)
        return BIO_printf(out, "pub: the SIM gives none\n") > 0;
    if (isprov_key_is_rsa(key))
        return print_number(out, "Modulus", pub->pkey, OSSL_PKEY_PARAM_RSA_N)
               && print_number(out, "Exponent", pub->pkey, OSSL_PKEY_PARAM_RSA_E);
    return BIO_printf(out, "pub:") > 0 && print_octets(out, pub->octets, sizeof(pub->octets));
}

static int print_card_key(BIO *out, struct isprov_key *key, int selection)
{
    const struct isprov_type *type = key->type;

    if ((selection & SELECT_PRIVATE) != 0
        && BIO_printf(out,
                      "Private-Key: (%d bit, in the IoT SAFE applet of a SIM)\nURI: %s\n"
                      "transport: %s\n",
                      type->bits, isprov_key_name(key).text, iotsafe_card_transport(key->card))
               <= 0)
        return 0;
    if ((selection & (SELECT_PRIVATE | SELECT_PUBLIC)) == SELECT_PUBLIC
        && BIO_printf(out, "Public-Key: (%d bit)\n", type->bits) <= 0)
        return 0;
    if ((selection & (SELECT_PRIVATE | SELECT_PUBLIC)) != 0 && !print_public_key(out, key))
        return 0;
    if (isprov_key_is_rsa(key))
        return 1;
    if (BIO_printf(out, "ASN1 OID: %s\n", type->group) <= 0)
        return 0;
    return type->nist_name == NULL || BIO_printf(out, "NIST CURVE: %s\n", type->nist_name) > 0;
}

static int encoder_text_encode(void *ctx, OSSL_CORE_BIO *core_out, const void *object,
                               const OSSL_PARAM abstract[], int selection,
                               OSSL_PASSPHRASE_CALLBACK *pw_cb, void *pw_arg)
{
    ISPROV_KEEP_ERRNO;
    struct encoder *enc = ctx;
    struct isprov_key *key = (struct isprov_key *)(uintptr_t)object; /* may get pinned */
    BIO *out;
    int good = 0;

    (void)pw_cb;
    (void)pw_arg;
    if (key == NULL || abstract != NULL)
        return 0;
    if (selection == 0)
        selection = OSSL_KEYMGMT_SELECT_ALL;
    out = isprov_bio(enc->prov, core_out);
    if (out != NULL)
        good = isprov_key_is_on_card(key) ? print_card_key(out, key, selection)
                                          : print_soft(out, key, selection);
    BIO_free(out);
    return good > 0;
}

/* ------------------------------------------------------------------ private keys */

static int encoder_private_does_selection(void *provctx, int selection)
{
    (void)provctx;
    return selection == 0 || (selection & SELECT_PRIVATE) != 0;
}

static int write_reference(BIO *out, struct isprov_key *key)
{
    const struct isprov_public_key *pub = isprov_key_pin(key);
    uint8_t *spki = NULL, *der = NULL;
    int spki_len = 0, good;
    size_t len = 0;

    if (pub != NULL)
        spki_len = i2d_PUBKEY(pub->pkey, &spki);
    good = spki_len >= 0
           && isprov_keyref_encode(isprov_key_name(key).text, spki, (size_t)spki_len, &der, &len)
           && BIO_puts(out, ISPROV_KEYREF_PREAMBLE) > 0
           && PEM_write_bio(out, ISPROV_KEYREF_PEM_LABEL, "", der, (long)len) > 0;
    OPENSSL_free(spki);
    OPENSSL_free(der);
    if (!good)
        isprov_raise(key->prov, IOTSAFE_ERR_MEMORY, NULL);
    return good;
}

struct passphrase {
    OSSL_PASSPHRASE_CALLBACK *cb;
    void *arg;
};

static int ask_passphrase(char *buf, int size, int writing, void *arg)
{
    const struct passphrase *ask = arg;
    size_t len = 0;

    (void)writing;
    if (ask->cb == NULL || !ask->cb(buf, (size_t)size, &len, NULL, ask->arg))
        return -1;
    return (int)len;
}

static int encoder_private_pem_encode(void *ctx, OSSL_CORE_BIO *core_out, const void *object,
                                      const OSSL_PARAM abstract[], int selection,
                                      OSSL_PASSPHRASE_CALLBACK *pw_cb, void *pw_arg)
{
    ISPROV_KEEP_ERRNO;
    struct encoder *enc = ctx;
    struct isprov_key *key = (struct isprov_key *)(uintptr_t)object; /* may get pinned */
    struct passphrase ask = { .cb = pw_cb, .arg = pw_arg };
    BIO *out;
    int good = 0;

    (void)selection;
    if (key == NULL || abstract != NULL)
        return 0;
    out = isprov_bio(enc->prov, core_out);
    if (out != NULL && isprov_key_is_on_card(key))
        good = write_reference(out, key); /* no secret in it: nothing to encrypt */
    else if (out != NULL && key->soft != NULL)
        good = PEM_write_bio_PKCS8PrivateKey(out, key->soft, enc->cipher, NULL, 0, ask_passphrase,
                                             &ask);
    BIO_free(out);
    return good > 0;
}

static int encoder_private_der_encode(void *ctx, OSSL_CORE_BIO *core_out, const void *object,
                                      const OSSL_PARAM abstract[], int selection,
                                      OSSL_PASSPHRASE_CALLBACK *pw_cb, void *pw_arg)
{
    ISPROV_KEEP_ERRNO;
    struct encoder *enc = ctx;
    const struct isprov_key *key = object;
    struct passphrase ask = { .cb = pw_cb, .arg = pw_arg };
    BIO *out;
    int good = 0;

    (void)selection;
    if (key == NULL || abstract != NULL)
        return 0;
    if (isprov_key_is_on_card(key)) {
        isprov_raise_text(enc->prov, IOTSAFE_ERR_UNSUPPORTED,
                          "%s: the private key is on the SIM and cannot leave it; written as PEM "
                          "it becomes a key-reference file",
                          isprov_key_name(key).text);
        return 0;
    }
    out = isprov_bio(enc->prov, core_out);
    if (out != NULL && key->soft != NULL)
        good = i2d_PKCS8PrivateKey_bio(out, key->soft, enc->cipher, NULL, 0, ask_passphrase, &ask);
    BIO_free(out);
    return good > 0;
}

#define ENTRY(id, function)                              \
    {                                                    \
        OSSL_FUNC_ENCODER_##id, (void (*)(void))function \
    }
#define LIFE_ENTRIES ENTRY(NEWCTX, encoder_newctx), ENTRY(FREECTX, encoder_freectx)
#define PARAM_ENTRIES                                        \
    ENTRY(SETTABLE_CTX_PARAMS, encoder_settable_ctx_params), \
        ENTRY(SET_CTX_PARAMS, encoder_set_ctx_params)

const OSSL_DISPATCH isprov_encoder_text[] = { LIFE_ENTRIES,
                                              ENTRY(DOES_SELECTION, encoder_text_does_selection),
                                              ENTRY(ENCODE, encoder_text_encode),
                                              { 0, NULL } };

const OSSL_DISPATCH isprov_encoder_private_pem[] = { LIFE_ENTRIES,
                                                     PARAM_ENTRIES,
                                                     ENTRY(DOES_SELECTION,
                                                           encoder_private_does_selection),
                                                     ENTRY(ENCODE, encoder_private_pem_encode),
                                                     { 0, NULL } };

const OSSL_DISPATCH isprov_encoder_private_der[] = { LIFE_ENTRIES,
                                                     PARAM_ENTRIES,
                                                     ENTRY(DOES_SELECTION,
                                                           encoder_private_does_selection),
                                                     ENTRY(ENCODE, encoder_private_der_encode),
                                                     { 0, NULL } };
