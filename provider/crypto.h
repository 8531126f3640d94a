/* SPDX-License-Identifier: Apache-2.0 */
/* What the provider uses of libcrypto for itself. */
#ifndef ISPROV_CRYPTO_H
#define ISPROV_CRYPTO_H

#include <openssl/bio.h>

#include "prov.h"

/**
 * The library context for the provider's own cryptography: private, with
 * libcrypto's default provider and nothing else, so that no fetch in it can
 * lead back to us. Made at the first call; any thread may be first.
 *
 * @return borrowed, valid as long as the provider; NULL after an error was raised
 */
OSSL_LIB_CTX *isprov_libctx(struct isprov *prov);
void isprov_crypto_free(struct isprov_crypto *crypto); /* NULL accepted */

/** A BIO over one of the core's; BIO_free() it. NULL after an error was raised. */
BIO *isprov_bio(struct isprov *prov, OSSL_CORE_BIO *core_bio);

#endif
