/* SPDX-License-Identifier: Apache-2.0 */
/* see card_key.h */
#include "card_key.h"

#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <string.h>

#include "candidates.h"
#include "cards.h"
#include "crypto.h"
#include "message.h"

/* ------------------------------------------------------------------ opening */

/* Takes the first candidate, which tells the type of the key. None is no error: a
 * key without a public key still signs. */
static enum iotsafe_err take_candidate(struct isprov_key *key, struct iotsafe_op *op)
{
    struct isprov_candidates it;
    struct isprov_public_key *pub = NULL;
    enum iotsafe_err err;

    isprov_candidates_init(&it, key->prov, key->card, &key->uri.name);
    err = isprov_candidates_next(&it, &pub, op);
    isprov_candidates_clear(&it);
    if (err != IOTSAFE_OK)
        return err;
    if (pub == NULL && it.refused != IOTSAFE_OK)
        isprov_key_note_refusal(key, it.refused, it.refusal);
    key->type = pub != NULL ? pub->type : it.type;
    if (pub != NULL && !isprov_key_replace(key, NULL, pub, false))
        isprov_public_key_free(pub);
    return IOTSAFE_OK;
}

/* A card key that has not been looked for on the card. `late`: a bad setting shows at
 * the first use, like a missing SIM. */
static struct isprov_key *card_key_new(struct isprov *prov, const struct iotsafe_uri *uri,
                                       bool late, struct iotsafe_op *op)
{
    struct iotsafe_card *card = NULL;
    struct isprov_key *key;
    enum iotsafe_err err = isprov_card_of_uri(prov, uri, &card, op);

    if (err == IOTSAFE_ERR_CONFIG && late) {
        card = iotsafe_card_new_unusable(isprov_config(prov), op);
        err = card != NULL ? IOTSAFE_OK : IOTSAFE_ERR_MEMORY;
    }
    if (err != IOTSAFE_OK) {
        isprov_raise(prov, err, op);
        return NULL;
    }
    key = isprov_key_new_card(prov, ISPROV_KEY_CARD_PRIVATE, card, uri, isprov_type_default());
    iotsafe_card_free(card);
    return key;
}

struct isprov_key *isprov_card_key_open(struct isprov *prov, const struct iotsafe_uri *uri,
                                        struct iotsafe_op *op)
{
    struct isprov_key *key = card_key_new(prov, uri, false, op);
    enum iotsafe_err err;

    if (key == NULL)
        return NULL;
    err = take_candidate(key, op);
    if (err != IOTSAFE_OK) {
        isprov_raise(prov, err, op);
        isprov_key_free(key);
        return NULL;
    }
    return key;
}

struct isprov_key *isprov_card_key_from_ref(struct isprov *prov, const struct isprov_keyref *ref,
                                            struct iotsafe_op *op)
{
    struct isprov_public_key *pub;
    struct isprov_key *key;

    if (ref->spki == NULL)
        return isprov_card_key_open(prov, &ref->uri, op);
    key = card_key_new(prov, &ref->uri, true, op);
    if (key == NULL)
        return NULL;
    pub = isprov_public_key_of_spki(prov, ref->spki, ref->spki_len);
    if (pub == NULL) {
        isprov_raise_text(prov, IOTSAFE_ERR_REFERENCE,
                          "key reference to %s: the public key in it is damaged or not one that a "
                          "SIM key can have; write it again with 'iotsafe key-ref URI'",
                          isprov_key_name(key).text);
        isprov_key_free(key);
        return NULL;
    }
    key->type = pub->type;
    if (!isprov_key_replace(key, NULL, pub, true))
        isprov_public_key_free(pub);
    return key;
}

/* ------------------------------------------------- finding the public key that fits */

/* What a public key has to fit. */
struct constraint {
    /* a signature */
    const struct isprov_scheme *scheme;
    const uint8_t *digest, *sig;
    size_t digest_len, sig_len;
    /* or a given public key */
    EVP_PKEY *equal_to; /* NULL: the signature */
};

static bool set_scheme(EVP_PKEY_CTX *ctx, const struct isprov_scheme *scheme)
{
    switch (ISPROV_HAS_RSA ? scheme->id : IOTSAFE_ECDSA) {
    case IOTSAFE_RSA_PKCS1:
        return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) > 0
               && EVP_PKEY_CTX_set_signature_md(ctx, scheme->md) > 0;
    case IOTSAFE_RSA_PSS:
        return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) > 0
               && EVP_PKEY_CTX_set_signature_md(ctx, scheme->md) > 0
               && EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, scheme->salt_len) > 0;
    default:
        return true;
    }
}

static bool verifies(struct isprov *prov, EVP_PKEY *pkey, const struct constraint *c)
{
    OSSL_LIB_CTX *libctx = isprov_libctx(prov);
    EVP_PKEY_CTX *ctx = libctx != NULL ? EVP_PKEY_CTX_new_from_pkey(libctx, pkey, NULL) : NULL;
    bool good;

    isprov_mark(prov);
    good = ctx != NULL && EVP_PKEY_verify_init(ctx) > 0 && set_scheme(ctx, c->scheme)
           && EVP_PKEY_verify(ctx, c->sig, c->sig_len, c->digest, c->digest_len) == 1;
    isprov_drop(prov);
    EVP_PKEY_CTX_free(ctx);
    return good;
}

static bool fits(const struct isprov_key *key, const struct isprov_public_key *pub,
                 const struct constraint *c)
{
    if (pub->type != key->type)
        return false;
    if (c->equal_to != NULL)
        return isprov_public_key_eq(key->prov, pub, c->equal_to);
    return c->scheme != NULL && verifies(key->prov, pub->pkey, c);
}

/* Goes through the candidates for one that fits. It is the caller's. */
static enum iotsafe_err find_fitting(struct isprov_key *key, const struct constraint *c,
                                     struct isprov_public_key **ret_pub, struct iotsafe_op *op)
{
    struct isprov_candidates it;
    struct isprov_public_key *pub;
    enum iotsafe_err err;

    isprov_candidates_init(&it, key->prov, key->card, &key->uri.name);
    for (;;) {
        err = isprov_candidates_next(&it, &pub, op);
        if (err != IOTSAFE_OK || pub == NULL || fits(key, pub, c))
            break;
        isprov_public_key_free(pub);
    }
    isprov_candidates_clear(&it);
    if (err == IOTSAFE_OK && pub == NULL)
        err = IOTSAFE_ERR_SIGNATURE;
    if (err == IOTSAFE_OK)
        *ret_pub = pub;
    return err;
}

/**
 * Pin the public key that fits: the one in use, or while that is not pinned
 * another candidate.
 * @retval IOTSAFE_ERR_SIGNATURE  none fits
 */
static enum iotsafe_err settle(struct isprov_key *key, const struct constraint *c,
                               struct iotsafe_op *op)
{
    for (;;) {
        const struct isprov_public_key *pub = isprov_key_public(key);
        struct isprov_public_key *other = NULL;
        enum iotsafe_err err;

        if (pub != NULL && fits(key, pub, c)) {
            if (isprov_key_pin(key) == pub)
                return IOTSAFE_OK;
            continue; /* another thread put a better one in its place */
        }
        if (c->equal_to == NULL)
            iotsafe_card_forget(key->card); /* what was read no longer holds */
        if (isprov_key_is_pinned(key)) {
            if (isprov_key_public(key) == pub)
                return IOTSAFE_ERR_SIGNATURE;
            continue;
        }
        err = find_fitting(key, c, &other, op);
        if (err != IOTSAFE_OK)
            return err;
        if (isprov_key_replace(key, pub, other, true))
            return IOTSAFE_OK;
        isprov_public_key_free(other);
    }
}

/* ------------------------------------------------------------------ signing */

/* Brings what the card answered into the form that libcrypto expects. */
static bool normalise(const struct isprov_key *key, const struct isprov_scheme *scheme,
                      const uint8_t *sig, size_t sig_len,
                      uint8_t ret_sig[static ISPROV_SIGNATURE_MAX], size_t *ret_len)
{
    if (scheme->id == IOTSAFE_ECDSA)
        return isprov_ecdsa_normalise(key->type, sig, sig_len, ret_sig, ret_len);
    if (sig_len != (size_t)key->type->max_signature_len)
        return false;
    memcpy(ret_sig, sig, sig_len);
    *ret_len = sig_len;
    return true;
}

static enum iotsafe_err sign_on_card(struct isprov_key *key, const struct isprov_scheme *scheme,
                                     const struct iotsafe_input *input,
                                     uint8_t ret_sig[static ISPROV_SIGNATURE_MAX], size_t *ret_len,
                                     struct iotsafe_op *op)
{
    uint8_t sig[IOTSAFE_SIGNATURE_MAX];
    size_t sig_len = 0;
    enum iotsafe_err err = iotsafe_sign(key->card, &key->uri.name, scheme->id, input, sig, &sig_len,
                                        op);

    if (err != IOTSAFE_OK)
        return err;
    if (!normalise(key, scheme, sig, sig_len, ret_sig, ret_len)) {
        isprov_op_set(op,
                      "%s: the card's response is not a signature by a key on %s (%zu bytes, %s)",
                      isprov_key_name(key).text,
                      key->type->group != NULL ? key->type->group : "RSA-2048", sig_len,
                      iotsafe_card_transport(key->card));
        return IOTSAFE_ERR_PROTOCOL;
    }
    return IOTSAFE_OK;
}

/* What happened, for people: the private key and the public key of the caller
 * have parted. */
static void explain_mismatch(const struct isprov_key *key, struct iotsafe_op *op)
{
    isprov_op_set(
        op,
        "%s: the signature does not match the public key in use and was not returned. Either the "
        "key on the SIM was replaced or this is another SIM, and the certificate or key-reference "
        "file must be renewed; or the public key on the SIM is stale (%s)",
        isprov_key_name(key).text, iotsafe_card_transport(key->card));
}

/* Sees to it that a fresh signature fits what the caller holds. */
static enum iotsafe_err check_signature(struct isprov_key *key, const struct constraint *c,
                                        struct iotsafe_op *op)
{
    enum iotsafe_err err;

    if (!iotsafe_config_verify_signature(isprov_config(key->prov))
        || isprov_key_public(key) == NULL)
        return IOTSAFE_OK;
    err = settle(key, c, op);
    if (err == IOTSAFE_ERR_SIGNATURE)
        explain_mismatch(key, op);
    return err;
}

/* The salt of PSS is the card's choice; the caller may have promised another. */
static enum iotsafe_err check_salt(const struct isprov_key *key, const struct constraint *c,
                                   int wanted, struct iotsafe_op *op)
{
    const struct isprov_public_key *pub = isprov_key_public(key);
    struct isprov_scheme exact = *c->scheme;
    struct constraint with_salt = *c;
    const int most = key->type->max_signature_len - (int)c->digest_len - 2;

    if (wanted == ISPROV_ANY_SALT || pub == NULL
        || !iotsafe_config_verify_signature(isprov_config(key->prov)))
        return IOTSAFE_OK;
    with_salt.scheme = &exact;
    exact.salt_len = wanted;
    if (verifies(key->prov, pub->pkey, &with_salt))
        return IOTSAFE_OK;
    for (exact.salt_len = 0; exact.salt_len < most; exact.salt_len++)
        if (verifies(key->prov, pub->pkey, &with_salt))
            break;
    isprov_op_set(op,
                  "%s: the applet makes PSS signatures with a salt of %d bytes, and the "
                  "program asked for %d (%s)",
                  isprov_key_name(key).text, exact.salt_len, wanted,
                  iotsafe_card_transport(key->card));
    return IOTSAFE_ERR_UNSUPPORTED;
}

/* What the list says that a key is for: IOTSAFE_USAGE_..., 0 if it does not. */
static uint8_t listed_usage(const struct isprov_key *key, const struct iotsafe_op *op)
{
    struct iotsafe_op quiet = iotsafe_op_within(op);
    struct iotsafe_object object;

    if (iotsafe_find(key->card, IOTSAFE_PRIVATE_KEY, &key->uri.name, &object, &quiet) != IOTSAFE_OK
        || (object.told & IOTSAFE_TOLD_KEY_USAGE) == 0)
        return 0;
    return object.key_usage;
}

/* The version of TLS that a usage is for alone; NULL: for anything. */
static const char *only_tls_version(uint8_t usage)
{
    switch (usage) {
    case IOTSAFE_USAGE_TLS12:
        return "1.2";
    case IOTSAFE_USAGE_TLS13:
        return "1.3";
    default:
        return NULL;
    }
}

/* A key for the CertificateVerify of TLS alone wants to see what it signs. */
static void explain_refusal(const struct isprov_key *key, const struct iotsafe_input *input,
                            enum iotsafe_err err, struct iotsafe_op *op)
{
    const char *version;

    if (!iotsafe_err_is_refusal(err) && err != IOTSAFE_ERR_DIGEST)
        return;
    version = only_tls_version(listed_usage(key, op));
    if (version != NULL)
        isprov_op_set(op,
                      "%s: this key is for the TLS %s CertificateVerify message of a client only, "
                      "according to the SIM; it does not sign %s (%s)",
                      isprov_key_name(key).text, version,
                      input->text != NULL    ? "anything else"
                      : input->state != NULL ? "long texts"
                                             : "ready digests",
                      iotsafe_card_transport(key->card));
}

int isprov_card_key_sign(struct isprov_key *key, const struct isprov_scheme *scheme,
                         const struct iotsafe_input *input,
                         uint8_t ret_sig[static ISPROV_SIGNATURE_MAX], size_t *ret_len,
                         struct iotsafe_op *op)
{
    uint8_t sig[ISPROV_SIGNATURE_MAX];
    struct isprov_scheme any = *scheme;
    struct constraint c = { .scheme = &any, .digest = input->digest, .sig = sig };
    enum iotsafe_err err = sign_on_card(key, scheme, input, sig, &c.sig_len, op);

    any.salt_len = ISPROV_ANY_SALT;
    c.digest_len = iotsafe_hash_size(input->hash);
    if (err == IOTSAFE_OK)
        err = check_signature(key, &c, op);
    else
        explain_refusal(key, input, err, op);
    if (ISPROV_HAS_RSA && err == IOTSAFE_OK && scheme->id == IOTSAFE_RSA_PSS)
        err = check_salt(key, &c, scheme->salt_len, op);
    if (err != IOTSAFE_OK) {
        isprov_raise(key->prov, err, op);
        return 0;
    }
    memcpy(ret_sig, sig, c.sig_len);
    *ret_len = c.sig_len;
    return 1;
}

/* ------------------------------------------------------------------ proving */

/* A signature over random bytes. */
struct proof {
    struct isprov_message *message;
    struct iotsafe_input input;
    struct isprov_scheme scheme;
    uint8_t sig[ISPROV_SIGNATURE_MAX];
    size_t sig_len;
};

static void proof_clear(struct proof *proof)
{
    isprov_message_free(proof->message);
}

/* Random bytes, as a text of which the card may get what it wants to have. A key
 * for TLS 1.3 alone gets them where the hash of the handshake stands (RFC 8446,
 * 4.4.3): random bytes are no hash of any. */
static bool make_challenge(const struct isprov_key *key, bool for_tls13, struct proof *proof)
{
    static const char context[] = "TLS 1.3, client CertificateVerify"; /* with its NUL */
    OSSL_LIB_CTX *libctx = isprov_libctx(key->prov);
    uint8_t random[32], spaces[64];

    isprov_message_free(proof->message);
    proof->message = isprov_message_new(key->prov, "SHA2-256");
    if (libctx == NULL || proof->message == NULL
        || RAND_bytes_ex(libctx, random, sizeof(random), 0) <= 0)
        return false;
    memset(spaces, ' ', sizeof(spaces));
    if (for_tls13
        && (!isprov_message_update(proof->message, spaces, sizeof(spaces))
            || !isprov_message_update(proof->message, context, sizeof(context))))
        return false;
    return isprov_message_update(proof->message, random, sizeof(random))
           && isprov_message_finish(proof->message, &proof->input);
}

static enum iotsafe_err sign_challenge(struct isprov_key *key, struct proof *proof, bool for_tls13,
                                       struct iotsafe_op *op)
{
    if (!make_challenge(key, for_tls13, proof))
        return IOTSAFE_ERR_MEMORY;
    proof->scheme.md = isprov_message_md(proof->message);
    return sign_on_card(key, &proof->scheme, &proof->input, proof->sig, &proof->sig_len, op);
}

/* How the key signs is found out: PKCS #1 or PSS, anything or TLS 1.3 alone. */
static enum iotsafe_err make_proof(struct isprov_key *key, struct proof *ret_proof,
                                   struct iotsafe_op *op)
{
    const bool rsa = isprov_type_is_rsa(key->type);
    enum iotsafe_err err;

    *ret_proof = (struct proof){ .scheme = { .id = rsa ? IOTSAFE_RSA_PKCS1 : IOTSAFE_ECDSA,
                                             .salt_len = ISPROV_ANY_SALT } };
    err = sign_challenge(key, ret_proof, false, op);
    if (rsa && iotsafe_err_is_refusal(err)) {
        ret_proof->scheme.id = IOTSAFE_RSA_PSS;
        err = sign_challenge(key, ret_proof, false, op);
    }
    if (iotsafe_err_is_refusal(err) && listed_usage(key, op) == IOTSAFE_USAGE_TLS13)
        err = sign_challenge(key, ret_proof, true, op);
    return err;
}

static struct constraint constraint_of_proof(const struct proof *proof)
{
    return (struct constraint){ .scheme = &proof->scheme,
                                .digest = proof->input.digest,
                                .digest_len = iotsafe_hash_size(proof->input.hash),
                                .sig = proof->sig,
                                .sig_len = proof->sig_len };
}

/* For a key of which the card gives no public key: if a signature fits `other`,
 * that is it. */
static enum iotsafe_err adopt(struct isprov_key *key, EVP_PKEY *other, struct iotsafe_op *op)
{
    struct proof proof;
    struct constraint c;
    struct isprov_public_key *pub = isprov_public_key_of_pkey(key->prov, other);
    enum iotsafe_err err;

    if (pub == NULL || pub->type != key->type) {
        isprov_public_key_free(pub);
        return IOTSAFE_ERR_SIGNATURE;
    }
    err = make_proof(key, &proof, op);
    c = constraint_of_proof(&proof);
    if (err == IOTSAFE_OK && !fits(key, pub, &c))
        err = IOTSAFE_ERR_SIGNATURE;
    if (err != IOTSAFE_OK || !isprov_key_replace(key, NULL, pub, true))
        isprov_public_key_free(pub); /* or another thread has just found the same */
    proof_clear(&proof);
    return err;
}

bool isprov_card_key_belongs_to(struct isprov_key *key, EVP_PKEY *other, struct iotsafe_op *op)
{
    const struct constraint c = { .equal_to = other };
    enum iotsafe_err err = isprov_key_public(key) != NULL ? settle(key, &c, op)
                                                          : adopt(key, other, op);

    if (err != IOTSAFE_OK && err != IOTSAFE_ERR_SIGNATURE)
        isprov_raise(key->prov, err, op); /* not "no", but "cannot tell" */
    return err == IOTSAFE_OK;
}

int isprov_card_key_prove(struct isprov_key *key, struct iotsafe_op *op)
{
    struct proof proof;
    struct constraint c;
    enum iotsafe_err err = make_proof(key, &proof, op);

    if (err == IOTSAFE_OK && isprov_key_public(key) != NULL) {
        c = constraint_of_proof(&proof);
        err = settle(key, &c, op);
        if (err == IOTSAFE_ERR_SIGNATURE)
            explain_mismatch(key, op);
    }
    proof_clear(&proof);
    if (err != IOTSAFE_OK)
        isprov_raise(key->prov, err, op);
    return err == IOTSAFE_OK;
}
