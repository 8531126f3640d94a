/* SPDX-License-Identifier: Apache-2.0 */
/* Objects as text for messages: their URIs in canonical form. */
#ifndef ISPROV_URI_TEXT_H
#define ISPROV_URI_TEXT_H

#include "iotsafe.h"

struct isprov_uri_text {
    char text[IOTSAFE_URI_MAX];
};

static inline struct isprov_uri_text isprov_uri_text(const struct iotsafe_uri *uri)
{
    struct isprov_uri_text text = { "" };

    iotsafe_uri_format(uri, text.text);
    return text;
}

/** An object of the card that a URI has not named. */
static inline struct isprov_uri_text isprov_object_text(enum iotsafe_uri_type type,
                                                        const struct iotsafe_name *name)
{
    const struct iotsafe_uri uri = { .name = *name, .type = type };

    return isprov_uri_text(&uri);
}

#endif
