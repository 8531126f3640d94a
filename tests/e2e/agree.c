/* SPDX-License-Identifier: Apache-2.0 */
/* An application that agrees on secrets with a key that it names by URI, each time
 * with a new key of the other side, and computes each secret as the other side does.
 * Plain libcrypto: nothing in here knows iotsafe. Prints how many were right, wrong
 * and failed. With -r it loads the key anew after each failure, as for a key that
 * others replace.
 */
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/store.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "public_copy.h"

enum outcome { RIGHT, WRONG, FAILED, N_OUTCOMES };

static OSSL_LIB_CTX *software;

static EVP_PKEY *load(const char *uri)
{
    OSSL_STORE_CTX *store = OSSL_STORE_open_ex(uri, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
    EVP_PKEY *key = NULL;

    if (store == NULL)
        return NULL;
    if (OSSL_STORE_expect(store, OSSL_STORE_INFO_PKEY) != 1) {
        OSSL_STORE_close(store);
        return NULL;
    }
    while (key == NULL && !OSSL_STORE_eof(store)) {
        OSSL_STORE_INFO *info = OSSL_STORE_load(store);

        if (info != NULL)
            key = OSSL_STORE_INFO_get1_PKEY(info);
        OSSL_STORE_INFO_free(info);
    }
    OSSL_STORE_close(store);
    return key;
}

static bool derive(OSSL_LIB_CTX *context, EVP_PKEY *mine, EVP_PKEY *theirs,
                   unsigned char ret_secret[static 64], size_t *ret_len)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(context, mine, NULL);
    bool good = ctx != NULL && EVP_PKEY_derive_init(ctx) == 1
                && EVP_PKEY_derive_set_peer(ctx, theirs) == 1
                && EVP_PKEY_derive(ctx, ret_secret, ret_len) == 1;

    EVP_PKEY_CTX_free(ctx);
    return good;
}

/* A key as the module has it, and its public key in software alone. */
struct pair {
    EVP_PKEY *key, *copy;
};

static void release(struct pair *pair)
{
    EVP_PKEY_free(pair->key);
    EVP_PKEY_free(pair->copy);
    *pair = (struct pair){ 0 };
}

static bool load_pair(const char *uri, struct pair *ret_pair)
{
    struct pair pair = { .key = load(uri) };

    if (pair.key != NULL)
        pair.copy = public_copy(pair.key, software);
    if (pair.copy == NULL)
        release(&pair);
    *ret_pair = pair;
    return pair.key != NULL;
}

static enum outcome agree(const struct pair *pair)
{
    EVP_PKEY *other = EVP_PKEY_Q_keygen(software, NULL, "EC", "P-256");
    EVP_PKEY *other_public = other != NULL ? public_copy(other, NULL) : NULL;
    unsigned char ours[64], theirs[64];
    size_t ours_len = sizeof(ours), theirs_len = sizeof(theirs);
    enum outcome outcome = FAILED;

    if (other_public != NULL && derive(NULL, pair->key, other_public, ours, &ours_len)
        && derive(software, other, pair->copy, theirs, &theirs_len))
        outcome = ours_len == theirs_len && memcmp(ours, theirs, ours_len) == 0 ? RIGHT : WRONG;
    EVP_PKEY_free(other_public);
    EVP_PKEY_free(other);
    return outcome;
}

int main(int argc, char **argv)
{
    long counts[N_OUTCOMES] = { 0 };
    bool reload = argc == 4 && strcmp(argv[1], "-r") == 0;
    long n = argc == 3 + reload ? strtol(argv[1 + reload], NULL, 10) : 0;
    struct pair pair = { 0 };
    OSSL_PROVIDER *fallback;

    if (n <= 0) {
        fprintf(stderr, "usage: agree [-r] COUNT URI\n");
        return 2;
    }
    software = OSSL_LIB_CTX_new();
    fallback = OSSL_PROVIDER_load(software, "default");
    if (software == NULL || fallback == NULL) {
        ERR_print_errors_fp(stderr);
        return 1;
    }
    for (long i = 0; i < n; i++) {
        bool loaded = pair.key != NULL || load_pair(argv[2 + reload], &pair);
        enum outcome outcome = loaded ? agree(&pair) : FAILED;

        counts[outcome]++;
        if (outcome != FAILED)
            continue;
        ERR_print_errors_fp(stderr);
        if (!reload && !loaded)
            break;
        if (reload)
            release(&pair);
    }
    printf("%ld right, %ld wrong, %ld failed\n", counts[RIGHT], counts[WRONG], counts[FAILED]);
    release(&pair);
    OSSL_PROVIDER_unload(fallback);
    OSSL_LIB_CTX_free(software);
    return counts[RIGHT] == n ? 0 : 1;
}
