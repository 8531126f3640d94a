/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of libcrypto's default provider in our own library context: the contents
 * of software keys. Failures leave libcrypto's own errors in the queue. */
#ifndef ISPROV_SOFT_KEY_H
#define ISPROV_SOFT_KEY_H

#include <openssl/evp.h>

#include "prov.h"

/** Make a key of what the parameters say.
 *  @param algorithm  "EC" or "RSA"
 *  @param selection  OSSL_KEYMGMT_SELECT_..., which of them to take
 *  @return EVP_PKEY_free() it; NULL on failure, as for all functions here */
EVP_PKEY *isprov_soft_from_params(struct isprov *prov, const char *algorithm, int selection,
                                  const OSSL_PARAM params[]);

/** What the key has, OSSL_KEYMGMT_SELECT_...; its numbers are not copied to find out. */
int isprov_soft_parts(const EVP_PKEY *pkey);

/** An EC key that has the named group alone. */
EVP_PKEY *isprov_soft_from_group(struct isprov *prov, const char *group);

/** The selected parts of a key as a key of its own, without a private part
 *  (selected or not): parameters in an OSSL_PARAM array are not wiped. */
EVP_PKEY *isprov_soft_copy_public(struct isprov *prov, const EVP_PKEY *from, int selection);

/** One of EVP_PKEY_public_check() and its siblings, run in our library context. */
bool isprov_soft_check(struct isprov *prov, EVP_PKEY *pkey, int (*check)(EVP_PKEY_CTX *));

#endif
