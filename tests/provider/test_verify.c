/* SPDX-License-Identifier: Apache-2.0 */
/* card-verify: the applet verifies with public keys that stand on the SIM. */
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

#define PUBLIC "iotsafe://label=client-key;type=public"
#define OVERWRITABLE "iotsafe://label=verify-key;type=public"

static struct sim sim;
static struct context plain; /* signs, and knows nothing of card-verify */
static OSSL_LIB_CTX *lib;
static unsigned char sig[80];
static size_t len;

static void begin(const char *options)
{
    EVP_PKEY *key;

    sim_start_with(&sim, options);
    context_open(&plain, DEFAULT_FIRST);
    lib = OSSL_LIB_CTX_new();
    cr_assert(OSSL_PROVIDER_set_default_search_path(lib, getenv("IOTSAFE_MODULE_DIR")));
    write_text(sim_path(&sim, "cnf"),
               "openssl_conf = init\n[init]\nproviders = provs\n[provs]\ndefault = def\n"
               "iotsafe = iot\n[def]\nactivate = 1\n[iot]\nactivate = 1\ncard-verify = yes\n");
    cr_assert(OSSL_LIB_CTX_load_config(lib, sim_path(&sim, "cnf")), "%s", drain_errors());
    key = load_key(plain.lib, CLIENT_KEY);
    len = sizeof(sig);
    cr_assert(sign_message(plain.lib, key, "SHA256", sig, &len), "%s", drain_errors());
    EVP_PKEY_free(key);
}

static void end(void)
{
    OSSL_LIB_CTX_free(lib);
    context_close(&plain);
    sim_stop(&sim);
}

TestSuite(verify, .timeout = 60);

Test(verify, is_done_by_the_applet)
{
    EVP_PKEY *key;

    begin("");
    key = load_public_key(lib, PUBLIC);
    cr_assert_not_null(key, "%s", drain_errors());
    cr_expect(verify_message(lib, key, "SHA256", sig, len), "%s", drain_errors());
    cr_expect_eq(sim_exchanges(&sim, "VERIFY SIGNATURE UPDATE"), 1);
    EXPECT_NO_ERRORS();
    sig[len - 1] ^= 1;
    cr_expect_not(verify_message(lib, key, "SHA256", sig, len));
    cr_expect_eq(sim_exchanges(&sim, "VERIFY SIGNATURE UPDATE"), 2);
    cr_expect_not(verify_message(lib, key, "SHA256", sig, len - 1), "no DER");
    cr_expect_not(verify_message(lib, key, "SHA384", sig, len), "another digest");
    EVP_PKEY_free(key);
    end();
}

/* Signs a digest and has it verified, or this many bytes of it. */
static bool verify_digest(EVP_PKEY *key, size_t digest_len)
{
    EVP_PKEY_CTX *pctx = EVP_PKEY_CTX_new_from_pkey(lib, key, NULL);
    EVP_MD *md = EVP_MD_fetch(lib, "SHA256", NULL);
    EVP_PKEY *signer = load_key(plain.lib, CLIENT_KEY);
    EVP_PKEY_CTX *sctx = EVP_PKEY_CTX_new_from_pkey(plain.lib, signer, NULL);
    unsigned char digest[32];
    bool good;

    cr_assert(EVP_Digest("any text", 8, digest, NULL, md, NULL));
    len = sizeof(sig);
    cr_assert(EVP_PKEY_sign_init(sctx) > 0 && EVP_PKEY_sign(sctx, sig, &len, digest, 32) > 0);
    good = EVP_PKEY_verify_init(pctx) > 0
           && EVP_PKEY_verify(pctx, sig, len, digest, digest_len) == 1;
    EVP_PKEY_CTX_free(sctx);
    EVP_PKEY_free(signer);
    EVP_MD_free(md);
    EVP_PKEY_CTX_free(pctx);
    return good;
}

Test(verify, of_a_ready_digest_is_done_by_the_applet_too)
{
    EVP_PKEY *key, *spare;

    begin("");
    sim_admin(&sim, "generate-key spare-1");
    key = load_public_key(lib, PUBLIC);
    spare = load_public_key(lib, "iotsafe://label=spare-1;type=public");
    cr_expect(verify_digest(key, 32), "%s", drain_errors());
    cr_expect_eq(sim_exchanges(&sim, "VERIFY SIGNATURE UPDATE"), 1);
    EXPECT_NO_ERRORS();
    cr_expect_not(verify_digest(key, 31), "no digest is so long");
    cr_expect_eq(sim_exchanges(&sim, "VERIFY SIGNATURE UPDATE"), 1);
    drain_errors();
    cr_expect_not(verify_digest(spare, 32));
    EXPECT_ERROR("can be generated again");
    EVP_PKEY_free(spare);
    EVP_PKEY_free(key);
    end();
}

Test(verify, a_key_that_the_device_can_overwrite_is_refused)
{
    EVP_PKEY *key, *soft;
    char words[300];
    BIO *file;

    begin("");
    soft = soft_key(lib, "EC", "P-256");
    file = BIO_new_file(sim_path(&sim, "pub.pem"), "w");
    cr_assert(PEM_write_bio_PUBKEY(file, soft));
    BIO_free(file);
    EVP_PKEY_free(soft);
    snprintf(words, sizeof(words), "put-key verify-key %s", sim_path(&sim, "pub.pem"));
    sim_admin(&sim, words);
    key = load_public_key(lib, OVERWRITABLE);
    cr_assert_not_null(key, "%s", drain_errors());
    cr_expect_not(verify_message(lib, key, "SHA256", sig, len));
    EXPECT_ERROR("update access");
    cr_expect_eq(sim_exchanges(&sim, "VERIFY SIGNATURE INIT"), 0);
    EVP_PKEY_free(key);
    end();
}

Test(verify, a_key_that_the_device_can_generate_anew_is_refused)
{
    EVP_PKEY *key;

    begin("");
    sim_admin(&sim, "generate-key spare-1");
    key = load_public_key(lib, "iotsafe://label=spare-1;type=public");
    cr_assert_not_null(key, "%s", drain_errors());
    cr_expect_not(verify_message(lib, key, "SHA256", sig, len));
    EXPECT_ERROR("can be generated again");
    cr_expect_eq(sim_exchanges(&sim, "VERIFY SIGNATURE INIT"), 0);
    EVP_PKEY_free(key);
    end();
}

Test(verify, the_public_key_is_still_one_for_all_else)
{
    EVP_PKEY *key, *soft;
    X509 *cert;
    unsigned char out[80];
    size_t out_len = sizeof(out);

    begin("");
    key = load_public_key(lib, PUBLIC);
    cert = load_cert(lib, CLIENT_CERT);
    cr_assert(key != NULL && cert != NULL, "%s", drain_errors());
    soft = X509_get0_pubkey(cert);
    cr_expect_eq(EVP_PKEY_eq(soft, key), 1, "%s", drain_errors());
    cr_expect_eq(i2d_PUBKEY(key, NULL), 91);
    cr_expect_not(sign_message(lib, key, "SHA256", out, &out_len));
    EXPECT_ERROR("cannot sign");
    X509_free(cert);
    EVP_PKEY_free(key);
    end();
}

Test(verify, without_the_setting_nothing_goes_to_the_applet)
{
    EVP_PKEY *key;

    begin("");
    key = load_public_key(plain.lib, PUBLIC);
    cr_expect(verify_message(plain.lib, key, "SHA256", sig, len));
    cr_expect_eq(sim_exchanges(&sim, "VERIFY SIGNATURE INIT"), 0);
    EVP_PKEY_free(key);
    end();
}

Test(verify, an_applet_that_does_not_verify_says_so)
{
    EVP_PKEY *key;

    begin("--set verify=off");
    key = load_public_key(lib, PUBLIC);
    cr_assert_not_null(key);
    cr_expect_not(verify_message(lib, key, "SHA256", sig, len));
    EXPECT_ERROR("VERIFY SIGNATURE");
    EVP_PKEY_free(key);
    end();
}
