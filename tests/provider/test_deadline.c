/* SPDX-License-Identifier: Apache-2.0 */
/* One operation of OpenSSL has one deadline, however many exchanges it takes. How many
 * exchanges a slow SIM can have had by then bounds their number: no clock is read here,
 * and a slow machine only makes them fewer. */
#include <stdlib.h>

#include "fixture.h"

#define TIMEOUT_MS 2000
#define DELAY_MS 500
/* Those that end before the deadline, the one that it breaks off, and one that may be
 * begun in the very millisecond. */
#define EXCHANGES_MAX (TIMEOUT_MS / DELAY_MS + 2)

enum { N_FILES = 9 }; /* all that there is room for; each costs an exchange at least */

static struct sim sim;
static struct context ctx;

static void setup(void)
{
    char words[200];

    sim_start(&sim);
    sim_admin(&sim, "delete file client-cert");
    sim_admin(&sim, "delete file ca-cert");
    write_text(sim_path(&sim, "text"), "no certificate");
    for (int i = 0; i < N_FILES; i++) {
        snprintf(words, sizeof(words), "put-file text-%d %s", i, sim_path(&sim, "text"));
        sim_admin(&sim, words);
    }
    snprintf(words, sizeof(words), "%d", TIMEOUT_MS);
    setenv("IOTSAFE_TIMEOUT_MS", words, 1);
    context_open(&ctx, DEFAULT_FIRST);
}

static void teardown(void)
{
    context_close(&ctx);
    sim_stop(&sim);
}

TestSuite(deadline, .init = setup, .fini = teardown, .timeout = 120);

/* Each response comes late, but well before the deadline. */
static void slow_down(int delay_ms, const char *options)
{
    char words[100];

    snprintf(words, sizeof(words), "fault delay=%d --count 1000%s", delay_ms, options);
    sim_admin(&sim, words);
}

/* What is looked through for a certificate, in one load each. */
static const char *const searches[] = {
    "iotsafe://label=client-key;type=cert", /* the one of a key, in any file */
    "iotsafe://type=cert",                  /* all; what is none is left out */
};

Test(deadline, bounds_a_search_over_all_files_and_not_each_file)
{
    for (size_t i = 0; i < sizeof(searches) / sizeof(searches[0]); i++) {
        int before = sim_exchanges(&sim, "READ FILE");

        slow_down(DELAY_MS, " --ins READ-FILE");
        cr_expect_null(load_cert(ctx.lib, searches[i]));
        EXPECT_ERROR(":timeout;");
        cr_expect_leq(sim_exchanges(&sim, "READ FILE") - before, EXCHANGES_MAX, "%s", searches[i]);
        sim_admin(&sim, "fault clear");
        context_reload(&ctx);
    }
}

/* The next operation has a deadline of its own. */
Test(deadline, that_has_passed_is_no_longer_in_the_way)
{
    OSSL_STORE_CTX *store;

    slow_down(DELAY_MS, " --ins READ-FILE");
    cr_expect_null(load_cert(ctx.lib, searches[0]));
    EXPECT_ERROR(":timeout;");
    sim_admin(&sim, "fault clear");
    cr_expect_null(load_cert(ctx.lib, searches[0]));
    EXPECT_ERROR("no file on the SIM holds a certificate for this private key");
    store = OSSL_STORE_open_ex(searches[1], ctx.lib, NULL, NULL, NULL, NULL, NULL, NULL);
    cr_expect_null(OSSL_STORE_load(store));
    cr_expect_not(OSSL_STORE_error(store));
    OSSL_STORE_close(store);
    EXPECT_NO_ERRORS();
}

static EVP_PKEY *public_peer(void)
{
    EVP_PKEY *pair = soft_key(ctx.lib, "EC", "P-256"), *peer;
    unsigned char *der = NULL;
    int len = i2d_PUBKEY(pair, &der);
    const unsigned char *p = der;

    peer = d2i_PUBKEY_ex(NULL, &p, len, ctx.lib, NULL);
    cr_assert_not_null(peer, "%s", drain_errors());
    OPENSSL_free(der);
    EVP_PKEY_free(pair);
    return peer;
}

/* The object list for a container, then the peer's point, then the secret: each of the
 * three would end in time, all of them together cannot. */
Test(deadline, bounds_a_key_agreement_with_all_that_it_takes)
{
    EVP_PKEY *peer = public_peer(), *key;
    EVP_PKEY_CTX *derivation;
    unsigned char secret[32];
    size_t len = sizeof(secret);

    sim_admin(&sim, "generate-key eph-key");
    key = load_key(ctx.lib, "iotsafe://label=eph-key");
    cr_assert_not_null(key, "%s", drain_errors());
    derivation = EVP_PKEY_CTX_new_from_pkey(ctx.lib, key, NULL);
    cr_assert(EVP_PKEY_derive_init(derivation) > 0, "%s", drain_errors());
    cr_assert(EVP_PKEY_derive_set_peer(derivation, peer) > 0, "%s", drain_errors());
    slow_down(TIMEOUT_MS / 5, ""); /* of six exchanges: two, three and one */
    cr_expect_leq(EVP_PKEY_derive(derivation, secret, &len), 0);
    EXPECT_ERROR(":timeout;");
    sim_admin(&sim, "fault clear");
    cr_expect_gt(EVP_PKEY_derive(derivation, secret, &len), 0, "%s", drain_errors());
    EVP_PKEY_CTX_free(derivation);
    EVP_PKEY_free(key);
    EVP_PKEY_free(peer);
}
