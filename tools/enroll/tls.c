/* SPDX-License-Identifier: Apache-2.0 */
/* see tls.h */
#include "tls.h"

bool tls_use_identity(SSL_CTX *ctx, const struct job *job)
{
    const struct identity *identity = &job->identity;

    if (identity->key == NULL)
        return true;
    if (!SSL_CTX_use_certificate(ctx, sk_X509_value(identity->certs, 0))
        || !SSL_CTX_use_PrivateKey(ctx, identity->key))
        return false;
    for (int i = 1; i < sk_X509_num(identity->certs); i++)
        if (!SSL_CTX_add1_chain_cert(ctx, sk_X509_value(identity->certs, i)))
            return false;
    return true;
}
