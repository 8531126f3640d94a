/* SPDX-License-Identifier: Apache-2.0 */
/* An application that holds a private key: loads it once, then signs from
 * threads, from children made after the load, in many library contexts, until
 * SIGTERM tells it to stop, or simply keeps it. Every signature is checked in software, with the
 * default provider alone. Plain libcrypto: nothing in here knows iotsafe.
 */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <openssl/store.h>
#include <openssl/x509.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define THREADS_MAX 64
#define CHILDREN_MAX 64
#define TIMES_MAX 1000

struct options {
    const char *name; /* a URI, or a PEM file */
    long n_signatures;
    long n_threads;
    long n_children;
    long n_contexts;  /* 0: the default library context */
    bool until_told;  /* signs until SIGTERM */
    const char *gate; /* a file: signs when nobody has it locked any more */
    bool median;      /* tells how long a signature took */
    bool wait;
};

/* A key with its public half in a library context that has only software. */
struct held_key {
    EVP_PKEY *key;
    EVP_PKEY *public_key;
    OSSL_LIB_CTX *context; /* of `key`; NULL is the default one */
};

struct worker {
    const struct held_key *held;
    pthread_barrier_t *start;
    long n_signatures;
    long n_done;
    double ms[TIMES_MAX]; /* of the first signatures */
    bool failed;
};

static OSSL_LIB_CTX *software;
static volatile sig_atomic_t told_to_stop;

static void stop(int signo)
{
    (void)signo;
    told_to_stop = 1;
}

static EVP_PKEY *load_from_store(OSSL_LIB_CTX *context, const char *uri)
{
    OSSL_STORE_CTX *store = OSSL_STORE_open_ex(uri, context, NULL, NULL, NULL, NULL, NULL, NULL);
    EVP_PKEY *key = NULL;

    if (store == NULL)
        return NULL;
    if (OSSL_STORE_expect(store, OSSL_STORE_INFO_PKEY) == 1) {
        while (key == NULL && !OSSL_STORE_eof(store)) {
            OSSL_STORE_INFO *info = OSSL_STORE_load(store);

            if (info != NULL && OSSL_STORE_INFO_get_type(info) == OSSL_STORE_INFO_PKEY)
                key = OSSL_STORE_INFO_get1_PKEY(info);
            OSSL_STORE_INFO_free(info);
        }
    }
    OSSL_STORE_close(store);
    return key;
}

static EVP_PKEY *load_from_pem(OSSL_LIB_CTX *context, const char *path)
{
    BIO *bio = BIO_new_file(path, "r");
    EVP_PKEY *key = NULL;

    if (bio != NULL)
        key = PEM_read_bio_PrivateKey_ex(bio, NULL, NULL, NULL, context, NULL);
    BIO_free(bio);
    return key;
}

/* The same public key, as software sees it. */
static EVP_PKEY *software_copy(EVP_PKEY *key)
{
    unsigned char *der = NULL;
    int der_len = i2d_PUBKEY(key, &der);
    const unsigned char *next = der;
    EVP_PKEY *copy = NULL;

    if (der_len > 0)
        copy = d2i_PUBKEY_ex(NULL, &next, der_len, software, NULL);
    OPENSSL_free(der);
    return copy;
}

static void release(struct held_key *held)
{
    EVP_PKEY_free(held->key);
    EVP_PKEY_free(held->public_key);
    held->key = NULL;
    held->public_key = NULL;
}

static bool load(OSSL_LIB_CTX *context, const char *name, struct held_key *ret_held)
{
    struct held_key held = { .context = context };

    held.key = strncmp(name, "iotsafe:", 8) == 0 ? load_from_store(context, name)
                                                 : load_from_pem(context, name);
    if (held.key != NULL)
        held.public_key = software_copy(held.key);
    if (held.public_key == NULL) {
        release(&held);
        return false;
    }
    *ret_held = held;
    return true;
}

static bool sign_and_check(const struct held_key *held)
{
    unsigned char message[64], sig[512];
    size_t sig_len = sizeof(sig);
    EVP_MD_CTX *signer = EVP_MD_CTX_new();
    EVP_MD_CTX *verifier = EVP_MD_CTX_new();
    bool good = false;

    if (signer != NULL && verifier != NULL && RAND_bytes(message, sizeof(message)) == 1)
        good = EVP_DigestSignInit_ex(signer, NULL, "SHA256", held->context, NULL, held->key, NULL)
                   == 1
               && EVP_DigestSign(signer, sig, &sig_len, message, sizeof(message)) == 1
               && EVP_DigestVerifyInit_ex(verifier, NULL, "SHA256", software, NULL,
                                          held->public_key, NULL)
                      == 1
               && EVP_DigestVerify(verifier, sig, sig_len, message, sizeof(message)) == 1;
    EVP_MD_CTX_free(signer);
    EVP_MD_CTX_free(verifier);
    return good;
}

static double now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void *work(void *arg)
{
    struct worker *worker = arg;

    pthread_barrier_wait(worker->start);
    while (worker->n_done < worker->n_signatures && !worker->failed && !told_to_stop) {
        double start = now_ms();

        if (sign_and_check(worker->held)) {
            if (worker->n_done < TIMES_MAX)
                worker->ms[worker->n_done] = now_ms() - start;
            worker->n_done++;
        } else {
            worker->failed = true;
            ERR_print_errors_fp(stderr); /* the queue belongs to this thread */
        }
    }
    return NULL;
}

static int compare_ms(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void print_median(struct worker *worker)
{
    size_t n = worker->n_done < TIMES_MAX ? (size_t)worker->n_done : TIMES_MAX;

    qsort(worker->ms, n, sizeof(worker->ms[0]), compare_ms);
    printf("median %.3f ms\n", worker->ms[n / 2]);
}

static bool sign_in_threads(const struct held_key *held, const struct options *opt)
{
    static struct worker workers[THREADS_MAX];
    pthread_t threads[THREADS_MAX];
    pthread_barrier_t start;
    bool good = true;

    if (pthread_barrier_init(&start, NULL, (unsigned)opt->n_threads) != 0)
        return false;
    for (long i = 0; i < opt->n_threads; i++) {
        workers[i] = (struct worker){ .held = held,
                                      .start = &start,
                                      .n_signatures = opt->n_signatures };
        if (pthread_create(&threads[i], NULL, work, &workers[i]) != 0) {
            fprintf(stderr, "hold: no thread to be had\n");
            exit(1);
        }
    }
    for (long i = 0; i < opt->n_threads; i++) {
        pthread_join(threads[i], NULL);
        good = good && !workers[i].failed;
    }
    pthread_barrier_destroy(&start);
    printf("process %ld: %ld signatures in each of %ld threads: %s\n", (long)getpid(),
           workers[0].n_done, opt->n_threads, good ? "verified OK" : "FAILED");
    if (opt->median && good)
        print_median(&workers[0]);
    fflush(stdout);
    return good;
}

/* The parent signs at the same time as its children do. */
static bool sign_in_processes(const struct held_key *held, const struct options *opt)
{
    pid_t children[CHILDREN_MAX];
    bool good = true;

    fflush(stdout);
    for (long i = 0; i < opt->n_children; i++) {
        children[i] = fork();
        if (children[i] < 0) {
            perror("hold: fork");
            exit(1);
        }
        if (children[i] == 0)
            exit(sign_in_threads(held, opt) ? 0 : 1);
    }
    good = sign_in_threads(held, opt);
    for (long i = 0; i < opt->n_children; i++) {
        int status = 0;

        if (waitpid(children[i], &status, 0) != children[i] || status != 0) {
            fprintf(stderr, "hold: child %ld ended with status 0x%x\n", (long)children[i],
                    (unsigned)status);
            good = false;
        }
    }
    return good;
}

static bool sign_in_new_context(const struct options *opt)
{
    const char *config = getenv("OPENSSL_CONF");
    OSSL_LIB_CTX *context = OSSL_LIB_CTX_new();
    struct held_key held = { 0 };
    bool good = false;

    if (context != NULL && config != NULL && OSSL_LIB_CTX_load_config(context, config) == 1
        && load(context, opt->name, &held)) {
        good = true;
        for (long i = 0; i < opt->n_signatures && good; i++)
            good = sign_and_check(&held);
        release(&held);
    }
    OSSL_LIB_CTX_free(context);
    return good;
}

static bool sign_in_contexts(const struct options *opt)
{
    for (long i = 0; i < opt->n_contexts; i++) {
        if (!sign_in_new_context(opt)) {
            fprintf(stderr, "hold: library context %ld failed\n", i + 1);
            ERR_print_errors_fp(stderr);
            return false;
        }
    }
    printf("%ld library contexts, one after another: verified OK\n", opt->n_contexts);
    return true;
}

/* So that many processes begin at the same time, with their keys loaded. */
static bool wait_at(const char *gate)
{
    int fd = open(gate, O_RDONLY | O_CLOEXEC);
    bool good = false;

    printf("at the gate\n");
    fflush(stdout);
    good = fd >= 0 && flock(fd, LOCK_SH) == 0;
    if (!good)
        perror(gate);
    if (fd >= 0)
        close(fd);
    return good;
}

static bool run(const struct options *opt)
{
    struct held_key held = { 0 };
    bool good = false;

    if (opt->n_contexts > 0)
        return sign_in_contexts(opt);
    if (!load(NULL, opt->name, &held)) {
        fprintf(stderr, "hold: cannot load %s\n", opt->name);
        ERR_print_errors_fp(stderr);
        return false;
    }
    good = (opt->gate == NULL || wait_at(opt->gate)) && sign_in_processes(&held, opt);
    if (good && opt->wait) {
        printf("ready\n");
        fflush(stdout);
        pause(); /* until a signal ends this process */
    }
    release(&held);
    return good;
}

static bool parse(int argc, char **argv, struct options *ret_opt)
{
    struct options opt = { .n_signatures = 1, .n_threads = 1 };
    int c = 0;

    while ((c = getopt(argc, argv, "n:t:p:c:g:muw")) != -1) {
        long value = optarg != NULL ? strtol(optarg, NULL, 10) : 0;

        switch (c) {
        case 'n':
            opt.n_signatures = value;
            break;
        case 't':
            opt.n_threads = value;
            break;
        case 'p':
            opt.n_children = value;
            break;
        case 'c':
            opt.n_contexts = value;
            break;
        case 'g':
            opt.gate = optarg;
            break;
        case 'm':
            opt.median = true;
            break;
        case 'u':
            opt.until_told = true;
            opt.n_signatures = LONG_MAX;
            break;
        case 'w':
            opt.wait = true;
            break;
        default:
            return false;
        }
    }
    if (optind != argc - 1 || opt.n_threads < 1 || opt.n_threads > THREADS_MAX || opt.n_children < 0
        || opt.n_children > CHILDREN_MAX || opt.n_signatures < 0)
        return false;
    opt.name = argv[optind];
    *ret_opt = opt;
    return true;
}

int main(int argc, char **argv)
{
    OSSL_PROVIDER *provider = NULL;
    struct options opt;
    bool good = false;

    if (!parse(argc, argv, &opt)) {
        fprintf(stderr, "usage: hold [-n SIGNATURES] [-t THREADS] [-p CHILDREN] [-c CONTEXTS] "
                        "[-g GATE] [-m] [-u] [-w] URI|FILE\n");
        return 2;
    }
    if (opt.until_told
        && sigaction(SIGTERM, &(struct sigaction){ .sa_handler = stop }, NULL) != 0) {
        perror("hold: sigaction");
        return 1;
    }
    software = OSSL_LIB_CTX_new();
    if (software != NULL)
        provider = OSSL_PROVIDER_load(software, "default");
    if (provider == NULL) {
        ERR_print_errors_fp(stderr);
        return 1;
    }
    good = run(&opt);
    OSSL_PROVIDER_unload(provider);
    OSSL_LIB_CTX_free(software);
    return good ? 0 : 1;
}
