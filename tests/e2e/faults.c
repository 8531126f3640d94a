/* SPDX-License-Identifier: Apache-2.0 */
/* An application that uses a key in every way while the software SIM has faults: each
 * fault at each exchange of each operation, or a sample of these. What comes out must be
 * right, or there is one clear error; then the lock is free, the same operation is right
 * again, and once all is closed no descriptor and no channel is left. Plain libcrypto and
 * the operator's side of iotsafe-softsim(1).
 */
#include <dirent.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/store.h>
#include <openssl/x509.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "public_copy.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define CASES_MAX 4096
#define EXCHANGES_MAX 64
#define CLIENT_KEY "iotsafe://label=client-key"
#define PAIR "iotsafe://label=spare-1;type=private"
#define CONTAINER "iotsafe://label=spare-1"

/* ------------------------------------------------------------------ arguments */

static const char *via;     /* socket, pcsc, at, bridge */
static FILE *exchanges;     /* the SIM's log */
static const char *at_port; /* "" but for at */
static FILE *admin;         /* to the SIM's operator */

static const unsigned char text[] = "what is signed";

/* Everything that was refused a fault's consequences is told here. */
static void fatal(const char *what)
{
    fprintf(stderr, "faults: %s\n", what);
    ERR_print_errors_fp(stderr);
    exit(2);
}

/* ------------------------------------------------------------- the SIM's operator */

static FILE *connect_admin(const char *path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0)
        fatal("no way to the operator's side of the SIM");
    return fdopen(fd, "r+");
}

/* ask FORMAT...: one request; the reply is good until the next one. */
__attribute__((format(printf, 1, 2))) static const char *ask(const char *format, ...)
{
    static char reply[16384];
    va_list args;

    va_start(args, format);
    vfprintf(admin, format, args);
    va_end(args);
    fputc('\n', admin);
    fflush(admin);
    if (fgets(reply, sizeof(reply), admin) == NULL || strstr(reply, "\"ok\":true") == NULL)
        fatal(reply);
    return reply;
}

static void do_verb(const char *verb)
{
    (void)ask("{\"verb\":\"%s\"}", verb);
}

static void disarm(void)
{
    (void)ask("{\"verb\":\"fault\",\"args\":[\"clear\"]}");
}

static void arm(const char *effect, size_t skip)
{
    (void)ask("{\"verb\":\"fault\",\"args\":[\"%s\"],\"options\":{\"skip\":\"%zu\"}}", effect,
              skip);
}

static long counter(const char *name)
{
    const char *at = strstr(ask("{\"verb\":\"counters\"}"), name);

    if (at == NULL)
        fatal(name);
    return strtol(at + strcspn(at, "0123456789"), NULL, 10);
}

/* -------------------------------------------------------------------- the module */

struct known {
    EVP_PKEY *client; /* the public key of CLIENT_KEY, in software */
    char list[4096];  /* what the SIM holds, as text */
    unsigned char cert[2048];
    int cert_len;
};

static OSSL_LIB_CTX *software;
static struct known known;

struct context {
    OSSL_LIB_CTX *lib;
    OSSL_PROVIDER *fallback, *module;
    EVP_PKEY *key;
};

static void context_close(struct context *c)
{
    EVP_PKEY_free(c->key);
    if (c->module != NULL)
        OSSL_PROVIDER_unload(c->module);
    if (c->fallback != NULL)
        OSSL_PROVIDER_unload(c->fallback);
    OSSL_LIB_CTX_free(c->lib);
    *c = (struct context){ 0 };
}

static void context_open(struct context *c, const char *timeout_ms)
{
    setenv("IOTSAFE_TIMEOUT_MS", timeout_ms, 1);
    *c = (struct context){ .lib = OSSL_LIB_CTX_new() };
    c->fallback = OSSL_PROVIDER_load(c->lib, "default");
    c->module = OSSL_PROVIDER_load(c->lib, "iotsafe");
    if (c->fallback == NULL || c->module == NULL)
        fatal("the module cannot be loaded");
}

/* Calls `take` for each thing behind a URI; false if there was an error. */
static bool each(const struct context *c, const char *uri,
                 void (*take)(void *arg, OSSL_STORE_INFO *info), void *arg)
{
    OSSL_STORE_CTX *store = OSSL_STORE_open_ex(uri, c->lib, NULL, NULL, NULL, NULL, NULL, NULL);
    bool good = store != NULL;

    while (store != NULL && !OSSL_STORE_eof(store)) {
        OSSL_STORE_INFO *info = OSSL_STORE_load(store);

        if (info != NULL)
            take(arg, info);
        OSSL_STORE_INFO_free(info);
        if (OSSL_STORE_error(store)) {
            good = false;
            break;
        }
    }
    OSSL_STORE_close(store);
    return good;
}

static void take_key(void *arg, OSSL_STORE_INFO *info)
{
    EVP_PKEY **key = arg;

    if (*key == NULL && OSSL_STORE_INFO_get_type(info) == OSSL_STORE_INFO_PKEY)
        *key = OSSL_STORE_INFO_get1_PKEY(info);
    else if (*key == NULL && OSSL_STORE_INFO_get_type(info) == OSSL_STORE_INFO_PUBKEY)
        *key = OSSL_STORE_INFO_get1_PUBKEY(info);
}

static EVP_PKEY *load(const struct context *c, const char *uri)
{
    EVP_PKEY *key = NULL;

    if (each(c, uri, take_key, &key) && key == NULL)
        ERR_raise_data(ERR_LIB_USER, ERR_R_INTERNAL_ERROR, "%s: nothing, and no error", uri);
    return key;
}

/* ---------------------------------------------------------------- the operations */

enum outcome { RIGHT, LESS, WRONG, REFUSED, N_OUTCOMES };

static enum outcome open_key(struct context *c)
{
    EVP_PKEY *key = load(c, CLIENT_KEY ";type=public");
    EVP_PKEY *copy = key != NULL ? public_copy(key, software) : NULL;
    enum outcome outcome = key == NULL                                            ? REFUSED
                           : copy != NULL && EVP_PKEY_eq(copy, known.client) == 1 ? RIGHT
                                                                                  : WRONG;

    EVP_PKEY_free(copy);
    EVP_PKEY_free(key);
    return outcome;
}

static void describe(void *arg, OSSL_STORE_INFO *info)
{
    char *list = arg;
    size_t len = strlen(list);
    X509 *cert = OSSL_STORE_INFO_get0_CERT(info);
    unsigned long hash = cert != NULL ? X509_subject_name_hash(cert) : 0;

    snprintf(list + len, sizeof(known.list) - len, "%d %lx\n", OSSL_STORE_INFO_get_type(info),
             hash);
}

/* Whether each line of the list is one of those, in their order. */
static bool is_part(const char *list, const char *of)
{
    while (*list != '\0') {
        size_t len = strcspn(list, "\n") + 1;

        while (*of != '\0' && strncmp(list, of, len) != 0)
            of += strcspn(of, "\n") + 1;
        if (*of == '\0')
            return false;
        list += len, of += len;
    }
    return true;
}

static enum outcome list_objects(struct context *c)
{
    char list[sizeof(known.list)] = "";

    if (!each(c, "iotsafe://", describe, list))
        return REFUSED;
    if (known.list[0] == '\0')
        strcpy(known.list, list);
    return strcmp(list, known.list) == 0 ? RIGHT : is_part(list, known.list) ? LESS : WRONG;
}

struct der {
    unsigned char bytes[sizeof(known.cert)];
    int len;
};

static void take_cert(void *arg, OSSL_STORE_INFO *info)
{
    struct der *der = arg;
    unsigned char *next = der->bytes;
    X509 *cert = OSSL_STORE_INFO_get0_CERT(info);

    if (cert != NULL && i2d_X509(cert, NULL) <= (int)sizeof(der->bytes))
        der->len = i2d_X509(cert, &next);
}

static enum outcome load_cert(struct context *c)
{
    struct der der = { .len = 0 };

    if (!each(c, "iotsafe://label=client-cert;type=cert", take_cert, &der))
        return REFUSED;
    if (known.cert_len == 0) {
        memcpy(known.cert, der.bytes, (size_t)der.len);
        known.cert_len = der.len;
    }
    return der.len == known.cert_len && memcmp(der.bytes, known.cert, (size_t)der.len) == 0 ? RIGHT
                                                                                            : WRONG;
}

static bool verifies(EVP_PKEY *key, const unsigned char *sig, size_t len)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = EVP_DigestVerifyInit_ex(ctx, NULL, "SHA256", software, NULL, key, NULL) == 1
                && EVP_DigestVerify(ctx, sig, len, text, sizeof(text)) == 1;

    EVP_MD_CTX_free(ctx);
    return good;
}

static enum outcome sign_with(const struct context *c, EVP_PKEY *key, EVP_PKEY *public_key)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned char sig[128];
    size_t len = sizeof(sig);
    bool given = EVP_DigestSignInit_ex(ctx, NULL, "SHA256", c->lib, NULL, key, NULL) == 1
                 && EVP_DigestSign(ctx, sig, &len, text, sizeof(text)) == 1;

    EVP_MD_CTX_free(ctx);
    return !given ? REFUSED : verifies(public_key, sig, len) ? RIGHT : WRONG;
}

static enum outcome sign(struct context *c)
{
    return sign_with(c, c->key, known.client);
}

static bool derive(OSSL_LIB_CTX *lib, EVP_PKEY *mine, EVP_PKEY *theirs,
                   unsigned char secret[static 64], size_t *len)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(lib, mine, NULL);
    bool good = ctx != NULL && EVP_PKEY_derive_init(ctx) == 1
                && EVP_PKEY_derive_set_peer(ctx, theirs) == 1
                && EVP_PKEY_derive(ctx, secret, len) == 1;

    EVP_PKEY_CTX_free(ctx);
    return good;
}

static enum outcome agree(struct context *c)
{
    EVP_PKEY *other = EVP_PKEY_Q_keygen(software, NULL, "EC", "P-256");
    EVP_PKEY *theirs = public_copy(other, c->lib), *mine = public_copy(c->key, software);
    unsigned char here[64], there[64];
    size_t here_len = sizeof(here), there_len = sizeof(there);
    enum outcome outcome = REFUSED;

    if (derive(c->lib, c->key, theirs, here, &here_len))
        outcome = derive(software, other, mine, there, &there_len) && here_len == there_len
                          && memcmp(here, there, here_len) == 0
                      ? RIGHT
                      : WRONG;
    EVP_PKEY_free(other);
    EVP_PKEY_free(theirs);
    EVP_PKEY_free(mine);
    return outcome;
}

static EVP_PKEY *new_pair(const struct context *c)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(c->lib, "EC", "provider=iotsafe");
    EVP_PKEY *key = NULL;

    if (ctx == NULL || EVP_PKEY_keygen_init(ctx) != 1
        || EVP_PKEY_CTX_ctrl_str(ctx, "container", CONTAINER) != 1
        || EVP_PKEY_generate(ctx, &key) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(ctx);
    return key;
}

/* Whether the key is the card's shows when it signs, without faults. */
static enum outcome generate(struct context *c)
{
    EVP_PKEY *key = new_pair(c);
    EVP_PKEY *copy = key != NULL ? public_copy(key, software) : NULL;
    enum outcome outcome = REFUSED;

    if (key != NULL) {
        disarm();
        outcome = copy != NULL && sign_with(c, key, copy) == RIGHT ? RIGHT : WRONG;
    }
    EVP_PKEY_free(copy);
    EVP_PKEY_free(key);
    return outcome;
}

static const struct operation {
    const char *name;
    const char *key; /* loaded before; NULL: on a card that was reset, by a new process */
    enum outcome (*run)(struct context *c);
    bool is_read;    /* gives out the card's data: nobody could tell if it were other */
    bool is_listing; /* goes on without an object that the card refuses */
} operations[] = {
    { "open", NULL, open_key, false, false },
    { "list", NULL, list_objects, true, true },
    { "certificate", NULL, load_cert, true, false },
    { "sign", CLIENT_KEY ";type=private", sign, false, false },
    { "ECDH", PAIR, agree, false, false },
    { "generate", CLIENT_KEY ";type=private", generate, false, false },
};
#define N_OPERATIONS ARRAY_LEN(operations)

/* An operation as it is before the fault. */
static void prepare(const struct operation *o, struct context *c, const char *timeout_ms)
{
    if (o->key == NULL)
        do_verb("reset");
    context_open(c, timeout_ms);
    if (o->key == NULL)
        return;
    for (int tries = 0; c->key == NULL && tries < 5; tries++)
        c->key = load(c, o->key); /* a card that was just put in may take its time */
    if (c->key == NULL)
        fatal(o->key);
    ERR_clear_error();
}

/* -------------------------------------------------- the exchanges of an operation */

struct exchange {
    char name[48];
    size_t rsp_len;
};

struct course {
    struct exchange exchange[EXCHANGES_MAX];
    size_t n;
};

static void note_exchange(const char *line, struct course *course)
{
    const char *ins = strstr(line, "\"ins\":\""), *rsp = strstr(line, "\"rsp\":\"");
    struct exchange *e = &course->exchange[course->n];

    if (ins == NULL || rsp == NULL || course->n == EXCHANGES_MAX)
        return;
    snprintf(e->name, sizeof(e->name), "%.*s", (int)strcspn(ins + 7, "\""), ins + 7);
    e->rsp_len = strcspn(rsp + 7, "\"") / 2;
    course->n++;
}

static void watch_from_here(void)
{
    if (fseek(exchanges, 0, SEEK_END) != 0)
        fatal("the log of the SIM");
}

/* The exchanges since then. */
static void look_back(struct course *course)
{
    char line[8192];

    course->n = 0;
    clearerr(exchanges);
    while (fgets(line, sizeof(line), exchanges) != NULL)
        note_exchange(line, course);
}

static void learn(const struct operation *o, struct course *course)
{
    struct context c;

    prepare(o, &c, "20000");
    watch_from_here();
    if (o->run(&c) != RIGHT)
        fatal(o->name);
    look_back(course);
    if (o->run == generate) /* the signature that proved the key came after it */
        while (course->n > 0
               && strstr(course->exchange[course->n - 1].name, "COMPUTE SIGNATURE") != NULL)
            course->n--;
    context_close(&c);
    printf("# %s: %zu exchanges with the card in one %s\n", via, course->n, o->name);
}

/* ----------------------------------------------------------------------- the faults */

static const struct fault {
    const char *name;
    enum kind { AS_IT_IS, TRUNCATED, FLIPPED, GARBAGE, LOST, LATE } kind;
    const char *timeout_ms;
} faults[] = {
    { "sw=6F00", AS_IT_IS, "20000" },   { "sw=6881", AS_IT_IS, "20000" },
    { "sw=6984", AS_IT_IS, "20000" },   { "sw=6A80", AS_IT_IS, "20000" },
    { "sw=6985", AS_IT_IS, "20000" },   { "reset", AS_IT_IS, "20000" },
    { "truncate", TRUNCATED, "20000" }, { "flip", FLIPPED, "20000" },
    { "garbage", GARBAGE, "20000" },    { "mute", LOST, "1500" },
    { "delay=1800", LATE, "1500" },     { "away=60", AS_IT_IS, "20000" },
};

struct fault_case {
    unsigned operation, exchange, fault;
};

static struct course courses[N_OPERATIONS];
static uint64_t state;

/* xorshift64*: the same numbers for the same seed everywhere. */
static unsigned chance(size_t n)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (unsigned)((state * UINT64_C(2685821657736338717) >> 33) % n);
}

static bool is_secret(const struct exchange *e)
{
    return strcmp(e->name, "COMPUTE DH") == 0;
}

/* Its response may be remembered for two seconds, as it was. */
static bool is_reading(const struct exchange *e)
{
    return strncmp(e->name, "READ", 4) == 0 || strncmp(e->name, "GET DATA", 8) == 0;
}

static const struct exchange *exchange_of(const struct fault_case *f)
{
    return &courses[f->operation].exchange[f->exchange];
}

/* A bit of the response. A secret that was agreed on has nothing beside it by which anybody
 * could tell that it was damaged, neither card nor module: there only the status word is. */
static unsigned a_bit(const struct exchange *e)
{
    unsigned bits = (unsigned)(8 * e->rsp_len);

    return is_secret(e) ? bits - 16 + chance(16) : chance(bits);
}

/* A reader gives up a card that does not respond. vpcd waits for ever, also for more than an
 * empty response, but for a card that is gone. */
static bool is_reader(void)
{
    return strcmp(via, "pcsc") == 0;
}

static void effect_of(const struct fault_case *f, char ret[static 32])
{
    const struct exchange *e = exchange_of(f);

    switch (faults[f->fault].kind) {
    case AS_IT_IS:
    case LATE: /* when the next operation is under way */
        snprintf(ret, 32, "%s", faults[f->fault].name);
        break;
    case TRUNCATED:
        snprintf(ret, 32, "truncate=%u",
                 is_reader() ? 1 + chance(e->rsp_len - 1) : chance(e->rsp_len));
        break;
    case FLIPPED:
        snprintf(ret, 32, "flip=%u", a_bit(e));
        break;
    case GARBAGE:
        snprintf(ret, 32, "garbage=%u", 2 + chance(90));
        break;
    case LOST:
        snprintf(ret, 32, "%s", is_reader() ? "away=1" : "mute");
        break;
    }
}

/* ---------------------------------------------------------------- what must hold */

static struct exchange met; /* by the fault, which need not be the one that was learned */
static long counts[N_OUTCOMES], altered, unhit, retried, n_bad;
static char label[256];
static char errors[4096]; /* of the operation before */

static void bad(const char *what)
{
    n_bad++;
    printf("# %s: %s\n%s", label, what, errors);
    fflush(stdout);
}

static size_t descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    size_t n = 0;

    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n;
}

static bool is_free(const char *path)
{
    int fd = open(path, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    bool unlocked = fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0;

    if (fd >= 0)
        close(fd);
    return unlocked;
}

/* The locks of the folder, and the one on a modem's port itself. */
static bool locks_are_free(void)
{
    const char *folder = getenv("IOTSAFE_LOCK_DIR");
    DIR *dir = opendir(folder);
    bool unlocked = at_port[0] == '\0' || is_free(at_port);
    struct dirent *entry;

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        char path[4096];

        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        unlocked = (entry->d_type != DT_REG || is_free(path)) && unlocked;
    }
    closedir(dir);
    return unlocked;
}

/* Takes the errors. */
static int errors_of_ours(void)
{
    unsigned long code;
    const char *data;
    size_t len = 0;
    int n = 0, flags;

    errors[0] = '\0';
    while ((code = ERR_get_error_all(NULL, NULL, NULL, &data, &flags)) != 0) {
        const char *lib = ERR_lib_error_string(code), *reason = ERR_reason_error_string(code);

        n += lib != NULL && strcmp(lib, "iotsafe") == 0;
        if (len < sizeof(errors))
            len += (size_t)snprintf(errors + len, sizeof(errors) - len, "#   %s: %s: %s\n",
                                    lib != NULL ? lib : "", reason != NULL ? reason : "", data);
    }
    return n;
}

/* A listing leaves out what the card refuses, after a second try where that may help. */
static bool may_be_refused(const struct fault_case *f)
{
    return operations[f->operation].is_listing && faults[f->fault].kind == AS_IT_IS
           && strncmp(faults[f->fault].name, "sw=", 3) == 0 && strncmp(met.name, "READ", 4) == 0;
}

/* What the fault has done to the operation; false if what was read otherwise is remembered
 * for the two seconds that are the life of what was read. */
static bool judge(const struct fault_case *f, enum outcome outcome)
{
    const struct operation *o = &operations[f->operation];
    int ours = errors_of_ours();
    bool unnoticed = (outcome == WRONG || outcome == LESS) && (o->is_read || is_secret(&met))
                     && faults[f->fault].kind == FLIPPED;

    if (unnoticed)
        altered++;
    else
        counts[outcome]++;
    if (!unnoticed && (outcome == WRONG || (outcome == LESS && !may_be_refused(f))))
        bad("a wrong result was given out");
    else if (outcome == REFUSED && ours != 1)
        bad("there is not one error of iotsafe");
    else if (outcome == RIGHT && errors[0] != '\0')
        bad("success left errors behind");
    return outcome == RIGHT || !is_reading(&met) || faults[f->fault].kind != FLIPPED;
}

/* Where the module was given little time so that it need not be waited for, a busy machine
 * may take all of it: that error alone is asked once more. */
static void next_is_right(const struct operation *o, struct context *c, bool hurried)
{
    enum outcome outcome = o->run(c);

    (void)errors_of_ours();
    for (int tries = 0; outcome == REFUSED && hurried && tries < 20; tries++) {
        if (strstr(errors, "time") == NULL)
            break;
        retried++;
        outcome = o->run(c);
        (void)errors_of_ours();
    }
    if (outcome != RIGHT)
        bad("the next operation is not right");
}

/* The card has a channel of which it has not told, because that response was damaged, or
 * of which it has said that it is not open. It lasts until the card is reset, and is no
 * leak of the module's, which leaves alone what may be another program's. A response that
 * comes after the operation is not in the log yet: it may be that of such a command. */
static bool hides_channel(const struct fault_case *f)
{
    const char *name = met.name;

    if (faults[f->fault].kind == LATE && strcmp(name, "none") == 0)
        return true;
    return strcmp(faults[f->fault].name, "sw=6881") == 0
           || (faults[f->fault].kind != AS_IT_IS
               && (strcmp(name, "MANAGE CHANNEL") == 0 || strcmp(name, "SELECT") == 0));
}

/* A connection that was closed is seen as such by the SIM when it comes to it. */
static bool channels_are_few(const struct fault_case *f)
{
    static const struct timespec pause = { .tv_nsec = 5 * 1000 * 1000 };
    long allowed = (strcmp(via, "socket") == 0 ? 0 : 1) + hides_channel(f);

    for (int tries = 0; tries < 2000; tries++) {
        if (counter("channels") <= allowed)
            return true;
        nanosleep(&pause, NULL);
    }
    return false;
}

static bool is_hurried(const struct fault_case *f)
{
    return faults[f->fault].kind >= LOST || strcmp(via, "bridge") == 0;
}

/* Which exchange the fault has met, if it came to that. */
static void find_met(const struct fault_case *f)
{
    struct course course;

    look_back(&course);
    met = (struct exchange){ "none", 0 };
    if (f->exchange < course.n)
        met = course.exchange[f->exchange];
    else
        unhit++;
}

static void run_case(const struct fault_case *f, size_t fds)
{
    const struct operation *o = &operations[f->operation];
    const char *timeout_ms = faults[f->fault].timeout_ms;
    enum outcome outcome;
    struct context c;
    char effect[32];

    effect_of(f, effect);
    printf("case: %s, %s, exchange %u, %s\n", via, o->name, f->exchange, effect);
    fflush(stdout);
    prepare(o, &c, timeout_ms);
    watch_from_here();
    arm(effect, f->exchange);
    outcome = o->run(&c);
    disarm();
    find_met(f);
    snprintf(label, sizeof(label), "%s, %s, exchange %u (%s), %s", via, o->name, f->exchange,
             met.name, effect);
    if (!judge(f, outcome)) {
        context_close(&c);
        context_open(&c, timeout_ms);
        if (o->key != NULL)
            c.key = load(&c, o->key);
    }
    if (!locks_are_free())
        bad("a lock is held");
    next_is_right(o, &c, is_hurried(f));
    context_close(&c);
    if (descriptors() != fds)
        bad("descriptors were left open");
    if (!channels_are_few(f))
        bad("a channel was left open");
    if (hides_channel(f))
        do_verb("reset");
}

/* ------------------------------------------------------------------------- the matrix */

static struct fault_case cases[CASES_MAX];

static size_t all_cases(void)
{
    size_t n = 0;

    for (unsigned o = 0; o < N_OPERATIONS; o++)
        for (unsigned e = 0; e < courses[o].n; e++)
            for (unsigned f = 0; f < ARRAY_LEN(faults) && n < CASES_MAX; f++)
                cases[n++] = (struct fault_case){ o, e, f };
    return n;
}

static void shuffle(size_t n)
{
    for (size_t i = n; i > 1; i--) {
        size_t other = chance(i);
        struct fault_case swap = cases[i - 1];

        cases[i - 1] = cases[other];
        cases[other] = swap;
    }
}

static void learn_everything(void)
{
    struct context c;
    EVP_PKEY *key;

    context_open(&c, "20000");
    key = load(&c, CLIENT_KEY ";type=public");
    known.client = key != NULL ? public_copy(key, software) : NULL;
    if (known.client == NULL || generate(&c) != RIGHT)
        fatal("the SIM does not work");
    EVP_PKEY_free(key);
    context_close(&c);
    for (size_t i = 0; i < N_OPERATIONS; i++)
        learn(&operations[i], &courses[i]);
}

int main(int argc, char **argv)
{
    size_t fds, n, wanted;
    OSSL_PROVIDER *fallback;

    if (argc != 7) {
        fprintf(stderr, "usage: faults VIA ADMIN LOG PORT SEED COUNT\n");
        return 2;
    }
    via = argv[1], admin = connect_admin(argv[2]), at_port = argv[4];
    exchanges = fopen(argv[3], "re");
    state = strtoull(argv[5], NULL, 10) * 2 + 1;
    wanted = strtoul(argv[6], NULL, 10);
    software = OSSL_LIB_CTX_new();
    if (exchanges == NULL)
        fatal(argv[3]);
    fallback = OSSL_PROVIDER_load(software, "default");
    if (fallback == NULL)
        fatal("no default provider");
    learn_everything();
    n = all_cases();
    shuffle(n);
    fds = descriptors();
    wanted = wanted == 0 || wanted > n ? n : wanted;
    for (size_t i = 0; i < wanted; i++)
        run_case(&cases[i], fds);
    printf("%s: %zu of %zu faults: %ld right, %ld refused, %ld without an object, %ld read "
           "otherwise, %ld wrong; "
           "%ld not met, %ld asked again; %ld bad\n",
           via, wanted, n, counts[RIGHT], counts[REFUSED], counts[LESS], altered, counts[WRONG],
           unhit, retried, n_bad);
    EVP_PKEY_free(known.client);
    OSSL_PROVIDER_unload(fallback);
    OSSL_LIB_CTX_free(software);
    fclose(admin);
    fclose(exchanges);
    return n_bad == 0 ? 0 : 1;
}
