/* SPDX-License-Identifier: Apache-2.0 */
/* see bench_key.h */
#include "bench_key.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/store.h>
#ifdef BENCH_ENGINE
#include <openssl/engine.h>
#endif
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

void bench_fail(const char *what)
{
    fprintf(stderr, "bench: %s\n", what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

/* ----------------------------------------------------------------------- keys */

static EVP_PKEY *load_from_store(const char *uri)
{
    OSSL_STORE_CTX *store = OSSL_STORE_open(uri, NULL, NULL, NULL, NULL);
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

static EVP_PKEY *load_from_pem(const char *path)
{
    BIO *bio = BIO_new_file(path, "r");
    EVP_PKEY *key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;

    BIO_free(bio);
    return key;
}

/* "NAME:ID". The engine stays for as long as the process lives. */
static EVP_PKEY *load_from_engine(const char *name)
{
#ifdef BENCH_ENGINE
    const char *id = strchr(name, ':');
    char engine_name[32] = { 0 };
    ENGINE *engine;

    if (id == NULL || (size_t)(id - name) >= sizeof(engine_name))
        return NULL;
    memcpy(engine_name, name, (size_t)(id - name));
    ENGINE_load_builtin_engines();
    engine = ENGINE_by_id(engine_name);
    if (engine == NULL || ENGINE_init(engine) != 1)
        return NULL;
    return ENGINE_load_private_key(engine, id + 1, NULL, NULL);
#else
    (void)name;
    fprintf(stderr, "bench: this OpenSSL has no engines\n");
    return NULL;
#endif
}

static bool has_scheme(const char *name, const char *scheme)
{
    return strncmp(name, scheme, strlen(scheme)) == 0;
}

EVP_PKEY *bench_load_key(const char *name)
{
    EVP_PKEY *key;

    if (has_scheme(name, "engine:"))
        key = load_from_engine(name + strlen("engine:"));
    else
        key = strchr(name, ':') != NULL ? load_from_store(name) : load_from_pem(name);
    if (key == NULL)
        bench_fail(name);
    return key;
}

/* -------------------------------------------------------------------- figures */

double bench_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

double bench_cpu_seconds(void)
{
    struct timespec used;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double bench_quantile(double *values, size_t n, double part)
{
    if (n == 0)
        return 0;
    qsort(values, n, sizeof(values[0]), compare);
    return values[(size_t)(part * (double)(n - 1) + 0.5)];
}

static long memory_kb(const char *field)
{
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    char line[256];
    long kb = 0;

    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        if (has_scheme(line, field))
            kb = strtol(line + strlen(field), NULL, 10);
    if (file != NULL)
        fclose(file);
    return kb;
}

/* A file has several mappings, one behind the other. */
static void print_files(void)
{
    FILE *file = fopen("/proc/self/maps", "r");
    char line[4096], last[4096] = "";
    const char *separator = "";

    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        const char *path = strchr(line, '/');

        line[strcspn(line, "\n")] = '\0';
        if (path == NULL || strcmp(path, last) == 0)
            continue;
        memmove(last, path, strlen(path) + 1);
        printf("%s\"%s\"", separator, last);
        separator = ", ";
    }
    if (file != NULL)
        fclose(file);
}

void bench_print_memory(void)
{
    printf("\"pss_kb\": %ld, \"private_dirty_kb\": %ld, \"files\": [", memory_kb("Pss:"),
           memory_kb("Private_Dirty:"));
    print_files();
    printf("]");
}
