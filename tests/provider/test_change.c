/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and certificates that the operator replaces or deletes while programs use
 * them: no signature is given out that does not fit what the caller holds. */
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

static struct sim sim;
static struct context ctx;

static void setup(void)
{
    sim_start(&sim);
    context_open(&ctx, DEFAULT_FIRST);
}

static void teardown(void)
{
    context_close(&ctx);
    sim_stop(&sim);
}

TestSuite(change, .init = setup, .fini = teardown, .timeout = 60);

static bool signs(EVP_PKEY *key)
{
    unsigned char sig[80];
    size_t len = sizeof(sig);

    if (!sign_message(ctx.lib, key, "SHA256", sig, &len))
        return false;
    cr_expect(verify_message(ctx.lib, key, "SHA256", sig, len), "a signature that does not fit");
    return true;
}

/* Replaces the public-key object alone, so that it no longer fits. */
static void put_stale_public_key(void)
{
    EVP_PKEY *other = soft_key(ctx.lib, "EC", "P-256");
    const char *path = sim_path(&sim, "stale.pem");
    BIO *bio = BIO_new_file(path, "w");
    char words[200];

    PEM_write_bio_PUBKEY(bio, other);
    BIO_free(bio);
    EVP_PKEY_free(other);
    sim_admin(&sim, "delete public client-key");
    snprintf(words, sizeof(words), "put-key client-key %s --id 01", path);
    sim_admin(&sim, words);
}

/* Stores the key's certificate under the key's own label. */
static void put_certificate_beside_the_key(void)
{
    char words[200];

    snprintf(words, sizeof(words), "put-file client-key %s/client-cert.pem --size 1000", sim.store);
    sim_admin(&sim, words);
}

Test(change, a_new_key_under_a_caller_that_knows_the_old_one_signs_no_more)
{
    EVP_PKEY *key = load_key(ctx.lib, CLIENT_KEY), *again;

    cr_assert(signs(key));
    sim_admin(&sim, "generate-key client-key");
    cr_expect_not(signs(key));
    EXPECT_ERROR("key on the SIM was replaced");
    cr_expect_not(signs(key), "and not later either");
    ERR_clear_error();
    again = load_key(ctx.lib, CLIENT_KEY);
    cr_expect(again != NULL && signs(again), "loaded afresh it works: %s", drain_errors());
    EXPECT_NO_ERRORS();
    EVP_PKEY_free(again);
    EVP_PKEY_free(key);
}

Test(change, the_public_key_that_was_shown_counts_even_before_a_signature)
{
    EVP_PKEY *key = load_key(ctx.lib, CLIENT_KEY);
    X509 *cert = load_cert(ctx.lib, CLIENT_CERT);

    cr_assert_eq(X509_check_private_key(cert, key), 1);
    sim_admin(&sim, "generate-key client-key");
    cr_expect_not(signs(key));
    EXPECT_ERROR("does not match the public key");
    X509_free(cert);
    EVP_PKEY_free(key);
}

Test(change, a_new_key_under_a_caller_that_knows_neither_is_taken)
{
    EVP_PKEY *key = load_key(ctx.lib, CLIENT_KEY);

    sim_admin(&sim, "generate-key client-key");
    cr_expect(signs(key), "%s", drain_errors());
    EXPECT_NO_ERRORS();
    EVP_PKEY_free(key);
}

Test(change, a_deleted_key_says_that_it_is_gone)
{
    EVP_PKEY *key = load_key(ctx.lib, CLIENT_KEY);

    cr_assert(signs(key));
    sim_admin(&sim, "delete private client-key");
    cr_expect_not(signs(key));
    EXPECT_ERROR("client-key");
    EVP_PKEY_free(key);
}

Test(change, a_stale_public_key_gives_way_to_the_certificate_that_fits)
{
    EVP_PKEY *key;
    X509 *cert;

    put_stale_public_key();
    put_certificate_beside_the_key();
    key = load_key(ctx.lib, CLIENT_KEY);
    cr_assert_not_null(key, "%s", drain_errors());
    cr_expect(signs(key), "%s", drain_errors());
    cert = load_cert(ctx.lib, CLIENT_CERT);
    cr_expect_eq(X509_check_private_key(cert, key), 1);
    EXPECT_NO_ERRORS();
    X509_free(cert);
    EVP_PKEY_free(key);
}

Test(change, comparing_with_the_certificate_looks_at_the_other_candidates)
{
    EVP_PKEY *key;
    X509 *cert;

    put_stale_public_key();
    put_certificate_beside_the_key();
    key = load_key(ctx.lib, CLIENT_KEY);
    cert = load_cert(ctx.lib, CLIENT_CERT);
    cr_expect_eq(X509_check_private_key(cert, key), 1, "%s", drain_errors());
    cr_expect(signs(key), "%s", drain_errors());
    EXPECT_NO_ERRORS();
    X509_free(cert);
    EVP_PKEY_free(key);
}

Test(change, a_stale_public_key_that_was_shown_is_not_exchanged_behind_the_caller)
{
    EVP_PKEY *key;

    put_stale_public_key();
    put_certificate_beside_the_key();
    key = load_key(ctx.lib, CLIENT_KEY);
    cr_assert_eq(i2d_PUBKEY(key, NULL), 91); /* into a certificate request, say */
    cr_expect_not(signs(key));
    EXPECT_ERROR("does not match the public key");
    EVP_PKEY_free(key);
}

Test(change, a_stale_public_key_without_another_candidate_is_an_error)
{
    EVP_PKEY *key;

    put_stale_public_key();
    key = load_key(ctx.lib, CLIENT_KEY);
    cr_assert_not_null(key);
    cr_expect_not(signs(key));
    EXPECT_ERROR("does not match the public key");
    EVP_PKEY_free(key);
}

Test(change, without_verification_signatures_go_out_unchecked)
{
    unsigned char sig[80];
    size_t len = sizeof(sig);
    EVP_PKEY *key;

    setenv("IOTSAFE_VERIFY_SIGNATURE", "no", 1);
    context_reload(&ctx);
    put_stale_public_key();
    key = load_key(ctx.lib, CLIENT_KEY);
    cr_expect(sign_message(ctx.lib, key, "SHA256", sig, &len), "%s", drain_errors());
    EVP_PKEY_free(key);
    unsetenv("IOTSAFE_VERIFY_SIGNATURE");
}

Test(change, a_renewed_certificate_is_seen_by_the_next_load)
{
    struct context plain;
    X509 *renewed, *seen;
    EVP_PKEY *other;
    const char *path = sim_path(&sim, "renewed.der");
    BIO *bio = BIO_new_file(path, "wb");
    char words[200];

    context_open(&plain, DEFAULT_FIRST);
    other = soft_key(plain.lib, "EC", "P-256");
    renewed = self_signed(plain.lib, other, "SHA256");
    i2d_X509_bio(bio, renewed);
    BIO_free(bio);
    X509_free(load_cert(ctx.lib, CLIENT_CERT));
    snprintf(words, sizeof(words), "put-file client-cert %s", path);
    sim_admin(&sim, words);
    context_reload(&ctx); /* as does the time for which reading is remembered */
    seen = load_cert(ctx.lib, CLIENT_CERT);
    cr_assert_not_null(seen, "%s", drain_errors());
    cr_expect_eq(X509_cmp(seen, renewed), 0);
    X509_free(seen);
    X509_free(renewed);
    EVP_PKEY_free(other);
    context_close(&plain);
}
