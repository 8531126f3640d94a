/* SPDX-License-Identifier: Apache-2.0 */
/* Signature algorithms that name their digest, and the interface for whole messages,
 * which OpenSSL has from 3.4 on. */
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <string.h>

#include "fixture.h"

#ifdef OSSL_FUNC_SIGNATURE_SIGN_MESSAGE_INIT

static struct sim sim;
static struct context ctx;

static void setup(void)
{
    sim_start_with(&sim, "--with rsa");
    context_open(&ctx, DEFAULT_FIRST);
}

static void teardown(void)
{
    context_close(&ctx);
    sim_stop(&sim);
}

TestSuite(composite, .init = setup, .fini = teardown, .timeout = 120);

#define RSA_KEY "iotsafe://label=rsa-key"
#define OURS "provider=iotsafe"

static const unsigned char message[] = "what is to be signed"; /* as in sign_message() */
#define HALF 7

static const struct row {
    const char *algorithm, *digest, *uri;
} rows[] = {
    { "ECDSA-SHA256", "SHA256", CLIENT_KEY },
    { "ECDSA-SHA2-384", "SHA384", CLIENT_KEY },
    { "ecdsa-with-SHA512", "SHA512", CLIENT_KEY },
    { "RSA-SHA256", "SHA256", RSA_KEY },
    { "1.2.840.113549.1.1.12", "SHA384", RSA_KEY },
    { "sha512WithRSAEncryption", "SHA512", RSA_KEY },
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

static EVP_SIGNATURE *fetch(const char *algorithm, const char *propq)
{
    EVP_SIGNATURE *alg = EVP_SIGNATURE_fetch(ctx.lib, algorithm, propq);

    cr_assert_not_null(alg, "%s: %s", algorithm, drain_errors());
    return alg;
}

static EVP_PKEY *must_load(const char *uri)
{
    EVP_PKEY *key = load_key(ctx.lib, uri);

    cr_assert_not_null(key, "%s: %s", uri, drain_errors());
    return key;
}

/* In two pieces. */
static bool sign_in_pieces(EVP_PKEY_CTX *pctx, EVP_SIGNATURE *alg, unsigned char *sig, size_t *len)
{
    size_t asked = 0;

    return EVP_PKEY_sign_message_init(pctx, alg, NULL) > 0
           && EVP_PKEY_sign_message_update(pctx, message, HALF) > 0
           && EVP_PKEY_sign_message_update(pctx, message + HALF, sizeof(message) - HALF) > 0
           && EVP_PKEY_sign_message_final(pctx, NULL, &asked) > 0 && asked <= *len
           && EVP_PKEY_sign_message_final(pctx, sig, len) > 0;
}

static int verify_in_pieces(EVP_PKEY_CTX *pctx, EVP_SIGNATURE *alg, const unsigned char *sig,
                            size_t len)
{
    return EVP_PKEY_verify_message_init(pctx, alg, NULL) > 0
                   && EVP_PKEY_CTX_set_signature(pctx, sig, len) > 0
                   && EVP_PKEY_verify_message_update(pctx, message, HALF) > 0
                   && EVP_PKEY_verify_message_update(pctx, message + HALF, sizeof(message) - HALF)
                          > 0
               ? EVP_PKEY_verify_message_final(pctx)
               : -1;
}

/* By the composite itself, and by what everybody uses. */
static void expect_good(const struct row *row, EVP_PKEY *key, EVP_SIGNATURE *alg,
                        unsigned char *sig, size_t len)
{
    EVP_PKEY_CTX *pctx = EVP_PKEY_CTX_new_from_pkey(ctx.lib, key, NULL);

    cr_expect(verify_message(ctx.lib, key, row->digest, sig, len), "%s", row->algorithm);
    cr_expect_eq(verify_in_pieces(pctx, alg, sig, len), 1, "%s: %s", row->algorithm,
                 drain_errors());
    cr_expect(EVP_PKEY_verify_message_init(pctx, alg, NULL) > 0
                  && EVP_PKEY_verify(pctx, sig, len, message, sizeof(message)) == 1
                  && EVP_PKEY_verify(pctx, sig, len, message, HALF) != 1,
              "%s", row->algorithm);
    sig[len - 1] ^= 1;
    cr_expect_neq(verify_in_pieces(pctx, alg, sig, len), 1, "%s", row->algorithm);
    sig[len - 1] ^= 1;
    ERR_clear_error();
    EVP_PKEY_CTX_free(pctx);
}

static void expect_works(const struct row *row, EVP_PKEY *key, const char *propq)
{
    EVP_SIGNATURE *alg = fetch(row->algorithm, propq);
    EVP_PKEY_CTX *pctx = EVP_PKEY_CTX_new_from_pkey(ctx.lib, key, NULL);
    unsigned char sig[512];
    size_t len = sizeof(sig);

    cr_expect_str_eq(OSSL_PROVIDER_get0_name(EVP_SIGNATURE_get0_provider(alg)), "iotsafe");
    cr_assert(sign_in_pieces(pctx, alg, sig, &len), "%s: %s", row->algorithm, drain_errors());
    expect_good(row, key, alg, sig, len);
    cr_assert_gt(EVP_PKEY_sign_message_init(pctx, alg, NULL), 0);
    for (int again = 0; again < 2; again++) { /* in one go, twice with one context */
        len = sizeof(sig);
        cr_assert(EVP_PKEY_sign(pctx, sig, &len, message, sizeof(message)) > 0, "%s: %s",
                  row->algorithm, drain_errors());
        expect_good(row, key, alg, sig, len);
    }
    EXPECT_NO_ERRORS();
    EVP_PKEY_CTX_free(pctx);
    EVP_SIGNATURE_free(alg);
}

Test(composite, keys_on_the_sim_sign_whole_messages)
{
    for (size_t i = 0; i < N_ROWS; i++) {
        EVP_PKEY *key = must_load(rows[i].uri);

        expect_works(&rows[i], key, OURS);
        EVP_PKEY_free(key);
    }
}

Test(composite, before_default_no_property_is_needed_and_software_keys_sign_too)
{
    struct context before = ctx;

    context_open(&ctx, IOTSAFE_FIRST);
    for (size_t i = 0; i < N_ROWS; i++) {
        const bool rsa = strcmp(rows[i].uri, RSA_KEY) == 0;
        EVP_PKEY *key = must_load(rows[i].uri);
        EVP_PKEY *soft = soft_key(ctx.lib, rsa ? "RSA" : "EC", rsa ? NULL : "P-384");

        expect_works(&rows[i], key, NULL);
        expect_works(&rows[i], soft, NULL);
        EVP_PKEY_free(soft);
        EVP_PKEY_free(key);
    }
    context_close(&ctx);
    ctx = before;
}

Test(composite, behind_default_an_unqualified_name_is_that_of_default)
{
    EVP_SIGNATURE *alg = fetch("ECDSA-SHA256", NULL);

    cr_expect_str_eq(OSSL_PROVIDER_get0_name(EVP_SIGNATURE_get0_provider(alg)), "default");
    EVP_SIGNATURE_free(alg);
}

Test(composite, a_ready_digest_must_be_of_the_named_kind)
{
    static const unsigned char digest[64] = "a digest";

    for (size_t i = 0; i < N_ROWS; i++) {
        EVP_PKEY *key = must_load(rows[i].uri);
        EVP_SIGNATURE *alg = fetch(rows[i].algorithm, OURS);
        EVP_PKEY_CTX *pctx = EVP_PKEY_CTX_new_from_pkey(ctx.lib, key, NULL);
        const size_t digest_len = (size_t)EVP_MD_get_size(EVP_get_digestbyname(rows[i].digest));
        unsigned char sig[256];
        size_t len = sizeof(sig);

        cr_assert_gt(EVP_PKEY_sign_init_ex2(pctx, alg, NULL), 0);
        cr_expect_gt(EVP_PKEY_sign(pctx, sig, &len, digest, digest_len), 0, "%s: %s",
                     rows[i].algorithm, drain_errors());
        cr_assert_gt(EVP_PKEY_verify_init_ex2(pctx, alg, NULL), 0);
        cr_expect_eq(EVP_PKEY_verify(pctx, sig, len, digest, digest_len), 1, "%s",
                     rows[i].algorithm);
        EXPECT_NO_ERRORS();
        len = sizeof(sig);
        cr_assert_gt(EVP_PKEY_sign_init_ex2(pctx, alg, NULL), 0);
        cr_expect_leq(EVP_PKEY_sign(pctx, sig, &len, digest, digest_len == 32 ? 48 : 32), 0);
        ERR_clear_error();
        EVP_PKEY_CTX_free(pctx);
        EVP_SIGNATURE_free(alg);
        EVP_PKEY_free(key);
    }
}

Test(composite, the_name_tells_the_key_and_the_digest_for_good)
{
    EVP_PKEY *key = must_load(CLIENT_KEY);
    EVP_SIGNATURE *alg = fetch("ECDSA-SHA384", OURS), *rsa = fetch("RSA-SHA256", OURS);
    EVP_PKEY_CTX *pctx = EVP_PKEY_CTX_new_from_pkey(ctx.lib, key, NULL);
    char other[] = "SHA256", digest[32] = "";
    OSSL_PARAM set[] = { OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, other, 0),
                         OSSL_PARAM_construct_end() };
    OSSL_PARAM get[] = { OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, digest,
                                                          sizeof(digest)),
                         OSSL_PARAM_construct_end() };

    cr_expect_leq(EVP_PKEY_sign_message_init(pctx, rsa, NULL), 0);
    ERR_clear_error();
    cr_assert_gt(EVP_PKEY_sign_message_init(pctx, alg, set), 0);
    EVP_PKEY_CTX_set_params(pctx, set);
    cr_assert(EVP_PKEY_CTX_get_params(pctx, get));
    cr_expect_str_eq(digest, "SHA2-384");
    cr_assert_gt(EVP_PKEY_verify_message_init(pctx, alg, NULL), 0);
    cr_expect_neq(EVP_PKEY_verify_message_final(pctx), 1);
    EXPECT_ERROR("no signature was set");
    EVP_PKEY_CTX_free(pctx);
    EVP_SIGNATURE_free(rsa);
    EVP_SIGNATURE_free(alg);
    EVP_PKEY_free(key);
}

Test(composite, a_copy_of_the_context_goes_its_own_way)
{
    EVP_PKEY *key = must_load(CLIENT_KEY);
    EVP_SIGNATURE *alg = fetch("ECDSA-SHA256", OURS);
    EVP_PKEY_CTX *pctx = EVP_PKEY_CTX_new_from_pkey(ctx.lib, key, NULL), *copy;
    unsigned char sig[80];
    size_t len = sizeof(sig);

    cr_assert(sign_in_pieces(pctx, alg, sig, &len));
    cr_assert(EVP_PKEY_verify_message_init(pctx, alg, NULL) > 0
              && EVP_PKEY_CTX_set_signature(pctx, sig, len) > 0
              && EVP_PKEY_verify_message_update(pctx, message, HALF) > 0);
    copy = EVP_PKEY_CTX_dup(pctx);
    cr_assert_not_null(copy);
    EVP_PKEY_CTX_free(pctx);
    cr_expect(EVP_PKEY_verify_message_update(copy, message + HALF, sizeof(message) - HALF) > 0
              && EVP_PKEY_verify_message_final(copy) == 1);
    EXPECT_NO_ERRORS();
    EVP_PKEY_CTX_free(copy);
    EVP_SIGNATURE_free(alg);
    EVP_PKEY_free(key);
}

#else

Test(composite, is_of_later_releases)
{
    cr_skip_test("this OpenSSL has no interface for signing whole messages (3.4 has)");
}

#endif
