/* SPDX-License-Identifier: Apache-2.0 */
/* see object.h */
#include "object.h"

#include <stdlib.h>
#include <string.h>

#include "cert.h"
#include "key.h"

/* An object as text for messages. */
struct object_text {
    char text[IOTSAFE_URI_MAX];
};

static struct object_text object_text(enum iotsafe_uri_type type, const struct iotsafe_name *name)
{
    const struct iotsafe_uri uri = { .name = *name, .type = type };
    struct object_text text;

    iotsafe_uri_format(&uri, text.text);
    return text;
}

static bool by_label_alone(const struct iotsafe_name *name)
{
    return name->label_len != 0 && name->id_len == 0;
}

static bool by_one_part(const struct iotsafe_name *name)
{
    return (name->label_len != 0) != (name->id_len != 0);
}

/* ------------------------------------------- candidates for the public half */

/* Both names first: of two pairs with one label, each has its own halves. */
enum {
    RANK_PUBLIC_BOTH,
    RANK_PUBLIC_LABEL,
    RANK_PUBLIC_ID,
    RANK_FILE_LABEL,
    RANK_FILE_ID,
    N_RANKS
};

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
                      object_text(IOTSAFE_URI_PRIVATE, &key.name).text, key.key_type);
        return IOTSAFE_ERR_UNSUPPORTED;
    }
    it->name = key.name;
    it->stage = ISPROV_CANDIDATES_RANKS;
    return IOTSAFE_OK;
}

static bool has_rank(const struct isprov_candidates *it, const struct iotsafe_object *object)
{
    const enum iotsafe_kind kind = it->rank <= RANK_PUBLIC_ID ? IOTSAFE_PUBLIC_KEY : IOTSAFE_FILE;
    const bool by_label = it->rank == RANK_PUBLIC_LABEL || it->rank == RANK_FILE_LABEL;
    const bool label = iotsafe_name_same_label(&it->name, &object->name);
    const bool id = iotsafe_name_same_id(&it->name, &object->name);

    if (object->kind != kind || (it->rank == RANK_PUBLIC_LABEL && it->direct_hit))
        return false;
    if (kind == IOTSAFE_PUBLIC_KEY && label && id)
        return it->rank == RANK_PUBLIC_BOTH;
    return by_label ? label : it->rank != RANK_PUBLIC_BOTH && !label && id;
}

/* The next object of the list whose turn it is; NULL: no more. */
static const struct iotsafe_object *next_ranked(struct isprov_candidates *it)
{
    for (; it->rank < N_RANKS; it->rank++, it->next = 0)
        while (it->next < it->n_objects) {
            const struct iotsafe_object *object = &it->objects[it->next++];

            if (has_rank(it, object))
                return object;
        }
    return NULL;
}

static enum iotsafe_err half_in_file(struct isprov_candidates *it,
                                     const struct iotsafe_object *object,
                                     struct isprov_half **ret_half, struct iotsafe_op *op)
{
    STACK_OF(X509) *certs = NULL;
    enum iotsafe_err err = isprov_file_certs(it->prov, it->card, object, &certs, op);

    if (err == IOTSAFE_OK) {
        *ret_half = isprov_half_of_pkey(it->prov, X509_get0_pubkey(sk_X509_value(certs, 0)));
        if (*ret_half == NULL)
            err = IOTSAFE_ERR_KEY;
    }
    sk_X509_pop_free(certs, X509_free);
    return err;
}

/* The key of a public-key object, of whatever type it turns out to be. */
static enum iotsafe_err read_half(struct isprov *prov, struct iotsafe_card *card,
                                  const struct iotsafe_name *name, struct isprov_half **ret_half,
                                  struct iotsafe_op *op)
{
    struct iotsafe_public_key key;
    struct isprov_half *half = NULL;
    enum iotsafe_err err = iotsafe_read_public_key(card, name, &key, op);

    if (err == IOTSAFE_OK)
        half = isprov_half_of_card(prov, &key);
    if (err == IOTSAFE_OK && half == NULL) {
        isprov_op_set(op,
                      "%s: what the card gives is not a point of P-256 or brainpoolP256r1, "
                      "nor an RSA-2048 key",
                      object_text(IOTSAFE_URI_PUBLIC, name).text);
        err = IOTSAFE_ERR_KEY;
    }
    *ret_half = half;
    return err;
}

static enum iotsafe_err read_direct(struct isprov_candidates *it, struct isprov_half **ret_half,
                                    struct iotsafe_op *op)
{
    enum iotsafe_err err = read_half(it->prov, it->card, &it->name, ret_half, op);

    it->stage = ISPROV_CANDIDATES_LIST;
    it->direct_hit = err == IOTSAFE_OK || err == IOTSAFE_ERR_KEY;
    return err;
}

enum iotsafe_err isprov_candidates_next(struct isprov_candidates *it, struct isprov_half **ret_half,
                                        struct iotsafe_op *op)
{
    const struct iotsafe_object *object;
    enum iotsafe_err err = IOTSAFE_ERR_NOT_FOUND;

    *ret_half = NULL;
    if (it->stage == ISPROV_CANDIDATES_DIRECT)
        err = read_direct(it, ret_half, op);
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
            err = read_half(it->prov, it->card, &object->name, ret_half, op);
        else
            err = half_in_file(it, object, ret_half, op);
    }
    return iotsafe_err_is_refusal(err) ? IOTSAFE_OK : err;
}

/* -------------------------------------------------------------- public keys */

enum iotsafe_err isprov_public_key(struct isprov *prov, struct iotsafe_card *card,
                                   const struct iotsafe_object *object,
                                   struct isprov_half **ret_half, struct iotsafe_op *op)
{
    if (isprov_type_of_object(object) == NULL) {
        isprov_op_set(op, "%s is a key of type %02x, which this provider does not know",
                      object_text(IOTSAFE_URI_PUBLIC, &object->name).text, object->key_type);
        return IOTSAFE_ERR_UNSUPPORTED;
    }
    return read_half(prov, card, &object->name, ret_half, op);
}

/* The public half of the private key so named. */
static enum iotsafe_err public_half(struct isprov *prov, struct iotsafe_card *card,
                                    const struct iotsafe_name *name, struct isprov_half **ret_half,
                                    struct iotsafe_op *op)
{
    struct isprov_candidates it;
    enum iotsafe_err err;

    isprov_candidates_init(&it, prov, card, name);
    err = isprov_candidates_next(&it, ret_half, op);
    isprov_candidates_clear(&it);
    if (err == IOTSAFE_OK && *ret_half == NULL) {
        isprov_op_set(op, "%s: the card gives no public key for it",
                      object_text(IOTSAFE_URI_PRIVATE, name).text);
        err = IOTSAFE_ERR_NOT_FOUND;
    }
    return err;
}

enum iotsafe_err isprov_named_public_key(struct isprov *prov, struct iotsafe_card *card,
                                         const struct iotsafe_name *name,
                                         struct isprov_half **ret_half, struct iotsafe_op *op)
{
    struct iotsafe_object object = { .kind = IOTSAFE_PUBLIC_KEY, .name = *name };
    struct iotsafe_op other = iotsafe_op_within(op);
    enum iotsafe_err err = IOTSAFE_ERR_NOT_FOUND;

    if (by_one_part(name)) /* without the list, if the card takes the name */
        err = isprov_public_key(prov, card, &object, ret_half, op);
    if (iotsafe_err_is_refusal(err)) {
        err = iotsafe_find(card, IOTSAFE_PUBLIC_KEY, name, &object, op);
        if (err == IOTSAFE_OK)
            return isprov_public_key(prov, card, &object, ret_half, op);
    }
    if (err == IOTSAFE_ERR_NOT_FOUND
        && public_half(prov, card, name, ret_half, &other) == IOTSAFE_OK)
        return IOTSAFE_OK;
    return err;
}

/* ------------------------------------------------------------- certificates */

enum iotsafe_err isprov_file_certs(struct isprov *prov, struct iotsafe_card *card,
                                   const struct iotsafe_object *object, STACK_OF(X509) **ret_certs,
                                   struct iotsafe_op *op)
{
    OSSL_LIB_CTX *libctx = isprov_libctx(prov);
    STACK_OF(X509) *certs;
    uint8_t *data;
    size_t len;
    enum iotsafe_err err;

    if (libctx == NULL)
        return IOTSAFE_ERR_MEMORY;
    err = iotsafe_read_file(card, &object->name, IOTSAFE_CERTIFICATES, object->file_size, &data,
                            &len, op);
    if (err != IOTSAFE_OK)
        return err;
    certs = isprov_certs_parse(libctx, data, len);
    free(data);
    if (certs == NULL)
        return IOTSAFE_ERR_MEMORY;
    if (sk_X509_num(certs) == 0) {
        sk_X509_free(certs);
        isprov_op_set(op, "%s: the file holds no certificate (%zu bytes)",
                      object_text(IOTSAFE_URI_CERT, &object->name).text, len);
        return IOTSAFE_ERR_CERTIFICATE;
    }
    *ret_certs = certs;
    return IOTSAFE_OK;
}

/* How well a file suits as that of a key: 0 is best. Only the order of reading
 * depends on it, since what the list tells of usage is a hint. */
static int file_rank(const struct iotsafe_object *file, const struct iotsafe_name *key)
{
    const bool data = (file->told & IOTSAFE_TOLD_FILE_USAGE) != 0
                      && file->file_usage == IOTSAFE_FILE_GENERAL;

    if (iotsafe_name_same_label(&file->name, key))
        return 0;
    if (iotsafe_name_same_id(&file->name, key))
        return 1;
    return data ? 3 : 2;
}

static bool is_cert_of(const struct isprov *prov, const X509 *cert, const struct isprov_half *half)
{
    const EVP_PKEY *pkey = X509_get0_pubkey(cert);

    return pkey != NULL && isprov_half_eq(prov, half, pkey);
}

/* The certificates of the first file whose leaf holds that key. */
static enum iotsafe_err find_cert_of_half(const struct isprov_candidates *it,
                                          const struct isprov_half *half,
                                          STACK_OF(X509) **ret_certs, struct iotsafe_op *op)
{
    enum iotsafe_err err;

    for (int rank = 0; rank <= 3; rank++)
        for (size_t i = 0; i < it->n_objects; i++) {
            const struct iotsafe_object *file = &it->objects[i];
            STACK_OF(X509) *certs = NULL;

            if (file->kind != IOTSAFE_FILE || file_rank(file, &it->name) != rank)
                continue;
            err = isprov_file_certs(it->prov, it->card, file, &certs, op);
            if (err != IOTSAFE_OK && !iotsafe_err_is_refusal(err))
                return err;
            if (err == IOTSAFE_OK && is_cert_of(it->prov, sk_X509_value(certs, 0), half)) {
                *ret_certs = certs;
                return IOTSAFE_OK;
            }
            sk_X509_pop_free(certs, X509_free);
        }
    return IOTSAFE_ERR_NOT_FOUND;
}

static enum iotsafe_err certs_of_key(struct isprov *prov, struct iotsafe_card *card,
                                     const struct iotsafe_object *key, STACK_OF(X509) **ret_certs,
                                     struct iotsafe_op *op)
{
    struct isprov_candidates it;
    struct isprov_half *half;
    enum iotsafe_err err;

    isprov_candidates_init(&it, prov, card, &key->name);
    it.stage = ISPROV_CANDIDATES_LIST; /* files are looked for in any case */
    do {
        err = isprov_candidates_next(&it, &half, op);
        if (err == IOTSAFE_OK)
            err = half != NULL ? find_cert_of_half(&it, half, ret_certs, op)
                               : IOTSAFE_ERR_NOT_FOUND;
        isprov_half_free(half);
    } while (err == IOTSAFE_ERR_NOT_FOUND && it.stage != ISPROV_CANDIDATES_END);
    isprov_candidates_clear(&it);
    if (err == IOTSAFE_ERR_NOT_FOUND)
        isprov_op_set(op,
                      "%s: no file on the SIM holds a certificate of this private key; its "
                      "operator puts it there, or give the program a certificate file",
                      object_text(IOTSAFE_URI_CERT, &key->name).text);
    return err;
}

/* The certificates of the file so named. */
static enum iotsafe_err certs_of_file(struct isprov *prov, struct iotsafe_card *card,
                                      const struct iotsafe_name *name, STACK_OF(X509) **ret_certs,
                                      struct iotsafe_op *op)
{
    struct iotsafe_object file = { .kind = IOTSAFE_FILE, .name = *name };
    enum iotsafe_err err = IOTSAFE_ERR_NOT_FOUND;

    if (by_one_part(name)) /* without the list, if the card takes the name */
        err = isprov_file_certs(prov, card, &file, ret_certs, op);
    if (err == IOTSAFE_ERR_CERTIFICATE || !iotsafe_err_is_refusal(err))
        return err;
    err = iotsafe_find(card, IOTSAFE_FILE, name, &file, op);
    return err == IOTSAFE_OK ? isprov_file_certs(prov, card, &file, ret_certs, op) : err;
}

enum iotsafe_err isprov_named_certs(struct isprov *prov, struct iotsafe_card *card,
                                    const struct iotsafe_name *name, STACK_OF(X509) **ret_certs,
                                    struct iotsafe_op *op)
{
    struct iotsafe_object key;
    struct iotsafe_op other = iotsafe_op_within(op);
    enum iotsafe_err err = certs_of_file(prov, card, name, ret_certs, op);

    if ((err == IOTSAFE_ERR_NOT_FOUND || err == IOTSAFE_ERR_CERTIFICATE)
        && iotsafe_find(card, IOTSAFE_PRIVATE_KEY, name, &key, &other) == IOTSAFE_OK)
        err = certs_of_key(prov, card, &key, ret_certs, op);
    return err;
}
