/* SPDX-License-Identifier: Apache-2.0 */
/* see assume_fips.h */
#include "assume_fips.h"

#include <string.h>

#define FIPS ",fips=yes"

static char *put_properties(char *to, const char *properties)
{
    const size_t len = strlen(properties);

    memcpy(to, properties, len);
    memcpy(to + len, FIPS, sizeof(FIPS));
    return to + len + sizeof(FIPS);
}

/* The rows, and their texts behind them. */
OSSL_ALGORITHM *isprov_assume_fips(const OSSL_ALGORITHM *table)
{
    size_t n = 0, texts = 0;
    OSSL_ALGORITHM *copy;
    char *text;

    for (; table[n].algorithm_names != NULL; n++)
        texts += strlen(table[n].property_definition) + sizeof(FIPS);
    copy = OPENSSL_zalloc((n + 1) * sizeof(*copy) + texts);
    if (copy == NULL)
        return NULL;
    text = (char *)(copy + n + 1);
    for (size_t i = 0; i < n; i++) {
        copy[i] = table[i];
        copy[i].property_definition = text;
        text = put_properties(text, table[i].property_definition);
    }
    return copy;
}

bool isprov_may_generate(const struct isprov *prov)
{
    if (isprov_takes_software_keys(prov))
        return true;
    isprov_raise_text(prov, IOTSAFE_ERR_UNSUPPORTED,
                      "with assume-fips, this provider does not generate keys in software: "
                      "activate the FIPS provider before it");
    return false;
}
