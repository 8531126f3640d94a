/* SPDX-License-Identifier: Apache-2.0 */
/* see accept.h */
#include "accept.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <time.h>

#include "report.h"

X509 *accept_find(const STACK_OF(X509) *certs, const EVP_PKEY *public_key)
{
    X509 *found = NULL;

    for (int i = 0; i < sk_X509_num(certs) && found == NULL; i++) {
        const EVP_PKEY *key = X509_get0_pubkey(sk_X509_value(certs, i));

        if (key != NULL && EVP_PKEY_eq(key, public_key) == 1)
            found = sk_X509_value(certs, i);
    }
    ERR_clear_error();
    return found;
}

bool accept_holds_key(const STACK_OF(X509) *certs, const EVP_PKEY *public_key)
{
    return accept_find(certs, public_key) != NULL;
}

bool accept_is_valid(const X509 *cert, long left_s)
{
    const time_t now = time(NULL);

    return ASN1_TIME_cmp_time_t(X509_get0_notBefore(cert), now) <= 0
           && ASN1_TIME_cmp_time_t(X509_get0_notBefore(cert), now) != -2
           && ASN1_TIME_cmp_time_t(X509_get0_notAfter(cert), now + left_s) == 1;
}

/* ---- the rules, each with the reason for a refusal ---- */

static bool is_for_clients(X509 *cert)
{
    const uint32_t usage = X509_get_extended_key_usage(cert); /* all bits: not restricted */

    return (usage & XKU_SSL_CLIENT) != 0;
}

static bool signs(X509 *cert)
{
    return (X509_get_key_usage(cert) & KU_DIGITAL_SIGNATURE) != 0; /* the same */
}

static bool is_valid(X509 *cert)
{
    return accept_is_valid(cert, 0);
}

static bool is_no_authority(X509 *cert)
{
    return (X509_get_extension_flags(cert) & EXFLAG_CA) == 0;
}

static bool is_sound(X509 *cert)
{
    return (X509_get_extension_flags(cert) & EXFLAG_INVALID) == 0;
}

static const struct {
    bool (*holds)(X509 *cert);
    const char *otherwise;
} rules[] = {
    { is_sound, "an extension in it is malformed" },
    { is_valid, "it is not valid now; is the clock of this machine right?" },
    { is_for_clients, "it is not for TLS clients (extended key usage)" },
    { signs, "it is not for signatures (key usage)" },
    { is_no_authority, "it is a CA certificate" },
};

/* ---- the chain ---- */

static bool is_issuer_known(const STACK_OF(X509) *trust, X509 *cert)
{
    for (int i = 0; i < sk_X509_num(trust); i++)
        if (X509_check_issued(sk_X509_value(trust, i), cert) == X509_V_OK)
            return true;
    return false;
}

static X509_STORE *store_of(const STACK_OF(X509) *certs)
{
    X509_STORE *store = X509_STORE_new();

    for (int i = 0; store != NULL && i < sk_X509_num(certs); i++)
        if (!X509_STORE_add_cert(store, sk_X509_value(certs, i))) {
            X509_STORE_free(store);
            store = NULL;
        }
    return store;
}

/* What is trusted may itself have an issuer that is not. */
static bool verify(struct job *job, X509 *cert, STACK_OF(X509) *others,
                   const STACK_OF(X509) *anchors)
{
    X509_STORE *store = store_of(anchors);
    X509_STORE_CTX *ctx = X509_STORE_CTX_new_ex(job->tool->libctx, NULL);
    bool good = store != NULL && ctx != NULL && X509_STORE_CTX_init(ctx, store, cert, others)
                && X509_STORE_CTX_set_default(ctx, "ssl_client");

    if (good) {
        X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_PARTIAL_CHAIN);
        good = X509_verify_cert(ctx) == 1;
        sk_X509_pop_free(job->chain, X509_free);
        job->chain = NULL;
        if (good)
            job->chain = X509_STORE_CTX_get1_chain(ctx);
        else
            report_error("the certificate that the server gave does not chain to what is "
                         "trusted: %s",
                         X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
    } else {
        report_error("out of memory");
    }
    if (job->chain != NULL && sk_X509_num(job->chain) > 1)
        X509_free(sk_X509_shift(job->chain)); /* the leaf */
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    ERR_clear_error();
    return good;
}

/* Without --trust the authorities count that the authenticated server told (RFC 7030 4.1). */
static bool check_chain(struct job *job, X509 *cert, const STACK_OF(X509) *certs)
{
    STACK_OF(X509) *others = sk_X509_new_null();
    const STACK_OF(X509) *anchors = job->trust != NULL ? job->trust : job->server_certs;
    bool good = others != NULL;

    if (job->method->issuer_unpublished && !is_issuer_known(job->trust, cert)) {
        sk_X509_free(others);
        report_note(
            "the issuer of the certificate is not in --trust: the server is trusted instead");
        return true;
    }
    for (int i = 0; good && i < sk_X509_num(certs); i++)
        good = sk_X509_push(others, sk_X509_value(certs, i)) > 0;
    for (int i = 0; good && i < sk_X509_num(job->server_certs); i++)
        good = sk_X509_push(others, sk_X509_value(job->server_certs, i)) > 0;
    good = good && verify(job, cert, others, anchors);
    sk_X509_free(others);
    return good;
}

enum outcome accept_certificate(struct job *job, const STACK_OF(X509) *certs)
{
    X509 *cert = accept_find(certs, job->public_key);

    if (cert == NULL) {
        report_error("the server gave no certificate for the key on the SIM");
        return OUTCOME_FAILED;
    }
    for (size_t i = 0; i < ARRAY_LEN(rules); i++)
        if (!rules[i].holds(cert)) {
            report_error("the server's certificate is not accepted: %s", rules[i].otherwise);
            return OUTCOME_FAILED;
        }
    if (!check_chain(job, cert, certs) || !X509_up_ref(cert))
        return OUTCOME_FAILED;
    X509_free(job->certificate); /* of an attempt that failed afterwards */
    job->certificate = cert;
    return OUTCOME_DONE;
}
