/* SPDX-License-Identifier: Apache-2.0 */
/* Keys on the SIM that are not on P-256: brainpoolP256r1 and RSA-2048, in each way
 * in, with what they refuse. */
#include <openssl/cms.h>
#include <openssl/core_names.h>
#include <openssl/rsa.h>
#include <string.h>

#include "fixture.h"

#define RSA_KEY "iotsafe://label=rsa-key"
#define RSA_CERT "iotsafe://label=rsa-cert;type=cert"
#define BP_KEY "iotsafe://label=bp-key"

static struct sim sim;
static struct context ctx;

static void setup(void)
{
    sim_start_with(&sim, "--with rsa --with brainpool");
    context_open(&ctx, DEFAULT_FIRST);
}

static void teardown(void)
{
    context_close(&ctx);
    sim_stop(&sim);
}

TestSuite(types, .init = setup, .fini = teardown, .timeout = 120);

static EVP_PKEY *must_load(const char *uri)
{
    EVP_PKEY *key = load_key(ctx.lib, uri);

    cr_assert_not_null(key, "%s: %s", uri, drain_errors());
    return key;
}

/* The same public key in software, by way of its DER. */
static EVP_PKEY *in_software(EVP_PKEY *key)
{
    unsigned char *der = NULL;
    const unsigned char *p;
    int len = i2d_PUBKEY(key, &der);
    EVP_PKEY *public;

    cr_assert_gt(len, 0, "%s", drain_errors());
    p = der;
    public = d2i_PUBKEY_ex(NULL, &p, len, ctx.lib, "provider=default");
    cr_assert_not_null(public);
    OPENSSL_free(der);
    return public;
}

static void expect_signs(const char *uri, const char *what)
{
    EVP_PKEY *key = must_load(uri), *public = in_software(key);
    unsigned char sig[256];
    size_t len = sizeof(sig);

    cr_expect(sign_message(ctx.lib, key, "SHA256", sig, &len), "%s: %s", what, drain_errors());
    cr_expect(verify_message(ctx.lib, public, "SHA256", sig, len), "%s", what);
    cr_expect(verify_message(ctx.lib, key, "SHA256", sig, len), "%s", what);
    sig[len - 1] ^= 1;
    cr_expect_not(verify_message(ctx.lib, key, "SHA256", sig, len), "%s", what);
    drain_errors();
    EVP_PKEY_free(public);
    EVP_PKEY_free(key);
}

Test(types, each_signs_and_verifies_in_every_order)
{
    static const char *const uris[] = { BP_KEY, "iotsafe://id=14", RSA_KEY, "iotsafe://id=10" };

    for (enum order order = 0; order < N_ORDERS; order++) {
        struct context outer = ctx;

        context_open(&ctx, order);
        for (size_t i = 0; i < 4; i++)
            expect_signs(uris[i], uris[i]);
        EXPECT_NO_ERRORS();
        context_close(&ctx);
        ctx = outer;
    }
}

Test(types, a_label_alone_finds_the_curve_with_one_exchange_more_than_opening)
{
    EVP_PKEY *key = must_load(BP_KEY);
    char group[80];

    cr_expect_eq(sim_exchanges(&sim, "GET DATA"), 0);
    cr_assert(EVP_PKEY_get_group_name(key, group, sizeof(group), NULL));
    cr_expect_str_eq(group, "brainpoolP256r1");
    EVP_PKEY_free(key);
}

Test(types, each_goes_through_a_key_reference_file)
{
    static const char *const uris[] = { BP_KEY, RSA_KEY };

    for (size_t i = 0; i < 2; i++) {
        EVP_PKEY *key = must_load(uris[i]), *again;
        char *pem = reference_pem(key);
        unsigned char sig[256];
        size_t len = sizeof(sig);
        int before = sim_exchanges(&sim, NULL);

        again = pem_key(ctx.lib, pem, strlen(pem));
        cr_assert_not_null(again, "%s", drain_errors());
        cr_expect_eq(sim_exchanges(&sim, NULL), before, "the public key is in it");
        cr_expect_eq(EVP_PKEY_eq(key, again), 1);
        cr_expect_eq(EVP_PKEY_get_base_id(again), i == 0 ? EVP_PKEY_EC : EVP_PKEY_RSA);
        cr_expect(sign_message(ctx.lib, again, "SHA384", sig, &len), "%s", drain_errors());
        EXPECT_NO_ERRORS();
        OPENSSL_free(pem);
        EVP_PKEY_free(again);
        EVP_PKEY_free(key);
    }
}

Test(types, each_is_compared_with_certificates_in_software)
{
    EVP_PKEY *rsa = must_load(RSA_KEY), *bp = must_load(BP_KEY);
    EVP_PKEY *p256 = must_load(CLIENT_KEY);
    X509 *rsa_cert = load_cert(ctx.lib, RSA_CERT), *bp_cert = self_signed(ctx.lib, bp, "SHA256");

    cr_assert(rsa_cert != NULL && bp_cert != NULL, "%s", drain_errors());
    cr_expect_eq(X509_check_private_key(rsa_cert, rsa), 1, "%s", drain_errors());
    cr_expect_eq(X509_check_private_key(bp_cert, bp), 1, "%s", drain_errors());
    cr_expect_neq(X509_check_private_key(rsa_cert, bp), 1);
    cr_expect_neq(X509_check_private_key(bp_cert, rsa), 1);
    cr_expect_neq(X509_check_private_key(bp_cert, p256), 1);
    cr_expect_eq(X509_verify(bp_cert, bp), 1);
    X509_free(rsa_cert);
    X509_free(bp_cert);
    EVP_PKEY_free(p256);
    EVP_PKEY_free(bp);
    EVP_PKEY_free(rsa);
}

/* As programs ask that print a key or make a JWK of it. */
static void expect_same_number(const EVP_PKEY *key, const EVP_PKEY *other, const char *name)
{
    BIGNUM *a = NULL, *b = NULL;

    cr_expect_eq(EVP_PKEY_get_bn_param(key, name, &a), 1, "%s: %s", name, drain_errors());
    cr_expect_eq(EVP_PKEY_get_bn_param(other, name, &b), 1);
    cr_expect(a != NULL && b != NULL && BN_cmp(a, b) == 0, "%s", name);
    BN_free(a);
    BN_free(b);
}

Test(types, an_rsa_key_tells_its_public_numbers)
{
    EVP_PKEY *rsa = must_load(RSA_KEY);
    X509 *cert = load_cert(ctx.lib, RSA_CERT);
    const EVP_PKEY *pub = cert != NULL ? X509_get0_pubkey(cert) : NULL;
    unsigned char n[256], few[8];
    OSSL_PARAM both[] = { OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, n, sizeof(n)),
                          OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, few, sizeof(few)), OSSL_PARAM_END };
    OSSL_PARAM small[] = { OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, few, sizeof(few)), OSSL_PARAM_END };
    BIGNUM *d = NULL;

    cr_assert_not_null(pub, "%s", drain_errors());
    expect_same_number(rsa, pub, OSSL_PKEY_PARAM_RSA_N);
    expect_same_number(rsa, pub, OSSL_PKEY_PARAM_RSA_E);
    cr_expect_eq(EVP_PKEY_get_params(rsa, both), 1, "%s", drain_errors());
    cr_expect_eq(both[0].return_size, 256);
    cr_expect_leq(both[1].return_size, sizeof(few));
    cr_expect_neq(EVP_PKEY_get_params(rsa, small), 1);
    cr_expect_neq(EVP_PKEY_get_bn_param(rsa, OSSL_PKEY_PARAM_RSA_D, &d), 1);
    cr_expect_null(d);
    ERR_clear_error();
    X509_free(cert);
    EVP_PKEY_free(rsa);
}

Test(types, the_certificate_of_an_rsa_key_is_found_by_the_key)
{
    X509 *cert = load_cert(ctx.lib, "iotsafe://label=rsa-key;type=cert");

    cr_assert_not_null(cert, "%s", drain_errors());
    cr_expect_eq(EVP_PKEY_get_base_id(X509_get0_pubkey(cert)), EVP_PKEY_RSA);
    X509_free(cert);
}

/* ------------------------------------------------------------------------- RSA */

static bool rsa_sign(EVP_PKEY *key, int padding, int salt, const char *mgf1, unsigned char *sig,
                     size_t *len)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx;
    bool good = EVP_DigestSignInit_ex(md, &pctx, "SHA256", ctx.lib, NULL, key, NULL) > 0
                && EVP_PKEY_CTX_set_rsa_padding(pctx, padding) > 0
                && (padding != RSA_PKCS1_PSS_PADDING
                    || EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, salt) > 0)
                && (mgf1 == NULL || EVP_PKEY_CTX_set_rsa_mgf1_md_name(pctx, mgf1, NULL) > 0)
                && EVP_DigestSign(md, sig, len, (const unsigned char *)"text", 4) > 0;

    EVP_MD_CTX_free(md);
    return good;
}

static bool rsa_verify(EVP_PKEY *key, int padding, int salt, const unsigned char *sig, size_t len)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx;
    bool good = EVP_DigestVerifyInit_ex(md, &pctx, "SHA256", ctx.lib, NULL, key, NULL) > 0
                && EVP_PKEY_CTX_set_rsa_padding(pctx, padding) > 0
                && (padding != RSA_PKCS1_PSS_PADDING
                    || EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, salt) > 0)
                && EVP_DigestVerify(md, sig, len, (const unsigned char *)"text", 4) == 1;

    EVP_MD_CTX_free(md);
    return good;
}

Test(types, rsa_signs_with_both_paddings)
{
    static const int salts[] = { RSA_PSS_SALTLEN_DIGEST, RSA_PSS_SALTLEN_AUTO, 32 };
    EVP_PKEY *key = must_load(RSA_KEY), *public = in_software(key);
    unsigned char sig[256];
    size_t len = sizeof(sig);

    cr_expect(rsa_sign(key, RSA_PKCS1_PADDING, 0, NULL, sig, &len), "%s", drain_errors());
    cr_expect(rsa_verify(public, RSA_PKCS1_PADDING, 0, sig, len));
    for (size_t i = 0; i < 3; i++) {
        len = sizeof(sig);
        cr_expect(rsa_sign(key, RSA_PKCS1_PSS_PADDING, salts[i], "SHA256", sig, &len), "%s",
                  drain_errors());
        cr_expect(rsa_verify(public, RSA_PKCS1_PSS_PADDING, RSA_PSS_SALTLEN_DIGEST, sig, len));
        cr_expect(rsa_verify(key, RSA_PKCS1_PSS_PADDING, RSA_PSS_SALTLEN_AUTO, sig, len));
    }
    EXPECT_NO_ERRORS();
    EVP_PKEY_free(public);
    EVP_PKEY_free(key);
}

Test(types, a_salt_that_the_applet_does_not_make_is_an_error_that_tells_its_own)
{
    static const int salts[] = { 0, 20, 64, RSA_PSS_SALTLEN_MAX };
    EVP_PKEY *key = must_load(RSA_KEY);
    unsigned char sig[256];

    for (size_t i = 0; i < 4; i++) {
        size_t len = sizeof(sig);

        cr_expect_not(rsa_sign(key, RSA_PKCS1_PSS_PADDING, salts[i], NULL, sig, &len));
        EXPECT_ERROR("salt of 32 bytes");
    }
    EVP_PKEY_free(key);
}

Test(types, rsa_refuses_other_paddings_and_digests)
{
    EVP_PKEY *key = must_load(RSA_KEY);
    EVP_PKEY_CTX *pctx = EVP_PKEY_CTX_new_from_pkey(ctx.lib, key, NULL);
    unsigned char sig[256], digest[32] = { 1 };
    size_t len = sizeof(sig);

    cr_expect_not(rsa_sign(key, RSA_NO_PADDING, 0, NULL, sig, &len));
    EXPECT_ERROR("1.5 and PSS");
    cr_expect_not(rsa_sign(key, RSA_PKCS1_PSS_PADDING, -1, "SHA1", sig, &len));
    EXPECT_ERROR("MGF1");
    cr_expect_not(sign_message(ctx.lib, key, "SHA3-256", sig, &len));
    EXPECT_ERROR("SHA3-256");
    cr_assert_gt(EVP_PKEY_sign_init(pctx), 0);
    cr_expect_leq(EVP_PKEY_sign(pctx, sig, &len, digest, sizeof(digest)), 0);
    EXPECT_ERROR("must be set");
    cr_expect_gt(EVP_PKEY_CTX_set_signature_md(pctx, EVP_sha256()), 0);
    cr_expect_gt(EVP_PKEY_sign(pctx, sig, &len, digest, sizeof(digest)), 0, "%s", drain_errors());
    cr_expect_eq(len, 256);
    len = 255;
    cr_expect_leq(EVP_PKEY_sign(pctx, sig, &len, digest, sizeof(digest)), 0);
    drain_errors();
    cr_expect_leq(EVP_PKEY_decrypt_init(pctx), 0, "no decryption");
    drain_errors();
    EVP_PKEY_CTX_free(pctx);
    EVP_PKEY_free(key);
}

/* A certificate whose AlgorithmIdentifier is the provider's. */
Test(types, rsa_certificates_with_pss_verify_in_software)
{
    static const char *const digests[] = { "SHA256", "SHA384", "SHA512" };
    EVP_PKEY *key = must_load(RSA_KEY), *public = in_software(key);

    for (size_t i = 0; i < 3; i++) {
        X509 *cert = self_signed(ctx.lib, key, digests[i]);
        EVP_MD_CTX *md = EVP_MD_CTX_new();
        EVP_PKEY_CTX *pctx;

        cr_assert_not_null(cert, "%s", drain_errors());
        cr_expect_eq(X509_verify(cert, public), 1, "PKCS #1, %s", digests[i]);
        cr_assert_gt(EVP_DigestSignInit_ex(md, &pctx, digests[i], ctx.lib, NULL, key, NULL), 0);
        cr_assert_gt(EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING), 0);
        cr_expect_gt(X509_sign_ctx(cert, md), 0, "%s", drain_errors());
        cr_expect_eq(X509_verify(cert, public), 1, "PSS, %s: %s", digests[i], drain_errors());
        EVP_MD_CTX_free(md);
        X509_free(cert);
    }
    EVP_PKEY_free(public);
    EVP_PKEY_free(key);
}

Test(types, rsa_signs_cms)
{
    EVP_PKEY *key = must_load(RSA_KEY);
    X509 *cert = load_cert(ctx.lib, RSA_CERT);
    BIO *data = BIO_new_mem_buf("text", 4);
    CMS_ContentInfo *cms;

    cms = CMS_sign_ex(cert, key, NULL, data, CMS_BINARY, ctx.lib, NULL);
    cr_assert_not_null(cms, "%s", drain_errors());
    cr_expect_eq(CMS_verify(cms, NULL, NULL, NULL, NULL, CMS_NO_SIGNER_CERT_VERIFY), 1, "%s",
                 drain_errors());
    CMS_ContentInfo_free(cms);
    BIO_free(data);
    X509_free(cert);
    EVP_PKEY_free(key);
}

Test(types, software_rsa_works_with_iotsafe_first)
{
    struct context here;
    EVP_PKEY *key, *copy;
    EVP_PKEY_CTX *pctx;
    unsigned char out[256], back[256], sig[256];
    size_t len = sizeof(out), back_len = sizeof(back), sig_len = sizeof(sig);
    char *pem;

    context_open(&here, IOTSAFE_FIRST);
    key = soft_key(here.lib, "RSA", NULL);
    cr_assert_not_null(key, "%s", drain_errors());
    cr_expect(sign_message(here.lib, key, "SHA1", sig, &sig_len)
              && verify_message(here.lib, key, "SHA1", sig, sig_len));
    pctx = EVP_PKEY_CTX_new_from_pkey(here.lib, key, NULL);
    cr_expect(EVP_PKEY_encrypt_init(pctx) > 0
                  && EVP_PKEY_encrypt(pctx, out, &len, (const unsigned char *)"text", 4) > 0
                  && EVP_PKEY_decrypt_init(pctx) > 0
                  && EVP_PKEY_decrypt(pctx, back, &back_len, out, len) > 0 && back_len == 4,
              "%s", drain_errors());
    EVP_PKEY_CTX_free(pctx);
    pctx = EVP_PKEY_CTX_new_from_pkey(here.lib, key, NULL);
    sig_len = sizeof(sig);
    back_len = sizeof(back);
    cr_expect(EVP_PKEY_sign_init(pctx) > 0
                  && EVP_PKEY_sign(pctx, sig, &sig_len, (const unsigned char *)"text", 4) > 0
                  && EVP_PKEY_verify_recover_init(pctx) > 0
                  && EVP_PKEY_verify_recover(pctx, back, &back_len, sig, sig_len) > 0
                  && back_len == 4,
              "%s", drain_errors());
    EVP_PKEY_CTX_free(pctx);
    pem = reference_pem(key);
    cr_expect_not_null(strstr(pem, "BEGIN PRIVATE KEY"));
    copy = pem_key(here.lib, pem, strlen(pem));
    cr_assert_not_null(copy, "%s", drain_errors());
    cr_expect_eq(EVP_PKEY_eq(key, copy), 1);
    cr_expect_eq(sim_exchanges(&sim, NULL), 0);
    EXPECT_NO_ERRORS();
    OPENSSL_clear_free(pem, strlen(pem));
    EVP_PKEY_free(copy);
    EVP_PKEY_free(key);
    context_close(&here);
}
