/* SPDX-License-Identifier: Apache-2.0 */
/* Signs with keys that it loads once, from threads that begin together, and prints as one line
 * of JSON how many signatures there were, how long they took and what they cost:
 *
 *   bench_sign [-n SIGNATURES] [-s MILLISECONDS] [-t THREADS] [-g GATE] [-m] KEY...
 *
 * Each thread makes so many signatures, or goes on for so long; thread I has key I modulo
 * their number. With GATE, a file, it begins when nobody has that locked any more. -m adds
 * what the process holds at the end. The message is always the same: a card in memory knows
 * its signature (memory_card.c).
 */
#include <fcntl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "bench_key.h"

#define THREADS_MAX 64
#define KEYS_MAX 16
#define TIMES_MAX 20000
#define WARM_SIGNATURES 3 /* before anything is measured: what is fetched is fetched then */

struct options {
    long n_signatures;
    long n_threads;
    double seconds; /* 0: only n_signatures counts */
    const char *gate;
    bool memory;
    int n_keys;
    char **names;
};

struct worker {
    EVP_PKEY *key;
    const struct options *opt;
    pthread_barrier_t *start;
    long n_done;
    double ms[TIMES_MAX]; /* of the first signatures */
};

static const unsigned char message[] = "what is signed over and over again, of some length, "
                                       "as the transcript of a handshake is";

static void sign_once(EVP_PKEY *key)
{
    unsigned char sig[1024];
    size_t sig_len = sizeof(sig);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    if (ctx == NULL || EVP_DigestSignInit_ex(ctx, NULL, "SHA256", NULL, NULL, key, NULL) != 1
        || EVP_DigestSign(ctx, sig, &sig_len, message, sizeof(message) - 1) != 1)
        bench_fail("a signature failed");
    EVP_MD_CTX_free(ctx);
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    const struct options *opt = worker->opt;
    double begin, now;

    pthread_barrier_wait(worker->start);
    begin = now = bench_seconds();
    while (worker->n_done < opt->n_signatures
           && (opt->seconds <= 0 || now - begin < opt->seconds)) {
        const double before = now;

        sign_once(worker->key);
        now = bench_seconds();
        if (worker->n_done < TIMES_MAX)
            worker->ms[worker->n_done] = (now - before) * 1e3;
        worker->n_done++;
    }
    return NULL;
}

static size_t n_times(const struct worker *worker)
{
    return worker->n_done < TIMES_MAX ? (size_t)worker->n_done : TIMES_MAX;
}

/* The slowest and the fastest thread by their medians: how fair it was. */
static void print(struct worker *workers, const struct options *opt, double wall, double cpu)
{
    double *all = malloc(sizeof(*all) * TIMES_MAX * (size_t)opt->n_threads);
    double medians[THREADS_MAX];
    size_t n = 0;
    long total = 0;

    if (all == NULL)
        bench_fail("no memory");
    for (long i = 0; i < opt->n_threads; i++) {
        total += workers[i].n_done;
        for (size_t k = 0; k < n_times(&workers[i]); k++)
            all[n++] = workers[i].ms[k];
        medians[i] = bench_quantile(workers[i].ms, n_times(&workers[i]), 0.5);
    }
    printf("{\"signatures\": %ld, \"seconds\": %.6f, \"rate\": %.3f, \"cpu_us\": %.3f, "
           "\"p50_ms\": %.4f, \"p99_ms\": %.4f, \"fastest_ms\": %.4f, \"slowest_ms\": %.4f",
           total, wall, (double)total / wall, cpu * 1e6 / (double)total,
           bench_quantile(all, n, 0.5), bench_quantile(all, n, 0.99),
           bench_quantile(medians, (size_t)opt->n_threads, 0),
           bench_quantile(medians, (size_t)opt->n_threads, 1));
    if (opt->memory) {
        printf(", ");
        bench_print_memory();
    }
    printf("}\n");
    free(all);
}

/* So that many processes begin at the same time, with their keys loaded. */
static void wait_at(const char *gate)
{
    int fd = open(gate, O_RDONLY | O_CLOEXEC);

    fprintf(stderr, "at the gate\n");
    if (fd < 0 || flock(fd, LOCK_SH) != 0)
        bench_fail(gate);
    close(fd);
}

static void run(const struct options *opt)
{
    static struct worker workers[THREADS_MAX];
    pthread_t threads[THREADS_MAX];
    pthread_barrier_t start;
    EVP_PKEY *keys[KEYS_MAX];
    double wall, cpu;

    for (int i = 0; i < opt->n_keys; i++) {
        keys[i] = bench_load_key(opt->names[i]);
        for (int k = 0; k < WARM_SIGNATURES; k++)
            sign_once(keys[i]);
    }
    if (opt->gate != NULL)
        wait_at(opt->gate);
    if (pthread_barrier_init(&start, NULL, (unsigned)opt->n_threads + 1) != 0)
        bench_fail("no barrier");
    for (long i = 0; i < opt->n_threads; i++) {
        workers[i] = (struct worker){ .key = keys[i % opt->n_keys], .opt = opt, .start = &start };
        if (pthread_create(&threads[i], NULL, work, &workers[i]) != 0)
            bench_fail("no thread to be had");
    }
    cpu = bench_cpu_seconds();
    wall = bench_seconds();
    pthread_barrier_wait(&start);
    for (long i = 0; i < opt->n_threads; i++)
        pthread_join(threads[i], NULL);
    wall = bench_seconds() - wall;
    cpu = bench_cpu_seconds() - cpu;
    print(workers, opt, wall, cpu);
    pthread_barrier_destroy(&start);
    for (int i = 0; i < opt->n_keys; i++)
        EVP_PKEY_free(keys[i]);
}

static bool parse(int argc, char **argv, struct options *opt)
{
    int c;

    while ((c = getopt(argc, argv, "n:s:t:g:m")) != -1) {
        const long value = optarg != NULL ? strtol(optarg, NULL, 10) : 0;

        switch (c) {
        case 'n':
            opt->n_signatures = value;
            break;
        case 's':
            opt->seconds = (double)value / 1e3;
            break;
        case 't':
            opt->n_threads = value;
            break;
        case 'g':
            opt->gate = optarg;
            break;
        case 'm':
            opt->memory = true;
            break;
        default:
            return false;
        }
    }
    opt->names = argv + optind;
    opt->n_keys = argc - optind;
    return opt->n_threads >= 1 && opt->n_threads <= THREADS_MAX && opt->n_keys >= 1
           && opt->n_keys <= KEYS_MAX && opt->n_signatures >= 1;
}

int main(int argc, char **argv)
{
    struct options opt = { .n_signatures = 1000000, .n_threads = 1 };

    if (!parse(argc, argv, &opt)) {
        fprintf(stderr, "usage: bench_sign [-n SIGNATURES] [-s MILLISECONDS] [-t THREADS] "
                        "[-g GATE] [-m] KEY...\n");
        return 2;
    }
    run(&opt);
    return 0;
}
