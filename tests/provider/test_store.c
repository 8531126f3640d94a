/* SPDX-License-Identifier: Apache-2.0 */
/* iotsafe: URIs through OSSL_STORE. */
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

static struct sim sim;
static struct context ctx, plain; /* objects that outlive a context are in `plain` */

static void setup(void)
{
    sim_start(&sim);
    context_open(&ctx, DEFAULT_FIRST);
    context_open(&plain, DEFAULT_FIRST);
}

static void teardown(void)
{
    context_close(&plain);
    context_close(&ctx);
    sim_stop(&sim);
}

TestSuite(store, .init = setup, .fini = teardown, .timeout = 60);

enum {
    KEYS = OSSL_STORE_INFO_PKEY,
    PUBLICS = OSSL_STORE_INFO_PUBKEY,
    CERTS = OSSL_STORE_INFO_CERT
};

Test(store, a_listing_shows_each_key_and_certificate_once)
{
    cr_expect_eq(store_count(ctx.lib, "iotsafe://", 0, 0), 3);
    cr_expect_eq(store_count(ctx.lib, "iotsafe://", 0, KEYS), 1, "empty containers are no keys");
    cr_expect_eq(store_count(ctx.lib, "iotsafe:", 0, CERTS), 2, "a data file is no certificate");
    cr_expect_eq(store_count(ctx.lib, "iotsafe://", 0, PUBLICS), 0,
                 "the private key stands for its public key");
    EXPECT_NO_ERRORS();
}

Test(store, a_listing_of_one_type_shows_that_type)
{
    cr_expect_eq(store_count(ctx.lib, "iotsafe://type=private", 0, 0), 1);
    cr_expect_eq(store_count(ctx.lib, "iotsafe://type=public", 0, 0), 1);
    cr_expect_eq(store_count(ctx.lib, "iotsafe://type=cert", 0, 0), 2);
    cr_expect_eq(store_count(ctx.lib, "iotsafe://", KEYS, 0), 1);
    cr_expect_eq(store_count(ctx.lib, "iotsafe://", PUBLICS, 0), 1);
    cr_expect_eq(store_count(ctx.lib, "iotsafe://", CERTS, 0), 2);
    EXPECT_NO_ERRORS();
}

Test(store, a_public_key_without_its_private_key_is_listed)
{
    EVP_PKEY *other = soft_key(ctx.lib, "EC", "P-256");
    BIO *bio = BIO_new_file(sim_path(&sim, "peer.pem"), "w");
    char words[200];

    PEM_write_bio_PUBKEY(bio, other);
    BIO_free(bio);
    snprintf(words, sizeof(words), "put-key server-key %s", sim_path(&sim, "peer.pem"));
    sim_admin(&sim, words);
    cr_expect_eq(store_count(ctx.lib, "iotsafe://", 0, PUBLICS), 1);
    cr_expect_eq(store_count(ctx.lib, "iotsafe://type=public", 0, 0), 2);
    EVP_PKEY_free(other);
}

Test(store, what_the_program_does_not_want_costs_nothing)
{
    cr_expect_eq(store_count(ctx.lib, "iotsafe://", OSSL_STORE_INFO_CRL, 0), 0);
    cr_expect_eq(sim_exchanges(&sim, NULL), 0);
    EXPECT_NO_ERRORS();
}

static const struct {
    const char *uri;
    int expect, type, want;
} names[] = {
    { "iotsafe://label=client-key", 0, KEYS, 1 },
    { "iotsafe://label=client-key", 0, 0, 1 },
    { "iotsafe:label=client-key", 0, KEYS, 1 },
    { "IOTSAFE://label=client-key", 0, KEYS, 1 },
    { "iotsafe://id=01", 0, KEYS, 1 },
    { "iotsafe://id=01;label=client-key", 0, KEYS, 1 },
    { "iotsafe://label=client-key;type=private;id=01", KEYS, KEYS, 1 },
    { "iotsafe://label=client-key", KEYS, KEYS, 1 },
    { "iotsafe://label=client-key", PUBLICS, PUBLICS, 1 },
    { "iotsafe://label=client-key;type=public", 0, PUBLICS, 1 },
    { "iotsafe://id=01;type=public", PUBLICS, PUBLICS, 1 },
    { "iotsafe://id=01;label=client-key;type=public", 0, PUBLICS, 1 },
    { "iotsafe://label=client-cert", 0, CERTS, 1 },
    { "iotsafe://label=client-cert;type=cert", 0, CERTS, 1 },
    { "iotsafe://id=02;type=cert", CERTS, CERTS, 1 },
    { "iotsafe://id=02;label=client-cert", CERTS, CERTS, 1 },
    { "iotsafe://label=client-key;type=cert", 0, CERTS, 1 },
    { "iotsafe://id=01;type=cert", 0, CERTS, 1 },
    { "iotsafe://id=01", CERTS, CERTS, 1 },
    { "iotsafe://id=01;label=client-key", CERTS, CERTS, 1 },
};

Test(store, every_way_to_name_an_object_finds_it)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        cr_expect_eq(store_count(ctx.lib, names[i].uri, names[i].expect, names[i].type),
                     names[i].want, "%s, expecting %d", names[i].uri, names[i].expect);
        EXPECT_NO_ERRORS();
    }
}

static const struct {
    const char *uri;
    int expect;
    const char *error;
} failures[] = {
    { "iotsafe://label=nobody", KEYS, "there are: id=01;label=client-key" },
    { "iotsafe://label=nobody", 0, "label=nobody" },
    { "iotsafe://label=nobody", PUBLICS, "label=nobody" },
    { "iotsafe://label=nobody", CERTS, "label=nobody" },
    { "iotsafe://id=77", KEYS, "id=77" },
    { "iotsafe://id=02;label=client-key", KEYS, "no private key" },
    { "iotsafe://id=02;label=client-key", 0, "no private key" },
    { "iotsafe://id=01;label=client-cert", CERTS, "no file" },
    { "iotsafe://label=notes;type=cert", 0, "holds no certificate" },
    { "iotsafe://label=client-key;type=private", CERTS, "asks for a certificate" },
    { "iotsafe://label=client-key;type=cert", KEYS, "asks for a private key" },
    { "iotsafe://lebal=client-key", 0, "lebal" },
    { "iotsafe://label=a;label=b", 0, "twice" },
    { "iotsafe://id=0", 0, "id=0" },
    { "iotsafe://id=client-key", 0, "id=client-key" },
    { "iotsafe://label=%zz", 0, "label" },
    { "iotsafe://type=key", 0, "type" },
    { "iotsafe://label=k;sim=mars", 0, "mars" },
    { "iotsafe:label=nobody", KEYS, "label=nobody" },
};

Test(store, each_failure_says_what_is_wrong_and_ends_the_store)
{
    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
        OSSL_STORE_CTX *store = OSSL_STORE_open_ex(failures[i].uri, ctx.lib, NULL, NULL, NULL, NULL,
                                                   NULL, NULL);
        const char *errors;

        if (store != NULL) {
            OSSL_STORE_expect(store, failures[i].expect);
            cr_expect_null(OSSL_STORE_load(store), "%s", failures[i].uri);
            cr_expect(OSSL_STORE_error(store), "%s", failures[i].uri);
            cr_expect(OSSL_STORE_eof(store), "%s: a program would spin", failures[i].uri);
            OSSL_STORE_close(store);
        }
        errors = drain_errors();
        cr_expect(strstr(errors, failures[i].error) != NULL, "%s: no \"%s\" in: %s",
                  failures[i].uri, failures[i].error, errors);
        cr_expect(strncmp(errors, "error:", 6) == 0 && strstr(errors, ":iotsafe:") != NULL
                      && strchr(errors, '\n') == errors + strlen(errors) - 1,
                  "%s: one error of ours alone: %s", failures[i].uri, errors);
    }
}

Test(store, a_key_by_label_costs_one_exchange)
{
    int opening;

    EVP_PKEY_free(load_key(ctx.lib, CLIENT_KEY));
    opening = sim_exchanges(&sim, "MANAGE CHANNEL") + sim_exchanges(&sim, "SELECT");
    cr_expect_eq(sim_exchanges(&sim, NULL) - opening, 1);
    EVP_PKEY_free(load_key(ctx.lib, CLIENT_KEY));
    cr_expect_eq(sim_exchanges(&sim, NULL) - opening, 1, "loading it again asks nothing");
}

Test(store, a_certificate_by_label_needs_no_list)
{
    X509_free(load_cert(ctx.lib, CLIENT_CERT));
    cr_expect_eq(sim_exchanges(&sim, "GET DATA OBJECT LIST"), 0);
    cr_expect_eq(sim_exchanges(&sim, "READ FILE"), 2);
}

Test(store, the_same_uri_may_be_open_twice)
{
    OSSL_STORE_CTX *one = OSSL_STORE_open_ex("iotsafe://", ctx.lib, NULL, NULL, NULL, NULL, NULL,
                                             NULL);
    OSSL_STORE_CTX *two = OSSL_STORE_open_ex("iotsafe://", ctx.lib, NULL, NULL, NULL, NULL, NULL,
                                             NULL);

    OSSL_STORE_INFO_free(OSSL_STORE_load(one));
    OSSL_STORE_INFO_free(OSSL_STORE_load(two));
    OSSL_STORE_INFO_free(OSSL_STORE_load(two));
    OSSL_STORE_close(two);
    OSSL_STORE_INFO_free(OSSL_STORE_load(one));
    OSSL_STORE_close(one);
    EXPECT_NO_ERRORS();
}

/* ------------------------------------------------------------- files with chains */

static void put_file(const char *name, const char *path, const char *more)
{
    char words[300];

    snprintf(words, sizeof(words), "put-file %s %s%s", name, path, more);
    sim_admin(&sim, words);
    context_reload(&ctx);
}

/* Writes certificates to a file, as DER or PEM. */
static const char *write_certs(const char *name, X509 *const certs[], size_t n, bool pem)
{
    const char *path = sim_path(&sim, name);
    BIO *bio = BIO_new_file(path, "wb");

    for (size_t i = 0; i < n; i++)
        cr_assert(pem ? PEM_write_bio_X509(bio, certs[i]) : i2d_X509_bio(bio, certs[i]));
    BIO_free(bio);
    return path;
}

static void expect_chain_of_two(const char *uri)
{
    OSSL_STORE_CTX *store = OSSL_STORE_open_ex(uri, ctx.lib, NULL, NULL, NULL, NULL, NULL, NULL);
    X509 *certs[2] = { NULL, NULL };

    for (int i = 0; i < 2; i++) {
        OSSL_STORE_INFO *info = OSSL_STORE_load(store);

        cr_assert_not_null(info, "%s: %s", uri, drain_errors());
        certs[i] = OSSL_STORE_INFO_get1_CERT(info);
        OSSL_STORE_INFO_free(info);
    }
    cr_expect(OSSL_STORE_eof(store));
    cr_expect_eq(X509_NAME_cmp(X509_get_issuer_name(certs[0]), X509_get_subject_name(certs[1])), 0,
                 "%s: not leaf first", uri);
    cr_expect_eq(X509_check_issued(certs[1], certs[0]), X509_V_OK);
    X509_free(certs[0]);
    X509_free(certs[1]);
    OSSL_STORE_close(store);
    EXPECT_NO_ERRORS();
}

Test(store, a_chain_comes_leaf_first_whatever_its_form)
{
    X509 *leaf = sim_cert(&sim, plain.lib, "client-cert.pem");
    X509 *ca = sim_cert(&sim, plain.lib, "ca.pem");
    X509 *const ordered[] = { leaf, ca }, *const reversed[] = { ca, leaf };

    put_file("chain", write_certs("chain.der", ordered, 2, false), " --size 2000");
    expect_chain_of_two("iotsafe://label=chain;type=cert");
    put_file("chain", write_certs("chain.der", reversed, 2, false), " --size 3000");
    expect_chain_of_two("iotsafe://label=chain;type=cert");
    put_file("chain", write_certs("chain.pem", reversed, 2, true), " --size 3000");
    expect_chain_of_two("iotsafe://label=chain;type=cert");
    X509_free(leaf);
    X509_free(ca);
}

Test(store, the_certificate_of_a_key_is_found_by_its_public_key_in_any_file)
{
    X509 *leaf = sim_cert(&sim, plain.lib, "client-cert.pem"), *found;
    X509 *const certs[] = { leaf };

    put_file("archive", write_certs("leaf.der", certs, 1, false), " --usage general");
    sim_admin(&sim, "delete file client-cert");
    context_reload(&ctx);
    found = load_cert(ctx.lib, "iotsafe://label=client-key;type=cert");
    cr_assert_not_null(found, "%s", drain_errors());
    cr_expect_eq(X509_cmp(found, leaf), 0);
    EXPECT_NO_ERRORS();
    X509_free(found);
    X509_free(leaf);
}

/* A certificate of the client's key, with dates in seconds from now, in a file. */
static void put_dated(const char *file, const char *more, int serial, long begin, long end)
{
    EVP_PKEY *key = load_key(ctx.lib, CLIENT_KEY), *issuer = soft_key(plain.lib, "EC", "P-256");
    X509 *cert = self_signed(plain.lib, issuer, "SHA256");

    cr_assert(ASN1_INTEGER_set(X509_get_serialNumber(cert), serial)
              && X509_gmtime_adj(X509_getm_notBefore(cert), begin) != NULL
              && X509_gmtime_adj(X509_getm_notAfter(cert), end) != NULL
              && X509_set_pubkey(cert, key) && X509_sign(cert, issuer, EVP_sha256()) > 0);
    EVP_PKEY_free(key);
    EVP_PKEY_free(issuer);
    put_file(file, write_certs("dated.der", &cert, 1, false), more);
    X509_free(cert);
}

/* The serial number of the certificate that the name of the key gives. */
static long serial_of_key(void)
{
    X509 *cert = load_cert(ctx.lib, "iotsafe://label=client-key;type=cert");
    long serial;

    cr_assert_not_null(cert, "%s", drain_errors());
    serial = ASN1_INTEGER_get(X509_get0_serialNumber(cert));
    X509_free(cert);
    return serial;
}

/* Each certificate that comes is better than all before. */
Test(store, among_certificates_of_a_key_the_valid_one_then_name_then_end_decide)
{
    static const struct {
        const char *file, *more;
        long begin, end;
    } files[] = {
        { "one", "", -9000, -7000 },                /* past */
        { "two", "", 7000, 9000 },                  /* to come: ends later */
        { "three", " --id 01", -9000, -8000 },      /* past, with the key's identifier */
        { "four", " --usage general", -9000, 100 }, /* valid now, whatever the file is for */
        { "five", "", -9000, 3000 },
        { "six", "", -9000, 4000 },
        { "three", "", -9000, 2000 }, /* the identifier before the longer time */
    };

    sim_admin(&sim, "delete file client-cert");
    for (int i = 0; i < (int)(sizeof(files) / sizeof(files[0])); i++) {
        put_dated(files[i].file, files[i].more, 100 + i, files[i].begin, files[i].end);
        cr_expect_eq(serial_of_key(), 100 + i, "of %s: %ld", files[i].file, serial_of_key());
    }
    put_dated("seven", "", 200, -9000, 1000); /* not better */
    cr_expect_eq(serial_of_key(), 106);
    EXPECT_NO_ERRORS();
}

/* What a search by subject gives; its names are all the same. */
static int count_of_subject(const char *uri, const X509_NAME *subject)
{
    OSSL_STORE_CTX *store = OSSL_STORE_open_ex(uri, ctx.lib, NULL, NULL, NULL, NULL, NULL, NULL);
    OSSL_STORE_SEARCH *search = OSSL_STORE_SEARCH_by_name((X509_NAME *)(uintptr_t)subject);
    int n = 0;

    cr_assert(OSSL_STORE_supports_search(store, OSSL_STORE_SEARCH_BY_NAME));
    cr_assert(OSSL_STORE_find(store, search), "%s", drain_errors());
    while (!OSSL_STORE_eof(store)) {
        OSSL_STORE_INFO *info = OSSL_STORE_load(store);

        if (info == NULL)
            continue;
        cr_expect_eq(OSSL_STORE_INFO_get_type(info), CERTS);
        cr_expect_eq(X509_NAME_cmp(X509_get_subject_name(OSSL_STORE_INFO_get0_CERT(info)), subject),
                     0);
        OSSL_STORE_INFO_free(info);
        n++;
    }
    OSSL_STORE_SEARCH_free(search);
    OSSL_STORE_close(store);
    return n;
}

Test(store, a_search_by_subject_gives_certificates_of_that_subject_alone)
{
    X509 *leaf = sim_cert(&sim, plain.lib, "client-cert.pem");
    X509 *ca = sim_cert(&sim, plain.lib, "ca.pem");
    X509 *const chain[] = { leaf, ca };
    X509_NAME *nobody = X509_NAME_new();

    put_file("chain", write_certs("chain.der", chain, 2, false), "");
    cr_expect_eq(count_of_subject("iotsafe://", X509_get_subject_name(ca)), 2);
    cr_expect_eq(count_of_subject("iotsafe://type=cert", X509_get_subject_name(leaf)), 2);
    cr_expect_eq(count_of_subject("iotsafe://label=chain", X509_get_subject_name(ca)), 1);
    cr_expect_eq(count_of_subject("iotsafe://label=client-key", X509_get_subject_name(leaf)), 1);
    cr_expect_eq(count_of_subject("iotsafe://label=client-key", X509_get_subject_name(ca)), 0);
    EXPECT_NO_ERRORS();
    cr_expect_eq(count_of_subject("iotsafe://", nobody), 0);
    X509_NAME_free(nobody);
    X509_free(leaf);
    X509_free(ca);
}

/* Nothing is given where the answer would not be what was searched for. */
Test(store, other_searches_are_refused)
{
    OSSL_STORE_CTX *store = OSSL_STORE_open_ex("iotsafe://", ctx.lib, NULL, NULL, NULL, NULL, NULL,
                                               NULL);
    OSSL_STORE_SEARCH *search = OSSL_STORE_SEARCH_by_alias("client-cert");

    cr_expect_not(OSSL_STORE_supports_search(store, OSSL_STORE_SEARCH_BY_ALIAS));
    cr_expect_not(OSSL_STORE_find(store, search));
    OSSL_STORE_SEARCH_free(search);
    OSSL_STORE_close(store);
}

Test(store, a_key_without_a_certificate_says_so)
{
    sim_admin(&sim, "delete file client-cert");
    cr_expect_null(load_cert(ctx.lib, "iotsafe://label=client-key;type=cert"));
    EXPECT_ERROR("no file on the SIM holds a certificate for this private key");
}

Test(store, the_public_key_of_a_key_without_its_object_comes_from_its_certificate)
{
    X509 *leaf = sim_cert(&sim, plain.lib, "client-cert.pem");
    X509 *const certs[] = { leaf };
    EVP_PKEY *key;

    sim_admin(&sim, "delete public client-key");
    put_file("client-key", write_certs("leaf.der", certs, 1, false), "");
    key = load_key(ctx.lib, CLIENT_KEY);
    cr_assert_not_null(key, "%s", drain_errors());
    cr_expect_eq(i2d_PUBKEY(key, NULL), 91);
    cr_expect_eq(X509_check_private_key(leaf, key), 1);
    EXPECT_NO_ERRORS();
    EVP_PKEY_free(key);
    X509_free(leaf);
}

Test(store, a_damaged_certificate_is_none)
{
    write_text(sim_path(&sim, "bad"), "0\x82\x01\x10 this is not a certificate");
    put_file("client-cert", sim_path(&sim, "bad"), "");
    cr_expect_null(load_cert(ctx.lib, CLIENT_CERT));
    EXPECT_ERROR("no certificate");
    cr_expect_eq(store_count(ctx.lib, "iotsafe://", 0, CERTS), 1, "a listing goes on");
    EXPECT_NO_ERRORS();
}

/* ---------------------------------------------------------- cards of other makers */

static const char *const profiles[] = { "gsma-strict", "orange", "thales-mvp",
                                        "thales-p11",  "zariot", "quantag-1.4" };

Test(store, cards_of_other_makers_give_their_keys_and_certificates)
{
    for (size_t i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++) {
        struct sim other;
        struct context here;
        char options[64];
        EVP_PKEY *key;
        unsigned char sig[80];
        size_t len = sizeof(sig);

        snprintf(options, sizeof(options), "--profile %s", profiles[i]);
        sim_start_with(&other, options);
        context_open(&here, DEFAULT_FIRST);
        cr_expect_geq(store_count(here.lib, "iotsafe://", 0, KEYS), 1, "%s: %s", profiles[i],
                      drain_errors());
        key = load_key(here.lib, "iotsafe://");
        cr_assert_not_null(key, "%s: %s", profiles[i], drain_errors());
        cr_expect(sign_message(here.lib, key, "SHA256", sig, &len)
                      && verify_message(here.lib, key, "SHA256", sig, len),
                  "%s: %s", profiles[i], drain_errors());
        cr_expect_eq(i2d_PUBKEY(key, NULL), 91, "%s", profiles[i]);
        EXPECT_NO_ERRORS();
        EVP_PKEY_free(key);
        context_close(&here);
        sim_stop(&other);
    }
}

Test(store, a_listing_has_the_keys_of_each_type)
{
    struct sim other;
    struct context here;

    sim_start_with(&other, "--with rsa --with brainpool");
    context_open(&here, DEFAULT_FIRST);
    cr_expect_eq(store_count(here.lib, "iotsafe://type=private", 0, 0), 3);
    cr_expect_eq(store_count(here.lib, "iotsafe://type=public", 0, 0), 3, "%s", drain_errors());
    EXPECT_NO_ERRORS();
    context_close(&here);
    sim_stop(&other);
}
