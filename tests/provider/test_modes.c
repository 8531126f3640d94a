/* SPDX-License-Identifier: Apache-2.0 */
/* What goes to applets that do not take a ready digest: the state of the hash and
 * the last block, or the text; long messages; and what cannot be. */
#include <malloc.h>
#include <openssl/core_names.h>
#include <string.h>

#include "fixture.h"
#include "iotsafe.h"

static struct sim sim;
static struct context ctx;
static EVP_PKEY *key;

static void begin(const char *options)
{
    sim_start_with(&sim, options);
    context_open(&ctx, DEFAULT_FIRST);
    key = load_key(ctx.lib, CLIENT_KEY);
    cr_assert_not_null(key, "%s", drain_errors());
}

static void end(void)
{
    EVP_PKEY_free(key);
    context_close(&ctx);
    sim_stop(&sim);
}

TestSuite(modes, .timeout = 240);

/* The SIM refuses the next openings of a signing session. */
static void refuse(int times)
{
    char words[80];

    snprintf(words, sizeof(words), "fault sw=6A80 --ins %02x --count %d",
             IOTSAFE_INS_COMPUTE_SIGNATURE_INIT, times);
    sim_admin(&sim, words);
}

/* Signs and verifies `len` bytes, given piece by piece. */
static bool signs(const char *digest, size_t len, size_t piece)
{
    static unsigned char data[65536];
    EVP_MD_CTX *sign = EVP_MD_CTX_new(), *verify = EVP_MD_CTX_new();
    unsigned char sig[80];
    size_t sig_len = sizeof(sig);
    bool good = EVP_DigestSignInit_ex(sign, NULL, digest, ctx.lib, NULL, key, NULL) > 0
                && EVP_DigestVerifyInit_ex(verify, NULL, digest, ctx.lib, NULL, key, NULL) > 0;

    memset(data, 'x', sizeof(data));
    for (size_t n; good && len > 0; len -= n) {
        n = len < piece ? len : piece;
        good = EVP_DigestSignUpdate(sign, data, n) > 0
               && EVP_DigestVerifyUpdate(verify, data, n) > 0;
    }
    good = good && EVP_DigestSignFinal(sign, sig, &sig_len) > 0
           && EVP_DigestVerifyFinal(verify, sig, sig_len) == 1;
    EVP_MD_CTX_free(sign);
    EVP_MD_CTX_free(verify);
    return good;
}

static const size_t lengths[] = { 0, 1, 63, 64, 65, 127, 128, 129, 192, 256, 1000, 65535, 65536 };
#define N_LENGTHS (sizeof(lengths) / sizeof(lengths[0]))

static bool mode_was_used(int mode)
{
    char line[4096], wanted[32];
    FILE *file = fopen(sim.log, "r");
    bool found = false;

    snprintf(wanted, sizeof(wanted), "A1010%d", mode);
    cr_assert_not_null(file);
    while (!found && fgets(line, sizeof(line), file) != NULL)
        found = strcasestr(line, wanted) != NULL;
    fclose(file);
    return found;
}

Test(modes, an_applet_that_refuses_digests_gets_state_and_last_block)
{
    begin("");
    refuse(1);
    for (size_t i = 0; i < N_LENGTHS; i++)
        cr_expect(signs("SHA256", lengths[i], 50), "%zu: %s", lengths[i], drain_errors());
    cr_expect(mode_was_used(IOTSAFE_MODE_LAST_BLOCK));
    EXPECT_NO_ERRORS();
    end();
}

Test(modes, an_applet_that_takes_texts_alone_gets_them_up_to_64_kib)
{
    begin("--set enforce_usage=tls --set key_usage=2");
    for (size_t i = 0; i < N_LENGTHS; i++) {
        bool fits = lengths[i] <= IOTSAFE_TEXT_MAX;

        cr_expect_eq(signs("SHA256", lengths[i], 50), fits, "%zu: %s", lengths[i], drain_errors());
        if (!fits)
            EXPECT_ERROR("CertificateVerify");
    }
    cr_expect(mode_was_used(IOTSAFE_MODE_FULL_TEXT));
    EXPECT_NO_ERRORS();
    end();
}

Test(modes, a_key_restricted_to_tls_says_so_where_a_ready_digest_is_given)
{
    EVP_PKEY_CTX *pctx;
    unsigned char sig[80], digest[32] = { 1 };
    size_t len = sizeof(sig);

    begin("--set enforce_usage=tls --set key_usage=3");
    pctx = EVP_PKEY_CTX_new_from_pkey(ctx.lib, key, NULL);
    cr_assert_gt(EVP_PKEY_sign_init(pctx), 0);
    cr_expect_leq(EVP_PKEY_sign(pctx, sig, &len, digest, sizeof(digest)), 0);
    EXPECT_ERROR("TLS 1.3 CertificateVerify");
    EVP_PKEY_CTX_free(pctx);
    end();
}

Test(modes, a_key_restricted_to_tls_is_compared_with_its_certificate)
{
    EVP_PKEY_CTX *pctx;

    begin("--set enforce_usage=tls --set key_usage=3");
    pctx = EVP_PKEY_CTX_new_from_pkey(ctx.lib, key, NULL);
    cr_expect_eq(EVP_PKEY_pairwise_check(pctx), 1, "%s", drain_errors());
    EVP_PKEY_CTX_free(pctx);
    end();
}

#ifdef __GLIBC__ /* which tells what is allocated */
Test(modes, one_hundred_megabytes_take_no_memory_with_digest_and_last_block)
{
    for (int refused = 0; refused < 2; refused++) {
        size_t before;

        begin("");
        if (refused)
            refuse(1);
        cr_assert(signs("SHA256", 1000, 50));
        before = mallinfo2().uordblks;
        cr_expect(signs("SHA256", 100u << 20, 65536), "%s", drain_errors());
        cr_expect_leq(mallinfo2().uordblks, before + 65536);
        EXPECT_NO_ERRORS();
        end();
    }
}
#endif
