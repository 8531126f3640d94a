/* SPDX-License-Identifier: Apache-2.0 */
/* Objects through OSSL_STORE: opens a URI, takes what is wanted, and tells
 * "there is none" from "it cannot be had". */
#include "store.h"

#include <openssl/err.h>
#include <openssl/store.h>

/* What one walk through a store is after. */
struct harvest {
    int want; /* OSSL_STORE_INFO_... */
    STACK_OF(X509) *certs;
    EVP_PKEY *key;
};

static void take_object(struct harvest *harvest, OSSL_STORE_INFO *info)
{
    X509 *cert;

    switch (OSSL_STORE_INFO_get_type(info)) {
    case OSSL_STORE_INFO_CERT:
        cert = harvest->certs != NULL ? OSSL_STORE_INFO_get1_CERT(info) : NULL;
        if (cert != NULL && sk_X509_push(harvest->certs, cert) <= 0)
            X509_free(cert);
        break;
    case OSSL_STORE_INFO_PKEY:
        if (harvest->want == OSSL_STORE_INFO_PKEY && harvest->key == NULL)
            harvest->key = OSSL_STORE_INFO_get1_PKEY(info);
        break;
    case OSSL_STORE_INFO_PUBKEY:
        if (harvest->want == OSSL_STORE_INFO_PUBKEY && harvest->key == NULL)
            harvest->key = OSSL_STORE_INFO_get1_PUBKEY(info);
        break;
    default:
        break;
    }
}

/* False on an error, which is in the queue then. A failed load ends the walk:
 * half a chain is worse than none. */
static bool walk(const struct tool *tool, const struct iotsafe_uri *uri, struct harvest *harvest)
{
    char text[IOTSAFE_URI_MAX];
    OSSL_STORE_CTX *store;
    OSSL_STORE_INFO *info;
    bool good;

    iotsafe_uri_format(uri, text);
    store = OSSL_STORE_open_ex(text, tool->libctx, NULL, NULL, NULL, NULL, NULL, NULL);
    if (store == NULL)
        return false;
    good = OSSL_STORE_expect(store, harvest->want) > 0;
    while (good && harvest->key == NULL && !OSSL_STORE_eof(store)) {
        info = OSSL_STORE_load(store);
        good = info != NULL || !OSSL_STORE_error(store);
        if (info != NULL)
            take_object(harvest, info);
        OSSL_STORE_INFO_free(info);
    }
    OSSL_STORE_close(store);
    return good;
}

static enum store_result result_of(bool walked, bool found, struct queue_summary *ret_why)
{
    report_drain_queue("no such object", ret_why);
    if (found)
        return STORE_FOUND;
    if (ret_why->from_provider && ret_why->err == IOTSAFE_ERR_NOT_FOUND)
        return STORE_NOTHING;
    return walked && !ret_why->from_provider ? STORE_NOTHING : STORE_FAILED;
}

enum store_result store_certificates(const struct tool *tool, const struct iotsafe_uri *uri,
                                     STACK_OF(X509) **ret_certs, struct queue_summary *ret_why)
{
    struct harvest harvest = { .want = OSSL_STORE_INFO_CERT, .certs = sk_X509_new_null() };
    bool walked = harvest.certs != NULL && walk(tool, uri, &harvest);
    enum store_result result = result_of(walked, walked && sk_X509_num(harvest.certs) > 0, ret_why);

    if (result == STORE_FOUND)
        *ret_certs = harvest.certs;
    else
        sk_X509_pop_free(harvest.certs, X509_free);
    return result;
}

enum store_result store_key(const struct tool *tool, const struct iotsafe_uri *uri,
                            EVP_PKEY **ret_key, struct queue_summary *ret_why)
{
    struct harvest harvest = { .want = uri->type == IOTSAFE_URI_PUBLIC ? OSSL_STORE_INFO_PUBKEY
                                                                       : OSSL_STORE_INFO_PKEY };
    bool walked = walk(tool, uri, &harvest);
    enum store_result result = result_of(walked, harvest.key != NULL, ret_why);

    if (result == STORE_FOUND)
        *ret_key = harvest.key;
    return result;
}

/* The key in the certificate that the URI finds. */
static enum store_result key_of_certificate(const struct tool *tool, const struct iotsafe_uri *uri,
                                            EVP_PKEY **ret_key, struct queue_summary *ret_why)
{
    STACK_OF(X509) *certs = NULL;
    enum store_result result = store_certificates(tool, uri, &certs, ret_why);

    if (result != STORE_FOUND)
        return result;
    *ret_key = X509_get_pubkey(sk_X509_value(certs, 0));
    sk_X509_pop_free(certs, X509_free);
    if (*ret_key != NULL)
        return STORE_FOUND;
    report_drain_queue("the certificate's public key cannot be used", ret_why);
    return STORE_FAILED;
}

/* If nothing finds a key, the reason is that of the first type: the key that was
 * most likely meant. */
enum store_result store_any_key(const struct tool *tool, struct iotsafe_uri *uri,
                                EVP_PKEY **ret_key, struct queue_summary *ret_why)
{
    static const enum iotsafe_uri_type types[] = { IOTSAFE_URI_PRIVATE, IOTSAFE_URI_PUBLIC,
                                                   IOTSAFE_URI_CERT };
    enum store_result result = STORE_NOTHING;
    struct queue_summary why;
    bool first = true;

    for (size_t i = 0; i < ARRAY_LEN(types) && result == STORE_NOTHING; i++) {
        struct iotsafe_uri typed = *uri;

        if (uri->type != IOTSAFE_URI_ANY && uri->type != types[i])
            continue;
        typed.type = types[i];
        result = typed.type == IOTSAFE_URI_CERT ? key_of_certificate(tool, &typed, ret_key, &why)
                                                : store_key(tool, &typed, ret_key, &why);
        if (result == STORE_FOUND)
            *uri = typed;
        if (first || result == STORE_FAILED)
            *ret_why = why;
        first = false;
    }
    return result;
}
