/* SPDX-License-Identifier: Apache-2.0 */
/* Wycheproof test vectors, if they are there. */
#ifndef PROVIDER_VECTORS_H
#define PROVIDER_VECTORS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#define VECTOR_BYTES_MAX 8192

struct vector {
    const char *sha; /* "SHA-256" */
    int id;          /* tcId */
    const char *comment;
    uint8_t spki[256], msg[VECTOR_BYTES_MAX], sig[VECTOR_BYTES_MAX];
    size_t spki_len, msg_len, sig_len;
    int valid;
};

/** Calls `each` for all tests of a file in the folder that IOTSAFE_VECTORS names, or
 *  the build's default; skips the test if it is not there. @return how many there were */
int for_each_vector(const char *file, void (*each)(const struct vector *, void *), void *arg);

#endif
