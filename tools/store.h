/* SPDX-License-Identifier: Apache-2.0 */
/* Objects through OSSL_STORE, so that the tool finds what every program that
 * uses the provider would find. */
#ifndef STORE_H
#define STORE_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "report.h"
#include "tool.h"

enum store_result {
    STORE_FOUND,
    STORE_NOTHING, /* no such object */
    STORE_FAILED   /* the card cannot be asked, or its answer is of no use */
};

/**
 * All certificates that a URI finds, in the order of the store: a chain comes
 * leaf first.
 * @param ret_certs  on STORE_FOUND, not empty; sk_X509_pop_free() it
 * @param ret_why    otherwise, the reason
 */
enum store_result store_certificates(const struct tool *tool, const struct iotsafe_uri *uri,
                                     STACK_OF(X509) **ret_certs, struct queue_summary *ret_why);

/**
 * The first key that a URI finds. Of a private key, too, only the public key
 * is of use here.
 * @param uri  its type is IOTSAFE_URI_PRIVATE or IOTSAFE_URI_PUBLIC
 */
enum store_result store_key(const struct tool *tool, const struct iotsafe_uri *uri,
                            EVP_PKEY **ret_key, struct queue_summary *ret_why);

/**
 * The public key that a URI without a type stands for: the public key of the
 * private key of that name, else the public key, else the key in the certificate.
 * With a type only that one is tried.
 * @param uri  gets the type that found the key
 */
enum store_result store_any_key(const struct tool *tool, struct iotsafe_uri *uri,
                                EVP_PKEY **ret_key, struct queue_summary *ret_why);

#endif
