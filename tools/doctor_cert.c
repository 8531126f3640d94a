/* SPDX-License-Identifier: Apache-2.0 */
/* iotsafe doctor: the certificate of the key, and both in a TLS context. */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "doctor.h"
#include "pubkey.h"

#define NAME_TEXT_MAX 200
#define DATE_TEXT_MAX 32
#define SOON_DAYS 30
#define CHAIN_MAX 10

/* 1 January 2025: an earlier clock has lost its time. */
#define CLOCK_MIN 1735689600

enum store_result doctor_certs_of(const struct doctor *d, const struct iotsafe_uri *key,
                                  STACK_OF(X509) **ret_certs, struct queue_summary *ret_why)
{
    struct iotsafe_uri uri = *key;

    uri.type = IOTSAFE_URI_CERT;
    return store_certificates(doctor_tool(d), &uri, ret_certs, ret_why);
}

static void name_text(const X509_NAME *name, char ret_text[static NAME_TEXT_MAX])
{
    BIO *bio = BIO_new(BIO_s_mem());
    int len = 0;

    if (bio != NULL && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0)
        len = BIO_read(bio, ret_text, NAME_TEXT_MAX - 1);
    ret_text[len > 0 ? len : 0] = '\0';
    BIO_free(bio);
}

static void tm_text(const struct tm *tm, char ret_text[static DATE_TEXT_MAX])
{
    if (strftime(ret_text, DATE_TEXT_MAX, "%Y-%m-%d %H:%M UTC", tm) == 0)
        ret_text[0] = '\0';
}

static void asn1_text(const ASN1_TIME *when, char ret_text[static DATE_TEXT_MAX])
{
    struct tm tm = { .tm_mday = 1 };

    (void)ASN1_TIME_to_tm(when, &tm);
    tm_text(&tm, ret_text);
}

static void now_text(time_t now, char ret_text[static DATE_TEXT_MAX])
{
    struct tm tm = { .tm_mday = 1 };

    (void)gmtime_r(&now, &tm);
    tm_text(&tm, ret_text);
}

/* ---- what can be wrong with the first certificate ---- */

static bool check_key(struct doctor *d, X509 *cert)
{
    char subject[NAME_TEXT_MAX], uri[IOTSAFE_URI_MAX];

    if (EVP_PKEY_eq(X509_get0_pubkey(cert), d->key) == 1)
        return true;
    name_text(X509_get_subject_name(cert), subject);
    iotsafe_uri_format(&d->uri, uri);
    doctor_find(d, FINDING_KEY_MISMATCH, "the certificate of %s is for another key than %s",
                subject, uri);
    return false;
}

static void check_validity(struct doctor *d, X509 *cert)
{
    const ASN1_TIME *begin = X509_get0_notBefore(cert), *end = X509_get0_notAfter(cert);
    char when[DATE_TEXT_MAX], today[DATE_TEXT_MAX];
    time_t now = time(NULL), soon = now + (time_t)SOON_DAYS * 24 * 3600;

    now_text(now, today);
    if (now < CLOCK_MIN) {
        doctor_find(d, FINDING_CLOCK_WRONG, "the clock says %s", today);
    } else if (ASN1_TIME_cmp_time_t(begin, now) == 1) {
        asn1_text(begin, when);
        doctor_find(d, FINDING_CERTIFICATE_EARLY,
                    "the certificate is valid from %s on, and the clock says %s", when, today);
    } else if (ASN1_TIME_cmp_time_t(end, now) == -1) {
        asn1_text(end, when);
        doctor_find(d, FINDING_CERTIFICATE_EXPIRED,
                    "the certificate was valid until %s, and the clock says %s", when, today);
    } else if (ASN1_TIME_cmp_time_t(end, soon) == -1) {
        asn1_text(end, when);
        doctor_find(d, FINDING_CERTIFICATE_ENDS, "the certificate is valid until %s only", when);
    }
}

static bool is_for(X509 *cert, int purpose)
{
    const bool fits = X509_check_purpose(cert, purpose, 0) == 1;

    ERR_clear_error();
    return fits;
}

/* For whom it is, in words; NULL after a finding. */
static const char *check_usage(struct doctor *d, X509 *cert)
{
    const bool client = is_for(cert, X509_PURPOSE_SSL_CLIENT);
    const bool server = is_for(cert, X509_PURPOSE_SSL_SERVER);

    if (client || server)
        return client && server ? "TLS clients and servers"
               : client         ? "TLS clients only"
                                : "TLS servers only";
    doctor_find(d, FINDING_CERTIFICATE_USAGE,
                "the key usage in the certificate allows neither a TLS client nor a server");
    return NULL;
}

/* ---- the chain ---- */

static X509 *issuer_in(const STACK_OF(X509) *certs, X509 *cert)
{
    for (int i = 0; i < sk_X509_num(certs); i++)
        if (X509_check_issued(sk_X509_value(certs, i), cert) == X509_V_OK)
            return sk_X509_value(certs, i);
    return NULL;
}

/* Is its issuer among those that this machine trusts? */
static bool is_trusted(const struct doctor *d, X509 *cert)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new_ex(d->own.libctx, NULL);
    STACK_OF(X509) *found = NULL;

    if (store != NULL && ctx != NULL && X509_STORE_set_default_paths_ex(store, d->own.libctx, NULL)
        && X509_STORE_CTX_init(ctx, store, cert, NULL))
        found = X509_STORE_CTX_get1_certs(ctx, X509_get_issuer_name(cert));
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    ERR_clear_error();
    if (issuer_in(found, cert) != NULL) {
        sk_X509_pop_free(found, X509_free);
        return true;
    }
    sk_X509_pop_free(found, X509_free);
    return false;
}

static bool is_root(X509 *cert)
{
    const bool root = X509_self_signed(cert, 0) == 1;

    ERR_clear_error();
    return root;
}

/* What programs send has all certificates but the root; that one is elsewhere on the SIM, or
 * trusted by this machine: else nobody here can tell that the issuer is one. */
static void check_chain(struct doctor *d, X509 *cert)
{
    struct iotsafe_uri all = { .type = IOTSAFE_URI_CERT };
    STACK_OF(X509) *known = NULL;
    char issuer[NAME_TEXT_MAX];
    struct queue_summary why;
    X509 *next = cert, *last = cert;
    bool complete;

    for (int i = 0; i < CHAIN_MAX && next != NULL && !is_root(next); i++) {
        last = next;
        next = issuer_in(d->certs, last);
    }
    if (next != NULL)
        return;
    memcpy(all.sim, d->uri.sim, sizeof(all.sim));
    (void)doctor_certs_of(d, &all, &known, &why);
    next = issuer_in(known, last);
    complete = (next != NULL && is_root(next)) || is_trusted(d, last);
    if (!complete) {
        name_text(X509_get_issuer_name(last), issuer);
        doctor_find(d, FINDING_CHAIN_INCOMPLETE,
                    "the certificate of the issuer %s does not follow%s", issuer,
                    next != NULL ? ", though the SIM has it" : "");
    }
    sk_X509_pop_free(known, X509_free);
}

/* ---- */

/* Programs pass over a file that the SIM does not give out; here it may be the reason. */
static bool find_closed_file(struct doctor *d)
{
    struct iotsafe_op op = tool_op_begin(&d->own);

    for (size_t i = 0; i < d->n_objects; i++) {
        const struct iotsafe_object *object = &d->objects[i];
        uint8_t *data = NULL;
        size_t len;
        enum iotsafe_err err;

        if (object->kind != IOTSAFE_FILE
            || ((object->told & IOTSAFE_TOLD_FILE_USAGE) != 0
                && object->file_usage != IOTSAFE_FILE_CERTIFICATE))
            continue;
        err = iotsafe_read_file(d->card, &object->name, IOTSAFE_CERTIFICATES, object->file_size,
                                &data, &len, &op);
        free(data);
        if (err == IOTSAFE_OK)
            continue;
        doctor_find_error(d, err, op.text, FINDING_CERTIFICATE_UNREADABLE);
        return true;
    }
    return false;
}

/* Those of the file, else those that the SIM has for the key. */
static bool get_certs(struct doctor *d)
{
    struct queue_summary why;

    if (sk_X509_num(d->file_certs) > 0) {
        d->certs = X509_chain_up_ref(d->file_certs);
        return d->certs != NULL;
    }
    switch (doctor_certs_of(d, &d->uri, &d->certs, &why)) {
    case STORE_FOUND:
        return true;
    case STORE_NOTHING:
        if (!find_closed_file(d))
            doctor_find(d, FINDING_CERTIFICATE_ABSENT, "%s", why.text);
        return false;
    default:
        doctor_find_error(d, why.err, why.text, FINDING_CERTIFICATE_UNREADABLE);
        return false;
    }
}

bool doctor_certificate(struct doctor *d)
{
    char subject[NAME_TEXT_MAX], end[DATE_TEXT_MAX];
    const char *usage;
    X509 *cert;

    if (!get_certs(d))
        return false;
    cert = sk_X509_value(d->certs, 0);
    if (!check_key(d, cert))
        return false;
    check_validity(d, cert);
    usage = check_usage(d, cert);
    check_chain(d, cert);
    name_text(X509_get_subject_name(cert), subject);
    asn1_text(X509_get0_notAfter(cert), end);
    doctor_ok(d, "%s, for %s, valid until %s", subject, usage, end);
    return true;
}

/* ---- TLS ---- */

bool doctor_tls(struct doctor *d)
{
    SSL_CTX *ctx = SSL_CTX_new_ex(doctor_tool(d)->libctx, NULL, TLS_method());
    struct queue_summary why;

    if (ctx == NULL || SSL_CTX_use_certificate(ctx, sk_X509_value(d->certs, 0)) <= 0
        || SSL_CTX_use_PrivateKey(ctx, d->key) <= 0 || SSL_CTX_check_private_key(ctx) <= 0) {
        report_drain_queue("OpenSSL gives no reason", &why);
        doctor_find(d, FINDING_TLS_REFUSED,
                    "a TLS context does not take the certificate and key: %s", why.text);
    }
    SSL_CTX_free(ctx);
    doctor_ok(d, "a TLS context takes the certificate and the key");
    return true;
}
