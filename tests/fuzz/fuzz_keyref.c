/* SPDX-License-Identifier: Apache-2.0 */
/* Key-reference files: what decodes is DER, so encoding it again gives the same bytes,
 * but for a URI that was written in another way. */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "keyref.h"

static void check(const struct isprov_keyref *ref)
{
    char uri[IOTSAFE_URI_MAX], again[IOTSAFE_URI_MAX];
    struct isprov_keyref back;
    struct iotsafe_op op = { .text = "" };
    uint8_t *der = NULL;
    size_t len = 0;

    iotsafe_uri_format(&ref->uri, uri);
    if (!isprov_keyref_encode(uri, ref->spki, ref->spki_len, &der, &len)
        || !isprov_keyref_is_ours(der, len)
        || isprov_keyref_decode(der, len, &back, &op) != IOTSAFE_OK)
        abort();
    iotsafe_uri_format(&back.uri, again);
    if (strcmp(uri, again) != 0 || back.spki_len != ref->spki_len
        || (ref->spki_len != 0 && memcmp(back.spki, ref->spki, ref->spki_len) != 0))
        abort();
    isprov_keyref_clear(&back);
    OPENSSL_free(der);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct isprov_keyref ref;
    struct iotsafe_op op = { .text = "" };

    if (isprov_keyref_decode(data, size, &ref, &op) != IOTSAFE_OK)
        return 0;
    if (!isprov_keyref_is_ours(data, size))
        abort();
    check(&ref);
    isprov_keyref_clear(&ref);
    return 0;
}
