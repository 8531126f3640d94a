/* SPDX-License-Identifier: Apache-2.0 */
/* An application that goes on using a SIM while the line to its modem is at fault. A round
 * is: reset the card, so that a channel must be opened; switch the fault on; one operation,
 * whose result is right or whose error is clear; switch the fault off; another operation,
 * which is right; then count the channels that are open. Rounds go on until the fault has
 * struck so many times. Plain libcrypto: nothing in here knows iotsafe but the names of the
 * objects. Prints what it has counted; ends with status 1 at the first thing that is not as
 * it should be, and says what.
 */
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/store.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "public_copy.h"

#define OBJECTS_MAX 32
#define IDLE_ROUNDS_MAX 60 /* without one fault: then the fault is none */

enum outcome { RIGHT, FAILED, WRONG };

/* What a store lists, each object by a hash. */
struct list {
    unsigned char objects[OBJECTS_MAX][32];
    size_t n;
};

static OSSL_LIB_CTX *software;
static OSSL_PROVIDER *fallback; /* in it */

static struct {
    const char *admin, *log, *trace, *port;
    const char *on, *off; /* settings of the modem */
    long goal;            /* faults */
} opt;

/* What is compared with, from a line without faults. */
static struct {
    EVP_PKEY *key, *key_copy;     /* signs */
    EVP_PKEY *spare, *spare_copy; /* agrees */
    EVP_PKEY *peer, *peer_public; /* in software, and as the module is given it */
    X509 *certificate;
    unsigned char derived[32];
    struct list list;
} expected;

static struct {
    long right, errors, faults, lost, left_open;
} counts;

/* ------------------------------------------------------------------ the operator */

static int admin_connect(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", opt.admin);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    perror(opt.admin);
    exit(1);
}

/* One line there, one back. */
static void admin(const char *verb, const char *argument, char *ret_reply, size_t cap)
{
    static int fd = -1;
    char line[256];
    size_t len = 0;
    ssize_t n = 1;
    int line_len = snprintf(line, sizeof(line),
                            argument != NULL ? "{\"verb\":\"%s\",\"args\":[\"%s\"]}\n"
                                             : "{\"verb\":\"%s\",\"args\":[]}\n",
                            verb, argument);

    if (fd < 0)
        fd = admin_connect();
    if (send(fd, line, (size_t)line_len, MSG_NOSIGNAL) != line_len)
        n = 0;
    while (n > 0 && (len == 0 || ret_reply[len - 1] != '\n') && len < cap - 1) {
        n = recv(fd, ret_reply + len, cap - 1 - len, 0);
        len += n > 0 ? (size_t)n : 0;
    }
    ret_reply[len] = '\0';
    if (strstr(ret_reply, "\"ok\":true") != NULL)
        return;
    fprintf(stderr, "%s: %s\n", verb, ret_reply);
    exit(1);
}

static void order(const char *verb, const char *argument)
{
    char reply[4096];

    admin(verb, argument, reply, sizeof(reply));
}

static long faults_so_far(void)
{
    static const char name[] = "line_faults\\\":"; /* JSON within JSON */
    char reply[8192];
    const char *at;

    admin("counters", NULL, reply, sizeof(reply));
    at = strstr(reply, name);
    return at != NULL ? strtol(at + strlen(name), NULL, 10) : -1;
}

/* ---------------------------------------------------------------- log and trace */

/* A file that grows, read on from where we were. */
struct growing {
    FILE *file;
    char line[16384];
    size_t len;
};

static bool next_line(struct growing *g, const char *path)
{
    if (g->file == NULL)
        g->file = fopen(path, "re");
    if (g->file == NULL)
        return false;
    clearerr(g->file);
    while (g->len < sizeof(g->line) - 1) {
        int c = getc(g->file);

        if (c == EOF)
            return false; /* the rest comes later */
        if (c == '\n')
            break;
        g->line[g->len++] = (char)c;
    }
    g->line[g->len] = '\0';
    g->len = 0;
    return true;
}

/* Channels that are open on the card. */
static long open_channels(void)
{
    static struct growing log;
    static long n;

    while (next_line(&log, opt.log)) {
        const char *cmd = strstr(log.line, "\"cmd\":\"");

        if (strstr(log.line, "\"event\":\"reset") != NULL)
            n = 0;
        if (cmd == NULL || strstr(log.line, "\"sw\":\"9000\"") == NULL
            || strstr(log.line, "\"ins\":\"MANAGE CHANNEL\"") == NULL)
            continue;
        n += strncmp(cmd + 9, "7000", 4) == 0;
        n -= strncmp(cmd + 9, "7080", 4) == 0;
    }
    return n;
}

/* Responses to the opening of a channel that were lost, as the module notes them. */
static long lost_openings(void)
{
    static struct growing trace;
    static long n;

    while (next_line(&trace, opt.trace))
        n += strstr(trace.line, "one channel may remain open and unused") != NULL;
    return n;
}

/* ------------------------------------------------------------------- operations */

static EVP_PKEY *load_key(const char *uri)
{
    OSSL_STORE_CTX *store = OSSL_STORE_open(uri, NULL, NULL, NULL, NULL);
    EVP_PKEY *key = NULL;

    while (store != NULL && key == NULL && !OSSL_STORE_eof(store) && !OSSL_STORE_error(store)) {
        OSSL_STORE_INFO *info = OSSL_STORE_load(store);

        if (info != NULL)
            key = OSSL_STORE_INFO_get1_PKEY(info);
        OSSL_STORE_INFO_free(info);
    }
    OSSL_STORE_close(store);
    return key;
}

static X509 *load_certificate(void)
{
    OSSL_STORE_CTX *store = OSSL_STORE_open("iotsafe://label=client-cert", NULL, NULL, NULL, NULL);
    X509 *certificate = NULL;

    while (store != NULL && certificate == NULL && !OSSL_STORE_eof(store)
           && !OSSL_STORE_error(store)) {
        OSSL_STORE_INFO *info = OSSL_STORE_load(store);

        if (info != NULL)
            certificate = OSSL_STORE_INFO_get1_CERT(info);
        OSSL_STORE_INFO_free(info);
    }
    OSSL_STORE_close(store);
    return certificate;
}

static bool hash_object(OSSL_STORE_INFO *info, unsigned char ret_hash[static 32])
{
    EVP_PKEY *key = OSSL_STORE_INFO_get0_PKEY(info);
    X509 *certificate = OSSL_STORE_INFO_get0_CERT(info);
    unsigned char *der = NULL;
    int der_len = 0;
    bool good;

    if (key == NULL && certificate == NULL)
        key = OSSL_STORE_INFO_get0_PUBKEY(info);
    der_len = certificate != NULL ? i2d_X509(certificate, &der) : i2d_PUBKEY(key, &der);
    good = der_len > 0 && EVP_Digest(der, (size_t)der_len, ret_hash, NULL, EVP_sha256(), NULL);
    OPENSSL_free(der);
    return good;
}

static bool list_objects(struct list *ret_list)
{
    OSSL_STORE_CTX *store = OSSL_STORE_open("iotsafe:", NULL, NULL, NULL, NULL);
    bool good = store != NULL;

    ret_list->n = 0;
    while (good && !OSSL_STORE_eof(store)) {
        OSSL_STORE_INFO *info = OSSL_STORE_load(store);

        if (info != NULL)
            good = ret_list->n < OBJECTS_MAX && hash_object(info, ret_list->objects[ret_list->n++]);
        else
            good = OSSL_STORE_error(store) == 0 && ERR_peek_error() == 0;
        OSSL_STORE_INFO_free(info);
    }
    OSSL_STORE_close(store);
    return good;
}

/* Other keys may have been made meanwhile. */
static bool has_all(const struct list *list, const struct list *wanted)
{
    size_t found = 0;

    for (size_t i = 0; i < wanted->n; i++)
        for (size_t j = 0; j < list->n; j++)
            if (memcmp(wanted->objects[i], list->objects[j], sizeof(list->objects[j])) == 0) {
                found++;
                break;
            }
    return found == wanted->n;
}

static enum outcome op_list(void)
{
    struct list list;

    if (!list_objects(&list))
        return FAILED;
    return has_all(&list, &expected.list) ? RIGHT : WRONG;
}

static enum outcome op_certificate(void)
{
    X509 *certificate = load_certificate();
    enum outcome outcome = FAILED;

    if (certificate != NULL)
        outcome = X509_cmp(certificate, expected.certificate) == 0 ? RIGHT : WRONG;
    X509_free(certificate);
    return outcome;
}

static enum outcome op_sign(void)
{
    static const unsigned char message[] = "to be signed";
    unsigned char sig[512];
    size_t sig_len = sizeof(sig);
    EVP_MD_CTX *signer = EVP_MD_CTX_new();
    EVP_MD_CTX *verifier = EVP_MD_CTX_new();
    enum outcome outcome = FAILED;

    if (EVP_DigestSignInit_ex(signer, NULL, "SHA256", NULL, NULL, expected.key, NULL) == 1
        && EVP_DigestSign(signer, sig, &sig_len, message, sizeof(message)) == 1)
        outcome = EVP_DigestVerifyInit_ex(verifier, NULL, "SHA256", software, NULL,
                                          expected.key_copy, NULL)
                              == 1
                          && EVP_DigestVerify(verifier, sig, sig_len, message, sizeof(message)) == 1
                      ? RIGHT
                      : WRONG;
    EVP_MD_CTX_free(signer);
    EVP_MD_CTX_free(verifier);
    return outcome;
}

static bool derive(OSSL_LIB_CTX *context, EVP_PKEY *mine, EVP_PKEY *theirs,
                   unsigned char ret_secret[static 64], size_t *ret_len)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(context, mine, NULL);
    bool good = ctx != NULL && EVP_PKEY_derive_init(ctx) == 1
                && EVP_PKEY_derive_set_peer(ctx, theirs) == 1
                && EVP_PKEY_derive(ctx, ret_secret, ret_len) == 1;

    EVP_PKEY_CTX_free(ctx);
    return good;
}

static enum outcome op_agree(void)
{
    unsigned char ours[64], theirs[64];
    size_t ours_len = sizeof(ours), theirs_len = sizeof(theirs);

    if (!derive(NULL, expected.spare, expected.peer_public, ours, &ours_len))
        return FAILED;
    if (!derive(software, expected.peer, expected.spare_copy, theirs, &theirs_len))
        return WRONG;
    return ours_len == theirs_len && memcmp(ours, theirs, ours_len) == 0 ? RIGHT : WRONG;
}

static bool derive_from_secret(unsigned char ret_derived[static 32])
{
    static char secret[] = "iotsafe://label=psk", digest[] = "SHA256", info[] = "line";
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "IOTSAFE-HKDF", "provider=iotsafe");
    EVP_KDF_CTX *ctx = kdf != NULL ? EVP_KDF_CTX_new(kdf) : NULL;
    const OSSL_PARAM params[] = {
        OSSL_PARAM_octet_string(OSSL_KDF_PARAM_SECRET, secret, sizeof(secret) - 1),
        OSSL_PARAM_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_octet_string(OSSL_KDF_PARAM_INFO, info, sizeof(info) - 1),
        OSSL_PARAM_END,
    };
    bool good = ctx != NULL && EVP_KDF_derive(ctx, ret_derived, 32, params) == 1;

    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
    return good;
}

static enum outcome op_derive(void)
{
    unsigned char derived[32];

    if (!derive_from_secret(derived))
        return FAILED;
    return memcmp(derived, expected.derived, sizeof(derived)) == 0 ? RIGHT : WRONG;
}

/* In the container that openssl.cnf has for such keys. */
static enum outcome op_generate(void)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, "provider=iotsafe", "EC", "P-256");
    EVP_PKEY *copy = key != NULL ? public_copy(key, software) : NULL;
    enum outcome outcome = key == NULL ? FAILED : copy == NULL ? WRONG : RIGHT;

    EVP_PKEY_free(key);
    EVP_PKEY_free(copy);
    return outcome;
}

static const struct operation {
    const char *name;
    enum outcome (*run)(void);
} operations[] = {
    { "list", op_list },   { "certificate", op_certificate }, { "sign", op_sign },
    { "agree", op_agree }, { "derive", op_derive },           { "generate", op_generate },
};
#define N_OPERATIONS (sizeof(operations) / sizeof(operations[0]))

/* ------------------------------------------------------------------------- rounds */

static bool complain(const char *what, const struct operation *op, const char *text)
{
    fprintf(stderr, "%s: %s%s%s\n", op->name, what, text[0] != '\0' ? ":\n" : "", text);
    return false;
}

/* All errors of the queue as text. *ret_clear: one of them is the module's and names the
 * modem. */
static void take_errors(char *ret_text, size_t cap, bool *ret_clear)
{
    const char *data;
    unsigned long code;
    size_t len = 0;
    int flags;

    ret_text[0] = '\0';
    *ret_clear = false;
    while ((code = ERR_get_error_all(NULL, NULL, NULL, &data, &flags)) != 0) {
        const char *lib = ERR_lib_error_string(code);

        if ((flags & ERR_TXT_STRING) == 0)
            data = "";
        if (lib != NULL && strcmp(lib, "iotsafe") == 0 && strstr(data, opt.port) != NULL)
            *ret_clear = true;
        if (len < cap)
            len += (size_t)snprintf(ret_text + len, cap - len, "%s: %s: %s\n",
                                    lib != NULL ? lib : "", ERR_reason_error_string(code), data);
    }
}

static bool right_or_clear_error(const struct operation *op)
{
    long lost = lost_openings();
    enum outcome outcome = op->run();
    char text[4096];
    bool clear;

    take_errors(text, sizeof(text), &clear);
    if (outcome == WRONG)
        return complain("the result is wrong", op, text);
    if (outcome == RIGHT) {
        counts.right++;
        return text[0] == '\0' || complain("errors are left behind", op, text);
    }
    counts.errors++;
    if (!clear)
        return complain("the error is not clear", op, text);
    if (lost_openings() > lost && strstr(text, "may remain open and unused") == NULL)
        return complain("the error does not tell of a lost channel", op, text);
    return true;
}

static bool must_be_right(const struct operation *op)
{
    enum outcome outcome = op->run();
    char text[4096];
    bool clear;

    take_errors(text, sizeof(text), &clear);
    if (outcome != RIGHT || text[0] != '\0')
        return complain("should have been right", op, text);
    counts.right++;
    return true;
}

static bool one_round(const struct operation *op, const struct operation *next)
{
    const long lost_before = lost_openings(), faults_before = faults_so_far();
    long lost, open;
    bool good;

    order("reset", NULL);
    order("modem-set", opt.on);
    good = right_or_clear_error(op);
    counts.faults += faults_so_far() - faults_before;
    order("modem-set", opt.off);
    if (!good || !must_be_right(next))
        return false;
    lost = lost_openings() - lost_before;
    open = open_channels();
    counts.lost += lost;
    counts.left_open += open > 1 ? open - 1 : 0;
    if (open <= 1 + lost)
        return true;
    fprintf(stderr, "%ld channels are open, %ld responses to an opening were lost\n", open, lost);
    return false;
}

/* Each operation comes first and is followed by each. */
static bool all_rounds(void)
{
    size_t since = 0; /* the last fault */

    for (size_t i = 0; counts.faults < opt.goal; i++) {
        const struct operation *op = &operations[i % N_OPERATIONS];
        const struct operation *next = &operations[(i + 1 + i / N_OPERATIONS) % N_OPERATIONS];
        const long before = counts.faults;

        if (!one_round(op, next)) {
            fprintf(stderr, "round %zu, %s: %s, then %s\n", i, opt.on, op->name, next->name);
            return false;
        }
        since = counts.faults > before ? 0 : since + 1;
        if (since == IDLE_ROUNDS_MAX) {
            fprintf(stderr, "%s has not struck in %zu rounds\n", opt.on, since);
            return false;
        }
    }
    return true;
}

/* On the line without faults. */
static bool prepare(void)
{
    order("reset", NULL); /* which ends volatile keys */
    software = OSSL_LIB_CTX_new();
    fallback = OSSL_PROVIDER_load(software, "default");
    if (software == NULL || fallback == NULL)
        return false;
    expected.key = load_key("iotsafe://label=client-key;type=private");
    expected.spare = load_key("iotsafe://label=spare-1;type=private");
    expected.certificate = load_certificate();
    expected.peer = EVP_PKEY_Q_keygen(software, NULL, "EC", "P-256");
    if (expected.key == NULL || expected.spare == NULL || expected.certificate == NULL
        || expected.peer == NULL)
        return false;
    expected.key_copy = public_copy(expected.key, software);
    expected.spare_copy = public_copy(expected.spare, software);
    expected.peer_public = public_copy(expected.peer, NULL);
    return expected.key_copy != NULL && expected.spare_copy != NULL && expected.peer_public != NULL
           && derive_from_secret(expected.derived) && list_objects(&expected.list)
           && expected.list.n > 3 && ERR_peek_error() == 0;
}

static void release(void)
{
    EVP_PKEY_free(expected.key);
    EVP_PKEY_free(expected.key_copy);
    EVP_PKEY_free(expected.spare);
    EVP_PKEY_free(expected.spare_copy);
    EVP_PKEY_free(expected.peer);
    EVP_PKEY_free(expected.peer_public);
    X509_free(expected.certificate);
    OSSL_PROVIDER_unload(fallback);
    OSSL_LIB_CTX_free(software);
}

int main(int argc, char **argv)
{
    bool good;

    if (argc != 8) {
        fprintf(stderr,
                "usage: bad_line ADMIN-SOCKET LOG TRACE PORT FAULT=VALUE FAULT=OFF COUNT\n");
        return 2;
    }
    opt.admin = argv[1];
    opt.log = argv[2];
    opt.trace = argv[3];
    opt.port = argv[4];
    opt.on = argv[5];
    opt.off = argv[6];
    opt.goal = strtol(argv[7], NULL, 10);
    good = prepare();
    if (!good)
        fprintf(stderr, "bad_line: cannot prepare\n");
    good = good && all_rounds();
    ERR_print_errors_fp(stderr);
    printf("%ld right, %ld clear errors, %ld faults, %ld openings lost, %ld channels left open\n",
           counts.right, counts.errors, counts.faults, counts.lost, counts.left_open);
    release();
    return good ? 0 : 1;
}
