/* SPDX-License-Identifier: Apache-2.0 */
/* The provider among processes, threads and library contexts. */
#include <errno.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"
#include "iotsafe.h"

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

TestSuite(process, .init = setup, .fini = teardown, .timeout = 120);

static bool signs(OSSL_LIB_CTX *lib, EVP_PKEY *key)
{
    unsigned char sig[80];
    size_t len = sizeof(sig);

    return sign_message(lib, key, "SHA256", sig, &len)
           && verify_message(lib, key, "SHA256", sig, len);
}

Test(process, loading_listing_and_unloading_never_reach_the_sim)
{
    for (int i = 0; i < 40; i++) {
        struct context here;

        context_open(&here, (enum order)(i % N_ORDERS));
        cr_expect(OSSL_PROVIDER_self_test(here.second));
        cr_expect(OSSL_PROVIDER_available(here.lib, "iotsafe"));
        context_close(&here);
    }
    cr_expect_eq(sim_exchanges(&sim, NULL), 0);
    EXPECT_NO_ERRORS();
}

Test(process, forty_contexts_in_a_row_each_sign)
{
    for (int i = 0; i < 40; i++) {
        struct context here;
        EVP_PKEY *key;

        context_open(&here, (enum order)(i % N_ORDERS));
        key = load_key(here.lib, CLIENT_KEY);
        cr_expect(key != NULL && signs(here.lib, key), "%s", drain_errors());
        EVP_PKEY_free(key);
        context_close(&here);
    }
    EXPECT_NO_ERRORS();
}

Test(process, several_contexts_at_once_share_the_sim)
{
    struct context all[5];
    EVP_PKEY *keys[5];

    for (int i = 0; i < 5; i++) {
        context_open(&all[i], DEFAULT_FIRST);
        keys[i] = load_key(all[i].lib, CLIENT_KEY);
        cr_assert_not_null(keys[i]);
    }
    for (int i = 0; i < 5; i++)
        cr_expect(signs(all[i].lib, keys[i]), "%s", drain_errors());
    for (int i = 0; i < 5; i++) {
        EVP_PKEY_free(keys[i]);
        context_close(&all[i]);
    }
    cr_expect_eq(sim_exchanges(&sim, "SELECT"), 1, "they open one channel");
}

Test(process, a_key_outlives_the_unloading_of_its_provider)
{
    EVP_PKEY *key = load_key(ctx.lib, CLIENT_KEY);

    cr_assert(OSSL_PROVIDER_unload(ctx.second));
    cr_expect(signs(ctx.lib, key), "%s", drain_errors());
    EVP_PKEY_free(key);
    ctx.second = OSSL_PROVIDER_load(ctx.lib, "iotsafe");
    EXPECT_NO_ERRORS();
}

/* ---------------------------------------------------------------------- fork */

static int wait_for(pid_t pid)
{
    int status = -1;

    cr_assert_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

Test(process, a_key_loaded_before_fork_works_in_children_and_parent)
{
    EVP_PKEY *key = load_key(ctx.lib, CLIENT_KEY);
    pid_t pids[6];

    cr_assert(signs(ctx.lib, key));
    for (int i = 0; i < 6; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            int good = 0;

            for (int n = 0; n < 10; n++)
                good += signs(ctx.lib, key) && ERR_peek_error() == 0;
            EVP_PKEY_free(key);
            OSSL_PROVIDER_unload(ctx.second);
            _exit(good == 10 ? 0 : 1);
        }
    }
    for (int n = 0; n < 10; n++)
        cr_expect(signs(ctx.lib, key), "%s", drain_errors());
    for (int i = 0; i < 6; i++)
        cr_expect_eq(wait_for(pids[i]), 0, "child %d", i);
    cr_expect(signs(ctx.lib, key), "after the children went: %s", drain_errors());
    EXPECT_NO_ERRORS();
    EVP_PKEY_free(key);
}

Test(process, a_child_of_a_process_that_never_used_the_sim_can_load_keys)
{
    pid_t pid = fork();
    EVP_PKEY *key;

    if (pid == 0) {
        key = load_key(ctx.lib, CLIENT_KEY);
        _exit(key != NULL && signs(ctx.lib, key) ? 0 : 1);
    }
    cr_expect_eq(wait_for(pid), 0);
}

/* ------------------------------------------------------------------- threads */

#define N_THREADS 16
#define N_SIGNATURES 25

struct worker {
    pthread_t thread;
    EVP_PKEY *key; /* shared, or NULL: load one */
    int good;
};

static void *work(void *arg)
{
    struct worker *worker = arg;

    for (int i = 0; i < N_SIGNATURES; i++) {
        EVP_PKEY *key = worker->key != NULL ? worker->key : load_key(ctx.lib, CLIENT_KEY);

        worker->good += key != NULL && signs(ctx.lib, key) && ERR_peek_error() == 0;
        if (worker->key == NULL)
            EVP_PKEY_free(key);
    }
    return NULL;
}

static void run_threads(EVP_PKEY *shared)
{
    struct worker workers[N_THREADS];

    for (int i = 0; i < N_THREADS; i++) {
        workers[i] = (struct worker){ .key = shared };
        cr_assert_eq(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < N_THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        cr_expect_eq(workers[i].good, N_SIGNATURES, "thread %d: %d", i, workers[i].good);
    }
}

Test(process, sixteen_threads_share_one_key)
{
    EVP_PKEY *key = load_key(ctx.lib, CLIENT_KEY);

    run_threads(key);
    EVP_PKEY_free(key);
    EXPECT_NO_ERRORS();
}

Test(process, sixteen_threads_load_keys_of_their_own)
{
    run_threads(NULL);
    EXPECT_NO_ERRORS();
}

static void *settle(void *arg)
{
    struct worker *worker = arg;
    X509 *cert = load_cert(ctx.lib, "iotsafe://label=ca-cert"); /* not that of the key */

    for (int i = 0; i < 20; i++)
        worker->good += X509_check_private_key(cert, worker->key) != 1
                        && signs(ctx.lib, worker->key);
    X509_free(cert);
    ERR_clear_error();
    return NULL;
}

Test(process, threads_may_compare_and_sign_at_the_same_time)
{
    struct worker workers[8];
    EVP_PKEY *key = load_key(ctx.lib, CLIENT_KEY);

    for (int i = 0; i < 8; i++) {
        workers[i] = (struct worker){ .key = key };
        cr_assert_eq(pthread_create(&workers[i].thread, NULL, settle, &workers[i]), 0);
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(workers[i].thread, NULL);
        cr_expect_eq(workers[i].good, 20);
    }
    EVP_PKEY_free(key);
}

/* --------------------------------------------------------------------- errno */

Test(process, errno_stays_as_it_was_on_success_and_on_failure)
{
    EVP_PKEY *key;
    X509 *cert;
    char *pem;

    setenv("IOTSAFE_TIMEOUT_MS", "300", 1);
    context_reload(&ctx);
    for (int value = 0; value <= EDOM; value += EDOM) {
        errno = value;
        key = load_key(ctx.lib, CLIENT_KEY);
        cr_expect_eq(errno, value, "loading a key left %s", strerror(errno));
        errno = value;
        cr_expect(signs(ctx.lib, key));
        cr_expect_eq(errno, value, "signing left %s", strerror(errno));
        errno = value;
        cert = load_cert(ctx.lib, CLIENT_CERT);
        cr_expect_eq(errno, value, "loading a certificate left %s", strerror(errno));
        cr_expect_eq(X509_check_private_key(cert, key), 1);
        cr_expect_eq(errno, value, "comparing left %s", strerror(errno));
        pem = reference_pem(key);
        EVP_PKEY_free(key);
        X509_free(cert);
        context_reload(&ctx);
        errno = value;
        EVP_PKEY_free(pem_key(ctx.lib, pem, strlen(pem)));
        cr_expect_eq(errno, value, "reading a reference left %s", strerror(errno));
        errno = value;
        cr_expect_null(load_key(ctx.lib, "iotsafe://label=nobody"));
        cr_expect_eq(errno, value, "not finding a key left %s", strerror(errno));
        sim_vanish(&sim);
        errno = value;
        cr_expect_null(load_key(ctx.lib, CLIENT_KEY));
        cr_expect_eq(errno, value, "an absent SIM left %s", strerror(errno));
        sim_return(&sim);
        ERR_clear_error();
        OPENSSL_free(pem);
    }
}

/* ------------------------------------------------------------------- absence */

Test(process, a_sim_that_went_away_is_found_again)
{
    EVP_PKEY *key;

    setenv("IOTSAFE_TIMEOUT_MS", "300", 1);
    context_reload(&ctx);
    key = load_key(ctx.lib, CLIENT_KEY);
    cr_assert(signs(ctx.lib, key), "%s", drain_errors());
    sim_vanish(&sim);
    cr_expect_not(signs(ctx.lib, key));
    EXPECT_ERROR(sim.socket);
    sim_return(&sim);
    cr_expect(signs(ctx.lib, key), "%s", drain_errors());
    EXPECT_NO_ERRORS();
    EVP_PKEY_free(key);
}

Test(process, reason_strings_are_there_for_people)
{
    const char *errors;

    cr_expect_null(load_key(ctx.lib, "iotsafe://label=nobody"));
    errors = drain_errors();
    cr_expect(strstr(errors, ":iotsafe::no such object on the SIM;") != NULL, "%s", errors);
}

Test(process, reason_strings_stay_however_often_the_provider_was_loaded)
{
    const char *errors;

    for (int i = 0; i < 300; i++) {
        OSSL_PROVIDER *again;

        cr_assert(OSSL_PROVIDER_unload(ctx.second));
        again = OSSL_PROVIDER_load(ctx.lib, "iotsafe");
        cr_assert_not_null(again);
        ctx.second = again;
    }
    context_reload(&ctx);
    cr_expect_null(load_key(ctx.lib, "iotsafe://label=nobody"));
    errors = drain_errors();
    cr_expect(strstr(errors, ":iotsafe::no such object on the SIM;") != NULL, "%s", errors);
}

/* What a program swallows is found in the trace. */
Test(process, every_error_that_is_raised_is_a_line_of_the_trace)
{
    char setting[200], line[2048], found[2048] = "";
    FILE *file;

    snprintf(setting, sizeof(setting), "file:%s", sim_path(&sim, "trace"));
    setenv("IOTSAFE_TRACE", setting, 1);
    context_reload(&ctx);
    cr_expect_null(load_key(ctx.lib, "iotsafe://label=nobody"));
    cr_expect_null(load_key(ctx.lib, "iotsafe://colour=red"));
    ERR_clear_error();
    file = fopen(sim_path(&sim, "trace"), "r");
    cr_assert_not_null(file);
    while (fgets(line, sizeof(line), file) != NULL)
        if (strstr(line, " error -- ") != NULL && strlen(found) + strlen(line) < sizeof(found))
            strcat(found, line);
    fclose(file);
    cr_expect(
        strstr(
            found,
            " -- no such object on the SIM; 'iotsafe list' shows all: no private key label=nobody")
            != NULL,
        "%s", found);
    cr_expect(strstr(found, "colour") != NULL, "%s", found);
}

/* ---------------------------------------------------------- the end of a process */

Test(process, a_key_may_be_freed_after_openssl_has_cleaned_up)
{
    pid_t pid = fork();

    if (pid == 0) {
        OSSL_PROVIDER *base, *ours;
        EVP_PKEY *key;
        bool good;

        OSSL_PROVIDER_set_default_search_path(NULL, getenv("IOTSAFE_MODULE_DIR"));
        base = OSSL_PROVIDER_load(NULL, "default");
        ours = OSSL_PROVIDER_load(NULL, "iotsafe");
        key = load_key(NULL, CLIENT_KEY);
        good = key != NULL && signs(NULL, key);
        OSSL_PROVIDER_unload(ours);
        OSSL_PROVIDER_unload(base);
        OPENSSL_cleanup(); /* the key alone keeps the provider from now on */
        EVP_PKEY_free(key);
        _exit(good ? 0 : 1);
    }
    cr_expect_eq(wait_for(pid), 0);
}

/* Runs up to a step and ends without any clean-up, as with OpenSSL 4.0. */
static pid_t end_after(int step)
{
    pid_t pid = fork();
    OSSL_STORE_CTX *store;
    EVP_PKEY *key;
    bool good;

    if (pid != 0)
        return pid;
    good = OSSL_PROVIDER_available(ctx.lib, "iotsafe") == 1;
    if (step > 0) {
        key = load_key(ctx.lib, CLIENT_KEY);
        good = good && key != NULL && (step < 2 || signs(ctx.lib, key));
    }
    if (step > 2) {
        store = OSSL_STORE_open_ex("iotsafe://", ctx.lib, NULL, NULL, NULL, NULL, NULL, NULL);
        good = good && store != NULL && (step < 4 || OSSL_STORE_load(store) != NULL);
    }
    _exit(good ? 0 : 1);
}

static int lines_of(const char *path)
{
    FILE *file = fopen(path, "r");
    int n = 0, c;

    cr_assert_not_null(file, "%s", path);
    while ((c = getc(file)) != EOF)
        n += c == '\n';
    fclose(file);
    return n;
}

/* Channel, trace and SIM are as usable afterwards as they were. */
Test(process, a_process_that_just_ends_leaves_nothing_in_the_way)
{
    char setting[200];
    int usual = 0;

    snprintf(setting, sizeof(setting), "file:%s", sim_path(&sim, "trace"));
    setenv("IOTSAFE_TRACE", setting, 1);
    context_reload(&ctx);
    for (int step = 0; step < 5; step++) {
        int before, lines;
        EVP_PKEY *key;

        cr_expect_eq(wait_for(end_after(step)), 0, "step %d", step);
        before = sim_exchanges(&sim, NULL);
        lines = step > 0 ? lines_of(sim_path(&sim, "trace")) : 0;
        context_reload(&ctx);
        key = load_key(ctx.lib, CLIENT_KEY);
        cr_expect(key != NULL && signs(ctx.lib, key), "step %d: %s", step, drain_errors());
        EVP_PKEY_free(key);
        context_reload(&ctx); /* closes the connection */
        if (step == 0)
            usual = sim_exchanges(&sim, NULL) - before;
        cr_expect_eq(sim_exchanges(&sim, NULL) - before, usual, "step %d", step);
        cr_expect_gt(lines_of(sim_path(&sim, "trace")), lines, "step %d", step);
    }
    EXPECT_NO_ERRORS();
}
