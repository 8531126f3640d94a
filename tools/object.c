/* SPDX-License-Identifier: Apache-2.0 */
/* see object.h */
#include "object.h"

#include <stdio.h>
#include <string.h>

bool object_is_certificate(const struct iotsafe_object *object)
{
    return object->kind == IOTSAFE_FILE && (object->told & IOTSAFE_TOLD_FILE_USAGE) != 0
           && object->file_usage == IOTSAFE_FILE_CERTIFICATE;
}

static enum iotsafe_uri_type uri_type(const struct iotsafe_object *object)
{
    switch (object->kind) {
    case IOTSAFE_PRIVATE_KEY:
        return IOTSAFE_URI_PRIVATE;
    case IOTSAFE_PUBLIC_KEY:
        return IOTSAFE_URI_PUBLIC;
    default:
        return object_is_certificate(object) ? IOTSAFE_URI_CERT : IOTSAFE_URI_ANY;
    }
}

void object_uri(const struct iotsafe_object *object, const char *sim,
                char ret_text[static IOTSAFE_URI_MAX])
{
    struct iotsafe_uri uri = { .name = object->name, .type = uri_type(object) };

    if (sim != NULL)
        snprintf(uri.sim, sizeof(uri.sim), "%s", sim);
    iotsafe_uri_format(&uri, ret_text);
}

enum iotsafe_err object_find(struct iotsafe_card *card, enum iotsafe_kind kind,
                             const struct iotsafe_name *name, struct iotsafe_object *ret_object,
                             struct iotsafe_op *op)
{
    enum iotsafe_err err = iotsafe_find(card, kind, name, ret_object, op);

    /* an unknown instruction at the very start may show as an unknown class */
    if (err != IOTSAFE_ERR_UNSUPPORTED && err != IOTSAFE_ERR_CLASS)
        return err;
    memset(ret_object, 0, sizeof(*ret_object));
    ret_object->kind = kind;
    ret_object->name = *name;
    return IOTSAFE_OK;
}

enum iotsafe_err object_public_key(struct iotsafe_card *card,
                                   const struct iotsafe_object *private_key,
                                   struct iotsafe_object *ret_object, struct iotsafe_op *op)
{
    struct iotsafe_name label = private_key->name, id = private_key->name;
    enum iotsafe_err err = IOTSAFE_ERR_NOT_FOUND;

    label.id_len = 0;
    id.label_len = 0;
    if (label.label_len != 0 && id.id_len != 0)
        err = object_find(card, IOTSAFE_PUBLIC_KEY, &private_key->name, ret_object, op);
    if (err == IOTSAFE_ERR_NOT_FOUND && label.label_len != 0)
        err = object_find(card, IOTSAFE_PUBLIC_KEY, &label, ret_object, op);
    if (err == IOTSAFE_ERR_NOT_FOUND && id.id_len != 0)
        err = object_find(card, IOTSAFE_PUBLIC_KEY, &id, ret_object, op);
    return err;
}
