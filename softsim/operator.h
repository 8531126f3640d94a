/* SPDX-License-Identifier: Apache-2.0 */
/* Changes to objects that only the issuer can make. Each takes effect at once, is
 * written to the store, and marks the object as changed for open sessions. NAME is a
 * label, or else an identifier in hexadecimal. */
#ifndef SOFTSIM_OPERATOR_H
#define SOFTSIM_OPERATOR_H

#include "store.h"

/** New key pair in the containers of this private key. */
bool operator_generate_key(struct store *s, const char *name, struct err *err);

struct operator_file {
    const char *id;    /* hexadecimal, of a new file; NULL: the next free one */
    const char *size;  /* of the container; NULL: as it is, or as long as the content */
    const char *usage; /* "cert" or "general"; NULL: as it is */
    const uint8_t *data;
    size_t len;
};

/** Replace the content of a file, or make a new file with this label. */
bool operator_put_file(struct store *s, const char *name, const struct operator_file *f,
                       struct err *err);

/** PEM: a private key goes into both halves of a pair, a public key or a certificate's into a
 *  public key. A container that does not exist is made. */
bool operator_put_key(struct store *s, const char *name, const char *id, const struct buf *pem,
                      struct err *err);

bool operator_put_secret(struct store *s, const char *name, const char *id, const struct buf *bytes,
                         struct err *err);

enum operator_action { OPERATOR_DELETE, OPERATOR_DEACTIVATE, OPERATOR_ACTIVATE };

/** For every object with this name, of one kind ("private", "public", "file", "secret")
 *  or, with NULL, of all. */
bool operator_change(struct store *s, const char *kind, const char *name,
                     enum operator_action action, struct err *err);

#endif
