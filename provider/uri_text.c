/* SPDX-License-Identifier: Apache-2.0 */
/* see uri_text.h */
#include "uri_text.h"

struct isprov_uri_text isprov_uri_text(const struct iotsafe_uri *uri)
{
    struct isprov_uri_text text = { "" };

    iotsafe_uri_format(uri, text.text);
    return text;
}

struct isprov_uri_text isprov_object_text(enum iotsafe_uri_type type,
                                          const struct iotsafe_name *name)
{
    const struct iotsafe_uri uri = { .name = *name, .type = type };

    return isprov_uri_text(&uri);
}
