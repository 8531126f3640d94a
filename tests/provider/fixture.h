/* SPDX-License-Identifier: Apache-2.0 */
/* A software SIM of its own for each test, and library contexts with the built
 * module in them, as an application would have them. */
#ifndef PROVIDER_FIXTURE_H
#define PROVIDER_FIXTURE_H

#include <criterion/criterion.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/store.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <sys/types.h>

/* ------------------------------------------------------------- the software SIM */

struct sim {
    char folder[64];
    char store[96];
    char socket[96];
    char admin[96];
    char log[96];
    pid_t pid;
};

/** Personalise and start a SIM; IOTSAFE_TRANSPORT points to it from then on.
 *  Without the software SIM in this build the test is skipped. It dies with the
 *  test. */
void sim_start(struct sim *sim);
/** The same, with more arguments of `iotsafe-softsim init`. */
void sim_start_with(struct sim *sim, const char *options);
void sim_stop(struct sim *sim);

/** End the process, as if the device went away, and let it come back. */
void sim_vanish(struct sim *sim);
void sim_return(struct sim *sim);

/** An operator's command over the air: words separated by single spaces. */
void sim_admin(const struct sim *sim, const char *words);

/** How many exchanges the SIM has had, or those of one instruction. */
int sim_exchanges(const struct sim *sim, const char *instruction);

/** A path in the SIM's folder; static storage, four at a time. */
const char *sim_path(const struct sim *sim, const char *name);

/* ------------------------------------------------------------- library contexts */

enum order {
    DEFAULT_FIRST,
    IOTSAFE_FIRST,
    DEFAULT_FIRST_PROPQUERY, /* and default_properties = ?provider=iotsafe */
    N_ORDERS
};
extern const char *const order_names[N_ORDERS];

struct context {
    enum order order;
    OSSL_LIB_CTX *lib;
    OSSL_PROVIDER *first, *second;
};

void context_open(struct context *ctx, enum order order);
void context_close(struct context *ctx);
/** A new library context in its place: the provider forgets what it read from the
 *  SIM. No object of the old one may be alive. */
void context_reload(struct context *ctx);

/* ---------------------------------------------------------------------- objects */

/** The first object of a type behind a URI; NULL if there is none. */
OSSL_STORE_INFO *store_first(OSSL_LIB_CTX *lib, const char *uri, int expect, int type);
EVP_PKEY *load_key(OSSL_LIB_CTX *lib, const char *uri); /* a private key */
EVP_PKEY *load_public_key(OSSL_LIB_CTX *lib, const char *uri);
X509 *load_cert(OSSL_LIB_CTX *lib, const char *uri);

/** How many objects of a type a URI gives, 0: of any; -1 if a load failed. */
int store_count(OSSL_LIB_CTX *lib, const char *uri, int expect, int type);

/** A certificate as the SIM's maker knows it: "client-cert.pem" or "ca.pem". */
X509 *sim_cert(const struct sim *sim, OSSL_LIB_CTX *lib, const char *name);

/** Write a file of the SIM's folder. */
void write_text(const char *path, const char *text);
/** A PEM file's private key. */
EVP_PKEY *read_pem_key(OSSL_LIB_CTX *lib, const char *path);
/** A private key from PEM text. */
EVP_PKEY *pem_key(OSSL_LIB_CTX *lib, const char *pem, size_t len);

/** The key-reference file of a key as text; OPENSSL_free() it. */
char *reference_pem(EVP_PKEY *key);

/** Sign and verify a message with EVP_DigestSign and EVP_DigestVerify. */
bool sign_message(OSSL_LIB_CTX *lib, EVP_PKEY *key, const char *digest, unsigned char *ret_sig,
                  size_t *ret_len);
bool verify_message(OSSL_LIB_CTX *lib, EVP_PKEY *key, const char *digest, const unsigned char *sig,
                    size_t len);

/** A fresh software key: "EC" with a group, or an algorithm and NULL. */
EVP_PKEY *soft_key(OSSL_LIB_CTX *lib, const char *algorithm, const char *group);

/** A self-signed certificate. */
X509 *self_signed(OSSL_LIB_CTX *lib, EVP_PKEY *key, const char *digest);

/** The error queue as one text, emptied; static storage. "" if it was empty. */
const char *drain_errors(void);

/** Claims that fit many places. */
#define EXPECT_NO_ERRORS(...)                                             \
    do {                                                                  \
        const char *errors_ = drain_errors();                             \
        cr_expect_str_empty(errors_, "errors in the queue: %s", errors_); \
    } while (0)
#define EXPECT_ERROR(text)                                                               \
    do {                                                                                 \
        const char *errors_ = drain_errors();                                            \
        cr_expect(strstr(errors_, (text)) != NULL, "no \"%s\" in: %s", (text), errors_); \
    } while (0)

#define CLIENT_KEY "iotsafe://label=client-key"
#define CLIENT_CERT "iotsafe://label=client-cert;type=cert"

#endif
