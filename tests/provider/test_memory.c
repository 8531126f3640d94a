/* SPDX-License-Identifier: Apache-2.0 */
/* Memory runs out: each allocation of the module fails in turn, in each operation.
 *
 * Only what the module itself asks for is struck: libcrypto does not survive all
 * failures of its own. OPENSSL_malloc() names the source file that calls it; a call
 * of malloc() is judged by where it returns to. */
#undef _FORTIFY_SOURCE /* asprintf() is defined here */
#include <dlfcn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/pem.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

/* --------------------------------------------------------------- what strikes */

static _Thread_local struct {
    bool armed;
    int nth;          /* this allocation fails */
    int count;        /* of those since strike_arm() */
    const char *file; /* where it failed: a line of a source, */
    long line;        /* or an offset into the module */
} strike;

static void strike_arm(int nth)
{
    strike.nth = nth;
    strike.count = 0;
    strike.file = NULL;
    strike.line = 0;
    strike.armed = true;
}

/* True if the allocation was reached and failed. */
static bool strike_disarm(void)
{
    strike.armed = false;
    return strike.count >= strike.nth;
}

static bool strikes(bool ours)
{
    return strike.armed && ours && ++strike.count == strike.nth;
}

/* libcrypto's own files are in "providers/" */
static bool is_source_of_module(const char *file)
{
    return file != NULL && strstr(file, "provider/") != NULL;
}

static bool strikes_source(const char *file, int line)
{
    if (!strikes(is_source_of_module(file)))
        return false;
    strike.file = file;
    strike.line = line;
    return true;
}

/* A sanitizer has a malloc() of its own. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZER
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer) \
    || __has_feature(thread_sanitizer)
#define SANITIZER
#endif
#endif

/* What lies below malloc() here; without that only OPENSSL_malloc() is struck. */
#if defined(SANITIZER) || !defined(__GLIBC__)
#define strikes_malloc 0
#define BELOW(name) name
#else
#define strikes_malloc 1
#define BELOW(name) __libc_##name

/* the module has to find these in the program */
#define EXPORT __attribute__((visibility("default")))

void *BELOW(malloc)(size_t n);
void *BELOW(calloc)(size_t n, size_t size);
void *BELOW(realloc)(void *old, size_t n);
int __asprintf_chk(char **ret_text, int flag, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool strikes_caller(const void *address)
{
    Dl_info info;
    const char *name;

    if (!strike.armed || dladdr(address, &info) == 0)
        return false;
    name = strrchr(info.dli_fname, '/');
    if (!strikes(name != NULL && strcmp(name, "/iotsafe.so") == 0))
        return false;
    strike.file = "iotsafe.so";
    strike.line = (const char *)address - (const char *)info.dli_fbase;
    return true;
}

EXPORT void *malloc(size_t n)
{
    return strikes_caller(__builtin_return_address(0)) ? NULL : BELOW(malloc)(n);
}

EXPORT void *calloc(size_t n, size_t size)
{
    return strikes_caller(__builtin_return_address(0)) ? NULL : BELOW(calloc)(n, size);
}

EXPORT char *strdup(const char *text)
{
    const size_t size = strlen(text) + 1;
    char *copy = strikes_caller(__builtin_return_address(0)) ? NULL : BELOW(malloc)(size);

    return copy != NULL ? memcpy(copy, text, size) : NULL;
}

EXPORT __attribute__((format(printf, 2, 3))) int asprintf(char **ret_text, const char *format, ...)
{
    va_list ap;
    int n;

    if (strikes_caller(__builtin_return_address(0)))
        return -1;
    va_start(ap, format);
    n = vasprintf(ret_text, format, ap);
    va_end(ap);
    return n;
}

EXPORT int __asprintf_chk(char **ret_text, int flag, const char *format, ...)
{
    va_list ap;
    int n;

    (void)flag;
    if (strikes_caller(__builtin_return_address(0)))
        return -1;
    va_start(ap, format);
    n = vasprintf(ret_text, format, ap);
    va_end(ap);
    return n;
}
#endif

/* Compiled to jumps, these return straight to the module: past our malloc(), which
 * would count them once more. */
static void *openssl_malloc(size_t n, const char *file, int line)
{
    return strikes_source(file, line) ? NULL : BELOW(malloc)(n);
}

static void *openssl_realloc(void *old, size_t n, const char *file, int line)
{
    return strikes_source(file, line) ? NULL : BELOW(realloc)(old, n);
}

static void openssl_free(void *old, const char *file, int line)
{
    (void)file;
    (void)line;
    free(old);
}

static int hooked;

/* Criterion turns the standard error of its processes away and closes what else is
 * open: the first one keeps a copy, and the others know where. */
static void keep_stderr(void)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%ld/fd/%d", (long)getpid(), dup(STDERR_FILENO));
    setenv("MEMORY_TEST_LOG", path, 0);
}

/* libcrypto takes them only before its first allocation */
__attribute__((constructor)) static void prepare_process(void)
{
    hooked = CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free);
    keep_stderr();
}

/* ------------------------------------------------------------- the operations */

#define SPARE "iotsafe://label=spare-1"
#define RSA_KEY "iotsafe://label=rsa-key"
#define PSK "iotsafe://label=psk"

static struct sim sim;
static struct context ctx;
static EVP_PKEY *key, *peer;
static X509 *cert;
static char *pem;
static int n_objects;

static bool have_key(const char *uri)
{
    if (key == NULL)
        key = load_key(ctx.lib, uri);
    return key != NULL;
}

static bool have_client_key(void)
{
    return have_key(CLIENT_KEY);
}

static bool have_rsa_key(void)
{
    return have_key(RSA_KEY);
}

static bool have_pair(void)
{
    if (peer == NULL)
        peer = soft_key(ctx.lib, "EC", "P-256");
    return peer != NULL && have_key(SPARE);
}

static bool have_nothing(void)
{
    return true;
}

static bool load_provider(void)
{
    OSSL_LIB_CTX *lib = OSSL_LIB_CTX_new();
    OSSL_PROVIDER *prov;
    bool good = OSSL_PROVIDER_set_default_search_path(lib, getenv("IOTSAFE_MODULE_DIR")) == 1;

    prov = OSSL_PROVIDER_load(lib, "iotsafe");
    good = good && prov != NULL;
    OSSL_PROVIDER_unload(prov);
    OSSL_LIB_CTX_free(lib);
    return good;
}

static bool load_a_key(void)
{
    return have_client_key();
}

static bool load_a_certificate(void)
{
    cert = load_cert(ctx.lib, CLIENT_CERT);
    return cert != NULL;
}

static bool list_all(void)
{
    return store_count(ctx.lib, "iotsafe://", 0, 0) == n_objects;
}

static bool read_reference(void)
{
    key = pem_key(ctx.lib, pem, strlen(pem));
    return key != NULL;
}

static bool write_reference(void)
{
    BIO *bio = BIO_new(BIO_s_mem());
    const bool good = PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1;

    BIO_free(bio);
    return good;
}

static bool sign(void)
{
    unsigned char sig[512];
    size_t len = sizeof(sig);

    return sign_message(ctx.lib, key, "SHA256", sig, &len)
           && verify_message(ctx.lib, key, "SHA256", sig, len);
}

static bool derive(void)
{
    EVP_PKEY_CTX *pctx = EVP_PKEY_CTX_new_from_pkey(ctx.lib, key, NULL);
    unsigned char secret[32];
    size_t len = sizeof(secret);
    const bool good = pctx != NULL && EVP_PKEY_derive_init(pctx) > 0
                      && EVP_PKEY_derive_set_peer(pctx, peer) > 0
                      && EVP_PKEY_derive(pctx, secret, &len) > 0 && len == sizeof(secret);

    EVP_PKEY_CTX_free(pctx);
    return good;
}

/* With a key derivation on top, and in a copy. */
static bool derive_in_copy(void)
{
    EVP_PKEY_CTX *pctx = EVP_PKEY_CTX_new_from_pkey(ctx.lib, key, NULL), *copy = NULL;
    unsigned char secret[40], ukm[] = { 1, 2, 3 };
    char kdf[] = OSSL_KDF_NAME_X963KDF, md[] = "SHA256";
    size_t len = sizeof(secret), out_len = sizeof(secret);
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_EXCHANGE_PARAM_KDF_TYPE, kdf, 0),
        OSSL_PARAM_construct_utf8_string(OSSL_EXCHANGE_PARAM_KDF_DIGEST, md, 0),
        OSSL_PARAM_construct_size_t(OSSL_EXCHANGE_PARAM_KDF_OUTLEN, &out_len),
        OSSL_PARAM_construct_octet_string(OSSL_EXCHANGE_PARAM_KDF_UKM, ukm, sizeof(ukm)),
        OSSL_PARAM_construct_end(),
    };
    bool good = pctx != NULL && EVP_PKEY_derive_init_ex(pctx, params) > 0
                && EVP_PKEY_derive_set_peer(pctx, peer) > 0
                && (copy = EVP_PKEY_CTX_dup(pctx)) != NULL;

    good = good && EVP_PKEY_derive(copy, secret, &len) > 0 && len == sizeof(secret);
    EVP_PKEY_CTX_free(copy);
    EVP_PKEY_CTX_free(pctx);
    return good;
}

static bool make_pair(void)
{
    EVP_PKEY_CTX *pctx = EVP_PKEY_CTX_new_from_name(ctx.lib, "EC", "provider=iotsafe");
    EVP_PKEY *pair = NULL;
    const bool good = pctx != NULL && EVP_PKEY_keygen_init(pctx) > 0
                      && EVP_PKEY_CTX_ctrl_str(pctx, "container", SPARE) > 0
                      && EVP_PKEY_generate(pctx, &pair) > 0;

    EVP_PKEY_free(pair);
    EVP_PKEY_CTX_free(pctx);
    return good;
}

static bool derive_from_secret(void)
{
    EVP_KDF *kdf = EVP_KDF_fetch(ctx.lib, "IOTSAFE-HKDF", NULL);
    EVP_KDF_CTX *kctx = EVP_KDF_CTX_new(kdf), *copy = NULL;
    unsigned char out[32];
    char uri[] = PSK, md[] = "SHA256";
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, uri, strlen(uri)),
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, md, 0),
        OSSL_PARAM_construct_end(),
    };
    const bool good = kctx != NULL && EVP_KDF_CTX_set_params(kctx, params) > 0
                      && (copy = EVP_KDF_CTX_dup(kctx)) != NULL
                      && EVP_KDF_derive(copy, out, sizeof(out), NULL) > 0;

    EVP_KDF_CTX_free(copy);
    EVP_KDF_CTX_free(kctx);
    EVP_KDF_free(kdf);
    return good;
}

static bool seed_generator(void)
{
    EVP_RAND *source = EVP_RAND_fetch(ctx.lib, "IOTSAFE-SEED-SRC", NULL);
    EVP_RAND *drbg = EVP_RAND_fetch(ctx.lib, "CTR-DRBG", NULL);
    EVP_RAND_CTX *below = EVP_RAND_CTX_new(source, NULL);
    EVP_RAND_CTX *rctx = below != NULL ? EVP_RAND_CTX_new(drbg, below) : NULL;
    char cipher[] = "AES-256-CTR";
    const OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(OSSL_DRBG_PARAM_CIPHER, cipher,
                                                                   0),
                                  OSSL_PARAM_construct_end() };
    const bool good = rctx != NULL && EVP_RAND_instantiate(below, 256, 0, NULL, 0, NULL)
                      && EVP_RAND_CTX_set_params(rctx, params)
                      && EVP_RAND_instantiate(rctx, 256, 0, NULL, 0, NULL);

    EVP_RAND_CTX_free(rctx);
    EVP_RAND_CTX_free(below);
    EVP_RAND_free(drbg);
    EVP_RAND_free(source);
    return good;
}

static bool begin_rsa(void)
{
    EVP_PKEY_CTX *pctx = EVP_PKEY_CTX_new_from_name(ctx.lib, "RSA", "provider=iotsafe");
    const bool good = pctx != NULL && EVP_PKEY_keygen_init(pctx) > 0;

    EVP_PKEY_CTX_free(pctx);
    return good;
}

static void free_objects(void)
{
    EVP_PKEY_free(key);
    EVP_PKEY_free(peer);
    X509_free(cert);
    key = peer = NULL;
    cert = NULL;
}

static bool free_all(void)
{
    free_objects();
    context_close(&ctx);
    strike.armed = false;
    context_open(&ctx, DEFAULT_FIRST);
    return true;
}

static const struct operation {
    const char *name;
    bool (*prepare)(void);
    bool (*run)(void);
    bool may_be_none;  /* it need not allocate */
    bool uses_objects; /* of prepare(), and so again */
} operations[] = {
    { "load the provider", have_nothing, load_provider, false, false },
    { "load a key by URI", have_nothing, load_a_key, false, false },
    { "load a certificate", have_nothing, load_a_certificate, false, false },
    { "list the SIM", have_nothing, list_all, false, false },
    { "read a key reference", have_nothing, read_reference, false, false },
    { "write a key reference", have_client_key, write_reference, false, true },
    { "sign and verify, EC", have_client_key, sign, false, true },
    { "sign and verify, RSA", have_rsa_key, sign, false, true },
    { "derive", have_pair, derive, false, true },
    { "derive in a copy", have_pair, derive_in_copy, false, true },
    { "derive from a secret", have_nothing, derive_from_secret, false, false },
    { "make a pair", have_nothing, make_pair, false, false },
    { "begin an RSA key", have_nothing, begin_rsa, false, false },
    { "seed a generator", have_nothing, seed_generator, false, false },
    { "free", have_client_key, free_all, true, false },
};
#define N_OPERATIONS (sizeof(operations) / sizeof(*operations))

/* ------------------------------------------------------------------ the tests */

int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

/* A secret of the SIM. */
static void put_secret(void)
{
    char words[300];

    write_text(sim_path(&sim, "secret"), "sixteen and more bytes of secret");
    snprintf(words, sizeof(words), "put-secret psk %s", sim_path(&sim, "secret"));
    sim_admin(&sim, words);
}

static void setup(void)
{
    cr_assert(hooked);
    sim_start_with(&sim, "--with rsa");
    context_open(&ctx, DEFAULT_FIRST);
    put_secret();
    cr_assert(make_pair(), "%s", drain_errors());
    n_objects = store_count(ctx.lib, "iotsafe://", 0, 0);
    cr_assert(n_objects > 0 && have_client_key(), "%s", drain_errors());
    pem = reference_pem(key);
    free_objects();
    context_close(&ctx);
}

static void teardown(void)
{
    OPENSSL_free(pem);
    sim_stop(&sim);
}

TestSuite(memory, .init = setup, .fini = teardown, .timeout = 280);

enum { LIMIT = 400 };

/* One allocation fails, and then none; false if there is no nth allocation. */
static bool try_with_failure(const struct operation *o, int nth, int *ret_failed)
{
    bool good, struck;

    context_open(&ctx, DEFAULT_FIRST);
    cr_assert(o->prepare(), "%s: %s", o->name, drain_errors());
    ERR_clear_error();
    strike_arm(nth);
    good = o->run();
    struck = strike_disarm();
    cr_expect(good || struck, "%s, without a failure: %s", o->name, drain_errors());
    cr_expect(good || ERR_peek_error() != 0, "%s, allocation %d (%s:%ld): no error in the queue",
              o->name, nth, strike.file, strike.line);
    *ret_failed += !good;
    ERR_clear_error();
    if (!o->uses_objects)
        free_objects();
    cr_assert(o->prepare() && o->run(), "%s, after allocation %d failed: %s", o->name, nth,
              drain_errors());
    EXPECT_NO_ERRORS();
    free_objects();
    context_close(&ctx);
    return struck;
}

static void report(const char *name, int n_struck, int n_failed)
{
    FILE *file = fopen(getenv("MEMORY_TEST_LOG"), "a");

    if (file == NULL)
        return;
    fprintf(file, "# %s: %d allocations failed, %d times the operation%s\n", name, n_struck,
            n_failed, strikes_malloc ? "" : " (OPENSSL_malloc() only)");
    fclose(file);
}

Test(memory, each_allocation_may_fail_and_the_next_try_is_right)
{
    for (size_t i = 0; i < N_OPERATIONS; i++) {
        const struct operation *o = &operations[i];
        int nth = 1, failed = 0;

        while (nth < LIMIT && try_with_failure(o, nth, &failed))
            nth++;
        cr_expect(nth < LIMIT, "%s never ends", o->name);
        cr_expect(nth > 1 || o->may_be_none, "%s: no allocation was struck", o->name);
        report(o->name, nth - 1, failed);
        if (__lsan_do_recoverable_leak_check != NULL)
            cr_expect_eq(__lsan_do_recoverable_leak_check(), 0, "%s leaks", o->name);
    }
}
