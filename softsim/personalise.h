/* SPDX-License-Identifier: Apache-2.0 */
/* What the issuer does: fill a new SIM with objects, keys and certificates. */
#ifndef SOFTSIM_PERSONALISE_H
#define SOFTSIM_PERSONALISE_H

#include "store.h"

#define IMPORTS_MAX 8
#define ONLY_MAX 16

struct personalisation {
    const char *cn;
    const char *san;
    uint8_t client_key_type; /* tag 4B */
    bool with_rsa;           /* also rsa-key and rsa-cert */
    bool with_brainpool;     /* also bp-key */
    struct {
        const char *label;
        const char *pem_file;
    } imports[IMPORTS_MAX]; /* private keys to use instead of new ones */
    size_t n_imports;
    const char *only[ONLY_MAX]; /* labels of the objects to make; none: all */
    size_t n_only;
};

#define PERSONALISE_CN "iotsafe-softsim device"
#define PERSONALISE_SAN "DNS:localhost,IP:127.0.0.1"

/**
 * Add the default objects to an empty store, and write ca.pem, ca.key and
 * client-cert.pem into its folder (if it has one). Does not save the store.
 */
bool personalise(struct store *s, const struct profile *profile, const struct personalisation *how,
                 struct err *err);

/** Private key from a PEM file; NULL with a reason. */
EVP_PKEY *personalise_read_key(const char *pem_file, struct err *err);

#endif
