/* SPDX-License-Identifier: Apache-2.0 */
/* Seeds from the SIM, where openssl.cnf asks for them and nowhere else. */
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "script_card.h"

static struct sim sim;

TestSuite(random, .timeout = 60);

static OSSL_LIB_CTX *configured(const char *random_section)
{
    OSSL_LIB_CTX *lib = OSSL_LIB_CTX_new();
    char text[1024];

    cr_assert(OSSL_PROVIDER_set_default_search_path(lib, getenv("IOTSAFE_MODULE_DIR")));
    snprintf(text, sizeof(text),
             "openssl_conf = init\n[init]\nproviders = provs\n%s\n[provs]\ndefault = def\n"
             "iotsafe = iot\n[def]\nactivate = 1\n[iot]\nactivate = 1\n"
             "[rnd]\nseed = IOTSAFE-SEED-SRC\nseed_properties = provider=iotsafe\n",
             random_section);
    write_text(sim_path(&sim, "cnf"), text);
    cr_assert(OSSL_LIB_CTX_load_config(lib, sim_path(&sim, "cnf")), "%s", drain_errors());
    return lib;
}

Test(random, seeds_come_from_the_sim_where_the_configuration_says_so)
{
    unsigned char a[64], b[64];
    OSSL_LIB_CTX *lib;

    sim_start(&sim);
    lib = configured("random = rnd");
    cr_expect_eq(RAND_bytes_ex(lib, a, sizeof(a), 0), 1, "%s", drain_errors());
    cr_expect_eq(RAND_priv_bytes_ex(lib, b, sizeof(b), 0), 1, "%s", drain_errors());
    cr_expect_arr_neq(a, b, sizeof(a));
    cr_expect_geq(sim_exchanges(&sim, "GET RANDOM"), 1);
    EXPECT_NO_ERRORS();
    OSSL_LIB_CTX_free(lib);
    sim_stop(&sim);
}

Test(random, keys_and_signatures_work_on_top)
{
    OSSL_LIB_CTX *lib;
    EVP_PKEY *key, *soft;
    unsigned char sig[80];
    size_t len = sizeof(sig);

    sim_start(&sim);
    lib = configured("random = rnd");
    key = load_key(lib, CLIENT_KEY);
    soft = soft_key(lib, "EC", "P-256");
    cr_assert(key != NULL && soft != NULL, "%s", drain_errors());
    cr_expect(sign_message(lib, key, "SHA256", sig, &len), "%s", drain_errors());
    EXPECT_NO_ERRORS();
    EVP_PKEY_free(soft);
    EVP_PKEY_free(key);
    OSSL_LIB_CTX_free(lib);
    sim_stop(&sim);
}

Test(random, without_that_the_sim_is_not_asked)
{
    unsigned char a[64];
    OSSL_LIB_CTX *lib;

    sim_start(&sim);
    lib = configured("");
    cr_assert(EVP_set_default_properties(lib, "?provider=iotsafe"));
    cr_expect_eq(RAND_bytes_ex(lib, a, sizeof(a), 0), 1);
    cr_expect_eq(sim_exchanges(&sim, NULL), 0);
    OSSL_LIB_CTX_free(lib);
    sim_stop(&sim);
}

static EVP_RAND_CTX *source(OSSL_LIB_CTX *lib)
{
    EVP_RAND *rand = EVP_RAND_fetch(lib, "IOTSAFE-SEED-SRC", NULL);
    EVP_RAND_CTX *rctx;

    cr_assert_not_null(rand, "%s", drain_errors());
    rctx = EVP_RAND_CTX_new(rand, NULL);
    EVP_RAND_free(rand);
    cr_assert(rctx != NULL && EVP_RAND_instantiate(rctx, 256, 0, NULL, 0, NULL));
    return rctx;
}

Test(random, what_the_sim_gives_is_mixed_with_the_systems)
{
    struct context ctx;
    EVP_RAND_CTX *rctx;
    unsigned char a[32], b[32];

    sim_start_with(&sim, "--set deterministic=on");
    for (int i = 0; i < 2; i++) {
        context_open(&ctx, DEFAULT_FIRST);
        rctx = source(ctx.lib);
        cr_expect_eq(EVP_RAND_generate(rctx, i == 0 ? a : b, 32, 256, 0, NULL, 0), 1, "%s",
                     drain_errors());
        EVP_RAND_CTX_free(rctx);
        context_close(&ctx);
        sim_vanish(&sim);
        sim_return(&sim);
    }
    cr_expect_arr_neq(a, b, sizeof(a), "a SIM that repeats itself does not show");
    sim_stop(&sim);
}

Test(random, a_sim_that_is_away_or_has_no_random_numbers_is_an_error_and_not_for_ever)
{
    struct context ctx;
    EVP_RAND_CTX *rctx;
    unsigned char a[32];

    sim_start(&sim);
    setenv("IOTSAFE_TIMEOUT_MS", "300", 1);
    context_open(&ctx, DEFAULT_FIRST);
    rctx = source(ctx.lib);
    sim_vanish(&sim);
    cr_expect_neq(EVP_RAND_generate(rctx, a, sizeof(a), 256, 0, NULL, 0), 1);
    EXPECT_ERROR("cannot connect");
    sim_return(&sim);
    cr_expect_eq(EVP_RAND_generate(rctx, a, sizeof(a), 256, 0, NULL, 0), 1, "%s", drain_errors());
    EVP_RAND_CTX_free(rctx);
    context_close(&ctx);
    sim_stop(&sim);
    sim_start_with(&sim, "--set random=off");
    context_open(&ctx, DEFAULT_FIRST);
    rctx = source(ctx.lib);
    cr_expect_neq(EVP_RAND_generate(rctx, a, sizeof(a), 256, 0, NULL, 0), 1);
    EXPECT_ERROR("GET RANDOM");
    EVP_RAND_CTX_free(rctx);
    context_close(&ctx);
    sim_stop(&sim);
}

#define X15 "5A5B5C5D5E5F505152535455565758"
#define STUCK "000102030405060708090A0B5A5A5A5A5A5A1213141516171819202122232425"

/* Sources that no mixing hides from their administrator. */
Test(random, a_sim_whose_bytes_repeat_is_an_error)
{
    static const char *const answers[] = { STUCK " 9000", X15 "AA" X15 "AA 9000" };

    for (size_t i = 0; i < 2; i++) {
        const struct exchange script[] = { SCRIPT_OPEN, { "81 84 00 00 20", answers[i] } };
        struct script_card *sc = script_card_start(script, 3);
        struct iotsafe_card *card;
        struct context ctx;
        EVP_RAND_CTX *rctx;
        unsigned char out[16];

        unsetenv("IOTSAFE_TRANSPORT"); /* it counts before the settings */
        card = script_card_connect(sc, "");
        setenv("IOTSAFE_TRANSPORT", iotsafe_card_transport(card), 1);
        iotsafe_card_free(card);
        context_open(&ctx, DEFAULT_FIRST);
        rctx = source(ctx.lib);
        cr_expect_neq(EVP_RAND_generate(rctx, out, sizeof(out), 256, 0, NULL, 0), 1);
        EXPECT_ERROR("repeat themselves");
        EVP_RAND_CTX_free(rctx);
        context_close(&ctx);
        cr_expect_str_empty(script_card_stop(sc));
    }
}
