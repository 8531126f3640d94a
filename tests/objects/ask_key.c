/* SPDX-License-Identifier: Apache-2.0 */
/* An application that keeps a private key: ask_key URI loads it once, then signs
 * whenever it reads a line, and checks each signature in software with the public key
 * that it had at the start. It prints "loaded", and for each line "good", "BAD" or
 * "none" (no signature); errors go to standard error. Plain libcrypto.
 */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/store.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

static EVP_PKEY *load(const char *uri)
{
    OSSL_STORE_CTX *store = OSSL_STORE_open(uri, NULL, NULL, NULL, NULL);
    EVP_PKEY *key = NULL;

    if (store != NULL && OSSL_STORE_expect(store, OSSL_STORE_INFO_PKEY) == 1) {
        while (key == NULL && !OSSL_STORE_eof(store)) {
            OSSL_STORE_INFO *info = OSSL_STORE_load(store);

            if (info != NULL)
                key = OSSL_STORE_INFO_get1_PKEY(info);
            OSSL_STORE_INFO_free(info);
        }
    }
    OSSL_STORE_close(store);
    return key;
}

static EVP_PKEY *software_copy(OSSL_LIB_CTX *software, EVP_PKEY *key)
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

static const char *sign(EVP_PKEY *key, OSSL_LIB_CTX *software, EVP_PKEY *public_key)
{
    static const unsigned char message[] = "what is to be signed";
    unsigned char sig[512];
    size_t sig_len = sizeof(sig);
    EVP_MD_CTX *signer = EVP_MD_CTX_new();
    EVP_MD_CTX *verifier = EVP_MD_CTX_new();
    const char *verdict = "none";

    if (EVP_DigestSignInit_ex(signer, NULL, "SHA256", NULL, NULL, key, NULL) == 1
        && EVP_DigestSign(signer, sig, &sig_len, message, sizeof(message)) == 1) {
        verdict = "BAD";
        if (EVP_DigestVerifyInit_ex(verifier, NULL, "SHA256", software, NULL, public_key, NULL) == 1
            && EVP_DigestVerify(verifier, sig, sig_len, message, sizeof(message)) == 1)
            verdict = "good";
    }
    EVP_MD_CTX_free(signer);
    EVP_MD_CTX_free(verifier);
    return verdict;
}

int main(int argc, char **argv)
{
    OSSL_LIB_CTX *software = OSSL_LIB_CTX_new();
    OSSL_PROVIDER *provider = software != NULL ? OSSL_PROVIDER_load(software, "default") : NULL;
    EVP_PKEY *key = argc == 2 ? load(argv[1]) : NULL;
    EVP_PKEY *public_key = key != NULL ? software_copy(software, key) : NULL;
    char line[16];

    ERR_print_errors_fp(stderr);
    if (public_key != NULL) {
        puts("loaded");
        fflush(stdout);
        while (fgets(line, sizeof(line), stdin) != NULL) {
            puts(sign(key, software, public_key));
            ERR_print_errors_fp(stderr);
            fflush(stderr);
            fflush(stdout);
        }
    }
    EVP_PKEY_free(public_key);
    EVP_PKEY_free(key);
    OSSL_PROVIDER_unload(provider);
    OSSL_LIB_CTX_free(software);
    return public_key != NULL ? 0 : 1;
}
