/* SPDX-License-Identifier: Apache-2.0 */
/* ECDSA signatures in both forms: what is taken as DER is the only DER of that signature,
 * and what a card gives in either form becomes it. */
#include <stdlib.h>
#include <string.h>

#include "ecdsa_der.h"
#include "fuzz.h"

static void check_curve(const struct isprov_type *curve, const uint8_t *data, size_t size)
{
    uint8_t raw[2 * ISPROV_FIELD_MAX], again[2 * ISPROV_FIELD_MAX], der[ISPROV_ECDSA_DER_MAX];
    size_t len = 0;

    if (isprov_ecdsa_to_raw(curve, data, size, raw)
        && (!isprov_ecdsa_from_raw(curve, raw, 2 * curve->field_len, der, &len) || len != size
            || memcmp(der, data, len) != 0))
        abort();
    if (isprov_ecdsa_from_raw(curve, data, size, der, &len)
        && (!isprov_ecdsa_to_raw(curve, der, len, again) || memcmp(again, data, size) != 0))
        abort();
    if (isprov_ecdsa_normalise(curve, data, size, der, &len)
        && !isprov_ecdsa_to_raw(curve, der, len, raw))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (size_t i = 0; isprov_type_curve(i) != NULL; i++)
        check_curve(isprov_type_curve(i), data, size);
    return 0;
}
