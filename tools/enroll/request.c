/* SPDX-License-Identifier: Apache-2.0 */
/* see request.h */
#include "request.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <strings.h>

#include "accept.h"
#include "files.h"
#include "object.h"
#include "pubkey.h"
#include "report.h"
#include "store.h"

/* ---- names ---- */

/* Takes the text up to an unescaped character of `ends` in place; moves `at` behind it.
 * The character that ended it, or NUL. */
static char take_part(char **at, const char *ends, char **ret_part)
{
    char *from = *at, *to = *at, end;

    *ret_part = to;
    while (*from != '\0' && strchr(ends, *from) == NULL) {
        if (*from == '\\' && from[1] != '\0')
            from++;
        *to++ = *from++;
    }
    end = *from;
    *at = end != '\0' ? from + 1 : from;
    *to = '\0';
    return end;
}

/* One row of a subject after another: /TYPE=VALUE, or +TYPE=VALUE for a second one in the
 * same RDN. */
static bool parse_subject(char *text, X509_NAME *name)
{
    char *at = text + 1, *type, *value;
    char end = '/';
    int set = 0;

    if (text[0] != '/')
        return false;
    while (end != '\0') {
        if (take_part(&at, "=", &type) != '=')
            return false;
        end = take_part(&at, "/+", &value);
        if (value[0] == '\0'
            || !X509_NAME_add_entry_by_txt(name, type, MBSTRING_UTF8, (const unsigned char *)value,
                                           -1, -1, set))
            return false;
        set = end == '+' ? -1 : 0;
    }
    return true;
}

X509_NAME *request_subject(const struct job *job)
{
    const char *option = job_given(job, OPTION_SUBJECT);
    X509_NAME *name;
    char *text;
    bool good;

    if (job->renewal)
        return X509_NAME_dup(X509_get_subject_name(sk_X509_value(job->identity.certs, 0)));
    name = X509_NAME_new();
    text = OPENSSL_strdup(option);
    good = name != NULL && text != NULL && parse_subject(text, name);
    OPENSSL_free(text);
    if (good)
        return name;
    report_error("--subject %s: not a name such as /C=DE/O=Example/CN=device-1", option);
    X509_NAME_free(name);
    ERR_clear_error();
    return NULL;
}

static const struct {
    const char *prefix;
    int type;
} name_types[] = {
    { "DNS:", GEN_DNS },
    { "IP:", GEN_IPADD },
    { "URI:", GEN_URI },
    { "email:", GEN_EMAIL },
};

static GENERAL_NAME *parse_name(const char *text)
{
    int type = GEN_DNS;

    for (size_t i = 0; i < ARRAY_LEN(name_types); i++) {
        const size_t len = strlen(name_types[i].prefix);

        if (strncasecmp(text, name_types[i].prefix, len) == 0) {
            type = name_types[i].type;
            text += len;
            break;
        }
    }
    return text[0] != '\0' ? a2i_GENERAL_NAME(NULL, NULL, NULL, type, text, 0) : NULL;
}

bool request_names(const struct job *job, GENERAL_NAMES **ret)
{
    const struct values *san = &job->option[OPTION_SAN];
    GENERAL_NAMES *names;

    *ret = NULL;
    if (job->renewal) {
        *ret = X509_get_ext_d2i(sk_X509_value(job->identity.certs, 0), NID_subject_alt_name, NULL,
                                NULL);
        return true;
    }
    if (san->n == 0)
        return true;
    names = sk_GENERAL_NAME_new_null();
    for (size_t i = 0; names != NULL && i < san->n; i++) {
        GENERAL_NAME *name = parse_name(san->value[i]);

        if (name == NULL || sk_GENERAL_NAME_push(names, name) <= 0) {
            report_error("--san %s: not a name", san->value[i]);
            GENERAL_NAME_free(name);
            GENERAL_NAMES_free(names);
            ERR_clear_error();
            return false;
        }
    }
    *ret = names;
    return names != NULL;
}

bool request_check(const struct job *job)
{
    X509_NAME *subject = NULL;
    GENERAL_NAMES *names = NULL;
    bool good = !job->method->issues
                || ((subject = request_subject(job)) != NULL && request_names(job, &names));

    X509_NAME_free(subject);
    GENERAL_NAMES_free(names);
    return good;
}

/* ---- failures ---- */

enum outcome request_failed(const char *what)
{
    struct queue_summary why;

    report_drain_queue("out of memory", &why);
    report_queue(what, &why);
    return why.from_provider && (why.err == IOTSAFE_ERR_CONFIG || why.err == IOTSAFE_ERR_URI)
               ? OUTCOME_FAILED
               : OUTCOME_AGAIN;
}

static enum outcome library_failed(enum iotsafe_err err, const struct iotsafe_op *op)
{
    report_library(NULL, err, op);
    return iotsafe_err_is_refusal(err) || err == IOTSAFE_ERR_CONFIG ? OUTCOME_FAILED
                                                                    : OUTCOME_AGAIN;
}

/* ---- what is there ---- */

/* The key, and the same without the SIM. False, with nothing reported, if there is none. */
static enum store_result load_key(struct job *job, const struct iotsafe_uri *uri,
                                  EVP_PKEY **ret_key, EVP_PKEY **ret_public,
                                  struct queue_summary *ret_why)
{
    enum store_result result = store_key(job->tool, uri, ret_key, ret_why);

    if (result != STORE_FOUND)
        return result;
    *ret_public = pubkey_to_software(job->tool, *ret_key);
    if (*ret_public != NULL)
        return STORE_FOUND;
    report_drain_queue("no public key", ret_why);
    EVP_PKEY_free(*ret_key);
    *ret_key = NULL;
    return STORE_NOTHING;
}

static void forget_key(struct job *job)
{
    EVP_PKEY_free(job->key);
    EVP_PKEY_free(job->public_key);
    job->key = job->public_key = NULL;
}

/* Is the key in a certificate on the SIM? OUTCOME_DONE: no. */
static enum outcome check_certificates(struct job *job, bool *ret_used)
{
    const bool replace = job_option(job, OPTION_REPLACE) != NULL;
    struct iotsafe_uri uri = { .type = IOTSAFE_URI_CERT };
    STACK_OF(X509) *certs = NULL;
    struct queue_summary why;
    enum store_result result;

    memcpy(uri.sim, job->key_uri.sim, sizeof(uri.sim));
    result = store_certificates(job->tool, &uri, &certs, &why);
    *ret_used = result == STORE_FAILED || accept_holds_key(certs, job->public_key);
    sk_X509_pop_free(certs, X509_free);
    if (result != STORE_FAILED || (replace && iotsafe_err_is_refusal(why.err)))
        return OUTCOME_DONE;
    report_queue("certificates on the SIM", &why);
    return OUTCOME_AGAIN;
}

static bool is_empty(const struct iotsafe_object *container)
{
    return (container->told & IOTSAFE_TOLD_STATE) != 0
           && container->state == IOTSAFE_STATE_DEACTIVATED;
}

static enum outcome refuse_key(const struct job *job, const char *why)
{
    report_error(
        "%s: %s; --replace generates another one in its place, and the old key is permanently lost",
        job_given(job, OPTION_KEY), why);
    return OUTCOME_FAILED;
}

/* With --generate: the key that is there stays in `job` if it is to be used, because no
 * certificate names it: an earlier run was broken off. Else there is none in `job`. */
static enum outcome look_before_generating(struct job *job)
{
    const bool replace = job_option(job, OPTION_REPLACE) != NULL;
    struct iotsafe_op op = tool_op_begin(job->tool);
    struct iotsafe_object container;
    struct queue_summary why;
    enum store_result result;
    enum iotsafe_err err;
    enum outcome outcome = OUTCOME_DONE;
    bool used = true;

    err = object_find(job->card, IOTSAFE_PRIVATE_KEY, &job->key_uri.name, &container, &op);
    if (err != IOTSAFE_OK)
        return library_failed(err, &op);
    if (is_empty(&container))
        return OUTCOME_DONE;
    result = load_key(job, &job->key_uri, &job->key, &job->public_key, &why);
    if (result == STORE_FAILED && !iotsafe_err_is_refusal(why.err)) {
        report_queue(job_given(job, OPTION_KEY), &why);
        return OUTCOME_AGAIN;
    }
    if (result != STORE_FOUND) /* nobody can tell whose it is, if there is any */
        return replace || (container.told & IOTSAFE_TOLD_STATE) == 0
                   ? OUTCOME_DONE
                   : refuse_key(job, "it holds a key whose public key cannot be read");
    if (!accept_holds_key(job->present, job->public_key))
        outcome = check_certificates(job, &used);
    else if (job->renew_s >= 0 && !replace)
        return OUTCOME_DONE; /* what is due is the certificate, not another key */
    if (outcome != OUTCOME_DONE)
        return outcome;
    if (!used) {
        report_note("%s: holds a key that no certificate names: it is used",
                    job_given(job, OPTION_KEY));
        return OUTCOME_DONE;
    }
    forget_key(job);
    return replace ? OUTCOME_DONE : refuse_key(job, "the key is in use");
}

static enum outcome look_at_key(struct job *job)
{
    struct queue_summary why;

    if (load_key(job, &job->key_uri, &job->key, &job->public_key, &why) == STORE_FOUND)
        return OUTCOME_DONE;
    report_queue(job_given(job, OPTION_KEY), &why);
    return why.from_provider && !iotsafe_err_is_refusal(why.err) && why.err != IOTSAFE_ERR_CONFIG
               ? OUTCOME_AGAIN
               : OUTCOME_FAILED;
}

/* ---- who the device is ---- */

static enum outcome load_bootstrap_certs(struct job *job)
{
    const char *name = job_given(job, OPTION_BOOTSTRAP_CERT);
    struct queue_summary why;
    struct iotsafe_uri uri;

    if (!iotsafe_uri_is_ours(name)) {
        job->identity.certs = files_read_certs(name);
        return job->identity.certs != NULL ? OUTCOME_DONE : OUTCOME_FAILED;
    }
    if (!uri_from_operand(name, &uri))
        return OUTCOME_USAGE;
    uri.type = IOTSAFE_URI_CERT;
    if (store_certificates(job->tool, &uri, &job->identity.certs, &why) == STORE_FOUND)
        return OUTCOME_DONE;
    report_queue(name, &why);
    return OUTCOME_AGAIN;
}

static enum outcome load_bootstrap(struct job *job)
{
    const char *name = job_given(job, OPTION_BOOTSTRAP_KEY);
    EVP_PKEY *public_key = NULL;
    struct queue_summary why;
    struct iotsafe_uri uri;
    enum outcome outcome = load_bootstrap_certs(job);

    if (outcome != OUTCOME_DONE)
        return outcome;
    if (!key_uri_from_operand(name, IOTSAFE_URI_PRIVATE, &uri))
        return OUTCOME_USAGE;
    if (load_key(job, &uri, &job->identity.key, &public_key, &why) != STORE_FOUND) {
        report_queue(name, &why);
        return OUTCOME_AGAIN;
    }
    if (EVP_PKEY_eq(X509_get0_pubkey(sk_X509_value(job->identity.certs, 0)), public_key) != 1) {
        report_error("%s: is not the certificate of %s", job_given(job, OPTION_BOOTSTRAP_CERT),
                     name);
        outcome = OUTCOME_FAILED;
    } else if (!accept_is_valid(sk_X509_value(job->identity.certs, 0), 0)) {
        report_error("%s: is not valid now", job_given(job, OPTION_BOOTSTRAP_CERT));
        outcome = OUTCOME_FAILED;
    } else if (job->key == NULL && iotsafe_name_matches(&uri.name, &job->key_uri.name)) {
        report_error("--bootstrap-key: the request would destroy this key");
        outcome = OUTCOME_FAILED;
    }
    EVP_PKEY_free(public_key);
    ERR_clear_error();
    return outcome;
}

/* The issuers that were written with it are shown with it: a server may know the root alone. */
static bool use_chain(struct job *job)
{
    const char *chain_out = job_option(job, OPTION_CHAIN_OUT);
    STACK_OF(X509) *chain = NULL;
    bool good = chain_out == NULL || files_read_present(chain_out, &chain);

    while (good && sk_X509_num(chain) > 0) {
        X509 *cert = sk_X509_shift(chain);

        good = sk_X509_push(job->identity.certs, cert) > 0;
        if (!good)
            X509_free(cert);
    }
    sk_X509_pop_free(chain, X509_free);
    return good;
}

static bool use_present(struct job *job)
{
    X509 *cert = accept_find(job->present, job->public_key);

    job->identity.certs = sk_X509_new_null();
    if (job->identity.certs == NULL || !X509_up_ref(cert))
        return false;
    if (sk_X509_push(job->identity.certs, cert) <= 0 || !EVP_PKEY_up_ref(job->key)) {
        X509_free(cert);
        return false;
    }
    job->identity.key = job->key;
    return use_chain(job);
}

static enum outcome look_for_identity(struct job *job)
{
    X509 *cert = job->key != NULL ? accept_find(job->present, job->public_key) : NULL;

    if (cert != NULL && accept_is_valid(cert, 0)) {
        job->renewal = job->method->issues;
        return use_present(job) ? OUTCOME_DONE : OUTCOME_FAILED;
    }
    if (cert != NULL && !job->method->issues) {
        report_error("%s: is not valid now", job_given(job, OPTION_CERT_OUT));
        return OUTCOME_FAILED;
    }
    if (cert != NULL)
        report_note("%s: is not valid now: requesting a first certificate",
                    job_given(job, OPTION_CERT_OUT));
    if (job_option(job, OPTION_BOOTSTRAP_KEY) != NULL)
        return load_bootstrap(job);
    if (job->secret != NULL)
        return OUTCOME_DONE;
    report_error("%s: the server cannot recognise this device: --bootstrap-key with "
                 "--bootstrap-cert%s is needed, or in --cert-out a certificate to be renewed",
                 job->method->name,
                 (job->method->bit & (METHOD_EST | METHOD_CMP)) != 0
                     ? ", or --ref with --secret-file"
                     : "");
    return OUTCOME_USAGE;
}

enum outcome request_look(struct job *job)
{
    enum outcome outcome;

    if (job->looked)
        return OUTCOME_DONE;
    if (job->card == NULL)
        job->card = tool_card(job->tool, job->key_uri.sim);
    if (job->card == NULL)
        return OUTCOME_FAILED;
    forget_key(job);
    EVP_PKEY_free(job->identity.key);
    sk_X509_pop_free(job->identity.certs, X509_free);
    job->identity = (struct identity){ NULL, NULL };
    job->renewal = false;
    outcome = job_option(job, OPTION_GENERATE) != NULL ? look_before_generating(job)
                                                       : look_at_key(job);
    if (outcome == OUTCOME_DONE)
        outcome = look_for_identity(job);
    job->looked = outcome == OUTCOME_DONE;
    return outcome;
}

/* ---- the key and the request ---- */

static EVP_PKEY *generate(const struct job *job)
{
    char uri[IOTSAFE_URI_MAX];
    OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string("container", uri, 0), OSSL_PARAM_END };
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(job->tool->libctx, "EC", "provider=iotsafe");
    EVP_PKEY *key = NULL;

    iotsafe_uri_format(&job->key_uri, uri);
    params[0].data_size = strlen(uri);
    if (ctx == NULL || EVP_PKEY_keygen_init(ctx) <= 0 || EVP_PKEY_CTX_set_params(ctx, params) <= 0
        || EVP_PKEY_generate(ctx, &key) <= 0)
        key = NULL;
    EVP_PKEY_CTX_free(ctx);
    return key;
}

enum outcome request_make_key(struct job *job)
{
    const char *uri = job_given(job, OPTION_KEY);

    if (job->key != NULL)
        return OUTCOME_DONE;
    report_note("generating a key pair in %s; this may take a while", uri);
    job->looked = false; /* whatever comes of it, what was seen there is past */
    job->key = generate(job);
    if (job->key == NULL)
        return request_failed(uri);
    job->public_key = pubkey_to_software(job->tool, job->key);
    if (job->public_key == NULL) {
        forget_key(job);
        return request_failed(uri);
    }
    job->looked = true;
    return OUTCOME_DONE;
}

/* One extension more in the list; false when out of memory. */
static bool add_extension(STACK_OF(X509_EXTENSION) **list, int nid, int critical, void *value)
{
    X509_EXTENSION *extension = X509V3_EXT_i2d(nid, critical, value);
    bool good = extension != NULL && X509v3_add_ext(list, extension, -1) != NULL;

    X509_EXTENSION_free(extension);
    return good;
}

/* What the certificate is for is asked for as well: many authorities copy it. */
static bool add_extensions(const struct job *job, X509_REQ *request)
{
    STACK_OF(X509_EXTENSION) *list = NULL;
    GENERAL_NAMES *names = NULL;
    ASN1_BIT_STRING *usage = ASN1_BIT_STRING_new();
    EXTENDED_KEY_USAGE *purpose = sk_ASN1_OBJECT_new_null();
    ASN1_OBJECT *client = OBJ_nid2obj(NID_client_auth); /* static */
    bool good = usage != NULL && purpose != NULL && request_names(job, &names)
                && ASN1_BIT_STRING_set_bit(usage, 0, 1) /* digitalSignature */
                && sk_ASN1_OBJECT_push(purpose, client) > 0
                && add_extension(&list, NID_key_usage, 1, usage)
                && add_extension(&list, NID_ext_key_usage, 0, purpose)
                && (names == NULL || add_extension(&list, NID_subject_alt_name, 0, names))
                && X509_REQ_add_extensions(request, list);

    sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
    GENERAL_NAMES_free(names);
    ASN1_BIT_STRING_free(usage);
    sk_ASN1_OBJECT_free(purpose);
    return good;
}

enum outcome request_make(struct job *job)
{
    enum outcome outcome = request_make_key(job);
    X509_REQ *request;
    X509_NAME *subject;

    if (outcome != OUTCOME_DONE || job->request != NULL)
        return outcome;
    request = X509_REQ_new_ex(job->tool->libctx, NULL);
    subject = request_subject(job);
    if (request != NULL && subject != NULL && X509_REQ_set_subject_name(request, subject)
        && X509_REQ_set_pubkey(request, job->key) && add_extensions(job, request)
        && X509_REQ_sign(request, job->key, job->digest) > 0)
        job->request = request;
    else
        X509_REQ_free(request);
    X509_NAME_free(subject);
    return job->request != NULL ? OUTCOME_DONE : request_failed("the request");
}
