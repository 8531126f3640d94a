/* SPDX-License-Identifier: Apache-2.0 */
/* ECDSA with a key on the SIM: every way in, every refusal, and what it costs. */
#include <openssl/cms.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

static struct sim sim;
static struct context ctx;
static EVP_PKEY *key, *public; /* the key on the SIM; the same point in software */

static void setup(void)
{
    X509 *cert;

    sim_start(&sim);
    context_open(&ctx, DEFAULT_FIRST);
    key = load_key(ctx.lib, CLIENT_KEY);
    cert = load_cert(ctx.lib, CLIENT_CERT);
    cr_assert(key != NULL && cert != NULL, "%s", drain_errors());
    public = X509_get_pubkey(cert);
    X509_free(cert);
}

static void teardown(void)
{
    EVP_PKEY_free(public);
    EVP_PKEY_free(key);
    context_close(&ctx);
    sim_stop(&sim);
}

TestSuite(signature, .init = setup, .fini = teardown, .timeout = 120);

static const char *const digests[] = { "SHA256",   "SHA2-256", "sha-256",
                                       "SHA384",   "SHA512",   "SHA3-256",
                                       "SHA3-384", "SHA3-512", "2.16.840.1.101.3.4.2.1" };

Test(signature, each_digest_under_each_of_its_names)
{
    for (size_t i = 0; i < sizeof(digests) / sizeof(digests[0]); i++) {
        unsigned char sig[80];
        size_t len = sizeof(sig);

        cr_expect(sign_message(ctx.lib, key, digests[i], sig, &len), "%s: %s", digests[i],
                  drain_errors());
        cr_expect(verify_message(ctx.lib, public, digests[i], sig, len), "%s", digests[i]);
    }
    EXPECT_NO_ERRORS();
}

Test(signature, without_a_digest_it_is_sha256)
{
    unsigned char sig[80];
    size_t len = sizeof(sig);

    cr_assert(sign_message(ctx.lib, key, NULL, sig, &len));
    cr_expect(verify_message(ctx.lib, public, "SHA256", sig, len));
    EXPECT_NO_ERRORS();
}

static const char *const refused[] = { "SHA1", "SHA224", "MD5", "SHAKE256", "SHA512-256", "SM3" };

Test(signature, other_digests_are_refused_at_once_and_without_the_sim)
{
    int before = sim_exchanges(&sim, NULL);

    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        EVP_MD_CTX *md = EVP_MD_CTX_new();

        cr_expect_leq(EVP_DigestSignInit_ex(md, NULL, refused[i], ctx.lib, NULL, key, NULL), 0,
                      "%s", refused[i]);
        EXPECT_ERROR("iotsafe");
        cr_expect_leq(EVP_PKEY_digestsign_supports_digest(key, ctx.lib, refused[i], NULL), 0);
        EVP_MD_CTX_free(md);
    }
    cr_expect_eq(EVP_PKEY_digestsign_supports_digest(key, ctx.lib, "SHA384", NULL), 1);
    cr_expect_eq(sim_exchanges(&sim, NULL), before);
    EXPECT_NO_ERRORS();
}

static bool sign_digest(const char *md, size_t tbs_len, unsigned char *sig, size_t *len)
{
    unsigned char tbs[100];
    EVP_PKEY_CTX *pctx = EVP_PKEY_CTX_new_from_pkey(ctx.lib, key, NULL);
    bool good;

    memset(tbs, 0x5a, sizeof(tbs));
    good = EVP_PKEY_sign_init(pctx) > 0;
    if (good && md != NULL) {
        EVP_MD *fetched = EVP_MD_fetch(ctx.lib, md, NULL);

        good = EVP_PKEY_CTX_set_signature_md(pctx, fetched) > 0;
        EVP_MD_free(fetched);
    }
    good = good && EVP_PKEY_sign(pctx, sig, len, tbs, tbs_len) > 0;
    EVP_PKEY_CTX_free(pctx);
    return good;
}

Test(signature, ready_digests_of_the_right_lengths_alone)
{
    unsigned char sig[80], tbs[100];
    EVP_PKEY_CTX *verify = EVP_PKEY_CTX_new_from_pkey(ctx.lib, public, NULL);

    memset(tbs, 0x5a, sizeof(tbs));
    cr_assert_gt(EVP_PKEY_verify_init(verify), 0);
    for (size_t n = 0; n < sizeof(tbs); n++) {
        size_t len = sizeof(sig);
        bool wanted = n == 32 || n == 48 || n == 64;

        cr_expect_eq(sign_digest(NULL, n, sig, &len), wanted, "%zu bytes", n);
        if (wanted)
            cr_expect_eq(EVP_PKEY_verify(verify, sig, len, tbs, n), 1, "%zu bytes", n);
        ERR_clear_error();
    }
    EVP_PKEY_CTX_free(verify);
}

Test(signature, a_ready_digest_must_fit_the_digest_that_was_set)
{
    unsigned char sig[80];
    size_t len = sizeof(sig);

    cr_expect(sign_digest("SHA384", 48, sig, &len));
    len = sizeof(sig);
    cr_expect_not(sign_digest("SHA384", 32, sig, &len));
    EXPECT_ERROR("32 bytes to sign");
    cr_expect_not(sign_digest("SHA1", 20, sig, &len));
    EXPECT_ERROR("SHA");
}

Test(signature, the_size_is_told_without_the_sim)
{
    int before = sim_exchanges(&sim, NULL);
    size_t len = 0;

    cr_expect(sign_message(ctx.lib, key, "SHA256", NULL, &len));
    cr_expect_eq(len, 72);
    len = 0;
    cr_expect(sign_digest(NULL, 32, NULL, &len));
    cr_expect_eq(len, 72);
    cr_expect_eq(sim_exchanges(&sim, NULL), before);
    EXPECT_NO_ERRORS();
}

Test(signature, a_short_buffer_is_refused_without_the_sim)
{
    int before = sim_exchanges(&sim, NULL);
    unsigned char sig[72];
    size_t len = 71;

    cr_expect_not(sign_message(ctx.lib, key, "SHA256", sig, &len));
    EXPECT_ERROR("71 bytes, 72 are needed");
    cr_expect_eq(sim_exchanges(&sim, NULL), before);
    len = 72;
    cr_expect(sign_message(ctx.lib, key, "SHA256", sig, &len));
    EXPECT_NO_ERRORS();
}

static int cost_of_ten(OSSL_LIB_CTX *lib, const struct sim *card)
{
    EVP_PKEY *on_card = load_key(lib, CLIENT_KEY);
    int before = 0;

    for (int i = 0; i < 13; i++) {
        unsigned char sig[80];
        size_t len = sizeof(sig);

        if (i == 3) /* what can be learned of the applet is learned */
            before = sim_exchanges(card, NULL);
        cr_assert(sign_message(lib, on_card, "SHA256", sig, &len), "%s", drain_errors());
    }
    EVP_PKEY_free(on_card);
    return sim_exchanges(card, NULL) - before;
}

Test(signature, one_costs_two_exchanges_or_three_where_sessions_must_be_closed)
{
    struct sim other;
    struct context here;

    cr_expect_eq(cost_of_ten(ctx.lib, &sim), 30);
    sim_start_with(&other, "--set session_auto_close=on");
    context_open(&here, DEFAULT_FIRST);
    cr_expect_eq(cost_of_ten(here.lib, &other), 20);
    context_close(&here);
    sim_stop(&other);
}

Test(signature, two_hundred_are_all_minimal_der_and_right)
{
    for (int i = 0; i < 200; i++) {
        unsigned char sig[80], *again = NULL;
        const unsigned char *p = sig;
        size_t len = sizeof(sig);
        ECDSA_SIG *parsed;
        int again_len;

        cr_assert(sign_message(ctx.lib, key, "SHA256", sig, &len), "%s", drain_errors());
        cr_expect(verify_message(ctx.lib, public, "SHA256", sig, len));
        parsed = d2i_ECDSA_SIG(NULL, &p, (long)len);
        again_len = i2d_ECDSA_SIG(parsed, &again);
        cr_expect(again_len == (int)len && memcmp(again, sig, len) == 0, "not minimal");
        ECDSA_SIG_free(parsed);
        OPENSSL_free(again);
    }
    EXPECT_NO_ERRORS();
}

Test(signature, a_context_copied_in_the_middle_goes_on_by_itself)
{
    EVP_MD_CTX *one = EVP_MD_CTX_new(), *two = EVP_MD_CTX_new(), *check = EVP_MD_CTX_new();
    unsigned char sig[80];
    size_t len = sizeof(sig);

    cr_assert(EVP_DigestSignInit_ex(one, NULL, "SHA256", ctx.lib, NULL, key, NULL) > 0
              && EVP_DigestSignUpdate(one, "first ", 6) > 0);
    cr_assert(EVP_MD_CTX_copy_ex(two, one), "%s", drain_errors());
    cr_assert(EVP_DigestSignUpdate(one, "wrong", 5) > 0
              && EVP_DigestSignUpdate(two, "second", 6) > 0);
    cr_assert(EVP_DigestSignFinal(two, sig, &len) > 0);
    cr_assert(EVP_DigestVerifyInit_ex(check, NULL, "SHA256", ctx.lib, NULL, public, NULL) > 0);
    cr_expect_eq(EVP_DigestVerify(check, sig, len, (const unsigned char *)"first second", 12), 1);
    EXPECT_NO_ERRORS();
    EVP_MD_CTX_free(one);
    EVP_MD_CTX_free(two);
    EVP_MD_CTX_free(check);
}

Test(signature, a_context_can_be_used_again)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new(), *check = EVP_MD_CTX_new();
    static const unsigned char text[] = "again";

    for (int i = 0; i < 3; i++) {
        unsigned char sig[80];
        size_t len = sizeof(sig);

        cr_assert(EVP_DigestSignInit_ex(md, NULL, i == 0 ? "SHA384" : NULL, ctx.lib, NULL,
                                        i == 0 ? key : NULL, NULL)
                      > 0,
                  "%s", drain_errors());
        cr_assert(EVP_DigestSign(md, sig, &len, text, sizeof(text)) > 0);
        cr_assert(EVP_DigestVerifyInit_ex(check, NULL, "SHA384", ctx.lib, NULL, public, NULL) > 0);
        cr_expect_eq(EVP_DigestVerify(check, sig, len, text, sizeof(text)), 1, "round %d", i);
    }
    EXPECT_NO_ERRORS();
    EVP_MD_CTX_free(md);
    EVP_MD_CTX_free(check);
}

Test(signature, certificates_name_the_digest_that_was_used)
{
    static const struct {
        const char *digest;
        int nid;
    } rows[] = { { "SHA256", NID_ecdsa_with_SHA256 },
                 { "SHA384", NID_ecdsa_with_SHA384 },
                 { "SHA512", NID_ecdsa_with_SHA512 } };

    for (size_t i = 0; i < 3; i++) {
        X509 *cert = self_signed(ctx.lib, key, rows[i].digest);
        const X509_ALGOR *alg;
        int type;

        cr_assert_not_null(cert, "%s: %s", rows[i].digest, drain_errors());
        cr_expect_eq(X509_get_signature_nid(cert), rows[i].nid);
        X509_get0_signature(NULL, &alg, cert);
        X509_ALGOR_get0(NULL, &type, NULL, alg);
        cr_expect_eq(type, V_ASN1_UNDEF, "parameters in the AlgorithmIdentifier");
        cr_expect_eq(X509_verify(cert, public), 1, "%s", rows[i].digest);
        X509_free(cert);
    }
    EXPECT_NO_ERRORS();
}

Test(signature, a_certificate_request_holds_the_named_curve_and_verifies)
{
    static const char *const mds[] = { "SHA256", "SHA384", "SHA512" };

    for (size_t i = 0; i < 3; i++) {
        X509_REQ *req = X509_REQ_new_ex(ctx.lib, NULL);
        EVP_MD *md = EVP_MD_fetch(ctx.lib, mds[i], NULL);
        ASN1_OBJECT *algorithm;
        X509_ALGOR *alg;
        const void *parameter;
        int type;

        cr_assert(X509_REQ_set_version(req, X509_REQ_VERSION_1) && X509_REQ_set_pubkey(req, key),
                  "%s", drain_errors());
        cr_assert_gt(X509_REQ_sign(req, key, md), 0, "%s: %s", mds[i], drain_errors());
        cr_expect_eq(X509_REQ_verify_ex(req, public, ctx.lib, NULL), 1, "%s", mds[i]);
        cr_assert(
            X509_PUBKEY_get0_param(&algorithm, NULL, NULL, &alg, X509_REQ_get_X509_PUBKEY(req)));
        X509_ALGOR_get0(NULL, &type, &parameter, alg);
        cr_assert_eq(type, V_ASN1_OBJECT, "explicit parameters");
        cr_expect_eq(OBJ_obj2nid(parameter), NID_X9_62_prime256v1);
        EVP_MD_free(md);
        X509_REQ_free(req);
    }
    EXPECT_NO_ERRORS();
}

Test(signature, cms_signs_and_verifies)
{
    X509 *cert = load_cert(ctx.lib, CLIENT_CERT);
    BIO *text = BIO_new_mem_buf("a message", -1), *out = BIO_new(BIO_s_mem());
    CMS_ContentInfo *cms = CMS_sign_ex(cert, key, NULL, text, CMS_BINARY, ctx.lib, NULL);

    cr_assert_not_null(cms, "%s", drain_errors());
    cr_expect_eq(CMS_verify(cms, NULL, NULL, NULL, out, CMS_NO_SIGNER_CERT_VERIFY), 1, "%s",
                 drain_errors());
    cr_expect_eq(BIO_pending(out), 9);
    EXPECT_NO_ERRORS();
    CMS_ContentInfo_free(cms);
    BIO_free(text);
    BIO_free(out);
    X509_free(cert);
}

Test(signature, verifies_with_the_key_itself)
{
    EVP_PKEY_CTX *pctx = EVP_PKEY_CTX_new_from_pkey(ctx.lib, key, "provider=iotsafe");
    unsigned char sig[80], tbs[32];
    size_t len = sizeof(sig);

    memset(tbs, 0x5a, sizeof(tbs));
    cr_assert(sign_digest(NULL, 32, sig, &len));
    cr_assert(EVP_PKEY_verify_init(pctx) > 0, "%s", drain_errors());
    cr_expect_eq(EVP_PKEY_verify(pctx, sig, len, tbs, sizeof(tbs)), 1);
    tbs[0] ^= 1;
    cr_expect_neq(EVP_PKEY_verify(pctx, sig, len, tbs, sizeof(tbs)), 1);
    cr_expect_neq(EVP_PKEY_verify(pctx, sig, len - 1, tbs, sizeof(tbs)), 1);
    ERR_clear_error();
    EVP_PKEY_CTX_free(pctx);
}

Test(signature, an_operation_that_was_not_begun_fails_with_a_reason)
{
    EVP_SIGNATURE *ecdsa = EVP_SIGNATURE_fetch(ctx.lib, "ECDSA", "provider=iotsafe");

    cr_expect_not_null(ecdsa);
    cr_expect_not_null(EVP_SIGNATURE_gettable_ctx_params(ecdsa));
    cr_expect_not_null(EVP_SIGNATURE_settable_ctx_params(ecdsa));
    EVP_SIGNATURE_free(ecdsa);
}

/* ------------------------------------------------------------------------ faults */

static bool signs(void)
{
    unsigned char sig[80];
    size_t len = sizeof(sig);
    bool good = sign_message(ctx.lib, key, "SHA256", sig, &len);

    if (good)
        cr_expect(verify_message(ctx.lib, public, "SHA256", sig, len), "a wrong one was given out");
    return good;
}

Test(signature, a_bit_that_flips_on_the_way_is_noticed)
{
    int refused_n = 0;

    for (int bit = 20; bit < 540; bit += 40) {
        char words[96];

        snprintf(words, sizeof(words), "fault flip=%d --ins COMPUTE_SIGNATURE_UPDATE --count 1",
                 bit);
        sim_admin(&sim, words);
        refused_n += !signs();
        cr_expect(signs(), "after bit %d: %s", bit, drain_errors());
        ERR_clear_error();
        sim_admin(&sim, "fault clear");
    }
    cr_expect_gt(refused_n, 8);
}

Test(signature, answers_cut_short_or_of_garbage_are_no_signatures)
{
    static const char *const faults[] = { "truncate=10", "truncate=60", "garbage=64", "garbage=66",
                                          "garbage=0" };

    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        char words[96];

        snprintf(words, sizeof(words), "fault %s --ins COMPUTE_SIGNATURE_UPDATE --count 1",
                 faults[i]);
        sim_admin(&sim, words);
        (void)signs(); /* signing once more is as good as refusing */
        ERR_clear_error();
        sim_admin(&sim, "fault clear");
        cr_expect(signs(), "after %s: %s", faults[i], drain_errors());
    }
}

Test(signature, a_reset_in_the_middle_is_repaired)
{
    sim_admin(&sim, "fault reset --ins COMPUTE_SIGNATURE_UPDATE --count 1");
    cr_expect(signs(), "%s", drain_errors());
    sim_admin(&sim, "fault reset --ins COMPUTE_SIGNATURE_INIT --count 1");
    cr_expect(signs(), "%s", drain_errors());
    EXPECT_NO_ERRORS();
}

Test(signature, a_refusal_names_the_key_and_the_reason)
{
    sim_admin(&sim, "deactivate private client-key");
    cr_expect_not(signs());
    EXPECT_ERROR("client-key");
    sim_admin(&sim, "activate private client-key");
    cr_expect(signs(), "%s", drain_errors());
    EXPECT_NO_ERRORS();
}
