/* SPDX-License-Identifier: Apache-2.0 */
/* Enrolment over Secure Transport, RFC 7030 with the clarifications of RFC 8951: /cacerts,
 * /csrattrs, then /simpleenroll or /simplereenroll. */
#include <openssl/asn1.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "accept.h"
#include "http.h"
#include "report.h"
#include "request.h"

#define CERTS_MAX 64 /* in one answer */

/* ---- base64 ---- */

/* White space of any kind, but nothing else, may stand in it. NULL if it is malformed. */
static unsigned char *decode(const char *text, size_t len, size_t *ret_len)
{
    EVP_ENCODE_CTX *ctx = EVP_ENCODE_CTX_new();
    unsigned char *bytes = OPENSSL_malloc(len + 1);
    int n = 0, rest = 0;
    bool good = ctx != NULL && bytes != NULL;

    if (good) {
        EVP_DecodeInit(ctx);
        good = EVP_DecodeUpdate(ctx, bytes, &n, (const unsigned char *)text, (int)len) >= 0
               && EVP_DecodeFinal(ctx, bytes + n, &rest) > 0;
    }
    EVP_ENCODE_CTX_free(ctx);
    *ret_len = (size_t)n + (size_t)rest;
    if (good && *ret_len > 0)
        return bytes;
    OPENSSL_free(bytes);
    return NULL;
}

/* Lines of base64, NUL-terminated. NULL when out of memory. */
static char *encode(const unsigned char *bytes, int len, size_t *ret_len)
{
    EVP_ENCODE_CTX *ctx = EVP_ENCODE_CTX_new();
    const size_t cap = (size_t)len / 3 * 4 + (size_t)len / 48 + 80;
    char *text = OPENSSL_zalloc(cap);
    int n = 0, rest = 0;
    bool good = ctx != NULL && text != NULL;

    if (good) {
        EVP_EncodeInit(ctx);
        good = EVP_EncodeUpdate(ctx, (unsigned char *)text, &n, bytes, len);
        EVP_EncodeFinal(ctx, (unsigned char *)text + n, &rest);
    }
    EVP_ENCODE_CTX_free(ctx);
    *ret_len = (size_t)n + (size_t)rest;
    if (good)
        return text;
    OPENSSL_free(text);
    return NULL;
}

/* ---- answers ---- */

/* The certificates in a PKCS#7 (which CMS reads) of nothing else. NULL after an error was reported.
 */
static STACK_OF(X509) *certs_in(const char *what, const struct http_response *response)
{
    size_t len = 0;
    unsigned char *der = decode(response->body, response->body_len, &len);
    const unsigned char *at = der;
    CMS_ContentInfo *cms = der != NULL ? d2i_CMS_ContentInfo(NULL, &at, (long)len) : NULL;
    STACK_OF(X509) *certs = NULL;

    if (cms != NULL && OBJ_obj2nid(CMS_get0_type(cms)) == NID_pkcs7_signed)
        certs = CMS_get1_certs(cms);
    if (sk_X509_num(certs) < 1 || sk_X509_num(certs) > CERTS_MAX) {
        sk_X509_pop_free(certs, X509_free);
        certs = NULL;
    }
    if (certs == NULL)
        report_error("%s: the server's response is not a list of certificates (PKCS#7 in base64)",
                     what);
    CMS_ContentInfo_free(cms);
    OPENSSL_free(der);
    ERR_clear_error();
    return certs;
}

static bool is_pkcs7(const char *what, const struct http_response *response)
{
    if (strcmp(response->type, "application/pkcs7-mime") == 0)
        return true;
    report_error("%s: the server sent '%s' instead of application/pkcs7-mime", what,
                 response->type);
    return false;
}

static void make_url(const struct job *job, const char *operation, char ret_url[HTTP_URL_MAX])
{
    const char *server = job_given(job, OPTION_SERVER);
    size_t len = strlen(server);

    while (len > 0 && server[len - 1] == '/')
        len--;
    snprintf(ret_url, HTTP_URL_MAX, "%.*s/%s", (int)len, server, operation);
}

static enum outcome get(struct job *job, const char *operation, struct http_response *ret)
{
    char url[HTTP_URL_MAX];
    struct http_request request = { .method = "GET", .url = url };

    make_url(job, operation, url);
    return http_send(job->http, &request, ret);
}

/* ---- /cacerts, /csrattrs ---- */

static enum outcome get_cacerts(struct job *job)
{
    struct http_response response;
    enum outcome outcome = get(job, "cacerts", &response);

    if (outcome != OUTCOME_DONE)
        return outcome;
    if (response.status != 200)
        outcome = http_judge(job, "cacerts", &response);
    else if (is_pkcs7("cacerts", &response))
        job->server_certs = certs_in("cacerts", &response);
    http_clear(&response);
    if (outcome != OUTCOME_DONE)
        return outcome == OUTCOME_PENDING ? OUTCOME_AGAIN : outcome;
    return job->server_certs != NULL ? OUTCOME_DONE : OUTCOME_FAILED;
}

/* What a server may ask for, and what it means here. */
static const struct {
    int nid;
    const EVP_MD *(*digest)(void);
} digests[] = {
    { NID_ecdsa_with_SHA256, EVP_sha256 },
    { NID_ecdsa_with_SHA384, EVP_sha384 },
    { NID_ecdsa_with_SHA512, EVP_sha512 },
};

static void heed(struct job *job, const ASN1_OBJECT *wish, bool *digest_found)
{
    const int nid = OBJ_obj2nid(wish);

    if (nid == NID_pkcs9_challengePassword)
        report_warning("csrattrs: the server wants the request bound to the connection, which is "
                       "not supported");
    for (size_t i = 0; i < ARRAY_LEN(digests) && !*digest_found; i++)
        if (digests[i].nid == nid) {
            job->digest = digests[i].digest();
            *digest_found = true;
        }
}

static bool parse_csrattrs(struct job *job, const struct http_response *response)
{
    size_t len = 0;
    unsigned char *der = decode(response->body, response->body_len, &len);
    const unsigned char *at = der;
    ASN1_SEQUENCE_ANY *wishes = der != NULL ? d2i_ASN1_SEQUENCE_ANY(NULL, &at, (long)len) : NULL;
    bool digest_found = false;

    for (int i = 0; wishes != NULL && i < sk_ASN1_TYPE_num(wishes); i++) {
        const ASN1_TYPE *wish = sk_ASN1_TYPE_value(wishes, i);

        if (wish->type == V_ASN1_OBJECT)
            heed(job, wish->value.object, &digest_found);
    }
    sk_ASN1_TYPE_pop_free(wishes, ASN1_TYPE_free);
    OPENSSL_free(der);
    ERR_clear_error();
    return wishes != NULL;
}

/* 204 and 404: it wishes nothing (RFC 7030 4.5.2). What it wishes are hints: a server that
 * insists refuses the request. */
static enum outcome get_csrattrs(struct job *job)
{
    struct http_response response;
    enum outcome outcome = get(job, "csrattrs", &response);

    if (outcome != OUTCOME_DONE)
        return outcome;
    if (response.status == 200 && !parse_csrattrs(job, &response))
        report_warning("csrattrs: the server's response is invalid and is ignored");
    else if (response.status >= 500)
        outcome = http_judge(job, "csrattrs", &response);
    http_clear(&response);
    return outcome;
}

/* ---- the request ---- */

static enum outcome take_certificate(struct job *job, const char *what,
                                     const struct http_response *response)
{
    STACK_OF(X509) *certs = is_pkcs7(what, response) ? certs_in(what, response) : NULL;
    enum outcome outcome = certs != NULL ? accept_certificate(job, certs) : OUTCOME_FAILED;

    sk_X509_pop_free(certs, X509_free);
    return outcome;
}

static enum outcome send_request(struct job *job)
{
    const char *operation = job->renewal ? "simplereenroll" : "simpleenroll";
    char url[HTTP_URL_MAX];
    struct http_request request = { .method = "POST",
                                    .url = url,
                                    .type = "application/pkcs10",
                                    .encoding = "base64",
                                    .accept = "application/pkcs7-mime" };
    struct http_response response;
    unsigned char *der = NULL;
    int der_len = i2d_X509_REQ(job->request, &der);
    char *text = der_len > 0 ? encode(der, der_len, &request.body_len) : NULL;
    enum outcome outcome;

    OPENSSL_free(der);
    if (text == NULL) {
        report_error("out of memory");
        return OUTCOME_FAILED;
    }
    make_url(job, operation, url);
    request.body = text;
    outcome = http_send(job->http, &request, &response);
    OPENSSL_free(text);
    if (outcome != OUTCOME_DONE)
        return outcome;
    outcome = response.status == 200 ? take_certificate(job, operation, &response)
                                     : http_judge(job, operation, &response);
    http_clear(&response);
    return outcome;
}

/* The server is asked for what needs no key before there is one. */
static enum outcome est_run(struct job *job)
{
    enum outcome outcome = OUTCOME_DONE;

    if (job->http == NULL)
        job->http = http_new(job, true);
    if (job->http == NULL)
        return OUTCOME_FAILED;
    if (!job->server_known) {
        outcome = get_cacerts(job);
        if (outcome == OUTCOME_DONE)
            outcome = get_csrattrs(job);
        job->server_known = outcome == OUTCOME_DONE;
    }
    if (outcome == OUTCOME_DONE)
        outcome = request_make(job);
    return outcome == OUTCOME_DONE ? send_request(job) : outcome;
}

static bool est_check(const struct job *job)
{
    const char *server = job_given(job, OPTION_SERVER);

    if (http_url_is_good(server, false))
        return true;
    report_error("--server %s: expected https://HOST[:PORT]/.well-known/est", server);
    return false;
}

const struct method method_est = {
    .name = "est",
    .summary = "Enrolment over Secure Transport (RFC 7030)",
    .bit = METHOD_EST,
    .issues = true,
    .check = est_check,
    .run = est_run,
};
