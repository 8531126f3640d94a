/* SPDX-License-Identifier: Apache-2.0 */
/* An application whose keys are partly in software: makes and uses keys of four
 * kinds before and after the use of a named key, and agrees on secrets with
 * software keys, all in one process. Prints a line for each thing that worked.
 */
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <openssl/store.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const unsigned char message[] = "what is signed";

static const struct software_kind {
    const char *name;
    const char *type;
    const char *group;  /* EC */
    unsigned bits;      /* RSA */
    const char *digest; /* NULL: the algorithm hashes by itself */
} kinds[] = {
    { "P-256", "EC", "P-256", 0, "SHA256" },
    { "P-384", "EC", "P-384", 0, "SHA384" },
    { "RSA", "RSA", NULL, 2048, "SHA256" },
    { "Ed25519", "ED25519", NULL, 0, NULL },
};
#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

static EVP_PKEY *generate(const struct software_kind *kind)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, kind->type, NULL);
    OSSL_PARAM params[2] = { OSSL_PARAM_END, OSSL_PARAM_END };
    unsigned bits = kind->bits;
    char group[16] = "";
    EVP_PKEY *key = NULL;

    if (kind->group != NULL) {
        snprintf(group, sizeof(group), "%s", kind->group);
        params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0);
    } else if (bits != 0) {
        params[0] = OSSL_PARAM_construct_uint(OSSL_PKEY_PARAM_RSA_BITS, &bits);
    }
    if (ctx == NULL || EVP_PKEY_keygen_init(ctx) != 1 || EVP_PKEY_CTX_set_params(ctx, params) != 1
        || EVP_PKEY_generate(ctx, &key) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(ctx);
    return key;
}

/* Through PEM, as a program that keeps its key in a file does. */
static EVP_PKEY *write_and_read(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    EVP_PKEY *copy = NULL;

    if (bio != NULL && PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1)
        copy = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    return copy;
}

static bool sign_and_verify(EVP_PKEY *signer, EVP_PKEY *verifier, const char *digest)
{
    unsigned char sig[512];
    size_t sig_len = sizeof(sig);
    EVP_MD_CTX *s = EVP_MD_CTX_new();
    EVP_MD_CTX *v = EVP_MD_CTX_new();
    bool good = s != NULL && v != NULL
                && EVP_DigestSignInit_ex(s, NULL, digest, NULL, NULL, signer, NULL) == 1
                && EVP_DigestSign(s, sig, &sig_len, message, sizeof(message)) == 1
                && EVP_DigestVerifyInit_ex(v, NULL, digest, NULL, NULL, verifier, NULL) == 1
                && EVP_DigestVerify(v, sig, sig_len, message, sizeof(message)) == 1;

    if (good) { /* and a signature of something else is refused */
        sig[sig_len - 1] ^= 1;
        EVP_MD_CTX_reset(v);
        good = EVP_DigestVerifyInit_ex(v, NULL, digest, NULL, NULL, verifier, NULL) == 1
               && EVP_DigestVerify(v, sig, sig_len, message, sizeof(message)) != 1;
        ERR_clear_error();
    }
    EVP_MD_CTX_free(s);
    EVP_MD_CTX_free(v);
    return good;
}

static bool derive(EVP_PKEY *mine, EVP_PKEY *theirs, unsigned char ret_secret[static 64],
                   size_t *ret_len)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, mine, NULL);
    bool good = ctx != NULL && EVP_PKEY_derive_init(ctx) == 1
                && EVP_PKEY_derive_set_peer(ctx, theirs) == 1
                && EVP_PKEY_derive(ctx, ret_secret, ret_len) == 1;

    EVP_PKEY_CTX_free(ctx);
    return good;
}

static bool agree(const struct software_kind *kind)
{
    unsigned char a_secret[64], b_secret[64];
    size_t a_len = sizeof(a_secret), b_len = sizeof(b_secret);
    EVP_PKEY *a = generate(kind);
    EVP_PKEY *b = generate(kind);
    bool good = a != NULL && b != NULL && derive(a, b, a_secret, &a_len)
                && derive(b, a, b_secret, &b_len) && a_len == b_len
                && memcmp(a_secret, b_secret, a_len) == 0;

    EVP_PKEY_free(a);
    EVP_PKEY_free(b);
    return good;
}

static bool report(const char *when, const char *what, bool good)
{
    printf("%s: %s: %s\n", when, what, good ? "OK" : "FAILED");
    if (!good)
        ERR_print_errors_fp(stdout);
    else if (ERR_peek_error() != 0) {
        printf("%s: %s: errors left behind\n", when, what);
        ERR_print_errors_fp(stdout);
        good = false;
    }
    return good;
}

static bool use_software_keys(const char *when)
{
    static const struct software_kind x25519 = { "X25519", "X25519", NULL, 0, NULL };
    bool good = true;

    for (size_t i = 0; i < N_KINDS; i++) {
        EVP_PKEY *key = generate(&kinds[i]);
        EVP_PKEY *copy = key != NULL ? write_and_read(key) : NULL;

        good = report(when, kinds[i].name,
                      copy != NULL && EVP_PKEY_eq(key, copy) == 1
                          && sign_and_verify(key, copy, kinds[i].digest)
                          && sign_and_verify(copy, key, kinds[i].digest))
               && good;
        EVP_PKEY_free(key);
        EVP_PKEY_free(copy);
    }
    good = report(when, "P-256 key agreement", agree(&kinds[0])) && good;
    good = report(when, "P-384 key agreement", agree(&kinds[1])) && good;
    good = report(when, "X25519 key agreement", agree(&x25519)) && good;
    return good;
}

static EVP_PKEY *load(const char *uri)
{
    OSSL_STORE_CTX *store = OSSL_STORE_open(uri, NULL, NULL, NULL, NULL);
    EVP_PKEY *key = NULL;

    while (store != NULL && key == NULL && !OSSL_STORE_eof(store)) {
        OSSL_STORE_INFO *info = OSSL_STORE_load(store);

        if (info != NULL)
            key = OSSL_STORE_INFO_get1_PKEY(info);
        OSSL_STORE_INFO_free(info);
    }
    OSSL_STORE_close(store);
    return key;
}

int main(int argc, char **argv)
{
    EVP_PKEY *key = NULL;
    bool good = true;

    if (argc != 2) {
        fprintf(stderr, "usage: mixed URI\n");
        return 2;
    }
    good = use_software_keys("before");
    key = load(argv[1]);
    good = report("between", argv[1], key != NULL && sign_and_verify(key, key, "SHA256")) && good;
    good = use_software_keys("while held") && good;
    EVP_PKEY_free(key);
    good = use_software_keys("after") && good;
    printf("%s\n", good ? "all OK" : "FAILED");
    return good ? 0 : 1;
}
