/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates out of the bytes of a file object. */
#include <openssl/pem.h>
#include <string.h>

#include "cert.h"
#include "fixture.h"

static X509_NAME *make_name(const char *common_name)
{
    X509_NAME *name = X509_NAME_new();

    cr_assert(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                         (const unsigned char *)common_name, -1, -1, 0));
    return name;
}

/* A certificate made for the test: its name and its issuer's. */
static X509 *make_cert(const char *subject, const char *issuer, EVP_PKEY *key)
{
    X509 *cert = X509_new();
    X509_NAME *subject_name = make_name(subject), *issuer_name = make_name(issuer);

    cr_assert(
        X509_set_version(cert, X509_VERSION_3) && ASN1_INTEGER_set(X509_get_serialNumber(cert), 1)
        && X509_gmtime_adj(X509_getm_notBefore(cert), 0) != NULL
        && X509_gmtime_adj(X509_getm_notAfter(cert), 3600) != NULL
        && X509_set_subject_name(cert, subject_name) && X509_set_issuer_name(cert, issuer_name)
        && X509_set_pubkey(cert, key) && X509_sign(cert, key, EVP_sha256()));
    X509_NAME_free(subject_name);
    X509_NAME_free(issuer_name);
    return cert;
}

#define NAMES_CAP 256

/* Bytes of a file, put together piece by piece. */
static uint8_t bytes[16384];
static size_t n_bytes;

static void add_fill(uint8_t value, size_t n)
{
    memset(bytes + n_bytes, value, n);
    n_bytes += n;
}

static void add_der(X509 *cert)
{
    unsigned char *p = bytes + n_bytes;

    n_bytes += (size_t)i2d_X509(cert, &p);
}

static void add_pem(X509 *cert)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;

    PEM_write_bio_X509(bio, cert);
    memcpy(bytes + n_bytes, "\n", 1);
    n_bytes += 1 + (size_t)BIO_get_mem_data(bio, &text);
    memcpy(bytes + n_bytes - (size_t)BIO_get_mem_data(bio, &text), text,
           (size_t)BIO_get_mem_data(bio, &text));
    BIO_free(bio);
}

static void add_common_name(char text[static NAMES_CAP], const X509 *cert)
{
    const X509_NAME *name = X509_get_subject_name(cert);
    const X509_NAME_ENTRY *entry = X509_NAME_get_entry(
        name, X509_NAME_get_index_by_NID(name, NID_commonName, -1));
    const ASN1_STRING *value = X509_NAME_ENTRY_get_data(entry);
    size_t len = strlen(text);

    (void)snprintf(text + len, NAMES_CAP - len, "%s%.*s", len > 0 ? " " : "",
                   ASN1_STRING_length(value), (const char *)ASN1_STRING_get0_data(value));
}

/* The common names found, separated by spaces. */
static const char *names(size_t len)
{
    static char text[NAMES_CAP];
    uint8_t *exact = OPENSSL_memdup(bytes, len > 0 ? len : 1); /* for the sanitizer */
    STACK_OF(X509) *certs = isprov_certs_parse(NULL, exact, len);

    text[0] = '\0';
    cr_assert_not_null(certs);
    for (int i = 0; i < sk_X509_num(certs); i++)
        add_common_name(text, sk_X509_value(certs, i));
    sk_X509_pop_free(certs, X509_free);
    OPENSSL_free(exact);
    cr_expect_eq(ERR_peek_error(), 0, "an error in the queue");
    return text;
}

static EVP_PKEY *key, *other_key;
static X509 *leaf, *middle, *root, *other;

static void setup(void)
{
    key = EVP_EC_gen("P-256");
    leaf = make_cert("leaf", "middle", key);
    middle = make_cert("middle", "root", key);
    root = make_cert("root", "root", key);
    other_key = EVP_EC_gen("P-256");
    other = make_cert("other", "elsewhere", other_key);
    n_bytes = 0;
}

static void teardown(void)
{
    X509_free(leaf);
    X509_free(middle);
    X509_free(root);
    X509_free(other);
    EVP_PKEY_free(other_key);
    EVP_PKEY_free(key);
}

TestSuite(cert, .init = setup, .fini = teardown);

Test(cert, one_as_der)
{
    add_der(leaf);
    cr_expect_str_eq(names(n_bytes), "leaf");
}

Test(cert, one_in_a_padded_container)
{
    add_der(leaf);
    add_fill(0x00, 500);
    cr_expect_str_eq(names(n_bytes), "leaf");
    memset(bytes + n_bytes - 500, 0xff, 500);
    cr_expect_str_eq(names(n_bytes), "leaf");
}

Test(cert, a_chain_in_order_stays_in_order)
{
    add_der(leaf);
    add_der(middle);
    add_der(root);
    add_fill(0xff, 3);
    cr_expect_str_eq(names(n_bytes), "leaf middle root");
}

Test(cert, a_chain_in_any_order_comes_leaf_first)
{
    add_der(root);
    add_fill(0x00, 2);
    add_der(leaf);
    add_der(middle);
    cr_expect_str_eq(names(n_bytes), "leaf middle root");
}

Test(cert, what_is_no_part_of_the_chain_comes_last)
{
    add_der(leaf);
    add_der(other);
    add_der(middle);
    cr_expect_str_eq(names(n_bytes), "leaf middle other");
}

Test(cert, pem_with_text_around_it)
{
    add_pem(middle);
    add_pem(leaf);
    add_fill(0x00, 20);
    cr_expect_str_eq(names(n_bytes), "leaf middle");
}

/* The dates of a leaf, in seconds from now. */
static X509 *make_leaf(const char *subject, EVP_PKEY *of, long begin, long end)
{
    X509 *cert = make_cert(subject, "middle", of);

    cr_assert(X509_gmtime_adj(X509_getm_notBefore(cert), begin) != NULL
              && X509_gmtime_adj(X509_getm_notAfter(cert), end) != NULL
              && X509_sign(cert, of, EVP_sha256()));
    return cert;
}

Test(cert, of_several_leaves_of_one_key_the_valid_one_that_ends_last_leads)
{
    X509 *past = make_leaf("past", key, -7200, -3600);
    X509 *future = make_leaf("future", key, 3600, 99999);
    X509 *now = make_leaf("now", key, -3600, 3600);
    X509 *longer = make_leaf("longer", key, -3600, 7200);
    X509 *foreign = make_leaf("foreign", other_key, -3600, 99999);

    add_der(past);
    add_der(middle);
    add_der(future);
    cr_expect_str_eq(names(n_bytes), "future middle past");
    add_der(now);
    cr_expect_str_eq(names(n_bytes), "now middle past future");
    add_der(longer);
    add_der(foreign);
    cr_expect_str_eq(names(n_bytes), "longer middle past future now foreign");
    X509_free(past);
    X509_free(future);
    X509_free(now);
    X509_free(longer);
    X509_free(foreign);
}

Test(cert, the_old_and_the_trusted_pem_label_are_taken)
{
    static const char *const labels[] = { PEM_STRING_X509_OLD, PEM_STRING_X509_TRUSTED };
    unsigned char *der = NULL;
    int len;

    cr_assert(
        X509_alias_set1(leaf, (const unsigned char *)"a leaf", -1)); /* trust data behind it */
    len = i2d_X509_AUX(leaf, &der);
    cr_assert_gt(len, 0);
    for (size_t i = 0; i < 2; i++) {
        BIO *bio = BIO_new(BIO_s_mem());
        char *text;

        cr_assert_gt(PEM_write_bio(bio, labels[i], "", der, len), 0);
        n_bytes = (size_t)BIO_get_mem_data(bio, &text);
        memcpy(bytes, text, n_bytes);
        BIO_free(bio);
        add_pem(middle);
        cr_expect_str_eq(names(n_bytes), "leaf middle", "%s", labels[i]);
    }
    OPENSSL_free(der);
}

Test(cert, none_in_other_contents)
{
    cr_expect_str_eq(names(0), "");
    add_fill(0x00, 64);
    cr_expect_str_eq(names(n_bytes), "");
    add_fill('x', 64);
    cr_expect_str_eq(names(n_bytes), "");
    n_bytes = 0;
    add_fill(0x30, 64);
    cr_expect_str_eq(names(n_bytes), "");
}

Test(cert, reading_ends_at_the_first_damage)
{
    size_t whole;

    add_der(leaf);
    whole = n_bytes;
    add_der(middle);
    for (size_t n = 0; n < n_bytes; n += 7)
        cr_expect_str_eq(names(n), n < whole ? "" : "leaf", "cut at %zu", n);
}
