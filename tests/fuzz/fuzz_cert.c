/* SPDX-License-Identifier: Apache-2.0 */
/* Certificate files, as a card may hold them: DER, padded or one after another, or PEM. */
#include <openssl/err.h>
#include <stdlib.h>

#include "cert.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    STACK_OF(X509) *certs = isprov_certs_parse(NULL, data, size);

    if (certs == NULL || (size_t)sk_X509_num(certs) > size)
        abort();
    for (int i = 0; i < sk_X509_num(certs); i++)
        if (sk_X509_value(certs, i) == NULL || i2d_X509(sk_X509_value(certs, i), NULL) <= 0)
            abort();
    sk_X509_pop_free(certs, X509_free);
    ERR_clear_error();
    return 0;
}
