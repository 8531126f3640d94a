/* SPDX-License-Identifier: Apache-2.0 */
/* What the key managements of EC (keymgmt_ec.c) and RSA (keymgmt_rsa.c) share. Card
 * keys are loaded by reference from the store and the decoder; software keys come
 * from generation and import, and wrap a key of the default provider, which does
 * all work with them. A card key never shows a private part to anybody. */
#ifndef ISPROV_KEYMGMT_H
#define ISPROV_KEYMGMT_H

#include <openssl/params.h>

#include "key.h"

extern OSSL_FUNC_keymgmt_new_fn isprov_keymgmt_new;
extern OSSL_FUNC_keymgmt_load_fn isprov_keymgmt_load;
extern OSSL_FUNC_keymgmt_free_fn isprov_keymgmt_free;
extern OSSL_FUNC_keymgmt_has_fn isprov_keymgmt_has;
extern OSSL_FUNC_keymgmt_match_fn isprov_keymgmt_match;
extern OSSL_FUNC_keymgmt_dup_fn isprov_keymgmt_dup;
extern OSSL_FUNC_keymgmt_validate_fn isprov_keymgmt_validate;

#define ISPROV_KEYMGMT_COMMON                                               \
    { OSSL_FUNC_KEYMGMT_NEW, (void (*)(void))isprov_keymgmt_new },          \
        { OSSL_FUNC_KEYMGMT_LOAD, (void (*)(void))isprov_keymgmt_load },    \
        { OSSL_FUNC_KEYMGMT_FREE, (void (*)(void))isprov_keymgmt_free },    \
        { OSSL_FUNC_KEYMGMT_HAS, (void (*)(void))isprov_keymgmt_has },      \
        { OSSL_FUNC_KEYMGMT_MATCH, (void (*)(void))isprov_keymgmt_match },  \
        { OSSL_FUNC_KEYMGMT_DUP, (void (*)(void))isprov_keymgmt_dup },      \
    {                                                                       \
        OSSL_FUNC_KEYMGMT_VALIDATE, (void (*)(void))isprov_keymgmt_validate \
    }

/** Import into a new key: all that the default provider takes.
 *  @param algorithm  "EC" or "RSA" */
int isprov_keymgmt_import_soft(struct isprov_key *key, const char *algorithm, int selection,
                               const OSSL_PARAM params[]);

/** Export of a software key; an empty one has nothing to give. */
int isprov_keymgmt_export_soft(struct isprov_key *key, int selection, OSSL_CALLBACK *cb, void *arg);

/** Answer a parameter if it is asked for; false if the place given does not suit. */
bool isprov_put_int(OSSL_PARAM params[], const char *name, int value);
bool isprov_put_text(OSSL_PARAM params[], const char *name, const char *value);

/** A card key's public key, pinned, since it is shown; NULL after an error was raised. */
const struct isprov_public_key *isprov_pin_or_raise(struct isprov_key *key);

#endif
