/* SPDX-License-Identifier: Apache-2.0 */
/* see fixture.h */
#include "fixture.h"

#include <fcntl.h>
#include <ftw.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

const char *const order_names[N_ORDERS] = { "default, iotsafe", "iotsafe, default",
                                            "default, iotsafe; ?provider=iotsafe" };

/* ------------------------------------------------------------- the software SIM */

static const char *softsim(void)
{
    const char *path = getenv("IOTSAFE_SOFTSIM");

    if (path == NULL || access(path, X_OK) != 0)
        cr_skip_test("the software SIM is not part of this build (IOTSAFE_SOFTSIM)");
    return path;
}

/* Starts `iotsafe-softsim` with arguments that are separated by single spaces. It
 * dies with this test. */
static pid_t spawn(const char *words)
{
    char line[1024], *argv[24];
    int argc = 0, null;
    pid_t pid;

    snprintf(line, sizeof(line), "%s %s", softsim(), words);
    for (char *word = strtok(line, " "); word != NULL && argc < 23; word = strtok(NULL, " "))
        argv[argc++] = word;
    argv[argc] = NULL;
    pid = fork();
    cr_assert_geq(pid, 0);
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    null = open("/dev/null", O_RDWR);
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    execv(argv[0], argv);
    _exit(127);
}

static void run(const char *words)
{
    int status = -1;
    pid_t pid = spawn(words);

    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "softsim %s failed", words);
}

static bool accepts_connections(const char *path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool good;

    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    good = connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0;
    close(fd);
    return good;
}

void sim_return(struct sim *sim)
{
    const struct timespec pause = { .tv_nsec = 2 * 1000 * 1000 };
    char words[512];
    int tries = 2500;

    snprintf(words, sizeof(words), "run --store %s --listen unix:%s --admin unix:%s --log %s",
             sim->store, sim->socket, sim->admin, sim->log);
    sim->pid = spawn(words);
    while ((!accepts_connections(sim->socket) || !accepts_connections(sim->admin)) && --tries > 0)
        nanosleep(&pause, NULL);
    cr_assert_gt(tries, 0, "the software SIM does not listen");
}

void sim_vanish(struct sim *sim)
{
    kill(sim->pid, SIGTERM);
    waitpid(sim->pid, NULL, 0);
    sim->pid = 0;
}

void sim_start_with(struct sim *sim, const char *options)
{
    const char *tmp = getenv("TMPDIR");
    char words[512], transport[128];

    memset(sim, 0, sizeof(*sim));
    snprintf(sim->folder, sizeof(sim->folder), "%.40s/iotsafe-XXXXXX", tmp != NULL ? tmp : "/tmp");
    cr_assert_not_null(mkdtemp(sim->folder));
    snprintf(sim->store, sizeof(sim->store), "%s/store", sim->folder);
    snprintf(sim->socket, sizeof(sim->socket), "%s/sim", sim->folder);
    snprintf(sim->admin, sizeof(sim->admin), "%s/admin", sim->folder);
    snprintf(sim->log, sizeof(sim->log), "%s/log", sim->folder);
    snprintf(words, sizeof(words), "init --store %s %s", sim->store, options);
    run(words);
    sim_return(sim);
    snprintf(transport, sizeof(transport), "socket:%s", sim->socket);
    setenv("IOTSAFE_TRANSPORT", transport, 1);
    setenv("OPENSSL_CONF", "/dev/null", 1);
}

void sim_start(struct sim *sim)
{
    sim_start_with(sim, "");
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void sim_stop(struct sim *sim)
{
    if (sim->pid != 0)
        sim_vanish(sim);
    nftw(sim->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

void sim_admin(const struct sim *sim, const char *words)
{
    char line[512];

    snprintf(line, sizeof(line), "admin %s %s", sim->admin, words);
    run(line);
}

int sim_exchanges(const struct sim *sim, const char *instruction)
{
    char line[4096], wanted[128] = "\"ins\":";
    FILE *file = fopen(sim->log, "r");
    int n = 0;

    if (file == NULL)
        return 0;
    if (instruction != NULL)
        snprintf(wanted, sizeof(wanted), "\"ins\":\"%s\"", instruction);
    while (fgets(line, sizeof(line), file) != NULL)
        n += strstr(line, wanted) != NULL;
    fclose(file);
    return n;
}

const char *sim_path(const struct sim *sim, const char *name)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof(paths[0]), "%s/%s", sim->folder, name);
    return path;
}

/* ------------------------------------------------------------- library contexts */

void context_open(struct context *ctx, enum order order)
{
    const bool iotsafe_first = order == IOTSAFE_FIRST;

    ctx->order = order;
    ctx->lib = OSSL_LIB_CTX_new();
    cr_assert_not_null(ctx->lib);
    cr_assert(OSSL_PROVIDER_set_default_search_path(ctx->lib, getenv("IOTSAFE_MODULE_DIR")));
    ctx->first = OSSL_PROVIDER_load(ctx->lib, iotsafe_first ? "iotsafe" : "default");
    ctx->second = OSSL_PROVIDER_load(ctx->lib, iotsafe_first ? "default" : "iotsafe");
    cr_assert(ctx->first != NULL && ctx->second != NULL, "%s", drain_errors());
    if (order == DEFAULT_FIRST_PROPQUERY)
        cr_assert(EVP_set_default_properties(ctx->lib, "?provider=iotsafe"));
}

void context_close(struct context *ctx)
{
    OSSL_PROVIDER_unload(ctx->second);
    OSSL_PROVIDER_unload(ctx->first);
    OSSL_LIB_CTX_free(ctx->lib);
}

void context_reload(struct context *ctx)
{
    const enum order order = ctx->order;

    context_close(ctx);
    context_open(ctx, order);
}

/* ---------------------------------------------------------------------- objects */

static OSSL_STORE_CTX *open_store(OSSL_LIB_CTX *lib, const char *uri, int expect)
{
    OSSL_STORE_CTX *store = OSSL_STORE_open_ex(uri, lib, NULL, NULL, NULL, NULL, NULL, NULL);

    if (store != NULL && expect != 0)
        cr_assert(OSSL_STORE_expect(store, expect));
    return store;
}

OSSL_STORE_INFO *store_first(OSSL_LIB_CTX *lib, const char *uri, int expect, int type)
{
    OSSL_STORE_CTX *store = open_store(lib, uri, expect);
    OSSL_STORE_INFO *info = NULL;

    while (store != NULL && info == NULL && !OSSL_STORE_eof(store)) {
        info = OSSL_STORE_load(store);
        if (info != NULL && OSSL_STORE_INFO_get_type(info) != type) {
            OSSL_STORE_INFO_free(info);
            info = NULL;
        }
    }
    if (store != NULL)
        OSSL_STORE_close(store);
    return info;
}

int store_count(OSSL_LIB_CTX *lib, const char *uri, int expect, int type)
{
    OSSL_STORE_CTX *store = open_store(lib, uri, expect);
    OSSL_STORE_INFO *info;
    int n = 0, tries = 0;

    if (store == NULL)
        return -1;
    while (n >= 0 && !OSSL_STORE_eof(store)) {
        cr_assert_lt(++tries, 1000, "the store never ends");
        info = OSSL_STORE_load(store);
        if (info != NULL && (type == 0 || OSSL_STORE_INFO_get_type(info) == type))
            n++;
        else if (info == NULL && OSSL_STORE_error(store))
            n = -1;
        OSSL_STORE_INFO_free(info);
    }
    OSSL_STORE_close(store);
    return n;
}

EVP_PKEY *load_key(OSSL_LIB_CTX *lib, const char *uri)
{
    OSSL_STORE_INFO *info = store_first(lib, uri, OSSL_STORE_INFO_PKEY, OSSL_STORE_INFO_PKEY);
    EVP_PKEY *key = info != NULL ? OSSL_STORE_INFO_get1_PKEY(info) : NULL;

    OSSL_STORE_INFO_free(info);
    return key;
}

EVP_PKEY *load_public_key(OSSL_LIB_CTX *lib, const char *uri)
{
    OSSL_STORE_INFO *info = store_first(lib, uri, OSSL_STORE_INFO_PUBKEY, OSSL_STORE_INFO_PUBKEY);
    EVP_PKEY *key = info != NULL ? OSSL_STORE_INFO_get1_PUBKEY(info) : NULL;

    OSSL_STORE_INFO_free(info);
    return key;
}

X509 *load_cert(OSSL_LIB_CTX *lib, const char *uri)
{
    OSSL_STORE_INFO *info = store_first(lib, uri, OSSL_STORE_INFO_CERT, OSSL_STORE_INFO_CERT);
    X509 *cert = info != NULL ? OSSL_STORE_INFO_get1_CERT(info) : NULL;

    OSSL_STORE_INFO_free(info);
    return cert;
}

X509 *sim_cert(const struct sim *sim, OSSL_LIB_CTX *lib, const char *name)
{
    X509 *cert = X509_new_ex(lib, NULL);
    char path[200];
    BIO *bio;

    snprintf(path, sizeof(path), "%s/%s", sim->store, name);
    bio = BIO_new_file(path, "r");
    cr_assert_not_null(bio, "%s", path);
    cr_assert_not_null(PEM_read_bio_X509(bio, &cert, NULL, NULL));
    BIO_free(bio);
    return cert;
}

void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    cr_assert_not_null(file);
    cr_assert_geq(fputs(text, file), 0);
    fclose(file);
}

EVP_PKEY *pem_key(OSSL_LIB_CTX *lib, const char *pem, size_t len)
{
    BIO *bio = BIO_new_mem_buf(pem, (int)len);
    EVP_PKEY *key = PEM_read_bio_PrivateKey_ex(bio, NULL, NULL, NULL, lib, NULL);

    BIO_free(bio);
    return key;
}

EVP_PKEY *read_pem_key(OSSL_LIB_CTX *lib, const char *path)
{
    BIO *bio = BIO_new_file(path, "r");
    EVP_PKEY *key;

    cr_assert_not_null(bio);
    key = PEM_read_bio_PrivateKey_ex(bio, NULL, NULL, NULL, lib, NULL);
    BIO_free(bio);
    return key;
}

char *reference_pem(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *data, *text;
    long len;

    cr_assert(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), "%s", drain_errors());
    len = BIO_get_mem_data(bio, &data);
    text = OPENSSL_strndup(data, (size_t)len);
    BIO_free(bio);
    cr_assert_not_null(text);
    return text;
}

static const char message[] = "what is to be signed";

bool sign_message(OSSL_LIB_CTX *lib, EVP_PKEY *key, const char *digest, unsigned char *ret_sig,
                  size_t *ret_len)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = EVP_DigestSignInit_ex(ctx, NULL, digest, lib, NULL, key, NULL) > 0
                && EVP_DigestSignUpdate(ctx, message, 5) > 0
                && EVP_DigestSignUpdate(ctx, message + 5, sizeof(message) - 5) > 0
                && EVP_DigestSignFinal(ctx, ret_sig, ret_len) > 0;

    EVP_MD_CTX_free(ctx);
    return good;
}

bool verify_message(OSSL_LIB_CTX *lib, EVP_PKEY *key, const char *digest, const unsigned char *sig,
                    size_t len)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = EVP_DigestVerifyInit_ex(ctx, NULL, digest, lib, NULL, key, NULL) > 0
                && EVP_DigestVerify(ctx, sig, len, (const unsigned char *)message, sizeof(message))
                       == 1;

    EVP_MD_CTX_free(ctx);
    return good;
}

EVP_PKEY *soft_key(OSSL_LIB_CTX *lib, const char *algorithm, const char *group)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(lib, algorithm, NULL);
    EVP_PKEY *key = NULL;

    if (EVP_PKEY_keygen_init(ctx) <= 0
        || (group != NULL && EVP_PKEY_CTX_set_group_name(ctx, group) <= 0)
        || EVP_PKEY_generate(ctx, &key) <= 0)
        key = NULL;
    EVP_PKEY_CTX_free(ctx);
    return key;
}

X509 *self_signed(OSSL_LIB_CTX *lib, EVP_PKEY *key, const char *digest)
{
    X509 *cert = X509_new_ex(lib, NULL);
    X509_NAME *name = X509_NAME_new();
    EVP_MD *md = digest != NULL ? EVP_MD_fetch(lib, digest, NULL) : NULL;
    bool good = X509_set_version(cert, X509_VERSION_3)
                && ASN1_INTEGER_set(X509_get_serialNumber(cert), 7)
                && X509_gmtime_adj(X509_getm_notBefore(cert), -60) != NULL
                && X509_gmtime_adj(X509_getm_notAfter(cert), 86400) != NULL
                && X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                              (const unsigned char *)"localhost", -1, -1, 0)
                && X509_set_subject_name(cert, name) && X509_set_issuer_name(cert, name)
                && X509_set_pubkey(cert, key) && X509_sign(cert, key, md) > 0;

    EVP_MD_free(md);
    X509_NAME_free(name);
    if (good)
        return cert;
    X509_free(cert);
    return NULL;
}

const char *drain_errors(void)
{
    static char text[8192];
    const char *data;
    char line[256];
    unsigned long code;
    size_t len = 0;
    int flags;

    text[0] = '\0';
    while ((code = ERR_get_error_all(NULL, NULL, NULL, &data, &flags)) != 0) {
        ERR_error_string_n(code, line, sizeof(line));
        if (len < sizeof(text))
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%s:%s\n", line,
                                    (flags & ERR_TXT_STRING) != 0 ? data : "");
    }
    return text;
}
