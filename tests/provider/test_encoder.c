/* SPDX-License-Identifier: Apache-2.0 */
/* Keys written out: as text, and as key-reference files where a program writes
 * a private key. */
#include <openssl/core_names.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "keyref.h"

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

TestSuite(encoder, .init = setup, .fini = teardown, .timeout = 60);

/* What a function prints; static storage. */
static const char *printed(int (*print)(BIO *, const EVP_PKEY *, int, ASN1_PCTX *),
                           const EVP_PKEY *key)
{
    static char text[4096];
    BIO *bio = BIO_new(BIO_s_mem());
    int len;

    cr_expect_gt(print(bio, key, 0, NULL), 0, "%s", drain_errors());
    len = BIO_read(bio, text, sizeof(text) - 1);
    text[len > 0 ? len : 0] = '\0';
    BIO_free(bio);
    EXPECT_NO_ERRORS();
    return text;
}

Test(encoder, text_shows_where_the_key_is_and_its_public_key)
{
    EVP_PKEY *key = load_key(ctx.lib, "iotsafe://id=01");
    const char *text = printed(EVP_PKEY_print_private, key);

    cr_expect(strstr(text, "URI: iotsafe://id=01;type=private\n") != NULL, "%s", text);
    cr_expect(strstr(text, sim.socket) != NULL, "%s", text);
    cr_expect(strstr(text, "pub:\n    04:") != NULL, "%s", text);
    cr_expect(strstr(text, "NIST CURVE: P-256") != NULL, "%s", text);
    cr_expect(strstr(text, "priv:") == NULL, "%s", text);
    text = printed(EVP_PKEY_print_public, key);
    cr_expect(strncmp(text, "Public-Key: (256 bit)\npub:\n", 27) == 0, "%s", text);
    cr_expect(strstr(text, "URI") == NULL, "%s", text);
    text = printed(EVP_PKEY_print_params, key);
    cr_expect(strncmp(text, "ASN1 OID: prime256v1\n", 21) == 0, "%s", text);
    EVP_PKEY_free(key);
}

Test(encoder, text_of_a_key_without_a_public_key_says_so)
{
    EVP_PKEY *key;

    sim_admin(&sim, "delete public client-key");
    key = load_key(ctx.lib, CLIENT_KEY);
    cr_expect(strstr(printed(EVP_PKEY_print_private, key), "pub: the SIM gives none") != NULL);
    EVP_PKEY_free(key);
}

Test(encoder, what_a_program_writes_it_can_read_again)
{
    EVP_PKEY *key = load_key(ctx.lib, CLIENT_KEY), *again;
    char *pem = reference_pem(key);

    cr_expect(strncmp(pem, "Stands for a private key", 24) == 0, "%s", pem);
    cr_expect_not_null(strstr(pem, "(7).\n-----BEGIN IOTSAFE KEY REFERENCE-----\n"), "%s", pem);
    again = pem_key(ctx.lib, pem, strlen(pem));
    cr_assert_not_null(again, "%s", drain_errors());
    cr_expect_eq(EVP_PKEY_eq(key, again), 1);
    EXPECT_NO_ERRORS();
    OPENSSL_free(pem);
    EVP_PKEY_free(again);
    EVP_PKEY_free(key);
}

Test(encoder, a_reference_of_a_key_without_a_public_key_has_none)
{
    EVP_PKEY *key;
    char *pem;
    struct isprov_keyref ref;
    BIO *bio;
    char *label, *header;
    unsigned char *der;
    long len;

    sim_admin(&sim, "delete public client-key");
    key = load_key(ctx.lib, CLIENT_KEY);
    pem = reference_pem(key);
    bio = BIO_new_mem_buf(pem, -1);
    cr_assert(PEM_read_bio(bio, &label, &header, &der, &len));
    cr_assert_eq(isprov_keyref_decode(der, (size_t)len, &ref, NULL), IOTSAFE_OK);
    cr_expect_null(ref.spki);
    isprov_keyref_clear(&ref);
    OPENSSL_free(label);
    OPENSSL_free(header);
    OPENSSL_free(der);
    BIO_free(bio);
    OPENSSL_free(pem);
    EVP_PKEY_free(key);
}

Test(encoder, a_pass_phrase_for_a_reference_is_never_asked_for)
{
    EVP_PKEY *key = load_key(ctx.lib, CLIENT_KEY);
    BIO *bio = BIO_new(BIO_s_mem());

    cr_expect(PEM_write_bio_PKCS8PrivateKey(bio, key, EVP_aes_256_cbc(), NULL, 0, NULL, NULL), "%s",
              drain_errors());
    cr_expect_gt(BIO_pending(bio), 100);
    EXPECT_NO_ERRORS();
    BIO_free(bio);
    EVP_PKEY_free(key);
}

Test(encoder, the_public_key_is_written_by_default)
{
    EVP_PKEY *key = load_key(ctx.lib, CLIENT_KEY), *again;
    BIO *bio = BIO_new(BIO_s_mem());

    cr_assert(PEM_write_bio_PUBKEY(bio, key), "%s", drain_errors());
    again = PEM_read_bio_PUBKEY_ex(bio, NULL, NULL, NULL, ctx.lib, NULL);
    cr_expect_eq(EVP_PKEY_eq(key, again), 1);
    cr_expect_str_eq(OSSL_PROVIDER_get0_name(EVP_PKEY_get0_provider(again)), "default");
    EXPECT_NO_ERRORS();
    BIO_free(bio);
    EVP_PKEY_free(again);
    EVP_PKEY_free(key);
}

/* As other runtimes have it, for the keys behind one URI. */
Test(encoder, the_public_key_is_written_where_this_provider_is_alone)
{
    OSSL_LIB_CTX *lib = OSSL_LIB_CTX_new();
    EVP_PKEY *beside = load_key(ctx.lib, CLIENT_KEY), *key;
    unsigned char *der = NULL, *expected = NULL;
    int len = i2d_PUBKEY(beside, &expected);
    BIO *bio = BIO_new(BIO_s_mem());
    OSSL_PROVIDER *prov;
    EVP_PKEY *again;

    cr_assert(OSSL_PROVIDER_set_default_search_path(lib, getenv("IOTSAFE_MODULE_DIR")));
    prov = OSSL_PROVIDER_load(lib, "iotsafe");
    key = load_key(lib, CLIENT_KEY);
    cr_assert_not_null(key, "%s", drain_errors());
    cr_assert_eq(len, 91);
    cr_expect_eq(i2d_PUBKEY(key, &der), 91, "%s", drain_errors());
    cr_assert_not_null(der);
    cr_expect_arr_eq(der, expected, 91);
    cr_expect(PEM_write_bio_PUBKEY(bio, key), "%s", drain_errors());
    again = PEM_read_bio_PUBKEY_ex(bio, NULL, NULL, NULL, ctx.lib, NULL);
    cr_expect_eq(EVP_PKEY_eq(beside, again), 1);
    EXPECT_NO_ERRORS();
    BIO_free(bio);
    OPENSSL_free(der);
    OPENSSL_free(expected);
    EVP_PKEY_free(again);
    EVP_PKEY_free(beside);
    EVP_PKEY_free(key);
    OSSL_PROVIDER_unload(prov);
    OSSL_LIB_CTX_free(lib);
}

Test(encoder, without_a_public_key_its_writing_fails_with_a_reason)
{
    unsigned char *der = NULL;
    EVP_PKEY *key;

    sim_admin(&sim, "delete public client-key");
    sim_admin(&sim, "delete file client-cert");
    key = load_key(ctx.lib, CLIENT_KEY);
    cr_assert_not_null(key, "%s", drain_errors());
    cr_expect_leq(i2d_PUBKEY(key, &der), 0);
    EXPECT_ERROR("gives no public key");
    EVP_PKEY_free(key);
}

Test(encoder, other_forms_of_the_private_key_fail_and_say_why)
{
    EVP_PKEY *key = load_key(ctx.lib, CLIENT_KEY);
    BIO *bio = BIO_new(BIO_s_mem());
    unsigned char *der = NULL;

    cr_expect_leq(i2d_PrivateKey(key, &der), 0);
    EXPECT_ERROR("label=client-key;type=private: the private key is on the SIM and cannot leave");
    cr_expect_leq(i2d_PKCS8PrivateKey_bio(bio, key, NULL, NULL, 0, NULL, NULL), 0);
    EXPECT_ERROR("cannot leave");
    cr_expect_null(EVP_PKEY2PKCS8(key));
    EXPECT_ERROR("cannot leave");
    cr_expect_eq(BIO_pending(bio), 0);
    BIO_free(bio);
    EVP_PKEY_free(key);
}

/* The first line begins so and the second is that. OpenSSL 4.0 says more in the first. */
static bool begins(const char *text, const char *first, const char *second)
{
    const char *line = strchr(text, '\n');

    return strncmp(text, first, strlen(first)) == 0 && line != NULL
           && strncmp(line + 1, second, strlen(second)) == 0 && line[1 + strlen(second)] == '\n';
}

Test(encoder, before_default_software_keys_are_written_as_default_does)
{
    struct context first;
    EVP_PKEY *key, *again;
    char pass[] = "open sesame";

    context_open(&first, IOTSAFE_FIRST);
    key = soft_key(first.lib, "EC", "P-256");
    cr_expect(begins(printed(EVP_PKEY_print_private, key), "Private-Key: (256 bit", "priv:"));
    cr_expect(begins(printed(EVP_PKEY_print_public, key), "Public-Key: (256 bit", "pub:"));
    for (int encrypted = 0; encrypted < 2; encrypted++) {
        BIO *bio = BIO_new(BIO_s_mem());

        cr_assert(i2d_PKCS8PrivateKey_bio(bio, key, encrypted ? EVP_aes_256_cbc() : NULL,
                                          encrypted ? pass : NULL,
                                          encrypted ? (int)strlen(pass) : 0, NULL, NULL),
                  "%s", drain_errors());
        again = encrypted ? d2i_PKCS8PrivateKey_bio(bio, NULL, NULL, pass)
                          : d2i_PrivateKey_ex_bio(bio, NULL, ctx.lib, NULL);
        cr_assert_not_null(again, "%s", drain_errors());
        cr_expect_eq(EVP_PKEY_eq(key, again), 1);
        EVP_PKEY_free(again);
        BIO_free(bio);
    }
    for (int encrypted = 0; encrypted < 2; encrypted++) {
        BIO *bio = BIO_new(BIO_s_mem());

        cr_assert(PEM_write_bio_PKCS8PrivateKey(bio, key, encrypted ? EVP_aes_256_cbc() : NULL,
                                                encrypted ? pass : NULL,
                                                encrypted ? (int)strlen(pass) : 0, NULL, NULL),
                  "%s", drain_errors());
        again = PEM_read_bio_PrivateKey_ex(bio, NULL, NULL, encrypted ? pass : NULL, ctx.lib, NULL);
        cr_assert_not_null(again, "%s", drain_errors());
        cr_expect_eq(EVP_PKEY_eq(again, key), 1);
        EVP_PKEY_free(again);
        BIO_free(bio);
    }
    EXPECT_NO_ERRORS();
    EVP_PKEY_free(key);
    context_close(&first);
}
