/* SPDX-License-Identifier: Apache-2.0 */
/* see certificates.h */
#include "certificates.h"

#include <stdlib.h>

#include "candidates.h"
#include "cert.h"
#include "crypto.h"
#include "uri_text.h"

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
                      isprov_object_text(IOTSAFE_URI_CERT, &object->name).text, len);
        return IOTSAFE_ERR_CERTIFICATE;
    }
    *ret_certs = certs;
    return IOTSAFE_OK;
}

/* How a file is named beside a key, likeliest first. Files of one class are read
 * together, and the next class only while none of them is valid now. */
enum file_class { FILE_OF_NAME, FILE_OTHER, FILE_FOR_DATA, N_FILE_CLASSES };

static enum file_class file_class(const struct iotsafe_object *file, const struct iotsafe_name *key)
{
    if (iotsafe_name_same_label(&file->name, key) || iotsafe_name_same_id(&file->name, key))
        return FILE_OF_NAME;
    /* What the list tells of usage is a hint: it only puts the file behind others. */
    return (file->told & IOTSAFE_TOLD_FILE_USAGE) != 0 && file->file_usage == IOTSAFE_FILE_GENERAL
               ? FILE_FOR_DATA
               : FILE_OTHER;
}

static bool is_cert_of(const struct isprov *prov, const X509 *cert,
                       const struct isprov_public_key *pub)
{
    const EVP_PKEY *pkey = X509_get0_pubkey(cert);

    return pkey != NULL && isprov_public_key_eq(prov, pub, pkey);
}

/* The best certificates of a key so far. */
struct best {
    STACK_OF(X509) *certs; /* NULL: none */
    enum file_class class;
    bool valid; /* the first one, now */
};

/* As iotsafe-uri(7) has it: valid now, then equal label or id, then which ends last. */
static bool is_better(const struct best *a, const struct best *b)
{
    const bool a_named = a->class == FILE_OF_NAME, b_named = b->class == FILE_OF_NAME;

    if (b->certs == NULL)
        return true;
    if (a->valid != b->valid)
        return a->valid;
    if (a_named != b_named)
        return a_named;
    return isprov_cert_ends_later(sk_X509_value(a->certs, 0), sk_X509_value(b->certs, 0));
}

/* Keeps the better one and frees the other. */
static void put_forward(struct best *best, struct best other)
{
    STACK_OF(X509) *worse = other.certs;

    if (is_better(&other, best)) {
        worse = best->certs;
        *best = other;
    }
    sk_X509_pop_free(worse, X509_free);
}

/* What the file has, if its leaf holds that key. */
static enum iotsafe_err look_into_file(const struct isprov_candidates *it,
                                       const struct iotsafe_object *file,
                                       const struct isprov_public_key *pub, struct best *best,
                                       struct iotsafe_op *op)
{
    struct best found = { .class = file_class(file, &it->name) };
    enum iotsafe_err err = isprov_file_certs(it->prov, it->card, file, &found.certs, op);
    const X509 *leaf;

    if (err != IOTSAFE_OK)
        return iotsafe_err_is_refusal(err) ? IOTSAFE_OK : err;
    leaf = sk_X509_value(found.certs, 0);
    found.valid = isprov_cert_is_valid_now(leaf);
    if (is_cert_of(it->prov, leaf, pub))
        put_forward(best, found);
    else
        sk_X509_pop_free(found.certs, X509_free);
    return IOTSAFE_OK;
}

/* The certificates of the file whose leaf holds that key, of the best one of those.
 * What was found already and is valid now is given although others cannot be read. */
static enum iotsafe_err find_cert_of_public_key(const struct isprov_candidates *it,
                                                const struct isprov_public_key *pub,
                                                STACK_OF(X509) **ret_certs, struct iotsafe_op *op)
{
    struct best best = { .certs = NULL };
    enum iotsafe_err err = IOTSAFE_OK;

    for (enum file_class rank = 0; rank < N_FILE_CLASSES && !best.valid; rank++)
        for (size_t i = 0; err == IOTSAFE_OK && i < it->n_objects; i++) {
            const struct iotsafe_object *file = &it->objects[i];

            if (file->kind == IOTSAFE_FILE && file_class(file, &it->name) == rank)
                err = look_into_file(it, file, pub, &best, op);
        }
    if (err != IOTSAFE_OK && !best.valid) {
        sk_X509_pop_free(best.certs, X509_free);
        return err;
    }
    *ret_certs = best.certs;
    return best.certs != NULL ? IOTSAFE_OK : IOTSAFE_ERR_NOT_FOUND;
}

static enum iotsafe_err certs_of_key(struct isprov *prov, struct iotsafe_card *card,
                                     const struct iotsafe_object *key, STACK_OF(X509) **ret_certs,
                                     struct iotsafe_op *op)
{
    struct isprov_candidates it;
    struct isprov_public_key *pub;
    enum iotsafe_err err;

    isprov_candidates_init(&it, prov, card, &key->name);
    it.stage = ISPROV_CANDIDATES_LIST; /* files are looked for in any case */
    do {
        err = isprov_candidates_next(&it, &pub, op);
        if (err == IOTSAFE_OK)
            err = pub != NULL ? find_cert_of_public_key(&it, pub, ret_certs, op)
                              : IOTSAFE_ERR_NOT_FOUND;
        isprov_public_key_free(pub);
    } while (err == IOTSAFE_ERR_NOT_FOUND && it.stage != ISPROV_CANDIDATES_END);
    isprov_candidates_clear(&it);
    if (err == IOTSAFE_ERR_NOT_FOUND)
        isprov_op_set(op,
                      "%s: no file on the SIM holds a certificate for this private key; ask the "
                      "operator to put one there, or give the program a certificate file",
                      isprov_object_text(IOTSAFE_URI_CERT, &key->name).text);
    return err;
}

/* The certificates of the file so named. */
static enum iotsafe_err certs_of_file(struct isprov *prov, struct iotsafe_card *card,
                                      const struct iotsafe_name *name, STACK_OF(X509) **ret_certs,
                                      struct iotsafe_op *op)
{
    struct iotsafe_object file = { .kind = IOTSAFE_FILE, .name = *name };
    enum iotsafe_err err = IOTSAFE_ERR_NOT_FOUND;

    if (isprov_name_has_one_part(name)) /* without the list, if the card takes the name */
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
