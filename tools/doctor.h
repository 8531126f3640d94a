/* SPDX-License-Identifier: Apache-2.0 */
/* What the checks of `iotsafe doctor` share. A check looks at one step of the way from
 * openssl.cnf to TLS, says what it finds, and leaves what later checks need. */
#ifndef DOCTOR_H
#define DOCTOR_H

#include <openssl/conf.h>
#include <openssl/x509.h>

#include "doctor_findings.h"
#include "report.h"
#include "store.h"
#include "tool.h"

enum doctor_status { DOCTOR_OK, DOCTOR_WARNING, DOCTOR_FAIL };

enum finding {
#define DOCTOR_ENUM(name, id, status, next) FINDING_##name,
    DOCTOR_FINDINGS(DOCTOR_ENUM)
#undef DOCTOR_ENUM
};

struct doctor_line; /* of the output */

struct doctor {
    /* what was asked */
    const char *operand;    /* URI or file; NULL: none */
    struct iotsafe_uri uri; /* of the key; without a name: none was asked for */
    bool no_sign;
    const char *transport;      /* of the command line; NULL: none */
    const struct doctor_as *as; /* --as; NULL: this user */

    /* the output so far */
    const char *step;           /* the present one */
    volatile int *reached_step; /* its number, for the process that waits */
    struct doctor_line *lines;
    size_t n_lines;
    bool no_memory;
    char ok_text[512]; /* what is said of a step without findings */

    /* the configuration */
    char *conf_path;
    CONF *conf;                 /* NULL: it cannot be read */
    const char *iotsafe_values; /* section of the provider in it; NULL: none */
    const char *query;          /* default_properties in it; NULL: none */
    bool listed;                /* it activates the provider */

    struct tool own;     /* with the provider that is linked in */
    struct tool program; /* as programs have it: with the module */
    bool settings_bad;
    bool conf_failed; /* anything of it */

    /* the SIM */
    struct iotsafe_card *card;
    struct iotsafe_info info;
    enum iotsafe_err reached; /* how the first question to the applet ended */
    struct iotsafe_op op;     /* the words for it */

    /* the key and its certificate */
    bool file_given;                /* the operand is a file, with: */
    EVP_PKEY *file_key;             /* the public key in the key reference; may be NULL */
    STACK_OF(X509) *file_certs;     /* may be NULL or empty */
    struct iotsafe_object *objects; /* of the SIM */
    size_t n_objects;
    EVP_PKEY *key;
    STACK_OF(X509) *certs; /* leaf first, as programs get it */
};

/** The context that keys are used in: that of programs where it is of use. */
const struct tool *doctor_tool(const struct doctor *d);

/** Something is not as it should be. The text is the cause, in one sentence without a
 *  full stop. */
void doctor_find(struct doctor *d, enum finding finding, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** True if anything found so far makes the command fail. */
bool doctor_has_failed(const struct doctor *d);

/** What to say of this step if nothing is found. */
void doctor_ok(struct doctor *d, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Who the user is, and who may: owner, group and mode of the first folder on the way that is
 *  closed to the user, else of the thing itself. */
void doctor_explain_closed(const char *path, char *ret_text, size_t size);

/** How many letters differ, at most: for misspelt names. */
unsigned doctor_distance(const char *a, const char *b);

#define DOCTOR_PCSCD_SOCKET "/run/pcscd/pcscd.comm" /* pcsc-lite's own */

/* Checks: true if the steps that need this one can be looked at. */
bool doctor_user(struct doctor *d); /* before OpenSSL is started */
bool doctor_configuration(struct doctor *d);
bool doctor_module(struct doctor *d);
bool doctor_transport(struct doctor *d);
bool doctor_file(struct doctor *d);
bool doctor_sandbox(struct doctor *d);
bool doctor_applet(struct doctor *d);
bool doctor_objects(struct doctor *d);
bool doctor_certificate(struct doctor *d);
bool doctor_signature(struct doctor *d);
bool doctor_tls(struct doctor *d);

/** The certificate of a key on the SIM, and what belongs to its chain, as programs find it.
 *  @return as store_certificates(); nothing is said */
enum store_result doctor_certs_of(const struct doctor *d, const struct iotsafe_uri *key,
                                  STACK_OF(X509) **ret_certs, struct queue_summary *ret_why);

/** A failure of the library or of the module, by its kind and its words.
 *  @param otherwise  for what no rule knows */
void doctor_find_error(struct doctor *d, enum iotsafe_err err, const char *text,
                       enum finding otherwise);

#endif
