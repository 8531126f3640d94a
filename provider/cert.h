/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates out of the bytes of a file object. Issuers store them as DER,
 * perhaps padded to the size of the container, perhaps several one after
 * another, and some as PEM text. */
#ifndef ISPROV_CERT_H
#define ISPROV_CERT_H

#include <openssl/x509.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * All certificates in a file, the leaf first and then its issuers, as far as the
 * file has them; what does not belong to that chain follows in the file's order.
 * Of several leaves with one key, one that is valid now goes before the others,
 * then the one that ends last. Reading ends at the first thing that is neither a
 * certificate nor padding.
 *
 * @param libctx  for the certificates' public keys; NULL is the default one
 * @param data    len bytes, hostile
 * @return sk_X509_pop_free() it; empty if there is none; NULL when out of memory
 */
STACK_OF(X509) *isprov_certs_parse(OSSL_LIB_CTX *libctx, const uint8_t *data, size_t len);

/** True between its two dates; false, too, if they make no sense. */
bool isprov_cert_is_valid_now(const X509 *cert);

/** True if `a` ends later than `b`. */
bool isprov_cert_ends_later(const X509 *a, const X509 *b);

#endif
