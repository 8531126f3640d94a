/* SPDX-License-Identifier: Apache-2.0 */
/* Objects as text for messages: their URIs in canonical form. */
#ifndef ISPROV_URI_TEXT_H
#define ISPROV_URI_TEXT_H

#include "iotsafe.h"

struct isprov_uri_text {
    char text[IOTSAFE_URI_MAX];
};

struct isprov_uri_text isprov_uri_text(const struct iotsafe_uri *uri);

/** An object of the card that a URI has not named. */
struct isprov_uri_text isprov_object_text(enum iotsafe_uri_type type,
                                          const struct iotsafe_name *name);

#endif
