/* SPDX-License-Identifier: Apache-2.0 */
/* Handshakes of a client and a server in one process, without a network: the client shows a
 * certificate for KEY, the server's key is a file. Prints as one line of JSON how many there
 * were in a second and what they cost:
 *
 *   bench_tls [-n HANDSHAKES] [-s MILLISECONDS] -2|-3 CA SERVER-KEY SERVER-CERT KEY CERT
 */
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench_key.h"

#define WARM_HANDSHAKES 2

struct options {
    long n_handshakes;
    double seconds; /* 0: only n_handshakes counts */
    int version;
    char **files;
};

enum { CA, SERVER_KEY, SERVER_CERT, CLIENT_KEY, CLIENT_CERT, N_FILES };

static SSL_CTX *make_context(const struct options *opt, const SSL_METHOD *method, int key, int cert)
{
    SSL_CTX *ctx = SSL_CTX_new(method);
    EVP_PKEY *pkey = bench_load_key(opt->files[key]);

    if (ctx == NULL || SSL_CTX_use_certificate_chain_file(ctx, opt->files[cert]) != 1
        || SSL_CTX_use_PrivateKey(ctx, pkey) != 1
        || SSL_CTX_load_verify_locations(ctx, opt->files[CA], NULL) != 1
        || SSL_CTX_set_min_proto_version(ctx, opt->version) != 1
        || SSL_CTX_set_max_proto_version(ctx, opt->version) != 1)
        bench_fail("a context of TLS failed");
    EVP_PKEY_free(pkey);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    return ctx;
}

/* True when this side has finished. */
static bool advance(SSL *ssl)
{
    const int ret = SSL_do_handshake(ssl);

    if (ret != 1 && SSL_get_error(ssl, ret) != SSL_ERROR_WANT_READ)
        bench_fail("a handshake failed");
    return ret == 1;
}

static SSL *make_side(SSL_CTX *ctx, BIO *bio, bool is_server)
{
    SSL *ssl = SSL_new(ctx);

    if (ssl == NULL)
        bench_fail("no connection");
    SSL_set_bio(ssl, bio, bio);
    if (is_server)
        SSL_set_accept_state(ssl);
    else
        SSL_set_connect_state(ssl);
    return ssl;
}

static void shake_hands(SSL_CTX *client_ctx, SSL_CTX *server_ctx)
{
    BIO *client_bio = NULL, *server_bio = NULL;
    SSL *client, *server;
    bool client_done = false, server_done = false;

    if (BIO_new_bio_pair(&client_bio, 32768, &server_bio, 32768) != 1)
        bench_fail("no pair of BIOs");
    client = make_side(client_ctx, client_bio, false);
    server = make_side(server_ctx, server_bio, true);
    while (!client_done || !server_done) {
        client_done = advance(client);
        server_done = advance(server);
    }
    SSL_free(client);
    SSL_free(server);
}

static void run(const struct options *opt)
{
    SSL_CTX *client = make_context(opt, TLS_client_method(), CLIENT_KEY, CLIENT_CERT);
    SSL_CTX *server = make_context(opt, TLS_server_method(), SERVER_KEY, SERVER_CERT);
    double begin, now, cpu;
    long n = 0;

    SSL_CTX_set_num_tickets(server, 0);
    for (int i = 0; i < WARM_HANDSHAKES; i++)
        shake_hands(client, server);
    cpu = bench_cpu_seconds();
    begin = now = bench_seconds();
    while (n < opt->n_handshakes && (opt->seconds <= 0 || now - begin < opt->seconds)) {
        shake_hands(client, server);
        now = bench_seconds();
        n++;
    }
    cpu = bench_cpu_seconds() - cpu;
    printf("{\"handshakes\": %ld, \"rate\": %.3f, \"cpu_us\": %.3f}\n", n,
           (double)n / (now - begin), cpu * 1e6 / (double)n);
    SSL_CTX_free(client);
    SSL_CTX_free(server);
}

static bool parse(int argc, char **argv, struct options *opt)
{
    int c;

    while ((c = getopt(argc, argv, "n:s:23")) != -1) {
        switch (c) {
        case 'n':
            opt->n_handshakes = strtol(optarg, NULL, 10);
            break;
        case 's':
            opt->seconds = (double)strtol(optarg, NULL, 10) / 1e3;
            break;
        case '2':
            opt->version = TLS1_2_VERSION;
            break;
        case '3':
            opt->version = TLS1_3_VERSION;
            break;
        default:
            return false;
        }
    }
    opt->files = argv + optind;
    return argc - optind == N_FILES && opt->version != 0 && opt->n_handshakes >= 1;
}

int main(int argc, char **argv)
{
    struct options opt = { .n_handshakes = 1000000 };

    if (!parse(argc, argv, &opt)) {
        fprintf(stderr, "usage: bench_tls [-n HANDSHAKES] [-s MILLISECONDS] -2|-3 CA SERVER-KEY "
                        "SERVER-CERT KEY CERT\n");
        return 2;
    }
    run(&opt);
    return 0;
}
