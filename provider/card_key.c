/* see card_key.h */
#include "card_key.h"

#include <openssl/core_names.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <string.h>

#include "object.h"

/* ------------------------------------------------------------------ opening */

/* Takes the first candidate that is a point of the curve. None is no error: a
 * key without a public half still signs. */
static enum iotsafe_err take_candidate(struct isprov_key *key, struct iotsafe_diag *diag)
{
    struct isprov_candidates it;
    struct isprov_point *point = NULL;
    uint8_t octets[IOTSAFE_POINT_SIZE];
    enum iotsafe_err err;
    bool more;

    isprov_candidates_init(&it, key->prov, key->card, &key->uri.name);
    do {
        err = isprov_candidates_next(&it, &more, octets, diag);
        if (err == IOTSAFE_OK && more)
            point = isprov_point_new(key->prov, it.curve, octets);
    } while (err == IOTSAFE_OK && more && point == NULL);
    isprov_candidates_clear(&it);
    if (err != IOTSAFE_OK)
        return err;
    key->curve = it.curve;
    if (point != NULL && !isprov_key_replace(key, NULL, point, false))
        isprov_point_free(point);
    return IOTSAFE_OK;
}

/* A card key that has not been looked for on the card. */
static struct isprov_key *card_key_new(struct isprov *prov, const struct iotsafe_uri *uri)
{
    struct iotsafe_diag diag = { "" };
    struct iotsafe_card *card = NULL;
    struct isprov_key *key;
    enum iotsafe_err err = isprov_card_of_uri(prov, uri, &card, &diag);

    if (err != IOTSAFE_OK) {
        isprov_raise(prov, err, &diag);
        return NULL;
    }
    key = isprov_key_new_card(prov, card, uri, isprov_curve_default());
    iotsafe_card_free(card);
    return key;
}

struct isprov_key *isprov_card_key_open(struct isprov *prov, const struct iotsafe_uri *uri)
{
    struct iotsafe_diag diag = { "" };
    struct isprov_key *key = card_key_new(prov, uri);
    enum iotsafe_err err;

    if (key == NULL)
        return NULL;
    err = take_candidate(key, &diag);
    if (err != IOTSAFE_OK) {
        isprov_raise(prov, err, &diag);
        isprov_key_free(key);
        return NULL;
    }
    return key;
}

/* The point in a SubjectPublicKeyInfo, if it is one that a card key can have. */
static struct isprov_point *point_from_spki(struct isprov *prov, const uint8_t *spki, size_t len,
                                            const struct isprov_curve **ret_curve)
{
    OSSL_LIB_CTX *libctx = isprov_libctx(prov);
    const uint8_t *p = spki;
    EVP_PKEY *pkey;
    char group[64];
    uint8_t octets[IOTSAFE_POINT_SIZE];
    size_t octets_len = 0;
    struct isprov_point *point = NULL;

    if (libctx == NULL)
        return NULL;
    isprov_mark(prov);
    pkey = d2i_PUBKEY_ex(NULL, &p, (long)len, libctx, NULL);
    if (pkey != NULL && p == spki + len && EVP_PKEY_is_a(pkey, "EC")
        && EVP_PKEY_get_group_name(pkey, group, sizeof(group), NULL)
        && (*ret_curve = isprov_curve_by_group(group)) != NULL
        && EVP_PKEY_get_octet_string_param(pkey, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, octets,
                                           sizeof(octets), &octets_len)
        && octets_len == sizeof(octets))
        point = isprov_point_new(prov, *ret_curve, octets);
    isprov_drop(prov);
    EVP_PKEY_free(pkey);
    return point;
}

struct isprov_key *isprov_card_key_from_ref(struct isprov *prov, const struct isprov_keyref *ref)
{
    struct isprov_point *point;
    struct isprov_key *key;

    if (ref->spki == NULL)
        return isprov_card_key_open(prov, &ref->uri);
    key = card_key_new(prov, &ref->uri);
    if (key == NULL)
        return NULL;
    point = point_from_spki(prov, ref->spki, ref->spki_len, &key->curve);
    if (point == NULL) {
        isprov_raise_text(prov, IOTSAFE_ERR_REFERENCE,
                          "key reference to %s: the public key in it is damaged or none that a SIM "
                          "key can have; write it again with 'iotsafe key-ref URI'",
                          isprov_key_name(key).text);
        isprov_key_free(key);
        return NULL;
    }
    if (!isprov_key_replace(key, NULL, point, true))
        isprov_point_free(point);
    return key;
}

/* ------------------------------------------------- finding the half that fits */

/* What a public half has to fit. */
struct demand {
    /* a signature */
    const uint8_t *digest, *der;
    size_t digest_len, der_len;
    /* or a given public key */
    EVP_PKEY *equal_to; /* NULL: the signature */
};

static bool verifies(struct isprov *prov, EVP_PKEY *pkey, const struct demand *d)
{
    OSSL_LIB_CTX *libctx = isprov_libctx(prov);
    EVP_PKEY_CTX *ctx = libctx != NULL ? EVP_PKEY_CTX_new_from_pkey(libctx, pkey, NULL) : NULL;
    bool good = ctx != NULL && EVP_PKEY_verify_init(ctx) > 0
                && EVP_PKEY_verify(ctx, d->der, d->der_len, d->digest, d->digest_len) == 1;

    EVP_PKEY_CTX_free(ctx);
    return good;
}

static bool fits(struct isprov *prov, const struct isprov_point *point, const struct demand *d)
{
    bool good;

    isprov_mark(prov);
    good = d->equal_to != NULL ? EVP_PKEY_eq(point->pkey, d->equal_to) == 1
                               : verifies(prov, point->pkey, d);
    isprov_drop(prov);
    return good;
}

/* Goes through the candidates for one that fits. The point is the caller's. */
static enum iotsafe_err find_fitting(struct isprov_key *key, const struct demand *d,
                                     struct isprov_point **ret_point, struct iotsafe_diag *diag)
{
    struct isprov_candidates it;
    struct isprov_point *point = NULL;
    uint8_t octets[IOTSAFE_POINT_SIZE];
    enum iotsafe_err err;
    bool more;

    isprov_candidates_init(&it, key->prov, key->card, &key->uri.name);
    for (;;) {
        err = isprov_candidates_next(&it, &more, octets, diag);
        if (err != IOTSAFE_OK || !more)
            break;
        point = isprov_point_new(key->prov, key->curve, octets);
        if (point != NULL && fits(key->prov, point, d))
            break;
        isprov_point_free(point);
        point = NULL;
    }
    isprov_candidates_clear(&it);
    if (err == IOTSAFE_OK && point == NULL)
        err = IOTSAFE_ERR_SIGNATURE;
    if (err == IOTSAFE_OK)
        *ret_point = point;
    return err;
}

/**
 * Pin the public half that fits: the one in use, or while that is not pinned
 * another candidate.
 * @retval IOTSAFE_ERR_SIGNATURE  none fits
 */
static enum iotsafe_err settle(struct isprov_key *key, const struct demand *d,
                               struct iotsafe_diag *diag)
{
    for (;;) {
        const struct isprov_point *point = isprov_key_point(key);
        struct isprov_point *other = NULL;
        enum iotsafe_err err;

        if (point != NULL && fits(key->prov, point, d)) {
            if (isprov_key_pin(key) == point)
                return IOTSAFE_OK;
            continue; /* another thread put a better one in its place */
        }
        if (d->equal_to == NULL)
            iotsafe_card_forget(key->card); /* what was read no longer holds */
        if (isprov_key_is_pinned(key)) {
            if (isprov_key_point(key) == point)
                return IOTSAFE_ERR_SIGNATURE;
            continue;
        }
        err = find_fitting(key, d, &other, diag);
        if (err != IOTSAFE_OK)
            return err;
        if (isprov_key_replace(key, point, other, true))
            return IOTSAFE_OK;
        isprov_point_free(other);
    }
}

/* ------------------------------------------------------------------ signing */

static enum iotsafe_err sign_on_card(struct isprov_key *key, const uint8_t *digest,
                                     size_t digest_len,
                                     uint8_t ret_der[static ISPROV_ECDSA_DER_MAX], size_t *ret_len,
                                     struct iotsafe_diag *diag)
{
    uint8_t sig[IOTSAFE_SIGNATURE_MAX];
    struct iotsafe_input input;
    size_t sig_len = 0;
    enum iotsafe_err err = iotsafe_input_from_digest(digest, digest_len, &input, diag);

    if (err == IOTSAFE_OK)
        err = iotsafe_sign(key->card, &key->uri.name, IOTSAFE_ECDSA, &input, sig, &sig_len, diag);
    if (err != IOTSAFE_OK)
        return err;
    if (!isprov_ecdsa_normalise(key->curve, sig, sig_len, ret_der, ret_len)) {
        isprov_diag_set(diag, "%s: the card's answer is no ECDSA signature on %s (%zu bytes, %s)",
                        isprov_key_name(key).text, key->curve->group, sig_len,
                        iotsafe_card_transport(key->card));
        return IOTSAFE_ERR_PROTOCOL;
    }
    return IOTSAFE_OK;
}

/* What happened, for people: the private key and the public key of the caller
 * have parted. */
static void explain_mismatch(const struct isprov_key *key, struct iotsafe_diag *diag)
{
    isprov_diag_set(diag,
                    "%s: the signature does not fit the public key in use and was not given out. "
                    "Either the key on the SIM was replaced or this is another SIM, and the "
                    "certificate or key-reference file must be renewed; or the public key on the "
                    "SIM is stale (%s)",
                    isprov_key_name(key).text, iotsafe_card_transport(key->card));
}

/* Sees to it that a fresh signature fits what the caller holds. */
static enum iotsafe_err check_signature(struct isprov_key *key, const struct demand *d,
                                        struct iotsafe_diag *diag)
{
    enum iotsafe_err err;

    if (!iotsafe_config_verify_signature(key->prov->config) || isprov_key_point(key) == NULL)
        return IOTSAFE_OK;
    err = settle(key, d, diag);
    if (err == IOTSAFE_ERR_SIGNATURE)
        explain_mismatch(key, diag);
    return err;
}

int isprov_card_key_sign(struct isprov_key *key, const uint8_t *digest, size_t digest_len,
                         uint8_t ret_der[static ISPROV_ECDSA_DER_MAX], size_t *ret_len)
{
    uint8_t der[ISPROV_ECDSA_DER_MAX];
    struct iotsafe_diag diag = { "" };
    struct demand d = { .digest = digest, .digest_len = digest_len, .der = der };
    enum iotsafe_err err = sign_on_card(key, digest, digest_len, der, &d.der_len, &diag);

    if (err == IOTSAFE_OK)
        err = check_signature(key, &d, &diag);
    if (err != IOTSAFE_OK) {
        isprov_raise(key->prov, err, &diag);
        return 0;
    }
    memcpy(ret_der, der, d.der_len);
    *ret_len = d.der_len;
    return 1;
}

/* ------------------------------------------------------------------ proving */

#define CHALLENGE_SIZE 32 /* bytes: the shortest digest, which every applet signs */

/* A signature over random bytes. */
struct proof {
    uint8_t digest[CHALLENGE_SIZE];
    uint8_t der[ISPROV_ECDSA_DER_MAX];
    size_t der_len;
};

static enum iotsafe_err make_proof(struct isprov_key *key, struct proof *ret_proof,
                                   struct iotsafe_diag *diag)
{
    OSSL_LIB_CTX *libctx = isprov_libctx(key->prov);

    if (libctx == NULL || RAND_bytes_ex(libctx, ret_proof->digest, CHALLENGE_SIZE, 0) <= 0)
        return IOTSAFE_ERR_MEMORY;
    return sign_on_card(key, ret_proof->digest, CHALLENGE_SIZE, ret_proof->der,
                        &ret_proof->der_len, diag);
}

static struct demand demand_of_proof(const struct proof *proof)
{
    return (struct demand){ .digest = proof->digest,
                            .digest_len = CHALLENGE_SIZE,
                            .der = proof->der,
                            .der_len = proof->der_len };
}

/* The point of a software public key; false if it cannot be that of a card key. */
static bool octets_of(const struct isprov_key *key, const EVP_PKEY *pkey,
                      uint8_t ret_octets[static IOTSAFE_POINT_SIZE])
{
    size_t len = 0;
    bool good;

    isprov_mark(key->prov);
    good = EVP_PKEY_get_octet_string_param(pkey, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, ret_octets,
                                           IOTSAFE_POINT_SIZE, &len)
           && len == IOTSAFE_POINT_SIZE;
    isprov_drop(key->prov);
    return good;
}

/* For a key of which the card gives no public half: if a signature fits `other`,
 * that is it. */
static enum iotsafe_err adopt(struct isprov_key *key, EVP_PKEY *other, struct iotsafe_diag *diag)
{
    struct proof proof;
    struct demand d;
    uint8_t octets[IOTSAFE_POINT_SIZE];
    struct isprov_point *point;
    enum iotsafe_err err;

    if (!octets_of(key, other, octets))
        return IOTSAFE_ERR_SIGNATURE;
    err = make_proof(key, &proof, diag);
    if (err != IOTSAFE_OK)
        return err;
    d = demand_of_proof(&proof);
    point = isprov_point_new(key->prov, key->curve, octets);
    if (point == NULL || !fits(key->prov, point, &d)) {
        isprov_point_free(point);
        return IOTSAFE_ERR_SIGNATURE;
    }
    if (!isprov_key_replace(key, NULL, point, true))
        isprov_point_free(point); /* another thread has just found the same */
    return IOTSAFE_OK;
}

bool isprov_card_key_belongs_to(struct isprov_key *key, EVP_PKEY *other)
{
    const struct demand d = { .equal_to = other };
    struct iotsafe_diag diag = { "" };
    enum iotsafe_err err =
        isprov_key_point(key) != NULL ? settle(key, &d, &diag) : adopt(key, other, &diag);

    if (err != IOTSAFE_OK && err != IOTSAFE_ERR_SIGNATURE)
        isprov_raise(key->prov, err, &diag); /* not "no", but "cannot tell" */
    return err == IOTSAFE_OK;
}

int isprov_card_key_prove(struct isprov_key *key)
{
    struct proof proof;
    struct demand d;
    struct iotsafe_diag diag = { "" };
    enum iotsafe_err err = make_proof(key, &proof, &diag);

    if (err == IOTSAFE_OK && isprov_key_point(key) != NULL) {
        d = demand_of_proof(&proof);
        err = settle(key, &d, &diag);
        if (err == IOTSAFE_ERR_SIGNATURE)
            explain_mismatch(key, &diag);
    }
    if (err != IOTSAFE_OK)
        isprov_raise(key->prov, err, &diag);
    return err == IOTSAFE_OK;
}
