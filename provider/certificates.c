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

/* How well a file suits as that of a key, best first. Only the order of reading depends
 * on it, since what the list tells of usage is a hint. */
enum file_rank { FILE_OF_LABEL, FILE_OF_ID, FILE_OTHER, FILE_FOR_DATA, N_FILE_RANKS };

static enum file_rank file_rank(const struct iotsafe_object *file, const struct iotsafe_name *key)
{
    if (iotsafe_name_same_label(&file->name, key))
        return FILE_OF_LABEL;
    if (iotsafe_name_same_id(&file->name, key))
        return FILE_OF_ID;
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

/* The certificates of the first file whose leaf holds that key. */
static enum iotsafe_err find_cert_of_public_key(const struct isprov_candidates *it,
                                                const struct isprov_public_key *pub,
                                                STACK_OF(X509) **ret_certs, struct iotsafe_op *op)
{
    enum iotsafe_err err;

    for (enum file_rank rank = 0; rank < N_FILE_RANKS; rank++)
        for (size_t i = 0; i < it->n_objects; i++) {
            const struct iotsafe_object *file = &it->objects[i];
            STACK_OF(X509) *certs = NULL;

            if (file->kind != IOTSAFE_FILE || file_rank(file, &it->name) != rank)
                continue;
            err = isprov_file_certs(it->prov, it->card, file, &certs, op);
            if (err != IOTSAFE_OK && !iotsafe_err_is_refusal(err))
                return err;
            if (err == IOTSAFE_OK && is_cert_of(it->prov, sk_X509_value(certs, 0), pub)) {
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
                      "%s: no file on the SIM holds a certificate of this private key; its "
                      "operator puts it there, or give the program a certificate file",
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
