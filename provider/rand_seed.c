/* SPDX-License-Identifier: Apache-2.0 */
/* IOTSAFE-SEED-SRC, a source of seeds for libcrypto's random generators, see
 * provider-rand(7): bytes of the default SIM, always mixed with the system's. It
 * is at work only where openssl.cnf names it in its section [random].
 *
 * The result is as good as the better of the two, since the one is added to the
 * other bit by bit. A SIM that cannot be asked, or whose bytes do not look random,
 * is an error: who configured it does not want to do without it unawares.
 *
 * Nothing here uses a random generator of libcrypto, so that it cannot come back
 * to itself.
 */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "cards.h"

static OSSL_FUNC_rand_newctx_fn rand_seed_newctx;
static OSSL_FUNC_rand_freectx_fn rand_seed_freectx;
static OSSL_FUNC_rand_instantiate_fn rand_seed_instantiate;
static OSSL_FUNC_rand_uninstantiate_fn rand_seed_uninstantiate;
static OSSL_FUNC_rand_generate_fn rand_seed_generate;
static OSSL_FUNC_rand_reseed_fn rand_seed_reseed;
static OSSL_FUNC_rand_enable_locking_fn rand_seed_enable_locking;
static OSSL_FUNC_rand_lock_fn rand_seed_lock;
static OSSL_FUNC_rand_unlock_fn rand_seed_unlock;
static OSSL_FUNC_rand_gettable_ctx_params_fn rand_seed_gettable_ctx_params;
static OSSL_FUNC_rand_get_ctx_params_fn rand_seed_get_ctx_params;
static OSSL_FUNC_rand_verify_zeroization_fn rand_seed_verify_zeroization;
static OSSL_FUNC_rand_get_seed_fn rand_seed_get_seed;
static OSSL_FUNC_rand_clear_seed_fn rand_seed_clear_seed;

#define STRENGTH 1024    /* bits, as libcrypto's own source says of itself */
#define REQUEST_MAX 1024 /* bytes of one request */
#define SAMPLE 16        /* bytes that are asked of the SIM at least, to judge them */

/* The repetition count test of NIST SP 800-90B, 4.4.1, over bytes: random ones
 * repeat so often once in 2^40. */
#define REPEATS_MAX 5

struct seed {
    struct isprov *prov;
    int state; /* EVP_RAND_STATE_... */
};

static void *rand_seed_newctx(void *provctx, void *parent, const OSSL_DISPATCH *parent_calls)
{
    ISPROV_KEEP_ERRNO;
    struct seed *seed;

    (void)parent_calls;
    if (parent != NULL) {
        isprov_raise_text(provctx, IOTSAFE_ERR_ARGUMENT, "a source of seeds has no parent");
        return NULL;
    }
    seed = OPENSSL_zalloc(sizeof(*seed));
    if (seed == NULL) {
        isprov_raise(provctx, IOTSAFE_ERR_MEMORY, NULL);
        return NULL;
    }
    seed->prov = provctx;
    seed->state = EVP_RAND_STATE_UNINITIALISED;
    return seed;
}

static void rand_seed_freectx(void *ctx)
{
    ISPROV_KEEP_ERRNO;

    OPENSSL_free(ctx);
}

static int rand_seed_instantiate(void *ctx, unsigned int strength, int prediction_resistance,
                                 const unsigned char *pstr, size_t pstr_len,
                                 const OSSL_PARAM params[])
{
    struct seed *seed = ctx;

    (void)strength;
    (void)prediction_resistance; /* every byte is a new one */
    (void)pstr;
    (void)pstr_len;
    (void)params;
    seed->state = EVP_RAND_STATE_READY;
    return 1;
}

static int rand_seed_uninstantiate(void *ctx)
{
    struct seed *seed = ctx;

    seed->state = EVP_RAND_STATE_UNINITIALISED;
    return 1;
}

/* ------------------------------------------------------------------------ bytes */

/* Catches a source that is stuck on a byte, or gives the same over and over. */
static bool looks_random(const uint8_t *bytes, size_t n)
{
    size_t repeats = 1;

    for (size_t i = 1; i < n; i++) {
        repeats = bytes[i] == bytes[i - 1] ? repeats + 1 : 1;
        if (repeats > REPEATS_MAX)
            return false;
    }
    return n < 2 * SAMPLE || memcmp(bytes, bytes + n - SAMPLE, SAMPLE) != 0;
}

static bool system_bytes(uint8_t *ret_bytes, size_t n)
{
    while (n > 0) {
        ssize_t got = getrandom(ret_bytes, n, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        ret_bytes += got;
        n -= (size_t)got;
    }
    return true;
}

/* Two samples at least, which must differ. */
static enum iotsafe_err sim_bytes(struct isprov *prov, uint8_t *ret_bytes, size_t n,
                                  struct iotsafe_op *op)
{
    static const struct iotsafe_uri default_sim;
    struct iotsafe_card *card = NULL;
    enum iotsafe_err err = isprov_card_of_uri(prov, &default_sim, &card, op);

    if (err != IOTSAFE_OK)
        return err;
    err = iotsafe_random(card, ret_bytes, n, op);
    if (err == IOTSAFE_OK && !looks_random(ret_bytes, n)) {
        isprov_op_set(op, "the random bytes of the SIM repeat themselves (%s)",
                      iotsafe_card_transport(card));
        err = IOTSAFE_ERR_PROTOCOL;
    }
    iotsafe_card_free(card);
    return err;
}

static int fill(struct seed *seed, uint8_t *ret_bytes, size_t n)
{
    const size_t asked = n < 2 * SAMPLE ? 2 * SAMPLE : n;
    struct iotsafe_op op = isprov_op_begin(seed->prov);
    uint8_t sim[REQUEST_MAX] = { 0 };
    enum iotsafe_err err = IOTSAFE_ERR_ARGUMENT;

    if (n <= REQUEST_MAX)
        err = sim_bytes(seed->prov, sim, asked, &op);
    if (err == IOTSAFE_OK && !system_bytes(ret_bytes, n)) {
        isprov_op_set(&op, "the system provides no random bytes");
        err = IOTSAFE_ERR_MEMORY;
    }
    for (size_t i = 0; err == IOTSAFE_OK && i < n; i++)
        ret_bytes[i] ^= sim[i];
    OPENSSL_cleanse(sim, sizeof(sim));
    if (err == IOTSAFE_OK)
        return 1;
    OPENSSL_cleanse(ret_bytes, n);
    seed->state = EVP_RAND_STATE_ERROR;
    isprov_raise(seed->prov, err, &op);
    return 0;
}

/* After a failure the next request tries anew: the SIM may be back. */
static bool is_ready(struct seed *seed)
{
    if (seed->state == EVP_RAND_STATE_ERROR)
        seed->state = EVP_RAND_STATE_READY;
    if (seed->state == EVP_RAND_STATE_READY)
        return true;
    isprov_raise_text(seed->prov, IOTSAFE_ERR_ARGUMENT, "the source was not instantiated");
    return false;
}

static int rand_seed_generate(void *ctx, unsigned char *out, size_t n, unsigned int strength,
                              int prediction_resistance, const unsigned char *addin,
                              size_t addin_len)
{
    ISPROV_KEEP_ERRNO;
    struct seed *seed = ctx;

    (void)strength;
    (void)prediction_resistance;
    (void)addin;
    (void)addin_len;
    return is_ready(seed) && fill(seed, out, n);
}

static int rand_seed_reseed(void *ctx, int prediction_resistance, const unsigned char *ent,
                            size_t ent_len, const unsigned char *addin, size_t addin_len)
{
    ISPROV_KEEP_ERRNO;

    (void)prediction_resistance;
    (void)ent;
    (void)ent_len;
    (void)addin;
    (void)addin_len;
    return is_ready(ctx);
}

/* For a random generator that this is the parent of. What it asks for as entropy
 * in bits is less than the bytes that it takes at least. */
static size_t rand_seed_get_seed(void *ctx, unsigned char **ret_seed, int entropy, size_t min_len,
                                 size_t max_len, int prediction_resistance,
                                 const unsigned char *addin, size_t addin_len)
{
    ISPROV_KEEP_ERRNO;
    struct seed *seed = ctx;
    const size_t wanted = entropy > 0 ? ((size_t)entropy + 7) / 8 : 0;
    const size_t n = wanted > min_len ? wanted : min_len;
    uint8_t *bytes;

    (void)prediction_resistance;
    (void)addin;
    (void)addin_len;
    if (!is_ready(seed) || n == 0 || n > max_len || n > REQUEST_MAX)
        return 0;
    bytes = OPENSSL_secure_malloc(n);
    if (bytes == NULL) {
        isprov_raise(seed->prov, IOTSAFE_ERR_MEMORY, NULL);
        return 0;
    }
    if (!fill(seed, bytes, n)) {
        OPENSSL_secure_clear_free(bytes, n);
        return 0;
    }
    *ret_seed = bytes;
    return n;
}

static void rand_seed_clear_seed(void *ctx, unsigned char *bytes, size_t n)
{
    (void)ctx;
    OPENSSL_secure_clear_free(bytes, n);
}

/* ---------------------------------------------------------------------- the rest */

/* There is nothing to lock: a context has no state but a word, and the card below
 * is safe for all threads. */
static int rand_seed_enable_locking(void *ctx)
{
    (void)ctx;
    return 1;
}

static int rand_seed_lock(void *ctx)
{
    (void)ctx;
    return 1;
}

static void rand_seed_unlock(void *ctx)
{
    (void)ctx;
}

static int rand_seed_get_ctx_params(void *ctx, OSSL_PARAM params[])
{
    const struct seed *seed = ctx;
    OSSL_PARAM *state = OSSL_PARAM_locate(params, OSSL_RAND_PARAM_STATE);
    OSSL_PARAM *strength = OSSL_PARAM_locate(params, OSSL_RAND_PARAM_STRENGTH);
    OSSL_PARAM *max = OSSL_PARAM_locate(params, OSSL_RAND_PARAM_MAX_REQUEST);

    return (state == NULL || OSSL_PARAM_set_int(state, seed->state))
           && (strength == NULL || OSSL_PARAM_set_uint(strength, STRENGTH))
           && (max == NULL || OSSL_PARAM_set_size_t(max, REQUEST_MAX));
}

static const OSSL_PARAM *rand_seed_gettable_ctx_params(void *ctx, void *provctx)
{
    static const OSSL_PARAM params[] = { OSSL_PARAM_int(OSSL_RAND_PARAM_STATE, NULL),
                                         OSSL_PARAM_uint(OSSL_RAND_PARAM_STRENGTH, NULL),
                                         OSSL_PARAM_size_t(OSSL_RAND_PARAM_MAX_REQUEST, NULL),
                                         OSSL_PARAM_END };

    (void)ctx;
    (void)provctx;
    return params;
}

static int rand_seed_verify_zeroization(void *ctx)
{
    (void)ctx;
    return 1; /* no secret outlives a call */
}

#define ENTRY(id, function)                                       \
    {                                                             \
        OSSL_FUNC_RAND_##id, (void (*)(void))rand_seed_##function \
    }

const OSSL_DISPATCH isprov_rand_seed[] = { ENTRY(NEWCTX, newctx),
                                           ENTRY(FREECTX, freectx),
                                           ENTRY(INSTANTIATE, instantiate),
                                           ENTRY(UNINSTANTIATE, uninstantiate),
                                           ENTRY(GENERATE, generate),
                                           ENTRY(RESEED, reseed),
                                           ENTRY(ENABLE_LOCKING, enable_locking),
                                           ENTRY(LOCK, lock),
                                           ENTRY(UNLOCK, unlock),
                                           ENTRY(GETTABLE_CTX_PARAMS, gettable_ctx_params),
                                           ENTRY(GET_CTX_PARAMS, get_ctx_params),
                                           ENTRY(VERIFY_ZEROIZATION, verify_zeroization),
                                           ENTRY(GET_SEED, get_seed),
                                           ENTRY(CLEAR_SEED, clear_seed),
                                           { 0, NULL } };
