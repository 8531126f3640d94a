/* SPDX-License-Identifier: Apache-2.0 */
/* Object lists and application information, as a card may send them. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "object.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct iotsafe_object objects[IOTSAFE_OBJECTS_MAX];
    struct iotsafe_info info = { .known = false };
    size_t n = objects_parse(data, size, objects, IOTSAFE_OBJECTS_MAX);

    for (size_t i = 0; i < n; i++)
        if (objects[i].kind < IOTSAFE_PRIVATE_KEY || objects[i].kind > IOTSAFE_SECRET
            || objects[i].name.id_len > IOTSAFE_ID_MAX
            || strlen(objects[i].name.label) != objects[i].name.label_len)
            abort();
    (void)info_parse(data, size, &info);
    return 0;
}
