/* SPDX-License-Identifier: Apache-2.0 */
/* Objects of the applet by the URIs that name them. What OpenSSL can find is
 * found through the store (store.h); this is for what it has no idea of. */
#ifndef OBJECT_H
#define OBJECT_H

#include "iotsafe.h"

/** True for a file that the applet says is for certificates. */
bool object_is_certificate(const struct iotsafe_object *object);

/** The URI of an object: both names, so that it stays exact where one of them
 *  occurs twice, and the type. @param sim  NULL or "": the default SIM */
void object_uri(const struct iotsafe_object *object, const char *sim,
                char ret_text[static IOTSAFE_URI_MAX]);

/**
 * The one object of a kind that a name stands for. Of an applet that has no
 * object list the name is all that is known: nothing is `told` then.
 * Errors are those of iotsafe_find().
 */
IOTSAFE_NODISCARD enum iotsafe_err object_find(struct iotsafe_card *card, enum iotsafe_kind kind,
                                               const struct iotsafe_name *name,
                                               struct iotsafe_object *ret_object,
                                               struct iotsafe_op *op);

/** The public key that belongs to a private key: of equal label, else of equal
 *  identifier. @retval IOTSAFE_ERR_NOT_FOUND  neither */
IOTSAFE_NODISCARD enum iotsafe_err object_public_key(struct iotsafe_card *card,
                                                     const struct iotsafe_object *private_key,
                                                     struct iotsafe_object *ret_object,
                                                     struct iotsafe_op *op);

#endif
