/* SPDX-License-Identifier: Apache-2.0 */
/* Seeds from the SIM, where openssl.cnf asks for them and nowhere else. */
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fixture.h"
#include "script_card.h"

static struct sim sim;

TestSuite(random, .timeout = 60);

/* ------------------------------------------------------------ the system's part */

static int interruptions; /* of the next calls */
static bool system_is_mute;

/* The module finds this one. */
__attribute__((visibility("default"))) ssize_t getrandom(void *bytes, size_t n, unsigned flags)
{
    if (interruptions > 0) {
        interruptions--;
        errno = EINTR;
        return -1;
    }
    if (system_is_mute) {
        errno = ENOSYS;
        return -1;
    }
    return syscall(SYS_getrandom, bytes, n, flags);
}

/* -------------------------------------------------------------------- the tests */

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

/* A source that has got its instance, and a random generator below it. */
struct chain {
    struct context ctx;
    EVP_RAND_CTX *source, *child;
};

static void chain_open(struct chain *c)
{
    char cipher[] = "AES-256-CTR";
    OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(OSSL_DRBG_PARAM_CIPHER, cipher, 0),
                            OSSL_PARAM_END };
    EVP_RAND *rand;

    context_open(&c->ctx, DEFAULT_FIRST);
    rand = EVP_RAND_fetch(c->ctx.lib, "CTR-DRBG", NULL);
    c->source = source(c->ctx.lib);
    c->child = EVP_RAND_CTX_new(rand, c->source);
    EVP_RAND_free(rand);
    cr_assert(c->child != NULL && EVP_RAND_CTX_set_params(c->child, params), "%s", drain_errors());
}

static void chain_close(struct chain *c)
{
    EVP_RAND_CTX_free(c->child);
    EVP_RAND_CTX_free(c->source);
    context_close(&c->ctx);
}

Test(random, the_source_tells_of_itself_and_can_be_ended_and_begun_again)
{
    struct chain c;
    unsigned char a[2000], b[2000];
    int state = -1;
    unsigned int strength = 0;
    size_t max = 0;
    OSSL_PARAM params[] = { OSSL_PARAM_construct_int(OSSL_RAND_PARAM_STATE, &state),
                            OSSL_PARAM_construct_uint(OSSL_RAND_PARAM_STRENGTH, &strength),
                            OSSL_PARAM_construct_size_t(OSSL_RAND_PARAM_MAX_REQUEST, &max),
                            OSSL_PARAM_END };

    sim_start(&sim);
    chain_open(&c);
    cr_expect_not_null(EVP_RAND_CTX_gettable_params(c.source));
    cr_expect(EVP_RAND_CTX_get_params(c.source, params), "%s", drain_errors());
    cr_expect(state == EVP_RAND_STATE_READY && strength == 1024 && max == 1024);
    cr_expect(EVP_RAND_verify_zeroization(c.source));
    cr_expect(EVP_RAND_reseed(c.source, 0, NULL, 0, NULL, 0), "%s", drain_errors());
    memset(a, 0, sizeof(a));
    cr_expect(EVP_RAND_generate(c.source, a, sizeof(a), 256, 0, NULL, 0), "more than one request");
    memset(b, 0, sizeof(b));
    cr_expect_arr_neq(a, b, sizeof(a));
    cr_expect_arr_neq(a + 1024, b, sizeof(a) - 1024);
    cr_expect(EVP_RAND_uninstantiate(c.source));
    cr_expect_not(EVP_RAND_generate(c.source, a, 16, 256, 0, NULL, 0));
    EXPECT_ERROR("not instantiated");
    cr_expect_not(EVP_RAND_reseed(c.source, 0, NULL, 0, NULL, 0));
    drain_errors();
    cr_expect(EVP_RAND_instantiate(c.source, 256, 0, NULL, 0, NULL));
    cr_expect(EVP_RAND_generate(c.source, a, 16, 256, 0, NULL, 0), "%s", drain_errors());
    chain_close(&c);
    sim_stop(&sim);
}

Test(random, a_source_has_no_parent)
{
    struct chain c;
    EVP_RAND *rand;

    sim_start(&sim);
    chain_open(&c);
    rand = EVP_RAND_fetch(c.ctx.lib, "IOTSAFE-SEED-SRC", NULL);
    cr_expect_null(EVP_RAND_CTX_new(rand, c.source));
    EXPECT_ERROR("no parent");
    EVP_RAND_free(rand);
    chain_close(&c);
    sim_stop(&sim);
}

Test(random, a_generator_below_is_seeded_or_fails_with_the_source)
{
    struct chain c;
    unsigned char a[16];

    sim_start(&sim);
    setenv("IOTSAFE_TIMEOUT_MS", "300", 1);
    chain_open(&c);
    sim_vanish(&sim);
    cr_expect_not(EVP_RAND_instantiate(c.child, 256, 0, NULL, 0, NULL));
    EXPECT_ERROR("cannot connect");
    chain_close(&c);
    sim_return(&sim);
    setenv("IOTSAFE_TIMEOUT_MS", "20000", 1);
    chain_open(&c);
    cr_expect(EVP_RAND_instantiate(c.child, 256, 0, NULL, 0, NULL), "%s", drain_errors());
    cr_expect(EVP_RAND_generate(c.child, a, sizeof(a), 256, 0, NULL, 0), "%s", drain_errors());
    cr_expect_geq(sim_exchanges(&sim, "GET RANDOM"), 1);
    chain_close(&c);
    sim_stop(&sim);
}

Test(random, a_system_that_gives_nothing_is_an_error_and_one_that_is_interrupted_is_not)
{
    struct chain c;
    unsigned char a[16], zeros[16] = { 0 };

    sim_start(&sim);
    chain_open(&c);
    interruptions = 3;
    cr_expect(EVP_RAND_generate(c.source, a, sizeof(a), 256, 0, NULL, 0), "%s", drain_errors());
    cr_expect_eq(interruptions, 0);
    system_is_mute = true;
    cr_expect_not(EVP_RAND_generate(c.source, a, sizeof(a), 256, 0, NULL, 0));
    EXPECT_ERROR("the system provides no random bytes");
    cr_expect_arr_eq(a, zeros, sizeof(a), "what the SIM gave is not given out alone");
    system_is_mute = false;
    cr_expect(EVP_RAND_generate(c.source, a, sizeof(a), 256, 0, NULL, 0), "%s", drain_errors());
    chain_close(&c);
    sim_stop(&sim);
}
