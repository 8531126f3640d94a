/* SPDX-License-Identifier: Apache-2.0 */
/* see cert.h */
#include "cert.h"

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>
#include <time.h>

static bool is_padding(uint8_t byte)
{
    return byte == 0x00 || byte == 0xff;
}

/* Adds what stands at *p if it is a certificate, and steps over it. */
static bool take_der(STACK_OF(X509) *certs, OSSL_LIB_CTX *libctx, const uint8_t **p, size_t left)
{
    X509 *cert = X509_new_ex(libctx, NULL);

    /* d2i reads one value and leaves *p alone when it fails. */
    if (cert != NULL && d2i_X509(&cert, p, (long)left) != NULL && sk_X509_push(certs, cert) > 0)
        return true;
    X509_free(cert);
    return false;
}

static void parse_der(STACK_OF(X509) *certs, OSSL_LIB_CTX *libctx, const uint8_t *data, size_t len)
{
    const uint8_t *p = data, *end = data + len;

    do {
        while (p < end && is_padding(*p))
            p++;
    } while (p < end && take_der(certs, libctx, &p, (size_t)(end - p)));
}

/* Labels that OpenSSL takes for a certificate. Behind a trusted one stand its
 * settings for OpenSSL, which nobody on a SIM may make: they are left out. */
static bool is_cert_label(const char *label)
{
    static const char *const labels[] = { PEM_STRING_X509, PEM_STRING_X509_OLD,
                                          PEM_STRING_X509_TRUSTED };

    for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++)
        if (strcmp(label, labels[i]) == 0)
            return true;
    return false;
}

static void parse_pem(STACK_OF(X509) *certs, OSSL_LIB_CTX *libctx, const uint8_t *data, size_t len)
{
    BIO *bio = BIO_new_mem_buf(data, (int)len);
    char *label = NULL, *header = NULL;
    unsigned char *der = NULL;
    const uint8_t *p;
    long der_len;
    bool more = bio != NULL;

    while (more && PEM_read_bio(bio, &label, &header, &der, &der_len)) {
        p = der;
        more = !is_cert_label(label) || take_der(certs, libctx, &p, (size_t)der_len);
        OPENSSL_free(label);
        OPENSSL_free(header);
        OPENSSL_free(der);
    }
    BIO_free(bio);
}

static bool is_issuer_of(const X509 *issuer, const X509 *cert)
{
    return X509_NAME_cmp(X509_get_subject_name(issuer), X509_get_issuer_name(cert)) == 0;
}

bool isprov_cert_is_valid_now(const X509 *cert)
{
    const time_t now = time(NULL);
    const int begins = ASN1_TIME_cmp_time_t(X509_get0_notBefore(cert), now);
    const int ends = ASN1_TIME_cmp_time_t(X509_get0_notAfter(cert), now);

    return (begins == -1 || begins == 0) && ends == 1; /* -2: not a time */
}

bool isprov_cert_ends_later(const X509 *a, const X509 *b)
{
    return ASN1_TIME_compare(X509_get0_notAfter(a), X509_get0_notAfter(b)) == 1;
}

static bool issued_another(const STACK_OF(X509) *certs, int i)
{
    for (int j = 0; j < sk_X509_num(certs); j++)
        if (j != i && is_issuer_of(sk_X509_value(certs, i), sk_X509_value(certs, j)))
            return true;
    return false;
}

/* True if `other` is another certificate of the same key, and the better one. */
static bool renews(const X509 *other, const X509 *cert)
{
    const EVP_PKEY *key = X509_get0_pubkey(cert), *other_key = X509_get0_pubkey(other);
    const bool valid = isprov_cert_is_valid_now(cert);

    if (key == NULL || other_key == NULL || EVP_PKEY_eq(key, other_key) != 1)
        return false;
    return isprov_cert_is_valid_now(other) != valid ? !valid : isprov_cert_ends_later(other, cert);
}

/* The position of a certificate that issued none of the others; 0 if each issued
 * another one. */
static int find_leaf(const STACK_OF(X509) *certs)
{
    int leaf = -1;

    for (int i = 0; i < sk_X509_num(certs); i++)
        if (!issued_another(certs, i)
            && (leaf < 0 || renews(sk_X509_value(certs, i), sk_X509_value(certs, leaf))))
            leaf = i;
    return leaf < 0 ? 0 : leaf;
}

static int find_issuer(const STACK_OF(X509) *certs, int from, const X509 *cert)
{
    for (int i = from; i < sk_X509_num(certs); i++)
        if (is_issuer_of(sk_X509_value(certs, i), cert))
            return i;
    return -1;
}

static void move_to(STACK_OF(X509) *certs, int from, int to)
{
    X509 *cert = sk_X509_delete(certs, from);

    /* There is room: one was just taken out. */
    sk_X509_insert(certs, cert, to);
}

static void order_chain(STACK_OF(X509) *certs)
{
    int next = sk_X509_num(certs) > 1 ? find_leaf(certs) : -1;

    for (int at = 0; next >= 0; at++) {
        move_to(certs, next, at);
        next = find_issuer(certs, at + 1, sk_X509_value(certs, at));
    }
}

STACK_OF(X509) *isprov_certs_parse(OSSL_LIB_CTX *libctx, const uint8_t *data, size_t len)
{
    STACK_OF(X509) *certs = sk_X509_new_null();
    size_t start = 0;

    if (certs == NULL)
        return NULL;
    while (start < len && is_padding(data[start]))
        start++;
    ERR_set_mark();
    if (start < len && data[start] == (V_ASN1_CONSTRUCTED | V_ASN1_SEQUENCE))
        parse_der(certs, libctx, data + start, len - start);
    else if (start < len)
        parse_pem(certs, libctx, data + start, len - start);
    order_chain(certs);
    ERR_pop_to_mark();
    return certs;
}
