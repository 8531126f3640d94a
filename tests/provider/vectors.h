/* SPDX-License-Identifier: Apache-2.0 */
/* Test vectors: our own, which are always there, and Wycheproof's, if they are. */
#ifndef PROVIDER_VECTORS_H
#define PROVIDER_VECTORS_H

#include <jansson.h>
#include <stdbool.h>
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

/** The vectors of tests/data, see make_vectors.py there. json_decref() them. */
json_t *own_vectors(void);

/** Whether a group of them is of this type, as "EcdsaVerify", on this curve. */
bool vectors_are_of(const json_t *group, const char *type, const char *curve);

/** Calls `each` for our own signatures of a type on a curve. @return how many there were */
int for_each_own_vector(const char *type, const char *curve,
                        void (*each)(const struct vector *, void *), void *arg);

#endif
