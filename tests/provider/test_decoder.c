/* SPDX-License-Identifier: Apache-2.0 */
/* Key-reference files as programs read them: PEM through OpenSSL's decoders. */
#include <openssl/decoder.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"
#include "keyref.h"

static struct sim sim;
static struct context ctx;

static void setup(void)
{
    setenv("IOTSAFE_TIMEOUT_MS", "1000", 1);
    sim_start(&sim);
    context_open(&ctx, DEFAULT_FIRST);
}

static void teardown(void)
{
    context_close(&ctx);
    sim_stop(&sim);
}

TestSuite(decoder, .init = setup, .fini = teardown, .timeout = 120);

/* The reference of the SIM's key, with its public key. */
static char *good_reference(void)
{
    EVP_PKEY *key = load_key(ctx.lib, CLIENT_KEY);
    char *pem;

    cr_assert_not_null(key, "%s", drain_errors());
    pem = reference_pem(key);
    EVP_PKEY_free(key);
    return pem;
}

/* A reference of our own making. */
static char *make_reference(const char *uri, EVP_PKEY *public)
{
    BIO *bio = BIO_new(BIO_s_mem());
    unsigned char *der = NULL, *spki = NULL;
    int spki_len = public != NULL ? i2d_PUBKEY(public, &spki) : 0;
    char *data, *pem;
    size_t len;
    long pem_len;

    cr_assert(isprov_keyref_encode(uri, spki, (size_t)spki_len, &der, &len));
    cr_assert(PEM_write_bio(bio, ISPROV_KEYREF_PEM_LABEL, "", der, (long)len));
    pem_len = BIO_get_mem_data(bio, &data);
    pem = OPENSSL_strndup(data, (size_t)pem_len);
    OPENSSL_free(der);
    OPENSSL_free(spki);
    BIO_free(bio);
    return pem;
}

static void expect_signs(OSSL_LIB_CTX *lib, EVP_PKEY *key)
{
    unsigned char sig[80];
    size_t len = sizeof(sig);

    cr_assert_not_null(key, "%s", drain_errors());
    cr_expect_str_eq(OSSL_PROVIDER_get0_name(EVP_PKEY_get0_provider(key)), "iotsafe");
    cr_expect(sign_message(lib, key, "SHA256", sig, &len), "%s", drain_errors());
    cr_expect(verify_message(lib, key, "SHA256", sig, len), "%s", drain_errors());
    EXPECT_NO_ERRORS();
}

Test(decoder, a_reference_is_a_key_in_every_order_of_providers)
{
    char *pem = good_reference();

    for (enum order order = 0; order < N_ORDERS; order++) {
        struct context here;
        EVP_PKEY *key;

        context_open(&here, order);
        key = pem_key(here.lib, pem, strlen(pem));
        expect_signs(here.lib, key);
        EVP_PKEY_free(key);
        context_close(&here);
    }
    OPENSSL_free(pem);
}

Test(decoder, with_a_public_key_inside_loading_needs_no_sim)
{
    char *pem = good_reference();
    EVP_PKEY *key;
    int before = sim_exchanges(&sim, NULL);

    context_reload(&ctx);
    key = pem_key(ctx.lib, pem, strlen(pem));
    cr_assert_not_null(key);
    cr_expect_eq(i2d_PUBKEY(key, NULL), 91);
    cr_expect_eq(sim_exchanges(&sim, NULL), before);
    sim_vanish(&sim);
    EVP_PKEY_free(key);
    context_reload(&ctx);
    key = pem_key(ctx.lib, pem, strlen(pem));
    cr_assert_not_null(key, "a configuration test without the SIM: %s", drain_errors());
    EXPECT_NO_ERRORS();
    sim_return(&sim);
    expect_signs(ctx.lib, key);
    EVP_PKEY_free(key);
    OPENSSL_free(pem);
}

Test(decoder, without_a_public_key_inside_it_is_read_from_the_sim)
{
    char *pem = make_reference(CLIENT_KEY, NULL);
    EVP_PKEY *key = pem_key(ctx.lib, pem, strlen(pem));

    cr_expect_eq(sim_exchanges(&sim, "READ PUBLIC KEY"), 1);
    expect_signs(ctx.lib, key);
    EVP_PKEY_free(key);
    OPENSSL_free(pem);
}

Test(decoder, the_public_key_of_another_sim_is_noticed_at_the_first_use)
{
    EVP_PKEY *other = soft_key(ctx.lib, "EC", "P-256"), *key;
    char *pem = make_reference(CLIENT_KEY, other);
    unsigned char sig[80];
    size_t len = sizeof(sig);

    key = pem_key(ctx.lib, pem, strlen(pem));
    cr_assert_not_null(key);
    cr_expect_not(sign_message(ctx.lib, key, "SHA256", sig, &len));
    EXPECT_ERROR("does not match the public key");
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
    OPENSSL_free(pem);
}

Test(decoder, a_public_key_that_no_sim_key_can_have_is_refused)
{
    static const char *const kinds[][2] = { { "EC", "P-384" },
                                            { "RSA-PSS", NULL },
                                            { "ED25519", NULL } };

    for (size_t i = 0; i < 3; i++) {
        EVP_PKEY *other = soft_key(ctx.lib, kinds[i][0], kinds[i][1]);
        char *pem = make_reference(CLIENT_KEY, other);

        cr_expect_null(pem_key(ctx.lib, pem, strlen(pem)));
        EXPECT_ERROR("public key in it");
        OPENSSL_free(pem);
        EVP_PKEY_free(other);
    }
}

Test(decoder, as_public_key_it_verifies)
{
    char *pem = good_reference();
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = NULL;
    OSSL_DECODER_CTX *dctx = OSSL_DECODER_CTX_new_for_pkey(&key, "PEM", NULL, NULL,
                                                           EVP_PKEY_PUBLIC_KEY, ctx.lib, NULL);

    cr_expect(OSSL_DECODER_from_bio(dctx, bio), "%s", drain_errors());
    cr_expect_not_null(key);
    OSSL_DECODER_CTX_free(dctx);
    EVP_PKEY_free(key);
    BIO_free(bio);
    OPENSSL_free(pem);
}

Test(decoder, a_key_after_a_certificate_in_one_file_is_found)
{
    char *pem = good_reference(), *both;
    X509 *cert = load_cert(ctx.lib, CLIENT_CERT);
    BIO *bio = BIO_new(BIO_s_mem());
    EVP_PKEY *key;
    char *data;
    long len;

    BIO_puts(bio, "some words in front\n");
    PEM_write_bio_X509(bio, cert);
    BIO_puts(bio, pem);
    PEM_write_bio_X509(bio, cert);
    len = BIO_get_mem_data(bio, &data);
    both = OPENSSL_strndup(data, (size_t)len);
    key = pem_key(ctx.lib, both, strlen(both));
    expect_signs(ctx.lib, key);
    EVP_PKEY_free(key);
    OPENSSL_free(both);
    OPENSSL_free(pem);
    BIO_free(bio);
    X509_free(cert);
}

/* ----------------------------------------------------- what stands in front of a key */

/* A program that read certificates until there were no more leaves this behind. */
static void leave_an_old_error(void)
{
    ERR_new();
    ERR_set_error(ERR_LIB_PEM, PEM_R_NO_START_LINE, NULL);
}

static EVP_PKEY *key_from_pipe(OSSL_LIB_CTX *lib, const char *pem)
{
    int ends[2];
    EVP_PKEY *key;
    BIO *bio;

    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(write(ends[1], pem, strlen(pem)), (ssize_t)strlen(pem));
    close(ends[1]);
    bio = BIO_new_fd(ends[0], BIO_CLOSE);
    key = PEM_read_bio_PrivateKey_ex(bio, NULL, NULL, NULL, lib, NULL);
    BIO_free(bio);
    return key;
}

static char *join(const char *const parts[])
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *data, *text;
    long len;

    for (size_t i = 0; parts[i] != NULL; i++)
        BIO_puts(bio, parts[i]);
    len = BIO_get_mem_data(bio, &data);
    text = OPENSSL_strndup(data, (size_t)len);
    BIO_free(bio);
    return text;
}

static char *cert_pem(X509 *cert)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *data, *text;
    long len;

    cr_assert(PEM_write_bio_X509(bio, cert));
    len = BIO_get_mem_data(bio, &data);
    text = OPENSSL_strndup(data, (size_t)len);
    BIO_free(bio);
    return text;
}

static void expect_found_in(OSSL_LIB_CTX *lib, const char *pem, const char *what)
{
    EVP_PKEY *key;

    leave_an_old_error();
    key = pem_key(lib, pem, strlen(pem));
    cr_expect_not_null(key, "%s: %s", what, drain_errors());
    ERR_clear_error();
    if (key != NULL)
        expect_signs(lib, key);
    EVP_PKEY_free(key);
    leave_an_old_error();
    key = key_from_pipe(lib, pem);
    cr_expect_not_null(key, "%s, from a pipe: %s", what, drain_errors());
    ERR_clear_error();
    EVP_PKEY_free(key);
}

/* The key of the SIM, from memory and from a pipe, with an old error in the
 * queue, in any order of the providers. */
static void expect_found(const char *pem, const char *what)
{
    for (enum order order = 0; order < N_ORDERS; order++) {
        char text[100];
        struct context here;

        snprintf(text, sizeof(text), "%s, %s", what, order_names[order]);
        context_open(&here, order);
        expect_found_in(here.lib, pem, text);
        context_close(&here);
    }
}

#define MARK "\xef\xbb\xbf"
#define EC_PARAMETERS \
    "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
#define SOME_CRL "-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n"

Test(decoder, what_holds_no_key_is_stepped_over_whatever_the_queue_holds)
{
    X509 *loaded = load_cert(ctx.lib, CLIENT_CERT);
    char *ref = good_reference(), *cert = cert_pem(loaded);
    const char *const files[][5] = {
        { cert, ref },
        { cert, cert, ref },
        { SOME_CRL, EC_PARAMETERS, ref },
        { "words\n\nand more words\r\n", EC_PARAMETERS, "words\n", cert, ref },
        { MARK, cert, MARK, ref, cert },
    };

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        const char *parts[6] = { files[i][0], files[i][1], files[i][2], files[i][3], files[i][4] };
        char *pem = join(parts), name[32];

        snprintf(name, sizeof(name), "file %zu", i);
        expect_found(pem, name);
        OPENSSL_free(pem);
    }
    OPENSSL_free(cert);
    OPENSSL_free(ref);
    X509_free(loaded);
}

Test(decoder, a_byte_order_mark_is_skipped_as_in_all_pem)
{
    char *ref = good_reference();
    const char *const alone[] = { MARK, ref, NULL };
    const char *const with_words[] = { MARK, "A key on a SIM\r\n", ref, NULL };
    char *pem = join(alone);

    expect_found(pem, "a mark");
    OPENSSL_free(pem);
    pem = join(with_words);
    expect_found(pem, "a mark and words");
    OPENSSL_free(pem);
    OPENSSL_free(ref);
}

/* The first private key of a file is its key: ours or not, in every order. */
Test(decoder, the_search_ends_at_anybody_s_private_key)
{
    X509 *loaded = load_cert(ctx.lib, CLIENT_CERT);
    EVP_PKEY *soft = soft_key(ctx.lib, "EC", "P-256"), *key;
    char *ref = good_reference(), *cert = cert_pem(loaded), *data, *soft_pem, *pem;
    BIO *bio = BIO_new(BIO_s_mem());
    long len;

    cr_assert(PEM_write_bio_PrivateKey(bio, soft, NULL, NULL, 0, NULL, NULL));
    ERR_clear_error();
    len = BIO_get_mem_data(bio, &data);
    soft_pem = OPENSSL_strndup(data, (size_t)len);
    for (enum order order = 0; order < N_ORDERS; order++) {
        const char *const parts[] = { EC_PARAMETERS, cert, soft_pem, ref, NULL };
        struct context here;

        context_open(&here, order);
        pem = join(parts);
        key = pem_key(here.lib, pem, strlen(pem));
        cr_assert_not_null(key, "%s: %s", order_names[order], drain_errors());
        cr_expect_eq(EVP_PKEY_eq(key, soft), 1, "%s", order_names[order]);
        EXPECT_NO_ERRORS();
        EVP_PKEY_free(key);
        OPENSSL_free(pem);
        context_close(&here);
    }
    OPENSSL_free(soft_pem);
    OPENSSL_free(cert);
    OPENSSL_free(ref);
    BIO_free(bio);
    EVP_PKEY_free(soft);
    X509_free(loaded);
}

Test(decoder, the_store_gives_the_blocks_in_front_as_well)
{
    X509 *loaded = load_cert(ctx.lib, CLIENT_CERT);
    char *ref = good_reference(), *cert = cert_pem(loaded), *pem, kinds[8] = "";
    const char *const parts[] = { cert, cert, ref, NULL };
    OSSL_STORE_CTX *store;
    size_t n = 0;

    pem = join(parts);
    write_text(sim_path(&sim, "all.pem"), pem);
    store = OSSL_STORE_open_ex(sim_path(&sim, "all.pem"), ctx.lib, NULL, NULL, NULL, NULL, NULL,
                               NULL);
    cr_assert_not_null(store);
    for (int tries = 0; tries < 20 && n < 7 && !OSSL_STORE_eof(store); tries++) {
        OSSL_STORE_INFO *info = OSSL_STORE_load(store);

        if (info != NULL)
            kinds[n++] = OSSL_STORE_INFO_get_type(info) == OSSL_STORE_INFO_CERT ? 'c' : 'k';
        OSSL_STORE_INFO_free(info);
    }
    cr_expect_str_eq(kinds, "cck");
    ERR_clear_error();
    OSSL_STORE_close(store);
    OPENSSL_free(pem);
    OPENSSL_free(cert);
    OPENSSL_free(ref);
    X509_free(loaded);
}

Test(decoder, reads_from_a_file_and_from_a_pipe_with_any_line_ends)
{
    char *pem = good_reference(), crlf[2048];
    size_t n = 0;
    int ends[2];
    BIO *bio;
    EVP_PKEY *key;

    for (const char *p = pem; *p != '\0'; p++) {
        if (*p == '\n')
            crlf[n++] = '\r';
        crlf[n++] = *p;
    }
    crlf[n] = '\0';
    write_text(sim_path(&sim, "ref.pem"), crlf);
    key = read_pem_key(ctx.lib, sim_path(&sim, "ref.pem"));
    expect_signs(ctx.lib, key);
    EVP_PKEY_free(key);

    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(write(ends[1], pem, strlen(pem)), (ssize_t)strlen(pem));
    close(ends[1]);
    bio = BIO_new_fd(ends[0], BIO_CLOSE);
    key = PEM_read_bio_PrivateKey_ex(bio, NULL, NULL, NULL, ctx.lib, NULL);
    expect_signs(ctx.lib, key);
    EVP_PKEY_free(key);
    BIO_free(bio);
    OPENSSL_free(pem);
}

Test(decoder, a_file_through_the_store_works_as_well)
{
    char *pem = good_reference();
    EVP_PKEY *key;

    write_text(sim_path(&sim, "ref.pem"), pem);
    key = load_key(ctx.lib, sim_path(&sim, "ref.pem"));
    expect_signs(ctx.lib, key);
    EVP_PKEY_free(key);
    OPENSSL_free(pem);
}

/* --------------------------------------------------------------------- damage */

Test(decoder, cut_off_anywhere_it_is_an_error_that_reaches_the_program)
{
    char *pem = good_reference();
    const size_t begin = strlen(ISPROV_KEYREF_PREAMBLE "-----BEGIN " ISPROV_KEYREF_PEM_LABEL
                                                       "-----\n");
    const size_t whole = strlen(pem) - strlen("\n");

    for (size_t n = 0; n < whole; n++) {
        const char *errors;

        cr_expect_null(pem_key(ctx.lib, pem, n), "%zu bytes", n);
        errors = drain_errors();
        cr_expect_str_not_empty(errors);
        if (n >= begin)
            cr_expect(strstr(errors, "iotsafe:") != NULL && strstr(errors, "key reference") != NULL,
                      "%zu bytes: %s", n, errors);
    }
    OPENSSL_free(pem);
}

Test(decoder, any_character_changed_gives_a_key_or_an_error)
{
    char *pem = good_reference();
    const size_t len = strlen(pem);

    for (size_t i = 0; i < len; i++) {
        char was = pem[i];
        EVP_PKEY *key;

        pem[i] = was == 'A' ? 'B' : 'A';
        key = pem_key(ctx.lib, pem, len);
        cr_expect((key != NULL) == (ERR_peek_error() == 0), "character %zu", i);
        ERR_clear_error();
        EVP_PKEY_free(key);
        pem[i] = was;
    }
    OPENSSL_free(pem);
}

static void expect_damage(const char *pem, const char *why)
{
    cr_expect_null(pem_key(ctx.lib, pem, strlen(pem)));
    EXPECT_ERROR(why);
}

Test(decoder, each_kind_of_damage_is_called_by_its_name)
{
#define BEGIN "-----BEGIN IOTSAFE KEY REFERENCE-----\n"
#define END "-----END IOTSAFE KEY REFERENCE-----\n"
    char *pem;

    expect_damage(BEGIN "not base64 at all!\n" END, "damaged or cut off");
    expect_damage(BEGIN END, "key reference");
    expect_damage(BEGIN "AAAA\n" END, "damaged");
    expect_damage(BEGIN "MAA=\n" END, "damaged");
    expect_damage(BEGIN "MAMCAQE=\n-----END PRIVATE KEY-----\n", "damaged or cut off");
    expect_damage(BEGIN "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nMAA=\n" END,
                  "damaged");
    pem = make_reference("iotsafe://label=k;colour=red", NULL);
    expect_damage(pem, "colour");
    OPENSSL_free(pem);
    pem = make_reference("iotsafe://label=k;sim=elsewhere", NULL);
    expect_damage(pem, "elsewhere");
    OPENSSL_free(pem);
}

Test(decoder, an_unknown_label_or_a_missing_sim_reaches_the_program)
{
    char *pem = make_reference("iotsafe://label=nobody", NULL);

    expect_damage(pem, "no private key label=nobody");
    sim_vanish(&sim);
    expect_damage(pem, "cannot connect");
    OPENSSL_free(pem);
}

/* As with a SIM that is away: programs swallow the reason why a key does not load, but
 * log why a handshake fails. */
Test(decoder, with_a_public_key_inside_a_bad_setting_shows_at_the_first_use)
{
    static const char *const bad[][3] = {
        { "IOTSAFE_TRANSPORT", "nonsense", "nonsense" },
        { "IOTSAFE_QUIRKS", "cla=7", "quirks" },
        { "IOTSAFE_AID", "A0", "aid" },
    };
    char *pem = good_reference(), *was = strdup(getenv("IOTSAFE_TRANSPORT")), *elsewhere;
    EVP_PKEY *soft, *key;
    unsigned char sig[80];
    size_t len;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        setenv(bad[i][0], bad[i][1], 1);
        context_reload(&ctx);
        key = pem_key(ctx.lib, pem, strlen(pem));
        cr_assert_not_null(key, "%s: %s", bad[i][1], drain_errors());
        EXPECT_NO_ERRORS();
        cr_expect_eq(i2d_PUBKEY(key, NULL), 91);
        for (int again = 0; again < 2; again++) {
            len = sizeof(sig);
            cr_expect_not(sign_message(ctx.lib, key, "SHA256", sig, &len));
            EXPECT_ERROR(bad[i][2]);
        }
        EVP_PKEY_free(key);
        cr_expect_null(load_key(ctx.lib, CLIENT_KEY));
        EXPECT_ERROR(bad[i][2]);
        unsetenv(bad[i][0]);
        setenv("IOTSAFE_TRANSPORT", was, 1);
    }
    context_reload(&ctx);
    soft = soft_key(ctx.lib, "EC", "P-256");
    elsewhere = make_reference("iotsafe://label=k;sim=elsewhere", soft);
    key = pem_key(ctx.lib, elsewhere, strlen(elsewhere));
    cr_assert_not_null(key, "%s", drain_errors());
    len = sizeof(sig);
    cr_expect_not(sign_message(ctx.lib, key, "SHA256", sig, &len));
    EXPECT_ERROR("elsewhere");
    EVP_PKEY_free(key);
    EVP_PKEY_free(soft);
    OPENSSL_free(elsewhere);
    OPENSSL_free(pem);
    free(was);
}

Test(decoder, turned_off_by_a_setting_it_says_so)
{
    OSSL_LIB_CTX *lib = OSSL_LIB_CTX_new();
    char *pem = good_reference(), text[1024];

    snprintf(text, sizeof(text),
             "openssl_conf = init\n[init]\nproviders = provs\n[provs]\ndefault = def\n"
             "iotsafe = safe\n[def]\nactivate = 1\n[safe]\nmodule = %s/iotsafe.so\nactivate = 1\n"
             "key-references = no\n",
             getenv("IOTSAFE_MODULE_DIR"));
    write_text(sim_path(&sim, "cnf"), text);
    cr_assert(OSSL_LIB_CTX_load_config(lib, sim_path(&sim, "cnf")), "%s", drain_errors());
    cr_expect_null(pem_key(lib, pem, strlen(pem)));
    EXPECT_ERROR("key-references = no");
    OSSL_LIB_CTX_free(lib);
    OPENSSL_free(pem);
}

/* -------------------------------------------------- what belongs to somebody else */

static const char *const others[][2] = {
    { "EC", "P-256" }, { "EC", "P-384" }, { "RSA", NULL }, { "ED25519", NULL }, { "X25519", NULL }
};

enum form { PKCS8, PKCS8_ENCRYPTED, TRADITIONAL, N_FORMS };

static BIO *write_key(EVP_PKEY *key, enum form form)
{
    BIO *bio = BIO_new(BIO_s_mem());
    const EVP_CIPHER *cipher = form == PKCS8_ENCRYPTED ? EVP_aes_128_cbc() : NULL;
    int good = form == TRADITIONAL
                   ? PEM_write_bio_PrivateKey_traditional(bio, key, NULL, NULL, 0, NULL, NULL)
                   : PEM_write_bio_PKCS8PrivateKey(bio, key, cipher, "secret", 6, NULL, NULL);

    ERR_clear_error();
    if (good)
        return bio;
    BIO_free(bio);
    return NULL;
}

Test(decoder, software_keys_stay_with_their_provider_in_every_order)
{
    char pass[] = "secret";
    struct context plain;

    context_open(&plain, DEFAULT_FIRST);
    for (enum order order = 0; order < N_ORDERS; order++) {
        struct context here;

        context_open(&here, order);
        for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
            for (enum form form = 0; form < N_FORMS; form++) {
                EVP_PKEY *key = soft_key(plain.lib, others[i][0], others[i][1]), *read;
                BIO *bio = write_key(key, form);

                if (bio != NULL) { /* not all have a traditional form */
                    read = PEM_read_bio_PrivateKey_ex(bio, NULL, NULL, pass, here.lib, NULL);
                    cr_assert_not_null(read, "%s form %d in order %s: %s", others[i][0], form,
                                       order_names[order], drain_errors());
                    cr_expect_str_eq(OSSL_PROVIDER_get0_name(EVP_PKEY_get0_provider(read)),
                                     "default");
                    cr_expect_eq(EVP_PKEY_eq(read, key), 1);
                    EXPECT_NO_ERRORS();
                    EVP_PKEY_free(read);
                }
                BIO_free(bio);
                EVP_PKEY_free(key);
            }
        context_close(&here);
    }
    context_close(&plain);
    cr_expect_eq(sim_exchanges(&sim, NULL), 0);
}

Test(decoder, der_of_others_is_let_alone)
{
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        EVP_PKEY *key = soft_key(ctx.lib, others[i][0], others[i][1]), *read;
        unsigned char *der = NULL;
        const unsigned char *p;
        int len = i2d_PrivateKey(key, &der);

        cr_assert_gt(len, 0);
        p = der;
        read = d2i_AutoPrivateKey_ex(NULL, &p, len, ctx.lib, NULL);
        cr_expect_eq(EVP_PKEY_eq(read, key), 1);
        EXPECT_NO_ERRORS();
        OPENSSL_clear_free(der, (size_t)len);
        EVP_PKEY_free(read);
        EVP_PKEY_free(key);
    }
}

Test(decoder, pem_of_no_key_gives_the_error_of_no_key)
{
    static const char *const texts[] = {
        "",
        "no PEM at all\n",
        "-----BEGIN IOTSAFE KEY REFERENCES-----\nMAA=\n-----END IOTSAFE KEY REFERENCES-----\n",
        "-----BEGIN IOTSAFE-----\nMAA=\n-----END IOTSAFE-----\n",
        "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
        "-----BEGIN ",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const char *errors;

        cr_expect_null(pem_key(ctx.lib, texts[i], strlen(texts[i])));
        errors = drain_errors();
        cr_expect(strstr(errors, "iotsafe") == NULL, "%s", errors);
        cr_expect_str_not_empty(errors);
    }
}

/* The store for files selects nothing either, and is told the type of the key. */
Test(decoder, a_program_that_selects_nothing_has_the_key)
{
    static const char *const types[] = { NULL, "EC" };
    char *pem = good_reference();
    struct context first;

    context_open(&first, IOTSAFE_FIRST);
    for (size_t i = 0; i < 4; i++) {
        EVP_PKEY *key = NULL;
        const unsigned char *data = (const unsigned char *)pem;
        size_t len = strlen(pem);
        OSSL_DECODER_CTX *decoders = OSSL_DECODER_CTX_new_for_pkey(&key, "PEM", NULL, types[i % 2],
                                                                   0, i < 2 ? ctx.lib : first.lib,
                                                                   NULL);

        cr_assert_not_null(decoders);
        cr_expect_eq(OSSL_DECODER_from_data(decoders, &data, &len), 1, "%s", drain_errors());
        cr_expect_not_null(key);
        OSSL_DECODER_CTX_free(decoders);
        EVP_PKEY_free(key);
    }
    context_close(&first);
    OPENSSL_free(pem);
}
