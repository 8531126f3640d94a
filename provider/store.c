/* SPDX-License-Identifier: Apache-2.0 */
/* The store loader for iotsafe: URIs, see provider-storemgmt(7). Private keys
 * are given as references to key objects, public keys and certificates as DER.
 *
 * What there is to give is found out at the first load and read object by object
 * afterwards. A failure ends the store: programs loop until it says so. */
#include <openssl/core_names.h>
#include <openssl/core_object.h>
#include <openssl/params.h>
#include <openssl/store.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "candidates.h"
#include "card_key.h"
#include "card_public.h"
#include "cards.h"
#include "certificates.h"

static OSSL_FUNC_store_open_fn store_open;
static OSSL_FUNC_store_settable_ctx_params_fn store_settable_ctx_params;
static OSSL_FUNC_store_set_ctx_params_fn store_set_ctx_params;
static OSSL_FUNC_store_load_fn store_load;
static OSSL_FUNC_store_eof_fn store_eof;
static OSSL_FUNC_store_close_fn store_close;
static OSSL_FUNC_store_export_object_fn store_export_object;

/* One thing to give: the object itself, or what its name stands for. */
struct item {
    enum iotsafe_uri_type type;
    bool listed; /* from the object list; else by name */
    struct iotsafe_object object;
};

struct store {
    struct isprov *prov;
    enum iotsafe_err uri_err; /* a malformed URI is reported by the first load */
    struct iotsafe_op uri_op;
    struct iotsafe_uri uri;
    int expect;         /* OSSL_STORE_INFO_..., 0: anything */
    X509_NAME *subject; /* of the certificates searched for; NULL: no search */

    bool begun, ended;
    struct iotsafe_card *card;
    struct item *items;
    size_t n_items, next;
    STACK_OF(X509) *certs; /* of the current file, those not given yet */
};

/* ------------------------------------------------------- opening and parameters */

/* Does not fail for a malformed URI: libcrypto would put the errors of its search
 * for a loader in front of ours. */
static void *store_open(void *provctx, const char *text)
{
    ISPROV_KEEP_ERRNO;
    struct isprov *prov = provctx;
    struct store *store = OPENSSL_zalloc(sizeof(*store));

    if (store == NULL) {
        isprov_raise(prov, IOTSAFE_ERR_MEMORY, NULL);
        return NULL;
    }
    store->prov = prov;
    store->uri_err = iotsafe_uri_parse(text, &store->uri, &store->uri_op);
    return store;
}

static int store_close(void *ctx)
{
    ISPROV_KEEP_ERRNO;
    struct store *store = ctx;

    sk_X509_pop_free(store->certs, X509_free);
    X509_NAME_free(store->subject);
    OPENSSL_free(store->items);
    iotsafe_card_free(store->card);
    OPENSSL_free(store);
    return 1;
}

static const OSSL_PARAM *store_settable_ctx_params(void *provctx)
{
    static const OSSL_PARAM params[] = { OSSL_PARAM_int(OSSL_STORE_PARAM_EXPECT, NULL),
                                         OSSL_PARAM_octet_string(OSSL_STORE_PARAM_SUBJECT, NULL, 0),
                                         OSSL_PARAM_END };

    (void)provctx;
    return params;
}

/* A search that cannot be had is refused: all there is would be no answer to it. */
static bool has_other_criterion(const OSSL_PARAM params[])
{
    static const char *const others[] = { OSSL_STORE_PARAM_ISSUER, OSSL_STORE_PARAM_SERIAL,
                                          OSSL_STORE_PARAM_FINGERPRINT, OSSL_STORE_PARAM_ALIAS };

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (OSSL_PARAM_locate_const(params, others[i]) != NULL)
            return true;
    return false;
}

/* The DER form of a name. */
static int set_subject(struct store *store, const OSSL_PARAM *p)
{
    const void *bytes = NULL;
    const unsigned char *der;
    size_t len = 0;

    if (!OSSL_PARAM_get_octet_string_ptr(p, &bytes, &len) || len > LONG_MAX)
        return 0;
    der = bytes;
    X509_NAME_free(store->subject);
    store->subject = d2i_X509_NAME(NULL, &der, (long)len);
    return store->subject != NULL;
}

static int store_set_ctx_params(void *ctx, const OSSL_PARAM params[])
{
    ISPROV_KEEP_ERRNO;
    struct store *store = ctx;
    const OSSL_PARAM *expect = OSSL_PARAM_locate_const(params, OSSL_STORE_PARAM_EXPECT);
    const OSSL_PARAM *subject = OSSL_PARAM_locate_const(params, OSSL_STORE_PARAM_SUBJECT);

    if (has_other_criterion(params))
        return 0;
    return (expect == NULL || OSSL_PARAM_get_int(expect, &store->expect))
           && (subject == NULL || set_subject(store, subject));
}

/* ---------------------------------------------------- what there will be to give */

static const struct {
    int expect;
    enum iotsafe_uri_type type;
    const char *word;
} expectations[] = {
    { OSSL_STORE_INFO_PKEY, IOTSAFE_URI_PRIVATE, "a private key" },
    { OSSL_STORE_INFO_PUBKEY, IOTSAFE_URI_PUBLIC, "a public key" },
    { OSSL_STORE_INFO_CERT, IOTSAFE_URI_CERT, "a certificate" },
};

/* What the URI and the program together ask for. A search is for certificates. */
static enum iotsafe_err wanted_type(const struct store *store, bool *ret_nothing,
                                    enum iotsafe_uri_type *ret_type, struct iotsafe_op *op)
{
    const int expect = store->expect == 0 && store->subject != NULL ? OSSL_STORE_INFO_CERT
                                                                    : store->expect;

    *ret_nothing = store->subject != NULL && expect != OSSL_STORE_INFO_CERT;
    *ret_type = store->uri.type;
    if (expect == 0 || *ret_nothing)
        return IOTSAFE_OK;
    for (size_t i = 0; i < sizeof(expectations) / sizeof(expectations[0]); i++) {
        if (expectations[i].expect != expect)
            continue;
        *ret_type = expectations[i].type;
        if (store->uri.type == IOTSAFE_URI_ANY || store->uri.type == expectations[i].type)
            return IOTSAFE_OK;
        isprov_op_set(op, "%s: the program asks for %s, but the URI names another type of object",
                      isprov_uri_text(&store->uri).text, expectations[i].word);
        return IOTSAFE_ERR_URI;
    }
    *ret_nothing = true; /* a CRL, say */
    return IOTSAFE_OK;
}

static enum iotsafe_uri_type type_of_kind(enum iotsafe_kind kind)
{
    switch (kind) {
    case IOTSAFE_PRIVATE_KEY:
        return IOTSAFE_URI_PRIVATE;
    case IOTSAFE_PUBLIC_KEY:
        return IOTSAFE_URI_PUBLIC;
    case IOTSAFE_FILE:
        return IOTSAFE_URI_CERT;
    default:
        return IOTSAFE_URI_ANY; /* a secret: nothing that a store can give */
    }
}

/* Do these two belong together? By label if both have one, else by identifier. */
static bool belongs_to(const struct iotsafe_name *public, const struct iotsafe_name *private)
{
    if (public->label_len != 0 && private->label_len != 0)
        return iotsafe_name_same_label(public, private);
    return iotsafe_name_same_id(public, private);
}

/* A public key that is given with its private key already. */
static bool is_given_already(const struct store *store, const struct iotsafe_object *object)
{
    for (size_t i = 0; i < store->n_items; i++)
        if (store->items[i].type == IOTSAFE_URI_PRIVATE
            && belongs_to(&object->name, &store->items[i].object.name))
            return true;
    return false;
}

/* An empty container, or a key that the operator switched off: a listing leaves
 * it out, a name still reaches it. */
static bool is_deactivated(const struct iotsafe_object *object)
{
    return (object->told & IOTSAFE_TOLD_STATE) != 0 && object->state == IOTSAFE_STATE_DEACTIVATED;
}

/* Adds what matches, of one type. */
static void add_listed(struct store *store, enum iotsafe_uri_type type, bool all_types,
                       const struct iotsafe_object *objects, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct iotsafe_object *object = &objects[i];

        if (type_of_kind(object->kind) != type
            || !iotsafe_name_matches(&store->uri.name, &object->name))
            continue;
        if (type != IOTSAFE_URI_CERT && isprov_type_of_object(object) == NULL)
            continue; /* of another algorithm */
        if (iotsafe_name_is_empty(&store->uri.name) && is_deactivated(object))
            continue;
        if (all_types && type == IOTSAFE_URI_PUBLIC && is_given_already(store, object))
            continue;
        store->items[store->n_items++] = (struct item){ .type = type,
                                                        .listed = true,
                                                        .object = *object };
    }
}

static enum iotsafe_err plan_from_list(struct store *store, enum iotsafe_uri_type type,
                                       struct iotsafe_op *op)
{
    static const enum iotsafe_uri_type order[] = { IOTSAFE_URI_PRIVATE, IOTSAFE_URI_CERT,
                                                   IOTSAFE_URI_PUBLIC };
    struct iotsafe_object *objects = NULL;
    size_t n = 0;
    enum iotsafe_err err = iotsafe_list(store->card, &objects, &n, op);

    if (err != IOTSAFE_OK)
        return err;
    store->items = OPENSSL_zalloc((n + 1) * sizeof(*store->items));
    if (store->items == NULL)
        err = IOTSAFE_ERR_MEMORY;
    for (size_t i = 0; err == IOTSAFE_OK && i < sizeof(order) / sizeof(order[0]); i++)
        if (type == IOTSAFE_URI_ANY || type == order[i])
            add_listed(store, order[i], type == IOTSAFE_URI_ANY, objects, n);
    free(objects);
    return err;
}

static enum iotsafe_err plan_by_name(struct store *store, enum iotsafe_uri_type type)
{
    store->items = OPENSSL_zalloc(sizeof(*store->items));
    if (store->items == NULL)
        return IOTSAFE_ERR_MEMORY;
    store->n_items = 1;
    store->items[0] = (struct item){ .type = type, .object = { .name = store->uri.name } };
    return IOTSAFE_OK;
}

/* A name without a type: whatever the list has under it. A certificate goes by
 * its key's name only if a certificate was asked for. */
static enum iotsafe_err plan_any_of_name(struct store *store, struct iotsafe_op *op)
{
    struct iotsafe_object object;
    enum iotsafe_err err = plan_from_list(store, IOTSAFE_URI_ANY, op);

    if (iotsafe_err_is_refusal(err)) /* an applet without a list */
        return plan_by_name(store, IOTSAFE_URI_PRIVATE);
    if (err != IOTSAFE_OK || store->n_items > 0)
        return err;
    return iotsafe_find(store->card, IOTSAFE_PRIVATE_KEY, &store->uri.name, &object, op);
}

static enum iotsafe_err plan(struct store *store, struct iotsafe_op *op)
{
    enum iotsafe_uri_type type;
    bool nothing;
    enum iotsafe_err err = store->uri_err;

    if (err != IOTSAFE_OK) {
        *op = store->uri_op;
        return err;
    }
    err = wanted_type(store, &nothing, &type, op);
    if (err != IOTSAFE_OK || nothing)
        return err;
    err = isprov_card_of_uri(store->prov, &store->uri, &store->card, op);
    if (err != IOTSAFE_OK)
        return err;
    if (iotsafe_name_is_empty(&store->uri.name))
        return plan_from_list(store, type, op);
    if (type == IOTSAFE_URI_ANY)
        return plan_any_of_name(store, op);
    return plan_by_name(store, type);
}

/* ----------------------------------------------------------------- giving things */

/* What to do after an object was tried. */
enum outcome { GIVEN, SKIPPED, FAILED };

struct receiver {
    OSSL_CALLBACK *cb;
    void *arg;
};

/* OSSL_PARAM has no const; the receiver only reads. */
static char *text_of(const char *text)
{
    return (char *)(uintptr_t)text;
}

static enum outcome give_der(const struct receiver *to, int type, const char *data_type,
                             const char *structure, uint8_t *der, size_t len)
{
    OSSL_PARAM params[5], *p = params;

    *p++ = OSSL_PARAM_construct_int(OSSL_OBJECT_PARAM_TYPE, &type);
    if (data_type != NULL)
        *p++ = OSSL_PARAM_construct_utf8_string(OSSL_OBJECT_PARAM_DATA_TYPE, text_of(data_type), 0);
    *p++ = OSSL_PARAM_construct_utf8_string(OSSL_OBJECT_PARAM_DATA_STRUCTURE, text_of(structure),
                                            0);
    *p++ = OSSL_PARAM_construct_octet_string(OSSL_OBJECT_PARAM_DATA, der, len);
    *p = OSSL_PARAM_construct_end();
    return to->cb(params, to->arg) ? GIVEN : FAILED;
}

static size_t count_private(const struct store *store)
{
    size_t n = 0;

    for (size_t i = 0; i < store->n_items; i++)
        n += store->items[i].type == IOTSAFE_URI_PRIVATE;
    return n;
}

static enum outcome give_reference(const struct receiver *to, struct isprov_key *key)
{
    int type = OSSL_OBJECT_PKEY;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_int(OSSL_OBJECT_PARAM_TYPE, &type),
        OSSL_PARAM_construct_utf8_string(OSSL_OBJECT_PARAM_DATA_TYPE, text_of(key->type->algorithm),
                                         0),
        OSSL_PARAM_construct_octet_string(OSSL_OBJECT_PARAM_REFERENCE, &key, sizeof(key)),
        OSSL_PARAM_construct_end(),
    };

    return to->cb(params, to->arg) ? GIVEN : FAILED;
}

static enum outcome give_private_key(struct store *store, const struct item *item,
                                     const struct receiver *to, struct iotsafe_op *op)
{
    struct iotsafe_uri uri = store->uri;
    struct isprov_key *key;
    enum outcome outcome;

    /* A key goes by the name that the application gave, or else by its own. */
    if (item->listed && (iotsafe_name_is_empty(&uri.name) || count_private(store) > 1))
        uri.name = item->object.name;
    key = isprov_card_key_open(store->prov, &uri, op);
    if (key == NULL)
        return FAILED;
    outcome = give_reference(to, key);
    isprov_key_free(key); /* the receiver took a reference of its own */
    return outcome;
}

/* The answer made no sense. In a listing, which goes on without an object that cannot
 * be had, such a one is asked for once more: the line may have had a bad moment. */
static bool worth_asking_again(const struct item *item, enum iotsafe_err err)
{
    return item->listed
           && (err == IOTSAFE_ERR_PROTOCOL || err == IOTSAFE_ERR_SPACE || err == IOTSAFE_ERR_LENGTH
               || err == IOTSAFE_ERR_CARD);
}

/* An object that the card refuses ends a search by name; a listing goes on. */
static enum outcome not_had(const struct store *store, const struct item *item,
                            enum iotsafe_err err, const struct iotsafe_op *op)
{
    if (item->listed && iotsafe_err_is_refusal(err))
        return SKIPPED;
    isprov_raise(store->prov, err, op);
    return FAILED;
}

static enum outcome give_spki(const struct store *store, const struct isprov_public_key *pub,
                              const struct receiver *to)
{
    uint8_t *spki = NULL;
    int len = i2d_PUBKEY(pub->pkey, &spki);
    enum outcome outcome = FAILED;

    if (len > 0)
        outcome = give_der(to, OSSL_OBJECT_PKEY, pub->type->algorithm, "SubjectPublicKeyInfo", spki,
                           (size_t)len);
    else
        isprov_raise(store->prov, IOTSAFE_ERR_MEMORY, NULL);
    OPENSSL_free(spki);
    return outcome;
}

/* A key with which the card will verify itself. */
static enum outcome give_card_public(const struct store *store, const struct item *item,
                                     struct isprov_public_key *pub, const struct receiver *to)
{
    struct iotsafe_uri uri = store->uri;
    struct isprov_key *key;
    enum outcome outcome;

    uri.name = item->object.name;
    key = isprov_card_public_new(store->prov, store->card, &uri, pub);
    if (key == NULL)
        return FAILED;
    outcome = give_reference(to, key);
    isprov_key_free(key);
    return outcome;
}

/* True if there is a public-key object so named: a name may also stand for the
 * public key of a private key, out of its certificate. */
static bool is_object(const struct store *store, const struct item *item,
                      const struct iotsafe_op *op)
{
    struct iotsafe_op quiet = iotsafe_op_within(op);
    struct iotsafe_object object;

    return item->listed
           || iotsafe_find(store->card, IOTSAFE_PUBLIC_KEY, &item->object.name, &object, &quiet)
                  == IOTSAFE_OK;
}

static enum iotsafe_err read_public_key(const struct store *store, const struct item *item,
                                        struct isprov_public_key **ret_pub, struct iotsafe_op *op)
{
    return item->listed
               ? isprov_object_public_key(store->prov, store->card, &item->object, ret_pub, op)
               : isprov_named_public_key(store->prov, store->card, &item->object.name, ret_pub, op);
}

static enum outcome give_public_key(struct store *store, const struct item *item,
                                    const struct receiver *to, struct iotsafe_op *op)
{
    struct isprov_public_key *pub = NULL;
    enum outcome outcome;
    enum iotsafe_err err = read_public_key(store, item, &pub, op);

    if (worth_asking_again(item, err))
        err = read_public_key(store, item, &pub, op);
    if (err != IOTSAFE_OK)
        return not_had(store, item, err, op);
    if (isprov_card_verifies(store->prov) && !isprov_type_is_rsa(pub->type)
        && is_object(store, item, op))
        return give_card_public(store, item, pub, to);
    outcome = give_spki(store, pub, to);
    isprov_public_key_free(pub);
    return outcome;
}

static enum outcome give_next_cert(struct store *store, const struct receiver *to)
{
    X509 *cert = sk_X509_shift(store->certs);
    unsigned char *der = NULL;
    int len = i2d_X509(cert, &der);
    enum outcome outcome = FAILED;

    if (len > 0)
        outcome = give_der(to, OSSL_OBJECT_CERT, NULL, "Certificate", der, (size_t)len);
    else
        isprov_raise(store->prov, IOTSAFE_ERR_MEMORY, NULL);
    OPENSSL_free(der);
    X509_free(cert);
    return outcome;
}

static enum iotsafe_err read_certs(const struct store *store, const struct item *item,
                                   STACK_OF(X509) **ret_certs, struct iotsafe_op *op)
{
    return item->listed
               ? isprov_file_certs(store->prov, store->card, &item->object, ret_certs, op)
               : isprov_named_certs(store->prov, store->card, &item->object.name, ret_certs, op);
}

/* Leaves those of the subject that is searched for. */
static void sort_out(const struct store *store)
{
    for (int i = sk_X509_num(store->certs) - 1; i >= 0 && store->subject != NULL; i--)
        if (X509_NAME_cmp(X509_get_subject_name(sk_X509_value(store->certs, i)), store->subject)
            != 0)
            X509_free(sk_X509_delete(store->certs, i));
}

static enum outcome give_certs(struct store *store, const struct item *item,
                               const struct receiver *to, struct iotsafe_op *op)
{
    STACK_OF(X509) *certs = NULL;
    enum iotsafe_err err = read_certs(store, item, &certs, op);

    if (worth_asking_again(item, err))
        err = read_certs(store, item, &certs, op);
    if (err != IOTSAFE_OK)
        return not_had(store, item, err, op);
    sk_X509_free(store->certs);
    store->certs = certs;
    sort_out(store);
    return sk_X509_num(certs) > 0 ? give_next_cert(store, to) : SKIPPED;
}

static enum outcome give(struct store *store, const struct receiver *to, struct iotsafe_op *op)
{
    const struct item *item;

    if (sk_X509_num(store->certs) > 0)
        return give_next_cert(store, to);
    item = &store->items[store->next++];
    switch (item->type) {
    case IOTSAFE_URI_PRIVATE:
        return give_private_key(store, item, to, op);
    case IOTSAFE_URI_PUBLIC:
        return give_public_key(store, item, to, op);
    default:
        return give_certs(store, item, to, op);
    }
}

static bool has_more(const struct store *store)
{
    return store->next < store->n_items || sk_X509_num(store->certs) > 0;
}

static int store_eof(void *ctx)
{
    const struct store *store = ctx;

    return store->ended || (store->begun && !has_more(store));
}

static int store_load(void *ctx, OSSL_CALLBACK *cb, void *arg, OSSL_PASSPHRASE_CALLBACK *pw_cb,
                      void *pw_arg)
{
    ISPROV_KEEP_ERRNO;
    struct store *store = ctx;
    const struct receiver to = { .cb = cb, .arg = arg };
    struct iotsafe_op op = isprov_op_begin(store->prov);
    enum iotsafe_err err = IOTSAFE_OK;
    enum outcome outcome = SKIPPED;

    (void)pw_cb; /* nothing here is protected by a pass phrase */
    (void)pw_arg;
    if (!store->begun) {
        store->begun = true;
        err = plan(store, &op);
    }
    if (err != IOTSAFE_OK) {
        isprov_raise(store->prov, err, &op);
        outcome = FAILED;
    }
    while (outcome == SKIPPED && has_more(store))
        outcome = give(store, &to, &op);
    store->ended = outcome == FAILED;
    return outcome != FAILED;
}

/* A private key has no other form. With its public key alone, libcrypto would
 * take the key for a public one and look no further. */
static int store_export_object(void *ctx, const void *reference, size_t reference_len,
                               OSSL_CALLBACK *cb, void *arg)
{
    (void)ctx;
    (void)reference;
    (void)reference_len;
    (void)cb;
    (void)arg;
    return 0;
}

const OSSL_DISPATCH isprov_store[] = {
    { OSSL_FUNC_STORE_OPEN, (void (*)(void))store_open },
    { OSSL_FUNC_STORE_SETTABLE_CTX_PARAMS, (void (*)(void))store_settable_ctx_params },
    { OSSL_FUNC_STORE_SET_CTX_PARAMS, (void (*)(void))store_set_ctx_params },
    { OSSL_FUNC_STORE_LOAD, (void (*)(void))store_load },
    { OSSL_FUNC_STORE_EOF, (void (*)(void))store_eof },
    { OSSL_FUNC_STORE_CLOSE, (void (*)(void))store_close },
    { OSSL_FUNC_STORE_EXPORT_OBJECT, (void (*)(void))store_export_object },
    { 0, NULL }
};
