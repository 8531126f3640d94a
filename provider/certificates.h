/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates on a card: in a file, by name, and of a key. The rules are those of
 * iotsafe-uri(7). */
#ifndef ISPROV_CERTIFICATES_H
#define ISPROV_CERTIFICATES_H

#include <openssl/x509.h>

#include "prov.h"

/**
 * The certificates in a file object, leaf first.
 * @param object     kind IOTSAFE_FILE
 * @param ret_certs  sk_X509_pop_free() it; not empty
 * @retval IOTSAFE_ERR_CERTIFICATE  the file holds none
 */
IOTSAFE_NODISCARD enum iotsafe_err isprov_file_certs(struct isprov *prov, struct iotsafe_card *card,
                                                     const struct iotsafe_object *object,
                                                     STACK_OF(X509) **ret_certs,
                                                     struct iotsafe_op *op);

/**
 * The certificates that a name stands for: those of the file so named, else those
 * of the file whose first certificate holds the public key of the private key so
 * named. Of several such files: one that is valid now, then equal label or
 * identifier, then the one that ends last.
 * @param ret_certs  as above
 * @retval IOTSAFE_ERR_NOT_FOUND  neither
 */
IOTSAFE_NODISCARD enum iotsafe_err isprov_named_certs(struct isprov *prov,
                                                      struct iotsafe_card *card,
                                                      const struct iotsafe_name *name,
                                                      STACK_OF(X509) **ret_certs,
                                                      struct iotsafe_op *op);

#endif
