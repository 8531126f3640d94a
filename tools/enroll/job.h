/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of iotsafe-enroll share: the command line as a table of values, the
 * state of one enrolment, and the methods, each a row of data.
 *
 * main.c parses and repeats; a method speaks with its server; request.c makes the key
 * and the request, accept.c says what is taken, files.c writes. */
#ifndef ENROLL_JOB_H
#define ENROLL_JOB_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>

#include "tool.h"

/** How an attempt ended. The first five are exit statuses; iotsafe-enroll(1) promises them. */
enum outcome {
    OUTCOME_DONE = 0,
    OUTCOME_FAILED = 1, /* and would fail again */
    OUTCOME_USAGE = 2,
    OUTCOME_PENDING = 3, /* the server decides later */
    OUTCOME_REFUSED = 4, /* by the server */
    OUTCOME_AGAIN        /* failed, but another attempt may succeed; exit status 1 */
};

/* ---- the command line ---- */

enum option_name {
    OPTION_KEY,
    OPTION_GENERATE,
    OPTION_REPLACE,
    OPTION_SUBJECT,
    OPTION_SAN,
    OPTION_CERT_OUT,
    OPTION_CHAIN_OUT,
    OPTION_TRUST,
    OPTION_BOOTSTRAP_KEY,
    OPTION_BOOTSTRAP_CERT,
    OPTION_REF,
    OPTION_SECRET_FILE,
    OPTION_RENEW,
    OPTION_RETRY,
    OPTION_RETRY_MAX,
    OPTION_EXEC,
    OPTION_SERVER,
    OPTION_REQUEST,
    OPTION_ENDPOINT,
    OPTION_TEMPLATE,
    OPTION_PARAMETER,
    OPTION_SCOPE,
    OPTION_REGISTRATION_ID,
    N_OPTIONS
};

#define OPTION_VALUES_MAX 16 /* of an option that may be repeated */

/** The values of an option; "" for one that takes none. */
struct values {
    const char *value[OPTION_VALUES_MAX];
    size_t n; /* 0: not given */
};

/* ---- one enrolment ---- */

/** A key on the SIM and a certificate for it, to show who the device is. */
struct identity {
    EVP_PKEY *key;         /* NULL: none */
    STACK_OF(X509) *certs; /* the leaf first */
};

struct http;

struct job {
    struct tool *tool;
    const struct method *method;
    struct values option[N_OPTIONS];
    struct iotsafe_uri key_uri;
    long renew_s;            /* -1: not given */
    STACK_OF(X509) *trust;   /* NULL: the system's, for the server alone */
    STACK_OF(X509) *present; /* what --cert-out holds; NULL: no such file */
    char *secret;            /* NULL: none */

    struct iotsafe_card *card; /* of the key: keeps the connection from one step to the next */
    bool looked;               /* at the key on the SIM: the next three are known */
    bool renewal;              /* the certificate in --cert-out is renewed */
    struct identity identity;  /* for the server */
    EVP_PKEY *key;             /* the private key on the SIM; NULL: not made yet */
    EVP_PKEY *public_key;      /* the same without the SIM */
    X509_REQ *request;         /* NULL: not made yet */
    const EVP_MD *digest;      /* of its signature */

    bool server_known;            /* the server was authenticated */
    STACK_OF(X509) *server_certs; /* certificates of authorities that it told; may be NULL */
    struct http *http;
    void *session; /* of the method, beyond an attempt */

    long retry_after_s;    /* what the server asked for last; 0: nothing */
    X509 *certificate;     /* accepted */
    bool written;          /* it is in --cert-out */
    STACK_OF(X509) *chain; /* its issuers, up to the trust anchor */
    char *hub;             /* dps: where the device belongs to */
};

/** The value of an option; NULL if not given. */
static inline const char *job_option(const struct job *job, enum option_name name)
{
    return job->option[name].n != 0 ? job->option[name].value[0] : NULL;
}

/** The same of one that is known to be given, because the method or another option needs it. */
static inline const char *job_given(const struct job *job, enum option_name name)
{
    return job->option[name].value[0];
}

/** The server, for messages and for --json: --server or --endpoint. */
const char *job_server(const struct job *job);

/* ---- methods ---- */

struct method {
    const char *name;
    const char *summary;
    unsigned bit;                         /* in the table of options */
    bool issues;                          /* gives a certificate, else it only makes use of one */
    bool trust_needed;                    /* has no authentication of the server without --trust */
    bool issuer_unpublished;              /* --trust may lack the issuer of the certificates */
    bool (*check)(const struct job *job); /* options; false after an error; may be NULL */
    enum outcome (*run)(struct job *job); /* reports what it does not succeed in */
    void (*end)(struct job *job);         /* frees `session`; may be NULL */
};

#define METHOD_EST 1U
#define METHOD_CMP 2U
#define METHOD_AWS 4U
#define METHOD_DPS 8U
#define METHODS_ALL 15U

extern const struct method method_est;
extern const struct method method_cmp;
extern const struct method method_aws;
extern const struct method method_dps;

#endif
