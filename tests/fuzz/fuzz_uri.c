/* SPDX-License-Identifier: Apache-2.0 */
/* Object URIs: what parses has one canonical form, which parses to the same. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "iotsafe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    char canonical[IOTSAFE_URI_MAX], again[IOTSAFE_URI_MAX];
    struct iotsafe_uri uri, back;
    struct iotsafe_op op;

    if (text == NULL)
        abort();
    if (size != 0)
        memcpy(text, data, size);
    text[size] = '\0';
    if (iotsafe_uri_parse(text, &uri, &op) == IOTSAFE_OK) {
        iotsafe_uri_format(&uri, canonical);
        if (iotsafe_uri_parse(canonical, &back, &op) != IOTSAFE_OK)
            abort();
        iotsafe_uri_format(&back, again);
        if (strcmp(canonical, again) != 0)
            abort();
    }
    free(text);
    return 0;
}
