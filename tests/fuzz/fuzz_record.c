/* SPDX-License-Identifier: Apache-2.0 */
/* Channel records: files that any user of the lock folder may have written. */
#include <stdlib.h>

#include "channel_record.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct channel_record record, back;
    char text[RECORD_TEXT_MAX];

    if (!channel_record_parse((const char *)data, size, &record))
        return 0;
    if (!channel_record_parse(text, channel_record_format(&record, text), &back)
        || back.generation != record.generation)
        abort();
    return 0;
}
