/* SPDX-License-Identifier: Apache-2.0 */
/* see digest.h */
#include "digest.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include "iotsafe_defs.h"
#include "report.h"

static const struct digest digests[] = {
    { "SHA2-256", IOTSAFE_HASH_SHA256, "SHA-256" },
    { "SHA2-384", IOTSAFE_HASH_SHA384, "SHA-384" },
    { "SHA2-512", IOTSAFE_HASH_SHA512, "SHA-512" },
};

const struct digest *digest_by_name(const struct tool *tool, const char *name)
{
    const struct digest *found = NULL;
    EVP_MD *md;

    if (name == NULL)
        return &digests[0];
    md = EVP_MD_fetch(tool->libctx, name, NULL);
    for (size_t i = 0; md != NULL && i < ARRAY_LEN(digests); i++)
        if (EVP_MD_is_a(md, digests[i].name))
            found = &digests[i];
    EVP_MD_free(md);
    ERR_clear_error();
    if (found == NULL)
        report_error("--digest %s: an applet signs SHA-256, SHA-384 and SHA-512", name);
    return found;
}
