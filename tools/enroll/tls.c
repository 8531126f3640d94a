/* SPDX-License-Identifier: Apache-2.0 */
/* see tls.h */
#include "tls.h"

#include <link.h>
#include <string.h>

#include "report.h"

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

struct libcryptos {
    const char *first, *other; /* paths, as the loader has them; NULL: none */
};

static int note_libcrypto(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct libcryptos *found = arg;
    const char *name = strrchr(info->dlpi_name, '/');

    (void)size;
    if (name == NULL || strncmp(name, "/libcrypto.so.", strlen("/libcrypto.so.")) != 0)
        return 0;
    if (found->first == NULL)
        found->first = info->dlpi_name;
    else
        found->other = info->dlpi_name;
    return 0;
}

bool tls_is_shared(void)
{
    struct libcryptos found = { NULL, NULL };

    (void)dl_iterate_phdr(note_libcrypto, &found);
    if (found.other == NULL)
        return true;
    report_error("this program and the libraries that it uses need different versions of OpenSSL "
                 "(%s, %s); build it for the one that libcurl and libmosquitto use",
                 found.first, found.other);
    return false;
}
