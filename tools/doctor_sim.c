/* SPDX-License-Identifier: Apache-2.0 */
/* iotsafe doctor: the key that is meant, in a file and on the SIM, and a signature with it. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "doctor.h"
#include "keyref.h"
#include "pubkey.h"

/* ---- the file that programs are given ---- */

static bool take_reference(struct doctor *d, const unsigned char *der, long len)
{
    struct isprov_keyref ref = { .spki = NULL };
    struct iotsafe_op op = { .text = "" };
    const unsigned char *spki;

    if (isprov_keyref_decode(der, (size_t)len, &ref, &op) != IOTSAFE_OK) {
        doctor_find(d, FINDING_FILE_BROKEN, "%s: %s", d->operand, op.text);
        return false;
    }
    d->uri = ref.uri;
    spki = ref.spki;
    if (spki != NULL && d->file_key == NULL)
        d->file_key = d2i_PUBKEY_ex(NULL, &spki, (long)ref.spki_len, d->own.libctx,
                                    PUBKEY_SOFTWARE);
    isprov_keyref_clear(&ref);
    return true;
}

static void take_certificate(struct doctor *d, const unsigned char *der, long len)
{
    X509 *cert = X509_new_ex(doctor_tool(d)->libctx, NULL);

    if (cert == NULL || d2i_X509(&cert, &der, len) == NULL) /* which has then freed it */
        return;
    if (d->file_certs == NULL)
        d->file_certs = sk_X509_new_null();
    if (d->file_certs == NULL || sk_X509_push(d->file_certs, cert) <= 0)
        X509_free(cert);
}

/* False after a finding. */
static bool take_blocks(struct doctor *d, BIO *bio)
{
    char *name = NULL, *header = NULL;
    unsigned char *der = NULL;
    bool good = true;
    long len = 0;

    while (good && PEM_read_bio(bio, &name, &header, &der, &len)) {
        if (strcmp(name, ISPROV_KEYREF_PEM_LABEL) == 0)
            good = take_reference(d, der, len);
        else if (strcmp(name, PEM_STRING_X509) == 0 || strcmp(name, PEM_STRING_X509_OLD) == 0)
            take_certificate(d, der, len);
        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_free(der);
    }
    ERR_clear_error();
    return good;
}

static void find_unreadable(struct doctor *d, int why)
{
    char text[256];

    if (why != EACCES) {
        doctor_find(d, FINDING_FILE_ABSENT, "%s: %s", d->operand, strerror(why));
        return;
    }
    doctor_explain_closed(d->operand, text, sizeof(text));
    doctor_find(d, FINDING_FILE_CLOSED, "%s cannot be read: %s", d->operand, text);
}

bool doctor_file(struct doctor *d)
{
    FILE *file;
    BIO *bio;
    bool good;

    if (!d->file_given)
        return true;
    file = fopen(d->operand, "re");
    bio = file != NULL ? BIO_new_fp(file, BIO_CLOSE) : NULL;
    if (bio == NULL) {
        find_unreadable(d, errno);
        return false;
    }
    good = take_blocks(d, bio);
    BIO_free(bio);
    if (good && iotsafe_name_is_empty(&d->uri.name) && sk_X509_num(d->file_certs) <= 0) {
        doctor_find(d, FINDING_FILE_BROKEN, "%s holds neither a key reference nor a certificate",
                    d->operand);
        good = false;
    }
    doctor_ok(d, "%s holds %s; certificates in it: %d", d->operand,
              iotsafe_name_is_empty(&d->uri.name) ? "no key reference" : "a key reference",
              sk_X509_num(d->file_certs) > 0 ? sk_X509_num(d->file_certs) : 0);
    return good;
}

/* ---- the key on the SIM ---- */

static struct iotsafe_uri uri_of(const struct doctor *d, const struct iotsafe_object *object)
{
    struct iotsafe_uri uri = { .name = object->name, .type = IOTSAFE_URI_PRIVATE };

    memcpy(uri.sim, d->uri.sim, sizeof(uri.sim));
    return uri;
}

static bool is_in_use(const struct iotsafe_object *object)
{
    return object->kind == IOTSAFE_PRIVATE_KEY
           && ((object->told & IOTSAFE_TOLD_STATE) == 0
               || object->state == IOTSAFE_STATE_ACTIVATED);
}

/* Is it the key of the certificate in the file; without one, has it a certificate? */
static bool is_meant(const struct doctor *d, const struct iotsafe_uri *uri, const EVP_PKEY *key)
{
    STACK_OF(X509) *certs = NULL;
    struct queue_summary why;
    bool meant;

    if (sk_X509_num(d->file_certs) > 0)
        return EVP_PKEY_eq(X509_get0_pubkey(sk_X509_value(d->file_certs, 0)), key) == 1;
    meant = doctor_certs_of(d, uri, &certs, &why) == STORE_FOUND;
    sk_X509_pop_free(certs, X509_free);
    return meant;
}

/* The first key of that kind; without a certificate in a file, else the first at all.
 * `ret_why`: of a key that cannot be had, if there is one. */
static void choose_key(struct doctor *d, struct queue_summary *ret_why)
{
    const bool by_certificate = sk_X509_num(d->file_certs) > 0;

    for (size_t i = 0; i < d->n_objects; i++) {
        struct iotsafe_uri uri = uri_of(d, &d->objects[i]);
        EVP_PKEY *key = NULL;
        bool meant;

        if (!is_in_use(&d->objects[i])
            || store_key(doctor_tool(d), &uri, &key, ret_why) != STORE_FOUND)
            continue;
        meant = is_meant(d, &uri, key);
        if (meant || (d->key == NULL && !by_certificate)) {
            EVP_PKEY_free(d->key);
            d->key = key;
            d->uri = uri;
        } else {
            EVP_PKEY_free(key);
        }
        if (meant)
            return;
    }
}

static bool find_named_key(struct doctor *d)
{
    struct queue_summary why;

    d->uri.type = IOTSAFE_URI_PRIVATE;
    if (store_key(doctor_tool(d), &d->uri, &d->key, &why) == STORE_FOUND)
        return true;
    doctor_find_error(d, why.from_provider ? why.err : IOTSAFE_ERR_NOT_FOUND, why.text,
                      FINDING_KEY_ABSENT);
    return false;
}

static bool find_any_key(struct doctor *d)
{
    struct queue_summary why = { .from_provider = false };

    choose_key(d, &why);
    if (d->key != NULL)
        return true;
    if (why.from_provider)
        doctor_find_error(d, why.err, why.text, FINDING_KEY_NONE);
    else if (sk_X509_num(d->file_certs) > 0)
        doctor_find(d, FINDING_KEY_MISMATCH, "no key on the SIM belongs to the certificate in %s",
                    d->operand);
    else
        doctor_find(d, FINDING_KEY_NONE, "the SIM has no active private key");
    return false;
}

static void say_objects(struct doctor *d)
{
    char uri[IOTSAFE_URI_MAX];
    size_t n_idle = 0;

    for (size_t i = 0; i < d->n_objects; i++)
        n_idle += d->objects[i].kind == IOTSAFE_PRIVATE_KEY && !is_in_use(&d->objects[i]);
    iotsafe_uri_format(&d->uri, uri);
    doctor_ok(d, "%zu objects; the key is %s; private keys that are empty or not active: %zu",
              d->n_objects, uri, n_idle);
}

/* The key reference holds the public key of the time when it was written. */
static bool is_current(struct doctor *d)
{
    if (d->file_key == NULL || EVP_PKEY_eq(d->file_key, d->key) == 1)
        return true;
    doctor_find(
        d, FINDING_FILE_STALE,
        "the public key in %s does not match the key on this SIM: another SIM, or a new key",
        d->operand);
    return false;
}

bool doctor_objects(struct doctor *d)
{
    const bool named = !iotsafe_name_is_empty(&d->uri.name);
    struct iotsafe_op op = tool_op_begin(&d->own);
    enum iotsafe_err err = iotsafe_list(d->card, &d->objects, &d->n_objects, &op);
    bool good;

    if (err != IOTSAFE_OK && !(named && err == IOTSAFE_ERR_UNSUPPORTED)) {
        doctor_find_error(d, err, op.text, FINDING_CARD_ERROR);
        return false;
    }
    good = named ? find_named_key(d) : find_any_key(d);
    if (good && is_current(d))
        say_objects(d);
    return good;
}

/* ---- a signature ---- */

#define SLOW_MS 1000

static const unsigned char text[] = "iotsafe doctor";

static bool sign(const struct doctor *d, unsigned char sig[static IOTSAFE_SIGNATURE_MAX],
                 size_t *ret_len)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good;

    *ret_len = IOTSAFE_SIGNATURE_MAX;
    good = ctx != NULL
           && EVP_DigestSignInit_ex(ctx, NULL, "SHA256", doctor_tool(d)->libctx, NULL, d->key, NULL)
                  > 0
           && EVP_DigestSign(ctx, sig, ret_len, text, sizeof(text)) > 0;
    EVP_MD_CTX_free(ctx);
    return good;
}

/* With software: whoever checks it has no SIM. */
static bool verify(const struct doctor *d, const unsigned char *sig, size_t len)
{
    EVP_PKEY *software = pubkey_to_software(&d->own, d->key);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    const bool good = ctx != NULL && software != NULL
                      && EVP_DigestVerifyInit_ex(ctx, NULL, "SHA256", d->own.libctx,
                                                 PUBKEY_SOFTWARE, software, NULL)
                             > 0
                      && EVP_DigestVerify(ctx, sig, len, text, sizeof(text)) > 0;

    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(software);
    ERR_clear_error();
    return good;
}

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The time of one, at least 1; 0 after a finding. */
static long signature_ms(struct doctor *d)
{
    unsigned char sig[IOTSAFE_SIGNATURE_MAX];
    const int64_t begin = now_ms();
    struct queue_summary why;
    size_t len;
    long ms;

    if (!sign(d, sig, &len)) {
        report_drain_queue("OpenSSL cannot sign with this key", &why);
        doctor_find_error(d, why.from_provider ? why.err : IOTSAFE_ERR_CARD, why.text,
                          FINDING_SIGNATURE_FAILED);
        return 0;
    }
    ms = (long)(now_ms() - begin);
    if (verify(d, sig, len))
        return ms > 0 ? ms : 1;
    doctor_find(d, FINDING_SIGNATURE_WRONG, "the SIM's signature does not match its public key");
    return 0;
}

bool doctor_signature(struct doctor *d)
{
    long ms, again;

    if (d->no_sign)
        return true;
    ms = signature_ms(d);
    if (ms > SLOW_MS) { /* once more: the first may have opened a channel */
        again = signature_ms(d);
        if (again < ms)
            ms = again;
    }
    if (ms > SLOW_MS)
        doctor_find(d, FINDING_SIM_SLOW,
                    "a signature takes %ld ms: at most %ld TLS handshakes a minute", ms,
                    60000 / ms);
    else if (ms > 0)
        doctor_ok(d, "a signature takes %ld ms: at most %ld TLS handshakes a minute", ms,
                  60000 / ms);
    return true;
}
