/* SPDX-License-Identifier: Apache-2.0 */
/* TLS in one process, over memory: every order of providers, both versions, each
 * group, the key on the SIM with the client or with the server. */
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

static struct sim sim;
static struct context plain; /* the peer's: the key on the SIM never gets in here */
static EVP_PKEY *peer_key;
static X509 *peer_cert;

static void setup(void)
{
    sim_start(&sim);
    context_open(&plain, DEFAULT_FIRST);
    peer_key = soft_key(plain.lib, "EC", "P-256");
    peer_cert = self_signed(plain.lib, peer_key, "SHA256");
    cr_assert_not_null(peer_cert);
}

static void teardown(void)
{
    X509_free(peer_cert);
    EVP_PKEY_free(peer_key);
    context_close(&plain);
    sim_stop(&sim);
}

TestSuite(tls, .init = setup, .fini = teardown, .timeout = 120);

/* The client shows its certificate, too. */
static SSL_CTX *new_ssl_ctx(OSSL_LIB_CTX *lib, bool server, EVP_PKEY *key, X509 *cert,
                            X509 *trusted, int version)
{
    SSL_CTX *ssl_ctx = SSL_CTX_new_ex(lib, NULL,
                                      server ? TLS_server_method() : TLS_client_method());

    cr_assert_not_null(ssl_ctx, "%s", drain_errors());
    cr_assert_eq(SSL_CTX_use_certificate(ssl_ctx, cert), 1, "%s", drain_errors());
    cr_assert_eq(SSL_CTX_use_PrivateKey(ssl_ctx, key), 1, "%s", drain_errors());
    cr_assert_eq(SSL_CTX_check_private_key(ssl_ctx), 1, "%s", drain_errors());
    cr_assert_eq(X509_STORE_add_cert(SSL_CTX_get_cert_store(ssl_ctx), trusted), 1);
    SSL_CTX_set_verify(ssl_ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    cr_assert(SSL_CTX_set_min_proto_version(ssl_ctx, version)
              && SSL_CTX_set_max_proto_version(ssl_ctx, version));
    return ssl_ctx;
}

static SSL *new_ssl(SSL_CTX *ssl_ctx, bool server, BIO *read, BIO *write)
{
    SSL *ssl = SSL_new(ssl_ctx);

    BIO_up_ref(read);
    BIO_up_ref(write);
    SSL_set_bio(ssl, read, write);
    if (server)
        SSL_set_accept_state(ssl);
    else
        SSL_set_connect_state(ssl);
    return ssl;
}

/* One step: 1 done, 0 more to do, -1 failed. */
static int step(SSL *ssl)
{
    int ret = SSL_do_handshake(ssl);

    if (ret == 1)
        return 1;
    return SSL_get_error(ssl, ret) == SSL_ERROR_WANT_READ ? 0 : -1;
}

/* Both sides until done; false when one gave up, with its errors in the queue
 * (the other's next step would clear them). */
static bool shake_hands(SSL *client, SSL *server)
{
    int c = 0, s = 0;

    for (int i = 0; i < 20 && (c != 1 || s != 1); i++) {
        c = step(client);
        s = c >= 0 ? step(server) : -1;
        if (s < 0)
            return false;
    }
    return c == 1 && s == 1;
}

struct settings {
    int version;
    const char *groups;  /* NULL: libssl's own choice */
    const char *sigalgs; /* NULL: the same */
    const char *key;     /* URI; NULL: the SIM's P-256 key with its certificate */
};

/* libssl's macros cast a const away, so that they get copies. */
static void limit(SSL *ssl, const struct settings *set)
{
    char text[64];

    if (set->groups != NULL) {
        snprintf(text, sizeof(text), "%s", set->groups);
        cr_assert(SSL_set1_groups_list(ssl, text), "%s: %s", text, drain_errors());
    }
    if (set->sigalgs != NULL) {
        snprintf(text, sizeof(text), "%s", set->sigalgs);
        cr_assert(SSL_set1_sigalgs_list(ssl, text), "%s: %s", text, drain_errors());
    }
}

static bool connects(SSL_CTX *client_ctx, SSL_CTX *server_ctx, const struct settings *set)
{
    BIO *up = BIO_new(BIO_s_mem()), *down = BIO_new(BIO_s_mem());
    SSL *client = new_ssl(client_ctx, false, down, up),
        *server = new_ssl(server_ctx, true, up, down);
    char word[6] = "";
    bool good;

    BIO_set_mem_eof_return(up, -1);
    BIO_set_mem_eof_return(down, -1);
    limit(client, set);
    limit(server, set);
    good = shake_hands(client, server) && SSL_write(client, "hello", 6) == 6
           && SSL_read(server, word, 6) == 6 && strcmp(word, "hello") == 0
           && SSL_get0_peer_certificate(server) != NULL;
    SSL_free(client);
    SSL_free(server);
    BIO_free(up);
    BIO_free(down);
    return good;
}

/* One cell of the matrix; the key on the SIM is with the client or the server. */
static void expect_connects(enum order order, bool on_server, const struct settings *set)
{
    struct context here;
    EVP_PKEY *key;
    X509 *cert;
    SSL_CTX *ours, *theirs;

    context_open(&here, order);
    key = load_key(here.lib, set->key != NULL ? set->key : CLIENT_KEY);
    cr_assert_not_null(key, "%s", drain_errors());
    cert = set->key != NULL ? self_signed(here.lib, key, "SHA256")
                            : load_cert(here.lib, CLIENT_CERT);
    cr_assert_not_null(cert, "%s", drain_errors());
    ours = new_ssl_ctx(here.lib, on_server, key, cert, peer_cert, set->version);
    theirs = new_ssl_ctx(plain.lib, !on_server, peer_key, peer_cert, cert, set->version);
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(theirs), X509_V_FLAG_PARTIAL_CHAIN);
    cr_expect(on_server ? connects(theirs, ours, set) : connects(ours, theirs, set),
              "order %s, version %x, groups %s, key with the %s: %s", order_names[order],
              (unsigned)set->version, set->groups, on_server ? "server" : "client", drain_errors());
    EXPECT_NO_ERRORS();
    SSL_CTX_free(ours);
    SSL_CTX_free(theirs);
    X509_free(cert);
    EVP_PKEY_free(key);
    context_close(&here);
}

static void expect_all(enum order order, int version)
{
    static const char *const groups13[] = { NULL, "P-256", "P-384", "P-521", "X25519" };
    /* in TLS 1.2 the list must have the curve of the certificates, too */
    static const char *const groups12[] = { NULL, "P-256", "P-384:P-256", "P-521:P-256",
                                            "X25519:P-256" };

    for (int on_server = 0; on_server < 2; on_server++)
        for (size_t i = 0; i < 5; i++)
            expect_connects(order, on_server,
                            &(struct settings){
                                .version = version,
                                .groups = version == TLS1_3_VERSION ? groups13[i] : groups12[i] });
}

Test(tls, v1_2_with_default_first)
{
    expect_all(DEFAULT_FIRST, TLS1_2_VERSION);
}

Test(tls, v1_3_with_default_first)
{
    expect_all(DEFAULT_FIRST, TLS1_3_VERSION);
}

Test(tls, v1_2_with_iotsafe_first)
{
    expect_all(IOTSAFE_FIRST, TLS1_2_VERSION);
}

Test(tls, v1_3_with_iotsafe_first)
{
    expect_all(IOTSAFE_FIRST, TLS1_3_VERSION);
}

Test(tls, v1_2_with_a_property_query)
{
    expect_all(DEFAULT_FIRST_PROPQUERY, TLS1_2_VERSION);
}

Test(tls, v1_3_with_a_property_query)
{
    expect_all(DEFAULT_FIRST_PROPQUERY, TLS1_3_VERSION);
}

Test(tls, v1_2_signs_with_longer_digests)
{
    static const char *const sigalgs[] = { "ECDSA+SHA256", "ECDSA+SHA384", "ECDSA+SHA512",
                                           "ECDSA+SHA512:ECDSA+SHA256" };

    for (size_t i = 0; i < sizeof(sigalgs) / sizeof(sigalgs[0]); i++)
        expect_connects(DEFAULT_FIRST, false,
                        &(struct settings){ .version = TLS1_2_VERSION, .sigalgs = sigalgs[i] });
}

static void expect_type(const char *key, const char *groups, const char *sigalgs, int version)
{
    struct settings set = { version, groups, sigalgs, key };

    sim_stop(&sim);
    sim_start_with(&sim, "--with rsa --with brainpool");
    for (enum order order = 0; order < N_ORDERS; order++)
        for (int on_server = 0; on_server < 2; on_server++)
            expect_connects(order, on_server, &set);
}

Test(tls, v1_2_with_an_rsa_key_in_every_order)
{
    expect_type("iotsafe://label=rsa-key", NULL, NULL, TLS1_2_VERSION);
}

Test(tls, v1_2_with_an_rsa_key_and_pkcs1_padding)
{
    expect_type("iotsafe://label=rsa-key", NULL, "RSA+SHA256:ECDSA+SHA256", TLS1_2_VERSION);
}

Test(tls, v1_3_with_an_rsa_key_in_every_order)
{
    expect_type("iotsafe://label=rsa-key", NULL, NULL, TLS1_3_VERSION);
}

Test(tls, v1_2_with_a_brainpool_key_in_every_order)
{
    expect_type("iotsafe://label=bp-key", "brainpoolP256r1:P-256", NULL, TLS1_2_VERSION);
}

/* Keys that may sign for CertificateVerify only: their card hashes the text. */
Test(tls, keys_restricted_to_tls_work_in_the_version_that_they_are_for)
{
    static const struct {
        const char *sim;
        int version;
    } cells[] = { { "--set enforce_usage=tls --set key_usage=2", TLS1_2_VERSION },
                  { "--set enforce_usage=tls --set key_usage=3", TLS1_3_VERSION } };

    for (size_t i = 0; i < 2; i++) {
        sim_stop(&sim);
        sim_start_with(&sim, cells[i].sim);
        for (enum order order = 0; order < N_ORDERS; order++)
            expect_connects(order, false, &(struct settings){ .version = cells[i].version });
    }
}

/* The experimental setting: key shares of the client made on the SIM. */
Test(tls, ephemeral_keys_may_be_made_on_the_sim)
{
    const struct settings set = { .version = TLS1_3_VERSION, .groups = "P-256" };
    OSSL_LIB_CTX *lib = OSSL_LIB_CTX_new();
    EVP_PKEY *key;
    X509 *cert;
    SSL_CTX *ours, *theirs;

    cr_assert(OSSL_PROVIDER_set_default_search_path(lib, getenv("IOTSAFE_MODULE_DIR")));
    write_text(sim_path(&sim, "cnf"),
               "openssl_conf = init\n[init]\nproviders = provs\n[provs]\niotsafe = iot\n"
               "default = def\n[def]\nactivate = 1\n[iot]\nactivate = 1\n"
               "ephemeral-key = iotsafe://label=eph-key\n");
    cr_assert(OSSL_LIB_CTX_load_config(lib, sim_path(&sim, "cnf")), "%s", drain_errors());
    key = load_key(lib, CLIENT_KEY);
    cert = load_cert(lib, CLIENT_CERT);
    cr_assert(key != NULL && cert != NULL, "%s", drain_errors());
    ours = new_ssl_ctx(lib, false, key, cert, peer_cert, set.version);
    theirs = new_ssl_ctx(plain.lib, true, peer_key, peer_cert, cert, set.version);
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(theirs), X509_V_FLAG_PARTIAL_CHAIN);
    cr_expect(connects(ours, theirs, &set), "%s", drain_errors());
    cr_expect_eq(sim_exchanges(&sim, "GENERATE KEY PAIR"), 1);
    cr_expect_eq(sim_exchanges(&sim, "COMPUTE DH"), 1);
    EXPECT_NO_ERRORS();
    SSL_CTX_free(ours);
    SSL_CTX_free(theirs);
    X509_free(cert);
    EVP_PKEY_free(key);
    OSSL_LIB_CTX_free(lib);
}

Test(tls, software_keys_work_as_before_in_every_order)
{
    static const char *const kinds[][2] = {
        { "EC", "P-256" }, { "EC", "P-384" }, { "RSA", NULL }, { "ED25519", NULL }
    };

    for (enum order order = 0; order < N_ORDERS; order++) {
        struct context here;

        context_open(&here, order);
        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
            for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
                EVP_PKEY *key = soft_key(here.lib, kinds[i][0], kinds[i][1]);
                X509 *cert = self_signed(here.lib, key,
                                         strcmp(kinds[i][0], "ED25519") == 0 ? NULL : "SHA256");
                SSL_CTX *server, *client;

                cr_assert_not_null(cert, "%s: %s", kinds[i][0], drain_errors());
                server = new_ssl_ctx(here.lib, true, key, cert, peer_cert, version);
                client = new_ssl_ctx(here.lib, false, peer_key, peer_cert, cert, version);
                cr_expect(connects(client, server, &(struct settings){ .version = version }),
                          "%s, %s, version %x: %s", kinds[i][0], order_names[order],
                          (unsigned)version, drain_errors());
                EXPECT_NO_ERRORS();
                SSL_CTX_free(server);
                SSL_CTX_free(client);
                X509_free(cert);
                EVP_PKEY_free(key);
            }
        context_close(&here);
    }
    cr_expect_eq(sim_exchanges(&sim, NULL), 0);
}

Test(tls, a_handshake_costs_one_signature_and_no_more)
{
    struct context here;
    EVP_PKEY *key;
    X509 *cert;
    SSL_CTX *ours, *theirs;
    const struct settings set = { .version = TLS1_3_VERSION };
    int before;

    context_open(&here, DEFAULT_FIRST);
    key = load_key(here.lib, CLIENT_KEY);
    cert = load_cert(here.lib, CLIENT_CERT);
    ours = new_ssl_ctx(here.lib, false, key, cert, peer_cert, set.version);
    theirs = new_ssl_ctx(plain.lib, true, peer_key, peer_cert, cert, set.version);
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(theirs), X509_V_FLAG_PARTIAL_CHAIN);
    before = sim_exchanges(&sim, NULL);
    cr_assert(connects(ours, theirs, &set), "%s", drain_errors());
    cr_expect_leq(sim_exchanges(&sim, NULL) - before, 3);
    cr_expect_eq(sim_exchanges(&sim, "COMPUTE SIGNATURE UPDATE"), 1);
    SSL_CTX_free(ours);
    SSL_CTX_free(theirs);
    X509_free(cert);
    EVP_PKEY_free(key);
    context_close(&here);
}

Test(tls, a_handshake_without_the_sim_fails_with_its_reason)
{
    struct context here;
    EVP_PKEY *key;
    X509 *cert;
    SSL_CTX *ours, *theirs;
    const struct settings set = { .version = TLS1_3_VERSION };

    setenv("IOTSAFE_TIMEOUT_MS", "300", 1);
    context_open(&here, DEFAULT_FIRST);
    key = load_key(here.lib, CLIENT_KEY);
    cert = load_cert(here.lib, CLIENT_CERT);
    ours = new_ssl_ctx(here.lib, false, key, cert, peer_cert, set.version);
    theirs = new_ssl_ctx(plain.lib, true, peer_key, peer_cert, cert, set.version);
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(theirs), X509_V_FLAG_PARTIAL_CHAIN);
    sim_vanish(&sim);
    cr_expect_not(connects(ours, theirs, &set));
    EXPECT_ERROR(":iotsafe:");
    sim_return(&sim);
    cr_expect(connects(ours, theirs, &set), "it works again with no restart: %s", drain_errors());
    SSL_CTX_free(ours);
    SSL_CTX_free(theirs);
    X509_free(cert);
    EVP_PKEY_free(key);
    context_close(&here);
}
