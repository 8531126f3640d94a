/* SPDX-License-Identifier: Apache-2.0 */
/* Certificate Management Protocol (RFC 4210, in the profile of RFC 9483) by OpenSSL's client:
 * ir or p10cr for a first certificate, kur for a renewal. The messages travel by libcurl, as
 * those of the other methods, with the same bounds. */
#include <openssl/cmp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "accept.h"
#include "http.h"
#include "report.h"
#include "request.h"

struct session {
    struct job *job;
    OSSL_CMP_CTX *request; /* of the certificate; goes on while the server decides */
    int type;              /* OSSL_CMP_IR and so on */
    enum outcome transfer; /* of the last message; reported unless OUTCOME_DONE */
    bool unacceptable;     /* the certificate; reported */
};

/* ---- messages ---- */

static OSSL_CMP_MSG *parse_message(const struct http_response *response)
{
    BIO *bio = BIO_new_mem_buf(response->body, (int)response->body_len);
    OSSL_CMP_MSG *msg = bio != NULL ? d2i_OSSL_CMP_MSG_bio(bio, NULL) : NULL;

    BIO_free(bio);
    return msg;
}

static OSSL_CMP_MSG *take_response(struct session *session, const struct http_response *response)
{
    OSSL_CMP_MSG *msg = NULL;

    if (response->status != 200) {
        session->transfer = http_judge(session->job, "cmp", response);
        return NULL;
    }
    if (strcmp(response->type, "application/pkixcmp") == 0)
        msg = parse_message(response);
    if (msg == NULL) {
        report_error("cmp: the server's response is not a CMP message");
        session->transfer = OUTCOME_FAILED;
    }
    return msg;
}

static OSSL_CMP_MSG *transfer(OSSL_CMP_CTX *ctx, const OSSL_CMP_MSG *msg)
{
    struct session *session = OSSL_CMP_CTX_get_transfer_cb_arg(ctx);
    struct http_request request = { .method = "POST",
                                    .url = job_given(session->job, OPTION_SERVER),
                                    .type = "application/pkixcmp",
                                    .accept = "application/pkixcmp" };
    struct http_response response;
    BIO *bio = BIO_new(BIO_s_mem());
    OSSL_CMP_MSG *answer = NULL;
    char *bytes = NULL;
    long len;

    session->transfer = OUTCOME_FAILED;
    if (bio != NULL && i2d_OSSL_CMP_MSG_bio(bio, msg) > 0
        && (len = BIO_get_mem_data(bio, &bytes)) > 0) {
        request.body = bytes;
        request.body_len = (size_t)len;
        session->transfer = http_send(session->job->http, &request, &response);
        if (session->transfer == OUTCOME_DONE) {
            answer = take_response(session, &response);
            http_clear(&response);
        }
    }
    BIO_free(bio);
    return answer;
}

/* What it has to say is in OpenSSL's queue as well. */
static int be_quiet(const char *func, const char *file, int line, OSSL_CMP_severity level,
                    const char *msg)
{
    (void)func, (void)file, (void)line, (void)level, (void)msg;
    return 1;
}

/* ---- the context ---- */

static bool use_trust(OSSL_CMP_CTX *ctx, const struct job *job)
{
    X509_STORE *store = X509_STORE_new();

    for (int i = 0; store != NULL && i < sk_X509_num(job->trust); i++)
        if (!X509_STORE_add_cert(store, sk_X509_value(job->trust, i))) {
            X509_STORE_free(store);
            return false;
        }
    if (store == NULL)
        return false;
    X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
    if (OSSL_CMP_CTX_set0_trustedStore(ctx, store))
        return true;
    X509_STORE_free(store);
    return false;
}

static bool use_identity(OSSL_CMP_CTX *ctx, const struct job *job)
{
    const struct identity *identity = &job->identity;
    const char *ref = job_given(job, OPTION_REF);

    if (identity->key != NULL)
        return OSSL_CMP_CTX_set1_cert(ctx, sk_X509_value(identity->certs, 0))
               && OSSL_CMP_CTX_set1_pkey(ctx, identity->key)
               && OSSL_CMP_CTX_set1_untrusted(ctx, identity->certs);
    return job->secret != NULL
           && OSSL_CMP_CTX_set1_referenceValue(ctx, (const unsigned char *)ref, (int)strlen(ref))
           && OSSL_CMP_CTX_set1_secretValue(ctx, (const unsigned char *)job->secret,
                                            (int)strlen(job->secret));
}

static OSSL_CMP_CTX *new_context(struct session *session)
{
    OSSL_CMP_CTX *ctx = OSSL_CMP_CTX_new(session->job->tool->libctx, NULL);

    if (ctx != NULL && OSSL_CMP_CTX_set_log_cb(ctx, be_quiet)
        && OSSL_CMP_CTX_set_transfer_cb(ctx, transfer)
        && OSSL_CMP_CTX_set_transfer_cb_arg(ctx, session) && use_trust(ctx, session->job)
        && use_identity(ctx, session->job))
        return ctx;
    OSSL_CMP_CTX_free(ctx);
    return NULL;
}

/* ---- failures ---- */

static enum outcome explain(const struct session *session, const OSSL_CMP_CTX *ctx)
{
    struct queue_summary why;
    char text[512];

    if (session->unacceptable)
        return OUTCOME_FAILED;
    if (session->transfer != OUTCOME_DONE)
        return session->transfer;
    if (OSSL_CMP_CTX_get_status(ctx) == OSSL_CMP_PKISTATUS_rejection) {
        if (OSSL_CMP_CTX_snprint_PKIStatus(ctx, text, sizeof(text)) == NULL)
            text[0] = '\0';
        report_error("cmp: the server refuses: %s", text);
        ERR_clear_error();
        return OUTCOME_REFUSED;
    }
    report_drain_queue("no reason is known", &why);
    report_queue("cmp", &why);
    return why.from_provider ? OUTCOME_AGAIN : OUTCOME_FAILED; /* the SIM, or what was answered */
}

/* ---- the server, before there is a key ---- */

/* The handshake of TLS shows who it is, or the protection of an answer, even of one that
 * refuses. */
static enum outcome meet_server(struct session *session)
{
    const bool tls = strncasecmp(job_given(session->job, OPTION_SERVER), "https:", 6) == 0;
    OSSL_CMP_ITAV *question = OSSL_CMP_ITAV_create(OBJ_nid2obj(NID_id_it_caCerts), NULL);
    OSSL_CMP_CTX *ctx = new_context(session);
    STACK_OF(OSSL_CMP_ITAV) *answer = NULL;
    enum outcome outcome = OUTCOME_DONE;

    if (ctx != NULL && question != NULL && OSSL_CMP_CTX_push0_genm_ITAV(ctx, question)) {
        question = NULL;
        session->transfer = OUTCOME_FAILED;
        answer = OSSL_CMP_exec_GENM_ses(ctx);
    }
    if (ctx == NULL)
        outcome = request_failed("cmp");
    else if (answer == NULL && OSSL_CMP_CTX_get_status(ctx) != OSSL_CMP_PKISTATUS_rejection
             && !(tls && session->transfer == OUTCOME_DONE))
        outcome = explain(session, ctx);
    sk_OSSL_CMP_ITAV_pop_free(answer, OSSL_CMP_ITAV_free);
    OSSL_CMP_ITAV_free(question);
    OSSL_CMP_CTX_free(ctx);
    ERR_clear_error();
    return outcome;
}

/* ---- the certificate ---- */

static bool add_all(STACK_OF(X509) *to, const STACK_OF(X509) *from)
{
    for (int i = 0; i < sk_X509_num(from); i++)
        if (sk_X509_push(to, sk_X509_value(from, i)) <= 0)
            return false;
    return true;
}

/* Before it is confirmed, so that a wrong one counts as not delivered. 0: accepted; else a
 * bit of the failure information. */
static int decide(OSSL_CMP_CTX *ctx, X509 *cert, int fail_info, const char **ret_text)
{
    struct session *session = OSSL_CMP_CTX_get_certConf_cb_arg(ctx);
    STACK_OF(X509) *extra = OSSL_CMP_CTX_get1_extraCertsIn(ctx);
    STACK_OF(X509) *certs = sk_X509_new_null();
    bool good = certs != NULL && sk_X509_push(certs, cert) > 0 && add_all(certs, extra)
                && accept_certificate(session->job, certs) == OUTCOME_DONE;

    (void)fail_info; /* says of the key what is looked at here as well */
    session->unacceptable = !good;
    sk_X509_free(certs);
    sk_X509_pop_free(extra, X509_free);
    if (good)
        return 0;
    *ret_text = "not acceptable";
    return 1 << OSSL_CMP_PKIFAILUREINFO_badCertTemplate;
}

static bool set_names(OSSL_CMP_CTX *ctx, const struct job *job)
{
    X509_NAME *subject = request_subject(job);
    GENERAL_NAMES *names = NULL;
    bool good = subject != NULL && OSSL_CMP_CTX_set1_subjectName(ctx, subject)
                && request_names(job, &names);

    for (int i = 0; good && i < sk_GENERAL_NAME_num(names); i++)
        good = OSSL_CMP_CTX_push1_subjectAltName(ctx, sk_GENERAL_NAME_value(names, i));
    GENERAL_NAMES_free(names);
    X509_NAME_free(subject);
    return good;
}

static bool set_key(OSSL_CMP_CTX *ctx, const struct job *job)
{
    if (!EVP_PKEY_up_ref(job->key))
        return false;
    if (OSSL_CMP_CTX_set0_newPkey(ctx, 1, job->key))
        return true;
    EVP_PKEY_free(job->key);
    return false;
}

static bool set_request(OSSL_CMP_CTX *ctx, struct session *session)
{
    const struct job *job = session->job;

    if (!OSSL_CMP_CTX_set_certConf_cb(ctx, decide)
        || !OSSL_CMP_CTX_set_certConf_cb_arg(ctx, session)
        || !OSSL_CMP_CTX_set_option(ctx, OSSL_CMP_OPT_IMPLICIT_CONFIRM, 1) || !set_key(ctx, job))
        return false;
    if (job->renewal) {
        session->type = OSSL_CMP_KUR;
        return OSSL_CMP_CTX_set1_oldCert(ctx, sk_X509_value(job->identity.certs, 0));
    }
    if (job->request != NULL) {
        session->type = OSSL_CMP_P10CR;
        return OSSL_CMP_CTX_set1_p10CSR(ctx, job->request);
    }
    session->type = OSSL_CMP_IR;
    return set_names(ctx, job);
}

static void drop_request(struct session *session)
{
    OSSL_CMP_CTX_free(session->request);
    session->request = NULL;
}

static enum outcome request_certificate(struct session *session)
{
    struct job *job = session->job;
    enum outcome outcome = OUTCOME_DONE;
    int check_after = 0, result;

    if (session->request == NULL) {
        session->request = new_context(session);
        if (session->request == NULL || !set_request(session->request, session)) {
            drop_request(session);
            return request_failed("cmp");
        }
    }
    session->transfer = OUTCOME_AGAIN; /* where no message was sent at all: the SIM's fault */
    session->unacceptable = false;
    result = OSSL_CMP_try_certreq(session->request, session->type, NULL, &check_after);
    if (result < 0) {
        job->retry_after_s = check_after > 0 ? check_after : 0;
        report_note("cmp: the server decides later");
        ERR_clear_error();
        return OUTCOME_PENDING;
    }
    if (result == 0 || job->certificate == NULL)
        outcome = explain(session, session->request);
    drop_request(session); /* it is done, or must be begun anew */
    ERR_clear_error();
    return outcome;
}

static bool wants_pkcs10(const struct job *job)
{
    const char *form = job_option(job, OPTION_REQUEST);

    return !job->renewal && form != NULL && strcmp(form, "p10cr") == 0;
}

static enum outcome cmp_run(struct job *job)
{
    struct session *session = job->session;
    enum outcome outcome = OUTCOME_DONE;

    if (session == NULL) {
        job->session = session = calloc(1, sizeof(*session));
        job->http = session != NULL ? http_new(job, false) : NULL;
    }
    if (session == NULL || job->http == NULL)
        return OUTCOME_FAILED;
    session->job = job;
    if (job->key == NULL && !job->server_known) {
        outcome = meet_server(session);
        job->server_known = outcome == OUTCOME_DONE;
    }
    if (outcome == OUTCOME_DONE)
        outcome = wants_pkcs10(job) ? request_make(job) : request_make_key(job);
    return outcome == OUTCOME_DONE ? request_certificate(session) : outcome;
}

static void cmp_end(struct job *job)
{
    struct session *session = job->session;

    if (session != NULL)
        drop_request(session);
    free(session);
}

static bool cmp_check(const struct job *job)
{
    const char *server = job_given(job, OPTION_SERVER), *form = job_option(job, OPTION_REQUEST);

    if (!http_url_is_good(server, true)) {
        report_error("--server %s: expected http://HOST[:PORT]/PATH", server);
        return false;
    }
    if (form == NULL || strcmp(form, "ir") == 0 || strcmp(form, "p10cr") == 0)
        return true;
    report_error("--request %s: ir or p10cr", form);
    return false;
}

const struct method method_cmp = {
    .name = "cmp",
    .summary = "Certificate Management Protocol (RFC 9483)",
    .bit = METHOD_CMP,
    .issues = true,
    .trust_needed = true,
    .check = cmp_check,
    .run = cmp_run,
    .end = cmp_end,
};
