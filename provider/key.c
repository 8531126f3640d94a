/* SPDX-License-Identifier: Apache-2.0 */
/* see key.h */
#include "key.h"

#include <openssl/core_names.h>
#include <openssl/params.h>
#include <string.h>

#include "soft_key.h"

/* `public` is a pointer to a public key with a flag in its lowest bit, so that "is
 * this still the one" and "may it change" are one atomic question. */
#define PINNED ((uintptr_t)1)

static struct isprov_public_key *public_key_of(uintptr_t value)
{
    return (struct isprov_public_key *)(value & ~PINNED);
}

static struct isprov_key *key_new(struct isprov *prov)
{
    struct isprov_key *key = OPENSSL_zalloc(sizeof(*key));

    if (key == NULL) {
        isprov_raise(prov, IOTSAFE_ERR_MEMORY, NULL);
        return NULL;
    }
    key->prov = prov;
    atomic_init(&key->refs, 1);
    atomic_init(&key->public, 0);
    atomic_init(&key->retired, NULL);
    return key;
}

struct isprov_key *isprov_key_new_soft(struct isprov *prov)
{
    return key_new(prov);
}

bool isprov_key_take_soft(struct isprov_key *key, EVP_PKEY *soft)
{
    if (soft == NULL)
        return false;
    EVP_PKEY_free(key->soft);
    key->soft = soft;
    key->soft_parts = isprov_soft_parts(soft);
    return true;
}

struct isprov_key *isprov_key_new_card(struct isprov *prov, enum isprov_key_kind kind,
                                       struct iotsafe_card *card, const struct iotsafe_uri *uri,
                                       const struct isprov_type *type)
{
    struct isprov_key *key = key_new(prov);

    if (key == NULL)
        return NULL;
    key->kind = kind;
    key->card = iotsafe_card_ref(card);
    key->uri = *uri;
    key->uri.type = kind == ISPROV_KEY_CARD_PUBLIC ? IOTSAFE_URI_PUBLIC : IOTSAFE_URI_PRIVATE;
    key->type = type;
    return key;
}

struct isprov_key *isprov_key_ref(struct isprov_key *key)
{
    atomic_fetch_add_explicit(&key->refs, 1, memory_order_relaxed);
    return key;
}

void isprov_key_free(struct isprov_key *key)
{
    struct isprov_public_key *pub, *next;

    if (key == NULL || atomic_fetch_sub_explicit(&key->refs, 1, memory_order_acq_rel) != 1)
        return;
    isprov_public_key_free(public_key_of(atomic_load(&key->public)));
    for (pub = atomic_load(&key->retired); pub != NULL; pub = next) {
        next = pub->next_retired;
        isprov_public_key_free(pub);
    }
    iotsafe_card_free(key->card);
    EVP_PKEY_free(key->soft);
    OPENSSL_free(key->refusal);
    OPENSSL_free(key);
}

bool isprov_key_group(const struct isprov_key *key, char ret_name[static ISPROV_GROUP_NAME_MAX])
{
    if (isprov_key_is_on_card(key)) {
        if (isprov_type_is_rsa(key->type))
            return false;
        OPENSSL_strlcpy(ret_name, key->type->group, ISPROV_GROUP_NAME_MAX);
        return true;
    }
    return key->soft != NULL
           && EVP_PKEY_get_group_name(key->soft, ret_name, ISPROV_GROUP_NAME_MAX, NULL);
}

const struct isprov_public_key *isprov_key_public(const struct isprov_key *key)
{
    return public_key_of(atomic_load(&key->public));
}

const struct isprov_public_key *isprov_key_pin(struct isprov_key *key)
{
    uintptr_t value = atomic_load(&key->public);

    /* "None" cannot be pinned: nobody has seen anything. */
    while (value != 0 && (value & PINNED) == 0
           && !atomic_compare_exchange_weak(&key->public, &value, value | PINNED))
        ;
    return public_key_of(value);
}

void isprov_key_note_refusal(struct isprov_key *key, enum iotsafe_err err, const char *text)
{
    key->refused = err;
    key->refusal = OPENSSL_strdup(text); /* without it the error says less */
}

void isprov_key_raise_no_public(const struct isprov_key *key)
{
    if (key->refusal == NULL)
        isprov_raise_text(key->prov, IOTSAFE_ERR_KEY,
                          "%s: the SIM gives no public key for it; use a key-reference file that "
                          "holds it",
                          isprov_key_name(key).text);
    else
        isprov_raise_text(
            key->prov, key->refused,
            "%s: the SIM gives no public key for it: %s. A deactivated key must be activated by "
            "the operator; an empty container needs a key first; if only the public key cannot be "
            "read, use a key-reference file that holds it",
            isprov_key_name(key).text, key->refusal);
}

bool isprov_key_is_pinned(const struct isprov_key *key)
{
    return (atomic_load(&key->public) & PINNED) != 0;
}

/* Keep a public key until the key is freed. */
static void retire(struct isprov_key *key, struct isprov_public_key *pub)
{
    pub->next_retired = atomic_load(&key->retired);
    while (!atomic_compare_exchange_weak(&key->retired, &pub->next_retired, pub))
        ;
}

bool isprov_key_replace(struct isprov_key *key, const struct isprov_public_key *old,
                        struct isprov_public_key *pub, bool pin)
{
    uintptr_t expected = (uintptr_t)old;
    uintptr_t value = (uintptr_t)pub | (pin ? PINNED : 0);

    if (!atomic_compare_exchange_strong(&key->public, &expected, value))
        return false;
    if (expected != 0)
        retire(key, public_key_of(expected));
    return true;
}

EVP_PKEY *isprov_key_public_pkey(struct isprov_key *key)
{
    const struct isprov_public_key *pub;

    if (!isprov_key_is_on_card(key))
        return (key->soft_parts & OSSL_KEYMGMT_SELECT_PUBLIC_KEY) != 0 ? key->soft : NULL;
    pub = isprov_key_pin(key);
    return pub != NULL ? pub->pkey : NULL;
}
