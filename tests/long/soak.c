/* SPDX-License-Identifier: Apache-2.0 */
/* An application that runs for years: hundreds of thousands of operations in one process,
 * good and refused ones, with a card that is reset now and then. Every result is checked
 * in software. After a tenth of them the memory and the descriptors of the process are
 * noted; at the end it must have no more of either. Plain libcrypto and libssl, and the
 * operator's side of iotsafe-softsim(1).
 *
 * With -t so many threads share the operations and the keys. The faults of one then meet
 * others too: an operation may be refused, but never give a wrong result; once the threads
 * have ended each operation is good again.
 *
 * usage: soak [-t THREADS] COUNT ADMIN-SOCKET CA-FILE
 */
#include <dirent.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/ssl.h>
#include <openssl/store.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "public_copy.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define SIGNER "iotsafe://label=client-key;type=private"
#define PAIR "iotsafe://label=spare-1;type=private"
#define CERT "iotsafe://label=client-cert;type=cert"
#define THREADS_MAX 64
#define GROWTH_MAX_KB \
    512 /* the allocator's own unrest; a leak of 16 bytes an operation is 2.7 MB */

static OSSL_LIB_CTX *software;
static EVP_PKEY *signer, *pair;               /* the module's */
static EVP_PKEY *signer_public, *pair_public; /* in software */
static X509_STORE *trusted;
static FILE *admin;
static pthread_mutex_t admin_lock = PTHREAD_MUTEX_INITIALIZER;
static bool in_threads; /* somebody else's fault may meet an operation */
static int n_objects;
static const unsigned char text[] = "what is signed";

static void fatal(const char *what)
{
    fprintf(stderr, "soak: %s\n", what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

/* ------------------------------------------------------------------- the operator */

static FILE *connect_admin(const char *path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0)
        fatal("no way to the operator's side of the SIM");
    return fdopen(fd, "r+");
}

static void order(const char *request)
{
    char reply[4096];

    pthread_mutex_lock(&admin_lock);
    fprintf(admin, "%s\n", request);
    fflush(admin);
    if (fgets(reply, sizeof(reply), admin) == NULL || strstr(reply, "\"ok\":true") == NULL)
        fatal(request);
    pthread_mutex_unlock(&admin_lock);
}

/* ------------------------------------------------------------------ the operations */

/* What is behind a URI: how many objects, the first private key, the first certificate. */
struct found {
    int n;
    EVP_PKEY *key;
    X509 *cert;
};

static void found_free(struct found *found)
{
    EVP_PKEY_free(found->key);
    X509_free(found->cert);
}

static bool look_up(OSSL_LIB_CTX *lib, const char *uri, struct found *ret_found)
{
    OSSL_STORE_CTX *store = OSSL_STORE_open_ex(uri, lib, NULL, NULL, NULL, NULL, NULL, NULL);
    struct found found = { 0 };
    bool good = store != NULL;

    while (good && !OSSL_STORE_eof(store)) {
        OSSL_STORE_INFO *info = OSSL_STORE_load(store);

        if (info != NULL)
            found.n++;
        if (info != NULL && found.key == NULL)
            found.key = OSSL_STORE_INFO_get1_PKEY(info);
        if (info != NULL && found.cert == NULL)
            found.cert = OSSL_STORE_INFO_get1_CERT(info);
        OSSL_STORE_INFO_free(info);
        good = !OSSL_STORE_error(store);
    }
    OSSL_STORE_close(store);
    ERR_clear_error(); /* of the questions for a key and a certificate */
    *ret_found = found;
    return good;
}

static EVP_PKEY *load(OSSL_LIB_CTX *lib, const char *uri)
{
    struct found found;

    (void)look_up(lib, uri, &found);
    X509_free(found.cert);
    return found.key;
}

enum outcome { GOOD, BAD, REFUSED };

static enum outcome sign_with(OSSL_LIB_CTX *lib, EVP_PKEY *key)
{
    EVP_MD_CTX *s = EVP_MD_CTX_new(), *v = EVP_MD_CTX_new();
    unsigned char sig[128];
    size_t len = sizeof(sig);
    enum outcome outcome = REFUSED;

    if (EVP_DigestSignInit_ex(s, NULL, "SHA256", lib, NULL, key, NULL) == 1
        && EVP_DigestSign(s, sig, &len, text, sizeof(text)) == 1)
        outcome = EVP_DigestVerifyInit_ex(v, NULL, "SHA256", software, NULL, signer_public, NULL)
                              == 1
                          && EVP_DigestVerify(v, sig, len, text, sizeof(text)) == 1
                      ? GOOD
                      : BAD;
    EVP_MD_CTX_free(s);
    EVP_MD_CTX_free(v);
    return outcome;
}

static enum outcome sign(void)
{
    return sign_with(NULL, signer);
}

static enum outcome open_key(void)
{
    EVP_PKEY *key = load(NULL, SIGNER);
    enum outcome outcome = key == NULL ? REFUSED : GOOD;

    /* perhaps only a signature tells which of the public keys is the right one */
    if (key != NULL && EVP_PKEY_eq(key, signer) != 1)
        outcome = ERR_peek_error() != 0 ? REFUSED : BAD;
    EVP_PKEY_free(key);
    return outcome;
}

static enum outcome list(void)
{
    struct found found;
    enum outcome outcome = REFUSED;

    if (look_up(NULL, "iotsafe://", &found)) /* it goes on without what the card refuses */
        outcome = found.n == n_objects ? GOOD : in_threads ? REFUSED : BAD;
    found_free(&found);
    return outcome;
}

static bool derive(OSSL_LIB_CTX *lib, EVP_PKEY *mine, EVP_PKEY *theirs,
                   unsigned char ret_secret[static 64], size_t *ret_len)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(lib, mine, NULL);
    bool good = ctx != NULL && EVP_PKEY_derive_init(ctx) == 1
                && EVP_PKEY_derive_set_peer(ctx, theirs) == 1
                && EVP_PKEY_derive(ctx, ret_secret, ret_len) == 1;

    EVP_PKEY_CTX_free(ctx);
    return good;
}

static enum outcome agree(void)
{
    EVP_PKEY *other = EVP_PKEY_Q_keygen(software, NULL, "EC", "P-256");
    EVP_PKEY *theirs = public_copy(other, NULL);
    unsigned char here[64], there[64];
    size_t here_len = sizeof(here), there_len = sizeof(there);
    enum outcome outcome = REFUSED;

    if (derive(NULL, pair, theirs, here, &here_len))
        outcome = derive(software, other, pair_public, there, &there_len) && here_len == there_len
                          && memcmp(here, there, here_len) == 0
                      ? GOOD
                      : BAD;
    EVP_PKEY_free(theirs);
    EVP_PKEY_free(other);
    return outcome;
}

static enum outcome seed(void)
{
    EVP_RAND *kind = EVP_RAND_fetch(NULL, "IOTSAFE-SEED-SRC", "provider=iotsafe");
    EVP_RAND_CTX *ctx = EVP_RAND_CTX_new(kind, NULL);
    unsigned char bytes[48];
    bool good = ctx != NULL && EVP_RAND_instantiate(ctx, 0, 0, NULL, 0, NULL) == 1
                && EVP_RAND_generate(ctx, bytes, sizeof(bytes), 0, 0, NULL, 0) == 1;

    EVP_RAND_CTX_free(ctx);
    EVP_RAND_free(kind);
    return good ? GOOD : REFUSED;
}

/* ------------------------------------------------------------------ TLS in memory */

/* Both sides go on in turns until neither can. */
static bool shake_hands(SSL *server, SSL *client)
{
    for (int i = 0; i < 20; i++) {
        int c = SSL_do_handshake(client), s = SSL_do_handshake(server);

        if (c == 1 && s == 1)
            return true;
        if ((c != 1 && SSL_get_error(client, c) != SSL_ERROR_WANT_READ)
            || (s != 1 && SSL_get_error(server, s) != SSL_ERROR_WANT_READ))
            return false;
    }
    return false;
}

static SSL_CTX *server_side(void)
{
    SSL_CTX *ctx = SSL_CTX_new_ex(NULL, NULL, TLS_server_method());
    struct found found;
    bool good = look_up(NULL, CERT, &found) && SSL_CTX_use_certificate(ctx, found.cert) == 1
                && SSL_CTX_use_PrivateKey(ctx, signer) == 1;

    found_free(&found);
    if (!good) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    return ctx;
}

static enum outcome handshake(void)
{
    SSL_CTX *server_ctx = server_side();
    SSL_CTX *client_ctx = SSL_CTX_new_ex(software, NULL, TLS_client_method());
    BIO *near = NULL, *far = NULL;
    enum outcome outcome = REFUSED;

    SSL_CTX_set1_cert_store(client_ctx, trusted);
    SSL_CTX_set_verify(client_ctx, SSL_VERIFY_PEER, NULL);
    /* the SIM's certificate is one for clients */
    X509_VERIFY_PARAM_set_purpose(SSL_CTX_get0_param(client_ctx), X509_PURPOSE_ANY);
    if (server_ctx != NULL && BIO_new_bio_pair(&near, 0, &far, 0) == 1) {
        SSL *server = SSL_new(server_ctx), *client = SSL_new(client_ctx);

        SSL_set_bio(server, near, near);
        SSL_set_bio(client, far, far);
        SSL_set_accept_state(server);
        SSL_set_connect_state(client);
        if (shake_hands(server, client))
            outcome = SSL_get_verify_result(client) == X509_V_OK ? GOOD : BAD;
        SSL_free(server);
        SSL_free(client);
    }
    SSL_CTX_free(server_ctx);
    SSL_CTX_free(client_ctx);
    return outcome;
}

/* -------------------------------------------------------------- what is refused */

/* While the card refuses to say what it has, the key may be there; it cannot sign. */
static enum outcome absent(void)
{
    EVP_PKEY *key = load(NULL, "iotsafe://label=nobody-has-this;type=private");
    enum outcome outcome = GOOD;

    if (key != NULL)
        outcome = in_threads && sign_with(NULL, key) == REFUSED ? REFUSED : BAD;
    EVP_PKEY_free(key);
    return outcome;
}

static enum outcome malformed(void)
{
    EVP_PKEY *key = load(NULL, "iotsafe://id=0g;type=private");
    enum outcome outcome = key == NULL ? GOOD : BAD;

    EVP_PKEY_free(key);
    return outcome;
}

/* The card refuses for good, whatever is tried instead. */
static enum outcome refused_signature(void)
{
    enum outcome outcome;

    order("{\"verb\":\"fault\",\"args\":[\"sw=6982\"],\"options\":{\"count\":\"1000\"}}");
    outcome = sign();
    order("{\"verb\":\"fault\",\"args\":[\"clear\"]}");
    return outcome == REFUSED || (outcome == GOOD && in_threads) ? GOOD : BAD;
}

static enum outcome damaged_response(void)
{
    enum outcome outcome;

    order("{\"verb\":\"fault\",\"args\":[\"truncate=3\"],\"options\":{\"count\":\"1\"}}");
    outcome = sign();
    order("{\"verb\":\"fault\",\"args\":[\"clear\"]}");
    return outcome == BAD ? BAD : GOOD; /* repaired, or told */
}

static enum outcome reset_card(void)
{
    order("{\"verb\":\"reset\"}");
    return sign();
}

/* As a program that restarts its TLS. */
static enum outcome new_context(void)
{
    OSSL_LIB_CTX *lib = OSSL_LIB_CTX_new();
    enum outcome outcome = REFUSED;
    EVP_PKEY *key;

    if (OSSL_LIB_CTX_load_config(lib, getenv("OPENSSL_CONF")) == 1
        && (key = load(lib, SIGNER)) != NULL) {
        outcome = sign_with(lib, key);
        EVP_PKEY_free(key);
    }
    OSSL_LIB_CTX_free(lib);
    return outcome;
}

static const struct operation {
    const char *name;
    int share; /* of 1000 */
    enum outcome (*run)(void);
} operations[] = {
    { "sign", 400, sign },
    { "load", 150, open_key },
    { "ECDH", 120, agree },
    { "random", 100, seed },
    { "list", 60, list },
    { "handshake", 60, handshake },
    { "absent", 50, absent },
    { "malformed URI", 20, malformed },
    { "refused signature", 20, refused_signature },
    { "damaged response", 10, damaged_response },
    { "card reset", 5, reset_card },
    { "new context", 5, new_context },
};

/* Shares spread evenly: 389 has no common divisor with 1000. */
static const struct operation *operation_of(long i)
{
    int place = (int)(i * 389 % 1000);
    size_t o = 0;

    while (place >= operations[o].share)
        place -= operations[o++].share;
    return &operations[o];
}

/* ----------------------------------------------------------------- what it holds */

struct holding {
    long resident_kb;
    long descriptors;
};

static struct holding holding_now(void)
{
    struct holding now = { 0 };
    FILE *status = fopen("/proc/self/status", "r");
    DIR *fds = NULL;
    char line[256];

    while (status != NULL && fgets(line, sizeof(line), status) != NULL)
        if (strncmp(line, "RssAnon:", 8) == 0)
            now.resident_kb = strtol(line + 8, NULL, 10);
    if (status == NULL || now.resident_kb == 0 || fclose(status) != 0)
        fatal("/proc/self/status has no RssAnon");
    fds = opendir("/proc/self/fd");
    if (fds == NULL)
        fatal("/proc/self/fd");
    while (readdir(fds) != NULL)
        now.descriptors++;
    closedir(fds);
    return now;
}

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void prepare(const char *admin_path, const char *ca)
{
    struct found all;

    software = OSSL_LIB_CTX_new();
    if (OSSL_PROVIDER_load(software, "default") == NULL)
        fatal("no software");
    admin = connect_admin(admin_path);
    trusted = X509_STORE_new();
    if (X509_STORE_load_file_ex(trusted, ca, software, NULL) != 1)
        fatal(ca);
    signer = load(NULL, SIGNER);
    pair = load(NULL, PAIR);
    if (signer == NULL || pair == NULL)
        fatal("no keys");
    if (look_up(NULL, "iotsafe://", &all))
        n_objects = all.n;
    found_free(&all);
    signer_public = public_copy(signer, software);
    pair_public = public_copy(pair, software);
}

static enum outcome run_one(const struct operation *o, long i)
{
    enum outcome outcome = o->run();

    if (outcome != GOOD && !(outcome == REFUSED && in_threads)) {
        fprintf(stderr, "soak: operation %ld, %s, %s\n", i, o->name,
                outcome == BAD ? "gave a wrong result" : "was refused");
        ERR_print_errors_fp(stderr);
        _exit(1); /* other threads go on until the very end */
    }
    ERR_clear_error();
    return outcome;
}

static bool run_alone(long count)
{
    struct holding warm = { 0 }, end;
    double start = seconds();

    for (long i = 0; i < count; i++) {
        if (i == count / 10)
            warm = holding_now();
        if (i % 1000 == 0) {
            printf("%ld\n", i); /* that something happens */
            fflush(stdout);
        }
        (void)run_one(operation_of(i), i);
    }
    end = holding_now();
    printf("%ld operations, %.0f a second; resident %ld kB, grown by %ld kB; %ld descriptors, "
           "%+ld\n",
           count, (double)count / (seconds() - start), end.resident_kb,
           end.resident_kb - warm.resident_kb, end.descriptors, end.descriptors - warm.descriptors);
    return end.resident_kb - warm.resident_kb <= GROWTH_MAX_KB
           && end.descriptors == warm.descriptors;
}

/* ------------------------------------------------------------------------ threads */

static long n_shared;
static atomic_long n_begun, n_refused;

static void *work(void *arg)
{
    long i;

    (void)arg;
    while ((i = atomic_fetch_add(&n_begun, 1)) < n_shared)
        if (run_one(operation_of(i), i) == REFUSED)
            atomic_fetch_add(&n_refused, 1);
    return NULL;
}

static bool run_in_threads(long count, long n_threads)
{
    pthread_t threads[THREADS_MAX];

    n_shared = count;
    in_threads = true;
    for (long i = 0; i < n_threads; i++)
        if (pthread_create(&threads[i], NULL, work, NULL) != 0)
            fatal("no thread to be had");
    for (long i = 0; i < n_threads; i++)
        pthread_join(threads[i], NULL);
    in_threads = false;
    for (size_t o = 0; o < ARRAY_LEN(operations); o++)
        (void)run_one(&operations[o], count);
    printf("%ld operations in %ld threads, none wrong, %ld refused\n", count, n_threads,
           atomic_load(&n_refused));
    return true;
}

int main(int argc, char **argv)
{
    const bool threads = argc > 2 && strcmp(argv[1], "-t") == 0;
    const long n_threads = threads ? strtol(argv[2], NULL, 10) : 0;
    char **args = threads ? argv + 2 : argv;
    const long count = argc == (threads ? 6 : 4) ? strtol(args[1], NULL, 10) : 0;
    bool good;

    if (count < 10 || n_threads < 0 || n_threads > THREADS_MAX) {
        fprintf(stderr, "usage: soak [-t THREADS] COUNT ADMIN-SOCKET CA-FILE\n");
        return 2;
    }
    prepare(args[2], args[3]);
    good = threads ? run_in_threads(count, n_threads) : run_alone(count);
    EVP_PKEY_free(signer);
    EVP_PKEY_free(pair);
    EVP_PKEY_free(signer_public);
    EVP_PKEY_free(pair_public);
    X509_STORE_free(trusted);
    OSSL_LIB_CTX_free(software);
    fclose(admin);
    return good ? 0 : 1;
}
