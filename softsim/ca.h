/* SPDX-License-Identifier: Apache-2.0 */
/* The test CA of a software SIM, and the certificates it gives out. Not for production:
 * its key lies beside the store in plain PEM. */
#ifndef SOFTSIM_CA_H
#define SOFTSIM_CA_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "util.h"

struct ca {
    EVP_PKEY *key;
    X509 *cert;
};

/** New P-256 key and self-signed certificate. */
bool ca_create(struct ca *ret, struct err *err);
void ca_clear(struct ca *ca);

/**
 * Certificate for a public key, usable as TLS client and TLS server.
 *
 * @param cn   common name
 * @param san  subjectAltName in OpenSSL's notation, e.g. "DNS:localhost,IP:127.0.0.1"
 * @return NULL with a reason; caller frees
 */
X509 *ca_issue(const struct ca *ca, EVP_PKEY *key, const char *cn, const char *san,
               struct err *err);

bool ca_cert_der(X509 *cert, struct buf *out);
bool ca_cert_pem(X509 *cert, struct buf *out);
bool ca_key_pem(EVP_PKEY *key, struct buf *out);

#endif
