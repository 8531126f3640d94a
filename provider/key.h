/* SPDX-License-Identifier: Apache-2.0 */
/* Key objects: what an EVP_PKEY of this provider holds.
 *
 * There are three kinds. A card key stands for a private key on a SIM; its public
 * key is looked for (candidates.h) and may change until somebody has relied on
 * it. With card-verify a public key on a SIM can be one, too. A software key wraps a key of
 * libcrypto's default provider: domain parameters, a peer's public key, or, when this provider
 * stands before `default`, any key that the application generates or brings in.
 *
 * Threads: objects are counted; any thread may use a card key at any time. What
 * is found out about one is published by compare-and-exchange and no lock is
 * ever held, so a child of fork() finds every key usable. A software key is
 * changed only by isprov_key_take_soft() and keymgmt's set_params, whose
 * caller owns it alone, as with every EVP_PKEY.
 */
#ifndef ISPROV_KEY_H
#define ISPROV_KEY_H

#include <openssl/core_dispatch.h>
#include <openssl/evp.h>
#include <stdatomic.h>

#include "public_key.h"
#include "prov.h"
#include "uri_text.h"

enum isprov_key_kind {
    ISPROV_KEY_SOFT = 0,
    ISPROV_KEY_CARD_PRIVATE, /* the private key stays on the card */
    ISPROV_KEY_CARD_PUBLIC   /* stands on the card and is used there (card-verify); pinned */
};

struct isprov_key {
    struct isprov *prov;
    atomic_uint refs;
    enum isprov_key_kind kind;

    /* software key; NULL members for a card key */
    EVP_PKEY *soft; /* in the provider's own library context; NULL: still empty */
    int soft_parts; /* what it has: OSSL_KEYMGMT_SELECT_... */

    /* card key; NULL for a software key */
    struct iotsafe_card *card;
    struct iotsafe_uri uri; /* as the application gave it; with the type that `kind` says */
    const struct isprov_type *type;
    enum iotsafe_err refused; /* why opening it found no public key; IOTSAFE_OK: there is none */
    char *refusal;            /* the same for people; NULL: nothing more is known */
    atomic_uintptr_t public;  /* see isprov_key_public() */
    _Atomic(struct isprov_public_key *) retired; /* dropped candidates: others may still use them */
};

/** An empty software key with one reference; NULL after an error was raised. */
struct isprov_key *isprov_key_new_soft(struct isprov *prov);

/** Give a software key its contents. All of them, generated, imported or copied,
 *  come in here and nowhere else.
 *  @param soft  owned from here on; NULL where it could not be made
 *  @return false if it was not taken */
bool isprov_key_take_soft(struct isprov_key *key, EVP_PKEY *soft);

/**
 * A card key without a public key yet, with one reference.
 * @param kind  not ISPROV_KEY_SOFT
 * @param card  a reference of its own is taken
 * @return NULL after an error was raised
 */
struct isprov_key *isprov_key_new_card(struct isprov *prov, enum isprov_key_kind kind,
                                       struct iotsafe_card *card, const struct iotsafe_uri *uri,
                                       const struct isprov_type *type);

struct isprov_key *isprov_key_ref(struct isprov_key *key);
void isprov_key_free(struct isprov_key *key); /* gives a reference back; NULL accepted */

static inline bool isprov_key_is_on_card(const struct isprov_key *key)
{
    return key->kind != ISPROV_KEY_SOFT;
}

static inline bool isprov_key_is_card_public(const struct isprov_key *key)
{
#ifdef HAVE_CARD_VERIFY
    return key->kind == ISPROV_KEY_CARD_PUBLIC;
#else
    (void)key;
    return false;
#endif
}

/** True for an RSA key, on a card or in software; an empty key is none. */
static inline bool isprov_key_is_rsa(const struct isprov_key *key)
{
    return isprov_key_is_on_card(key) ? isprov_type_is_rsa(key->type)
                                      : key->soft != NULL && EVP_PKEY_is_a(key->soft, "RSA");
}

/** The card key as text for messages. */
static inline struct isprov_uri_text isprov_key_name(const struct isprov_key *key)
{
    return isprov_uri_text(&key->uri);
}

#define ISPROV_GROUP_NAME_MAX 80 /* bytes with the NUL */

/** libcrypto's name of the key's group. @return false if it is empty, unnamed or RSA */
bool isprov_key_group(const struct isprov_key *key, char ret_name[static ISPROV_GROUP_NAME_MAX]);

/* -------------------------------------------------- public key, card keys */

/** Keep for isprov_key_raise_no_public() what the card refused when the key was opened,
 *  before another thread has the key. */
void isprov_key_note_refusal(struct isprov_key *key, enum iotsafe_err err, const char *text);

/** Raise why there is no public key of a card key, and what to do. */
void isprov_key_raise_no_public(const struct isprov_key *key);

/** The public key in use, or NULL if none is known. Valid as long as the key.
 *  Another may take its place later, unless it was pinned. */
const struct isprov_public_key *isprov_key_public(const struct isprov_key *key);

/** The same for one who shows it to the application or relies on it: from now on
 *  no other takes its place. */
const struct isprov_public_key *isprov_key_pin(struct isprov_key *key);

/** True if the public key can no longer change. */
bool isprov_key_is_pinned(const struct isprov_key *key);

/**
 * Put `pub` in the place of `old`, if that is still in use and not pinned.
 *
 * @param old    what isprov_key_public() gave: NULL or a public key
 * @param pub   owned by the key on success only; not NULL
 * @return false if another thread was faster: look again
 */
bool isprov_key_replace(struct isprov_key *key, const struct isprov_public_key *old,
                        struct isprov_public_key *pub, bool pin);

/** The public key as a key of the default provider: a software key's contents,
 *  or a card key's public key, which gets pinned. Borrowed; NULL if there is none. */
EVP_PKEY *isprov_key_public_pkey(struct isprov_key *key);

#endif
