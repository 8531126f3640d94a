/* SPDX-License-Identifier: Apache-2.0 */
/* Key derivation with a secret of the SIM, against the same in software. */
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <string.h>

#include "fixture.h"

#define PSK "iotsafe://label=psk"

static const unsigned char secret[] = "sixteen and more bytes of secret";
static struct sim sim;
static struct context ctx;

static void setup(void)
{
    char words[300];

    sim_start(&sim);
    context_open(&ctx, DEFAULT_FIRST);
    write_text(sim_path(&sim, "secret"), (const char *)secret);
    snprintf(words, sizeof(words), "put-secret psk %s", sim_path(&sim, "secret"));
    sim_admin(&sim, words);
}

static void teardown(void)
{
    context_close(&ctx);
    sim_stop(&sim);
}

TestSuite(kdf, .init = setup, .fini = teardown, .timeout = 60);

struct question {
    const char *digest; /* NULL: not given */
    const char *mode;
    const void *salt; /* of HKDF, or the seed in two parts */
    size_t salt_len;
    const void *info;
    size_t info_len;
};

/* With a secret and its length; or the URI, where software has the key. */
static bool derive(const char *name, const void *key, size_t key_len, const struct question *q,
                   unsigned char *out, size_t len)
{
    EVP_KDF *kdf = EVP_KDF_fetch(ctx.lib, name, NULL);
    EVP_KDF_CTX *kctx = EVP_KDF_CTX_new(kdf);
    const bool prf = strstr(name, "PRF") != NULL;
    const char *key_name = strcmp(name, "HKDF") == 0 ? OSSL_KDF_PARAM_KEY : OSSL_KDF_PARAM_SECRET;
    char digest[20] = "", mode[32] = "";
    OSSL_PARAM params[6], *p = params;
    bool good;

    *p++ = OSSL_PARAM_construct_octet_string(key_name, (void *)(uintptr_t)key, key_len);
    if (q->digest != NULL) {
        snprintf(digest, sizeof(digest), "%s", q->digest);
        *p++ = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0);
    }
    if (q->mode != NULL) {
        snprintf(mode, sizeof(mode), "%s", q->mode);
        *p++ = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_MODE, mode, 0);
    }
    *p++ = OSSL_PARAM_construct_octet_string(prf ? OSSL_KDF_PARAM_SEED : OSSL_KDF_PARAM_SALT,
                                             (void *)(uintptr_t)q->salt, q->salt_len);
    *p++ = OSSL_PARAM_construct_octet_string(prf ? OSSL_KDF_PARAM_SEED : OSSL_KDF_PARAM_INFO,
                                             (void *)(uintptr_t)q->info, q->info_len);
    *p = OSSL_PARAM_construct_end();
    good = kctx != NULL && EVP_KDF_derive(kctx, out, len, params) > 0;
    EVP_KDF_CTX_free(kctx);
    EVP_KDF_free(kdf);
    return good;
}

static void expect_same(const char *ours, const char *theirs, const struct question *q, size_t len)
{
    unsigned char got[600], want[600];

    cr_expect(derive(ours, PSK, strlen(PSK), q, got, len), "%s, %zu bytes: %s", q->digest, len,
              drain_errors());
    cr_assert(derive(theirs, secret, sizeof(secret) - 1, q, want, len), "%s", drain_errors());
    cr_expect_arr_eq(got, want, len, "%s of %s, %zu bytes", ours, q->digest, len);
    EXPECT_NO_ERRORS();
}

Test(kdf, hkdf_is_that_of_software)
{
    static const char *const digests[] = { "SHA256", "SHA384", "SHA512" };
    static const size_t lengths[] = { 1, 32, 33, 600 };

    for (size_t d = 0; d < 3; d++)
        for (size_t l = 0; l < 4; l++) {
            struct question q = { digests[d], NULL, "salt", 4, "info", 4 };

            expect_same("IOTSAFE-HKDF", "HKDF", &q, lengths[l]);
            q.salt_len = q.info_len = 0;
            expect_same("IOTSAFE-HKDF", "HKDF", &q, lengths[l]);
        }
}

/* The secret lies in the program's secure heap, where it has one: without room there it
 * is not fetched at all. */
Test(kdf, hkdf_keeps_its_secret_in_the_secure_heap)
{
    struct question q = { "SHA256", "EXTRACT_ONLY", "salt", 4, "", 0 };
    void *filled[256];
    size_t n = 0;
    unsigned char out[32];

    cr_assert(CRYPTO_secure_malloc_init(4096, 32));
    while (n < 256 && (filled[n] = OPENSSL_secure_malloc(32)) != NULL)
        n++;
    cr_assert_lt(n, 256);
    ERR_clear_error();
    cr_expect_not(derive("IOTSAFE-HKDF", PSK, strlen(PSK), &q, out, 32));
    EXPECT_ERROR("out of memory");
    cr_expect_eq(sim_exchanges(&sim, "COMPUTE HKDF"), 0);
    while (n > 0)
        OPENSSL_secure_free(filled[--n]);
    expect_same("IOTSAFE-HKDF", "HKDF", &q, 32);
    cr_expect_eq(CRYPTO_secure_used(), 0);
}

Test(kdf, hkdf_extract_alone_is_that_of_software)
{
    struct question q = { "SHA256", "EXTRACT_ONLY", "salt", 4, "", 0 };
    unsigned char out[33];

    expect_same("IOTSAFE-HKDF", "HKDF", &q, 32);
    cr_expect_not(derive("IOTSAFE-HKDF", PSK, strlen(PSK), &q, out, 33));
    EXPECT_ERROR("32 bytes");
}

Test(kdf, prf_is_that_of_software_with_label_and_seed_one_after_another)
{
    static const size_t lengths[] = { 1, 12, 48, 255 };
    struct question q = { "SHA256", NULL, "master secret", 13, "seed", 4 };

    for (size_t l = 0; l < 4; l++)
        expect_same("IOTSAFE-TLS1-PRF", "TLS1-PRF", &q, lengths[l]);
}

static void expect_refused(const char *name, const char *uri, const struct question *q, size_t len,
                           const char *words)
{
    unsigned char out[600];

    cr_expect_not(derive(name, uri, strlen(uri), q, out, len));
    EXPECT_ERROR(words);
}

Test(kdf, what_cannot_be_derived_is_refused_with_a_reason)
{
    const struct question good = { "SHA256", NULL, "salt", 4, "info", 4 };
    const struct question no_digest = { NULL, NULL, "salt", 4, "info", 4 };
    const struct question sha1 = { "SHA1", NULL, "salt", 4, "info", 4 };
    const struct question sha512 = { "SHA512", NULL, "salt", 4, "info", 4 };
    const struct question expand = { "SHA256", "EXPAND_ONLY", "salt", 4, "info", 4 };

    expect_refused("IOTSAFE-HKDF", PSK, &no_digest, 32, "digest");
    expect_refused("IOTSAFE-HKDF", PSK, &sha1, 32, "SHA1");
    expect_refused("IOTSAFE-HKDF", PSK, &expand, 32, "EXTRACT_ONLY");
    expect_refused("IOTSAFE-HKDF", "a real secret", &good, 32, "URI of one secret");
    expect_refused("IOTSAFE-HKDF", "iotsafe://", &good, 32, "URI of one secret");
    expect_refused("IOTSAFE-HKDF", "iotsafe://label=none", &good, 32, "no such object");
    expect_refused("IOTSAFE-TLS1-PRF", PSK, &sha512, 32, "SHA-256");
    expect_refused("IOTSAFE-TLS1-PRF", PSK, &good, 256, "255");
}

Test(kdf, an_applet_without_derivation_says_so)
{
    struct sim other;
    const struct question q = { "SHA256", NULL, "salt", 4, "info", 4 };

    context_close(&ctx);
    sim_start_with(&other, "--set hkdf=off --set prf=off");
    context_open(&ctx, DEFAULT_FIRST);
    expect_refused("IOTSAFE-HKDF", PSK, &q, 32, "COMPUTE HKDF");
    expect_refused("IOTSAFE-TLS1-PRF", PSK, &q, 32, "COMPUTE PRF");
    sim_stop(&other);
}

Test(kdf, no_property_query_leads_the_kdfs_of_tls_to_the_sim)
{
    static const char *const names[] = { "HKDF", "TLS1-PRF", "TLS13-KDF" };

    for (size_t i = 0; i < 3; i++) {
        EVP_KDF *kdf = EVP_KDF_fetch(ctx.lib, names[i], "?provider=iotsafe");

        cr_assert_not_null(kdf, "%s: %s", names[i], drain_errors());
        cr_expect_str_eq(OSSL_PROVIDER_get0_name(EVP_KDF_get0_provider(kdf)), "default");
        EVP_KDF_free(kdf);
    }
}
