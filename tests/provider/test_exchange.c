/* SPDX-License-Identifier: Apache-2.0 */
/* ECDH with software keys, in processes where the provider stands first. */
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <string.h>

#include "fixture.h"

static struct context ctx;

static void setup(void)
{
    setenv("OPENSSL_CONF", "/dev/null", 1);
    context_open(&ctx, IOTSAFE_FIRST);
}

static void teardown(void)
{
    context_close(&ctx);
}

TestSuite(exchange, .init = setup, .fini = teardown, .timeout = 60);

static size_t derive(OSSL_LIB_CTX *lib, EVP_PKEY *mine, EVP_PKEY *theirs, unsigned char *secret,
                     size_t cap)
{
    EVP_PKEY_CTX *pctx = EVP_PKEY_CTX_new_from_pkey(lib, mine, NULL), *copy;
    size_t len = cap, asked = 0;

    cr_assert(EVP_PKEY_derive_init(pctx) > 0, "%s", drain_errors());
    cr_assert(EVP_PKEY_derive_set_peer(pctx, theirs) > 0, "%s", drain_errors());
    cr_assert(EVP_PKEY_derive(pctx, NULL, &asked) > 0);
    copy = EVP_PKEY_CTX_dup(pctx);
    cr_assert(EVP_PKEY_derive(copy, secret, &len) > 0, "%s", drain_errors());
    cr_expect_eq(asked, len);
    EVP_PKEY_CTX_free(copy);
    EVP_PKEY_CTX_free(pctx);
    return len;
}

Test(exchange, both_sides_get_the_same_secret_as_default_gives)
{
    static const char *const groups[] = { "P-256", "P-384", "P-521" };
    struct context plain;

    context_open(&plain, DEFAULT_FIRST);
    for (size_t i = 0; i < 3; i++) {
        EVP_PKEY *a = soft_key(ctx.lib, "EC", groups[i]), *b = soft_key(ctx.lib, "EC", groups[i]);
        EVP_PKEY *b_plain;
        unsigned char ab[80], ba[80], want[80], *der = NULL;
        const unsigned char *p;
        int der_len = i2d_PrivateKey(b, &der);
        size_t len = derive(ctx.lib, a, b, ab, sizeof(ab));

        cr_expect_str_eq(OSSL_PROVIDER_get0_name(EVP_PKEY_get0_provider(a)), "iotsafe");
        cr_expect_eq(derive(ctx.lib, b, a, ba, sizeof(ba)), len);
        cr_expect_arr_eq(ab, ba, len);
        p = der;
        b_plain = d2i_AutoPrivateKey_ex(NULL, &p, der_len, plain.lib, NULL);
        cr_expect_eq(derive(plain.lib, b_plain, a, want, sizeof(want)), len);
        cr_expect_arr_eq(ab, want, len, "%s", groups[i]);
        EXPECT_NO_ERRORS();
        OPENSSL_clear_free(der, (size_t)der_len);
        EVP_PKEY_free(b_plain);
        EVP_PKEY_free(a);
        EVP_PKEY_free(b);
    }
    context_close(&plain);
}

Test(exchange, a_key_derivation_on_top_works)
{
    EVP_PKEY *a = soft_key(ctx.lib, "EC", "P-256"), *b = soft_key(ctx.lib, "EC", "P-256");
    unsigned char out[2][40], ukm[] = { 1, 2, 3 };
    char kdf[] = OSSL_KDF_NAME_X963KDF, md[] = "SHA256";
    size_t out_len = sizeof(out[0]), len;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_EXCHANGE_PARAM_KDF_TYPE, kdf, 0),
        OSSL_PARAM_construct_utf8_string(OSSL_EXCHANGE_PARAM_KDF_DIGEST, md, 0),
        OSSL_PARAM_construct_size_t(OSSL_EXCHANGE_PARAM_KDF_OUTLEN, &out_len),
        OSSL_PARAM_construct_octet_string(OSSL_EXCHANGE_PARAM_KDF_UKM, ukm, sizeof(ukm)),
        OSSL_PARAM_construct_end(),
    };

    for (int side = 0; side < 2; side++) {
        EVP_PKEY_CTX *pctx = EVP_PKEY_CTX_new_from_pkey(ctx.lib, side == 0 ? a : b, NULL);

        len = out_len;
        cr_assert(EVP_PKEY_derive_init_ex(pctx, params) > 0
                      && EVP_PKEY_derive_set_peer(pctx, side == 0 ? b : a) > 0
                      && EVP_PKEY_derive(pctx, out[side], &len) > 0,
                  "%s", drain_errors());
        cr_expect_eq(len, out_len);
        EVP_PKEY_CTX_free(pctx);
    }
    cr_expect_arr_eq(out[0], out[1], sizeof(out[0]));
    EVP_PKEY_free(a);
    EVP_PKEY_free(b);
}

Test(exchange, peers_of_another_group_are_refused)
{
    EVP_PKEY *a = soft_key(ctx.lib, "EC", "P-256"), *b = soft_key(ctx.lib, "EC", "P-384");
    EVP_PKEY_CTX *pctx = EVP_PKEY_CTX_new_from_pkey(ctx.lib, a, NULL);

    cr_assert(EVP_PKEY_derive_init(pctx) > 0);
    cr_expect_leq(EVP_PKEY_derive_set_peer(pctx, b), 0);
    cr_expect_str_not_empty(drain_errors());
    EVP_PKEY_CTX_free(pctx);
    EVP_PKEY_free(a);
    EVP_PKEY_free(b);
}
