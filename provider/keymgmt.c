/* SPDX-License-Identifier: Apache-2.0 */
/* Key management that does not depend on the type of the key, see
 * provider-keymgmt(7) and keymgmt.h. */
#include "keymgmt.h"

#include <string.h>

#include "assume_fips.h"
#include "card_key.h"
#include "soft_key.h"

#define SELECT_PUBLIC OSSL_KEYMGMT_SELECT_PUBLIC_KEY
#define SELECT_PRIVATE OSSL_KEYMGMT_SELECT_PRIVATE_KEY
#define SELECT_PAIR OSSL_KEYMGMT_SELECT_KEYPAIR
#define SELECT_DOMAIN OSSL_KEYMGMT_SELECT_DOMAIN_PARAMETERS

/* Where libcrypto hands a key in as const: counting references and settling on a
 * public key (key.h) change nothing that its other holders could see. */
static struct isprov_key *key_of(const void *keydata)
{
    return (struct isprov_key *)(uintptr_t)keydata;
}

/* -------------------------------------------------------- life of a key object */

void *isprov_keymgmt_new(void *provctx)
{
    ISPROV_KEEP_ERRNO;

    return isprov_key_new_soft(provctx);
}

/* The reference is the bytes of a pointer to a key, which the store or the
 * decoder holds during the call. */
void *isprov_keymgmt_load(const void *reference, size_t reference_len)
{
    struct isprov_key *const *loaded = reference;

    return reference_len == sizeof(*loaded) ? isprov_key_ref(*loaded) : NULL;
}

void isprov_keymgmt_free(void *keydata)
{
    ISPROV_KEEP_ERRNO;

    isprov_key_free(keydata);
}

/* libcrypto asks this and some of the following of a typed EVP_PKEY that has no
 * key yet: keydata may be NULL. */
int isprov_keymgmt_has(const void *keydata, int selection)
{
    const struct isprov_key *key = keydata;
    int wanted = selection & (SELECT_PAIR | SELECT_DOMAIN);

    if (key == NULL)
        return 0;
    if (!isprov_key_is_on_card(key))
        return (key->soft_parts & wanted) == wanted;
    if ((wanted & SELECT_PRIVATE) != 0 && isprov_key_is_card_public(key))
        return 0;
    return (wanted & SELECT_PUBLIC) == 0 || isprov_key_public(key) != NULL;
}

/* The parameters of an RSA key are none. */
static bool has_contents(const struct isprov_key *key, int selection)
{
    return isprov_key_is_rsa(key) ? !isprov_key_is_on_card(key) && (selection & SELECT_PAIR) != 0
                                  : isprov_key_is_on_card(key) || key->soft != NULL;
}

static EVP_PKEY *dup_contents(const struct isprov_key *from, int selection)
{
    if (isprov_key_is_on_card(from))
        return isprov_soft_from_group(from->prov, from->type->group);
    if ((from->soft_parts & selection & SELECT_PRIVATE) != 0)
        return EVP_PKEY_dup(from->soft);
    return isprov_soft_copy_public(from->prov, from->soft, from->soft_parts & selection);
}

/* A card key never changes for its holders: its duplicate is one more reference.
 * A software key may be given a public part later, so that it is copied. */
void *isprov_keymgmt_dup(const void *keydata, int selection)
{
    ISPROV_KEEP_ERRNO;
    struct isprov_key *from = key_of(keydata), *copy;

    if (isprov_key_is_on_card(from) && (selection & SELECT_PAIR) != 0)
        return isprov_key_ref(from);
    copy = isprov_key_new_soft(from->prov);
    if (copy == NULL || !has_contents(from, selection)
        || isprov_key_take_soft(copy, dup_contents(from, selection)))
        return copy;
    isprov_raise(from->prov, IOTSAFE_ERR_MEMORY, NULL);
    isprov_key_free(copy);
    return NULL;
}

/* ---------------------------------------------------------- import and export */

int isprov_keymgmt_import_soft(struct isprov_key *key, const char *algorithm, int selection,
                               const OSSL_PARAM params[])
{
    return isprov_takes_software_keys(key->prov) && !isprov_key_is_on_card(key)
           && (key->soft_parts & SELECT_PAIR) == 0
           && isprov_key_take_soft(key, isprov_soft_from_params(key->prov, algorithm, selection,
                                                                params));
}

int isprov_keymgmt_export_soft(struct isprov_key *key, int selection, OSSL_CALLBACK *cb, void *arg)
{
    return key->soft != NULL && EVP_PKEY_export(key->soft, selection, cb, arg);
}

/* ------------------------------------------------------- comparing, validating */

static bool same_group(const struct isprov_key *a, const struct isprov_key *b)
{
    char name_a[ISPROV_GROUP_NAME_MAX], name_b[ISPROV_GROUP_NAME_MAX];
    bool same;

    if (isprov_key_is_rsa(a))
        return isprov_key_is_rsa(b);
    isprov_mark(a->prov);
    if (isprov_key_group(a, name_a) && isprov_key_group(b, name_b))
        same = strcmp(name_a, name_b) == 0;
    else
        same = a->soft != NULL && b->soft != NULL && EVP_PKEY_parameters_eq(a->soft, b->soft) == 1;
    isprov_drop(a->prov);
    return same;
}

static bool same_card_object(const struct isprov_key *a, const struct isprov_key *b)
{
    return strcmp(isprov_key_name(a).text, isprov_key_name(b).text) == 0
           && strcmp(iotsafe_card_transport(a->card), iotsafe_card_transport(b->card)) == 0;
}

/* Two keys of which `a` is on a card. */
static bool same_card_key(struct isprov_key *a, struct isprov_key *b, struct iotsafe_op *op)
{
    EVP_PKEY *public_b;

    if (a == b)
        return true;
    if (isprov_key_is_on_card(b) && isprov_key_public(b) == NULL)
        return isprov_key_public(a) == NULL
                   ? same_card_object(a, b)
                   : isprov_card_key_belongs_to(b, isprov_key_public(a)->pkey, op);
    public_b = isprov_key_is_on_card(b) ? isprov_key_public(b)->pkey : isprov_key_public_pkey(b);
    return public_b != NULL && isprov_card_key_belongs_to(a, public_b, op);
}

static bool same_public(struct isprov_key *a, struct isprov_key *b, struct iotsafe_op *op)
{
    if (isprov_key_is_on_card(a))
        return same_card_key(a, b, op);
    if (isprov_key_is_on_card(b))
        return same_card_key(b, a, op);
    return a->soft != NULL && b->soft != NULL && EVP_PKEY_eq(a->soft, b->soft) == 1;
}

int isprov_keymgmt_match(const void *keydata1, const void *keydata2, int selection)
{
    ISPROV_KEEP_ERRNO;
    struct isprov_key *a = key_of(keydata1), *b = key_of(keydata2);
    struct iotsafe_op op = isprov_op_begin(a->prov);

    if ((selection & SELECT_DOMAIN) != 0 && !same_group(a, b))
        return 0;
    return (selection & SELECT_PAIR) == 0 || same_public(a, b, &op);
}

/* The group of a card key is a named one, its point was checked when it came. */
static int validate_card_key(struct isprov_key *key, int selection)
{
    struct iotsafe_op op = isprov_op_begin(key->prov);

    if ((selection & SELECT_PUBLIC) != 0 && isprov_key_public(key) == NULL) {
        isprov_raise_text(key->prov, IOTSAFE_ERR_KEY, "%s: no public key is known",
                          isprov_key_name(key).text);
        return 0;
    }
    if ((selection & SELECT_PRIVATE) != 0 && isprov_key_is_card_public(key))
        return 0;
    return (selection & SELECT_PAIR) != SELECT_PAIR || isprov_card_key_prove(key, &op);
}

int isprov_keymgmt_validate(const void *keydata, int selection, int type)
{
    ISPROV_KEEP_ERRNO;
    struct isprov_key *key = key_of(keydata);
    const bool quick = type == OSSL_KEYMGMT_VALIDATE_QUICK_CHECK;
    bool good;

    if (key == NULL)
        return 0;
    if (isprov_key_is_on_card(key))
        return validate_card_key(key, selection);
    good = key->soft != NULL && isprov_keymgmt_has(key, selection);
    if (good && (selection & SELECT_DOMAIN) != 0)
        good = isprov_soft_check(key->prov, key->soft,
                                 quick ? EVP_PKEY_param_check_quick : EVP_PKEY_param_check);
    if (good && (selection & SELECT_PUBLIC) != 0)
        good = isprov_soft_check(key->prov, key->soft,
                                 quick ? EVP_PKEY_public_check_quick : EVP_PKEY_public_check);
    if (good && (selection & SELECT_PRIVATE) != 0)
        good = isprov_soft_check(key->prov, key->soft, EVP_PKEY_private_check);
    if (good && (selection & SELECT_PAIR) == SELECT_PAIR)
        good = isprov_soft_check(key->prov, key->soft, EVP_PKEY_pairwise_check);
    return good;
}

/* ------------------------------------------------------------------ parameters */

bool isprov_put_int(OSSL_PARAM params[], const char *name, int value)
{
    OSSL_PARAM *p = OSSL_PARAM_locate(params, name);

    return p == NULL || OSSL_PARAM_set_int(p, value);
}

bool isprov_put_text(OSSL_PARAM params[], const char *name, const char *value)
{
    OSSL_PARAM *p = OSSL_PARAM_locate(params, name);

    return p == NULL || OSSL_PARAM_set_utf8_string(p, value);
}

const struct isprov_public_key *isprov_pin_or_raise(struct isprov_key *key)
{
    const struct isprov_public_key *pub = isprov_key_pin(key);

    if (pub == NULL)
        isprov_key_raise_no_public(key);
    return pub;
}
