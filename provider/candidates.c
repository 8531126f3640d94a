/* SPDX-License-Identifier: Apache-2.0 */
/* see candidates.h */
#include "candidates.h"

#include <stdlib.h>
#include <string.h>

#include "certificates.h"
#include "uri_text.h"

static bool by_label_alone(const struct iotsafe_name *name)
{
    return name->label_len != 0 && name->id_len == 0;
}

/* ------------------------------------------- candidates for the public key */

/* Best first, as iotsafe-uri(7) has it: what kind of object, and which parts of its name
 * are equal to those of the private key. Both before one: of two pairs with one label,
 * each has its own public key. */
static const struct rank {
    enum iotsafe_kind kind;
    bool same_label, same_id;
} ranks[] = {
    { .kind = IOTSAFE_PUBLIC_KEY, .same_label = true, .same_id = true },
    { .kind = IOTSAFE_PUBLIC_KEY, .same_label = true, .same_id = false },
    { .kind = IOTSAFE_PUBLIC_KEY, .same_label = false, .same_id = true },
    { .kind = IOTSAFE_FILE, .same_label = true, .same_id = true },
    { .kind = IOTSAFE_FILE, .same_label = true, .same_id = false },
    { .kind = IOTSAFE_FILE, .same_label = false, .same_id = true },
};
#define N_RANKS (sizeof(ranks) / sizeof(ranks[0]))

void isprov_candidates_init(struct isprov_candidates *it, struct isprov *prov,
                            struct iotsafe_card *card, const struct iotsafe_name *private_key)
{
    memset(it, 0, sizeof(*it));
    it->prov = prov;
    it->card = card;
    it->name = *private_key;
    it->type = isprov_type_default();
    it->stage = by_label_alone(private_key) ? ISPROV_CANDIDATES_DIRECT : ISPROV_CANDIDATES_LIST;
}

void isprov_candidates_clear(struct isprov_candidates *it)
{
    free(it->objects);
    it->objects = NULL;
}

/* Finds the private key, which completes its name and tells its curve, and reads
 * what else there is. An applet without a list leaves us with no candidates. */
static enum iotsafe_err read_list(struct isprov_candidates *it, struct iotsafe_op *op)
{
    struct iotsafe_object key;
    enum iotsafe_err err = iotsafe_list(it->card, &it->objects, &it->n_objects, op);

    if (iotsafe_err_is_refusal(err)) {
        it->stage = ISPROV_CANDIDATES_END;
        return IOTSAFE_OK;
    }
    if (err == IOTSAFE_OK)
        err = iotsafe_find(it->card, IOTSAFE_PRIVATE_KEY, &it->name, &key, op);
    if (err != IOTSAFE_OK)
        return err;
    it->type = isprov_type_of_object(&key);
    if (it->type == NULL) {
        isprov_op_set(op, "%s is a key of type %02x, which this provider does not know",
                      isprov_object_text(IOTSAFE_URI_PRIVATE, &key.name).text, key.key_type);
        return IOTSAFE_ERR_UNSUPPORTED;
    }
    it->name = key.name;
    it->stage = ISPROV_CANDIDATES_RANKS;
    return IOTSAFE_OK;
}

static bool has_rank(const struct isprov_candidates *it, const struct iotsafe_object *object,
                     const struct rank *rank)
{
    return object->kind == rank->kind
           && iotsafe_name_same_label(&it->name, &object->name) == rank->same_label
           && iotsafe_name_same_id(&it->name, &object->name) == rank->same_id;
}

/* The one of equal label was read before the list. */
static bool was_given(const struct isprov_candidates *it, const struct rank *rank)
{
    return it->direct_hit && rank->kind == IOTSAFE_PUBLIC_KEY && rank->same_label && !rank->same_id;
}

/* The next object of the list whose turn it is; NULL: no more. */
static const struct iotsafe_object *next_ranked(struct isprov_candidates *it)
{
    for (; it->rank < N_RANKS; it->rank++, it->next = 0)
        while (it->next < it->n_objects) {
            const struct iotsafe_object *object = &it->objects[it->next++];
            const struct rank *rank = &ranks[it->rank];

            if (has_rank(it, object, rank) && !was_given(it, rank))
                return object;
        }
    return NULL;
}

static enum iotsafe_err public_key_in_file(struct isprov_candidates *it,
                                           const struct iotsafe_object *object,
                                           struct isprov_public_key **ret_pub,
                                           struct iotsafe_op *op)
{
    STACK_OF(X509) *certs = NULL;
    enum iotsafe_err err = isprov_file_certs(it->prov, it->card, object, &certs, op);

    if (err == IOTSAFE_OK) {
        *ret_pub = isprov_public_key_of_pkey(it->prov, X509_get0_pubkey(sk_X509_value(certs, 0)));
        if (*ret_pub == NULL)
            err = IOTSAFE_ERR_KEY;
    }
    sk_X509_pop_free(certs, X509_free);
    return err;
}

/* The key of a public-key object, of whatever type it turns out to be. */
static enum iotsafe_err read_public_key(struct isprov *prov, struct iotsafe_card *card,
                                        const struct iotsafe_name *name,
                                        struct isprov_public_key **ret_pub, struct iotsafe_op *op)
{
    struct iotsafe_public_key key;
    struct isprov_public_key *pub = NULL;
    enum iotsafe_err err = iotsafe_read_public_key(card, name, &key, op);

    if (err == IOTSAFE_OK)
        pub = isprov_public_key_of_card(prov, &key);
    if (err == IOTSAFE_OK && pub == NULL) {
        isprov_op_set(
            op,
            "%s: the card returned neither a point on P-256 or brainpoolP256r1 nor an RSA-2048 key",
            isprov_object_text(IOTSAFE_URI_PUBLIC, name).text);
        err = IOTSAFE_ERR_KEY;
    }
    if (pub != NULL)
        pub->name = *name;
    *ret_pub = pub;
    return err;
}

static enum iotsafe_err read_direct(struct isprov_candidates *it,
                                    struct isprov_public_key **ret_pub, struct iotsafe_op *op)
{
    enum iotsafe_err err = read_public_key(it->prov, it->card, &it->name, ret_pub, op);

    it->stage = ISPROV_CANDIDATES_LIST;
    it->direct_hit = err == IOTSAFE_OK || err == IOTSAFE_ERR_KEY;
    return err;
}

/* For the error, if no other candidate is there. What does not exist is no refusal. */
static enum iotsafe_err note_refusal(struct isprov_candidates *it, enum iotsafe_err err,
                                     const struct iotsafe_op *op)
{
    if (iotsafe_err_is_refusal(err) && err != IOTSAFE_ERR_NOT_FOUND && it->refused == IOTSAFE_OK
        && op != NULL) {
        it->refused = err;
        OPENSSL_strlcpy(it->refusal, op->text, sizeof(it->refusal));
    }
    return err;
}

enum iotsafe_err isprov_candidates_next(struct isprov_candidates *it,
                                        struct isprov_public_key **ret_pub, struct iotsafe_op *op)
{
    const struct iotsafe_object *object;
    enum iotsafe_err err = IOTSAFE_ERR_NOT_FOUND;

    *ret_pub = NULL;
    if (it->stage == ISPROV_CANDIDATES_DIRECT)
        err = note_refusal(it, read_direct(it, ret_pub, op), op);
    if (iotsafe_err_is_refusal(err) && it->stage == ISPROV_CANDIDATES_LIST) {
        err = read_list(it, op);
        if (err != IOTSAFE_OK)
            return err;
        err = IOTSAFE_ERR_NOT_FOUND;
    }
    while (iotsafe_err_is_refusal(err) && it->stage == ISPROV_CANDIDATES_RANKS) {
        object = next_ranked(it);
        if (object == NULL)
            it->stage = ISPROV_CANDIDATES_END;
        else if (object->kind == IOTSAFE_PUBLIC_KEY)
            err = note_refusal(it, read_public_key(it->prov, it->card, &object->name, ret_pub, op),
                               op);
        else
            err = public_key_in_file(it, object, ret_pub, op);
    }
    return iotsafe_err_is_refusal(err) ? IOTSAFE_OK : err;
}

/* -------------------------------------------------------------- public keys */

enum iotsafe_err isprov_object_public_key(struct isprov *prov, struct iotsafe_card *card,
                                          const struct iotsafe_object *object,
                                          struct isprov_public_key **ret_pub, struct iotsafe_op *op)
{
    if (isprov_type_of_object(object) == NULL) {
        isprov_op_set(op, "%s is a key of type %02x, which this provider does not know",
                      isprov_object_text(IOTSAFE_URI_PUBLIC, &object->name).text, object->key_type);
        return IOTSAFE_ERR_UNSUPPORTED;
    }
    return read_public_key(prov, card, &object->name, ret_pub, op);
}

/* The public key of the private key so named. */
static enum iotsafe_err find_public_key(struct isprov *prov, struct iotsafe_card *card,
                                        const struct iotsafe_name *name,
                                        struct isprov_public_key **ret_pub, struct iotsafe_op *op)
{
    struct isprov_candidates it;
    enum iotsafe_err err;

    isprov_candidates_init(&it, prov, card, name);
    err = isprov_candidates_next(&it, ret_pub, op);
    isprov_candidates_clear(&it);
    if (err == IOTSAFE_OK && *ret_pub == NULL) {
        isprov_op_set(op, "%s: the card gives no public key for it",
                      isprov_object_text(IOTSAFE_URI_PRIVATE, name).text);
        err = IOTSAFE_ERR_NOT_FOUND;
    }
    return err;
}

enum iotsafe_err isprov_named_public_key(struct isprov *prov, struct iotsafe_card *card,
                                         const struct iotsafe_name *name,
                                         struct isprov_public_key **ret_pub, struct iotsafe_op *op)
{
    struct iotsafe_object object = { .kind = IOTSAFE_PUBLIC_KEY, .name = *name };
    struct iotsafe_op other = iotsafe_op_within(op);
    enum iotsafe_err err = IOTSAFE_ERR_NOT_FOUND;

    if (isprov_name_has_one_part(name)) /* without the list, if the card takes the name */
        err = isprov_object_public_key(prov, card, &object, ret_pub, op);
    if (iotsafe_err_is_refusal(err)) {
        err = iotsafe_find(card, IOTSAFE_PUBLIC_KEY, name, &object, op);
        if (err == IOTSAFE_OK)
            return isprov_object_public_key(prov, card, &object, ret_pub, op);
    }
    if (err == IOTSAFE_ERR_NOT_FOUND
        && find_public_key(prov, card, name, ret_pub, &other) == IOTSAFE_OK)
        return IOTSAFE_OK;
    return err;
}
