/* SPDX-License-Identifier: Apache-2.0 */
/* What an application in another library context, or another program, knows of a key. */
#ifndef PUBLIC_COPY_H
#define PUBLIC_COPY_H

#include <openssl/x509.h>

/** The public key alone, in the library context `lib`; NULL after an error. EVP_PKEY_free() it. */
static inline EVP_PKEY *public_copy(EVP_PKEY *key, OSSL_LIB_CTX *lib)
{
    unsigned char *der = NULL;
    int der_len = i2d_PUBKEY(key, &der);
    const unsigned char *next = der;
    EVP_PKEY *copy = der_len > 0 ? d2i_PUBKEY_ex(NULL, &next, der_len, lib, NULL) : NULL;

    OPENSSL_free(der);
    return copy;
}

#endif
