/* SPDX-License-Identifier: Apache-2.0 */
/* see http.h */
#include "http.h"

#include <ctype.h>
#include <curl/curl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "report.h"
#include "tls.h"

#define BODY_MAX 262144   /* bytes of a response */
#define HEADERS_MAX 65536 /* of all headers */
#define CONNECT_S 30L     /* includes TLS, and so a signature of the SIM */
#define REQUEST_S 180L    /* one request */
#define TEXT_MAX 200      /* of a response in a message */

struct http {
    CURL *curl;
    const struct job *job;
    char why[CURL_ERROR_SIZE];
    bool tls_failed; /* the SIM's key and certificate could not be set */
};

/* ---- libcurl ---- */

static CURLcode use_identity(CURL *curl, void *ssl_ctx, void *arg)
{
    struct http *http = arg;

    (void)curl;
    http->tls_failed = !tls_use_identity(ssl_ctx, http->job);
    return http->tls_failed ? CURLE_SSL_CERTPROBLEM : CURLE_OK;
}

struct sink {
    char *bytes; /* always with room for a NUL */
    size_t len;
    bool too_long;
};

static size_t take_body(char *bytes, size_t size, size_t n, void *arg)
{
    struct sink *sink = arg;
    char *more;

    (void)size; /* is 1 */
    sink->too_long = n > BODY_MAX - sink->len;
    more = sink->too_long ? NULL : realloc(sink->bytes, sink->len + n + 1);
    if (more == NULL)
        return 0; /* ends the transfer */
    memcpy(more + sink->len, bytes, n);
    sink->bytes = more;
    sink->len += n;
    more[sink->len] = '\0';
    return n;
}

/* libcurl bounds one line, not their number. */
static size_t count_header(char *bytes, size_t size, size_t n, void *arg)
{
    size_t *total = arg;

    (void)bytes, (void)size;
    *total += n;
    return *total <= HEADERS_MAX ? n : 0;
}

static bool set_up(struct http *http, bool password)
{
    const char *trust = job_option(http->job, OPTION_TRUST);
    CURL *c = http->curl;

    return curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK
           && curl_easy_setopt(c, CURLOPT_ERRORBUFFER, http->why) == CURLE_OK
           && curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, CONNECT_S) == CURLE_OK
           && curl_easy_setopt(c, CURLOPT_TIMEOUT, REQUEST_S) == CURLE_OK
           && curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK
           && curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK
           && curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK
           && curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, count_header) == CURLE_OK
           && curl_easy_setopt(c, CURLOPT_SSL_CTX_FUNCTION, use_identity) == CURLE_OK
           && curl_easy_setopt(c, CURLOPT_SSL_CTX_DATA, http) == CURLE_OK
           && curl_easy_setopt(c, CURLOPT_USERAGENT, "iotsafe-enroll/" IOTSAFE_VERSION) == CURLE_OK
           && (trust == NULL
               || (curl_easy_setopt(c, CURLOPT_CAINFO, trust) == CURLE_OK
                   && curl_easy_setopt(c, CURLOPT_CAPATH, (char *)NULL) == CURLE_OK))
           && (!password || http->job->secret == NULL
               || (curl_easy_setopt(c, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC) == CURLE_OK
                   && curl_easy_setopt(c, CURLOPT_USERNAME, job_option(http->job, OPTION_REF))
                          == CURLE_OK
                   && curl_easy_setopt(c, CURLOPT_PASSWORD, http->job->secret) == CURLE_OK));
}

struct http *http_new(const struct job *job, bool password)
{
    struct http *http = calloc(1, sizeof(*http));

    if (http != NULL) {
        http->job = job;
        http->curl = curl_easy_init();
    }
    if (http != NULL && http->curl != NULL && set_up(http, password))
        return http;
    report_error("cannot set up libcurl (%s): it lacks a feature, or memory is short",
                 curl_version());
    http_free(http);
    return NULL;
}

void http_free(struct http *http)
{
    if (http == NULL)
        return;
    curl_easy_cleanup(http->curl);
    free(http);
}

void http_clear(struct http_response *response)
{
    free(response->body);
    response->body = NULL;
}

/* ---- a request ---- */

static bool add_header(struct curl_slist **list, const char *name, const char *value)
{
    char line[256];
    struct curl_slist *more;

    if (value == NULL)
        return true;
    snprintf(line, sizeof(line), "%s: %s", name, value);
    more = curl_slist_append(*list, line);
    if (more == NULL)
        return false;
    *list = more;
    return true;
}

static bool set_request(struct http *http, const struct http_request *request,
                        struct curl_slist *headers, struct sink *sink, size_t *header_len)
{
    CURL *c = http->curl;
    const bool body = request->body != NULL;

    return curl_easy_setopt(c, CURLOPT_URL, request->url) == CURLE_OK
           && curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers) == CURLE_OK
           && curl_easy_setopt(c, body ? CURLOPT_POST : CURLOPT_HTTPGET, 1L) == CURLE_OK
           && (!body
               || (curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, (long)request->body_len) == CURLE_OK
                   && curl_easy_setopt(c, CURLOPT_POSTFIELDS, request->body) == CURLE_OK))
           && curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, request->method) == CURLE_OK
           && curl_easy_setopt(c, CURLOPT_WRITEDATA, sink) == CURLE_OK
           && curl_easy_setopt(c, CURLOPT_HEADERDATA, header_len) == CURLE_OK;
}

static void note_type(struct http_response *response, const char *type)
{
    size_t n = 0;

    for (; type != NULL && type[n] != '\0' && type[n] != ';' && type[n] != ' '
           && n + 1 < sizeof(response->type);
         n++)
        response->type[n] = (char)tolower((unsigned char)type[n]);
    response->type[n] = '\0';
}

static enum outcome report_failure(const struct http *http, const struct http_request *request,
                                   CURLcode code, const struct sink *sink)
{
    if (http->tls_failed) {
        struct queue_summary why;

        report_drain_queue("the key and the certificate do not match", &why);
        report_queue("TLS", &why);
    } else {
        report_error("%s: %s", request->url,
                     sink->too_long         ? "the response is too long"
                     : http->why[0] != '\0' ? http->why
                                            : curl_easy_strerror(code));
    }
    ERR_clear_error();
    return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE
                   || code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_URL_MALFORMAT
                   || sink->too_long
               ? OUTCOME_FAILED
               : OUTCOME_AGAIN;
}

enum outcome http_send(struct http *http, const struct http_request *request,
                       struct http_response *ret)
{
    struct sink sink = { .bytes = calloc(1, 1) };
    struct curl_slist *headers = NULL;
    size_t header_len = 0;
    curl_off_t retry_after = 0;
    CURLcode code = CURLE_OUT_OF_MEMORY;
    char *type = NULL;

    http->why[0] = '\0';
    http->tls_failed = false;
    if (sink.bytes != NULL && add_header(&headers, "Accept", request->accept)
        && add_header(&headers, "Content-Type", request->type)
        && add_header(&headers, "Content-Transfer-Encoding", request->encoding)
        && add_header(&headers, "Expect", "") /* a request fits into one segment or two */
        && set_request(http, request, headers, &sink, &header_len))
        code = curl_easy_perform(http->curl);
    curl_slist_free_all(headers);
    if (code != CURLE_OK) {
        free(sink.bytes);
        return report_failure(http, request, code, &sink);
    }
    *ret = (struct http_response){ .body = sink.bytes, .body_len = sink.len };
    curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, &ret->status);
    curl_easy_getinfo(http->curl, CURLINFO_CONTENT_TYPE, &type);
    curl_easy_getinfo(http->curl, CURLINFO_RETRY_AFTER, &retry_after);
    ret->retry_after_s = retry_after > 0 && retry_after < 31536000 ? (long)retry_after : 0;
    note_type(ret, type);
    return OUTCOME_DONE;
}

/* ---- what a status means ---- */

static const struct {
    long from, to;
    enum outcome outcome;
    const char *text;
} meanings[] = {
    { 202, 202, OUTCOME_PENDING, "the server decides later" },
    { 404, 404, OUTCOME_FAILED, "there is no such address on the server" },
    { 408, 408, OUTCOME_AGAIN, "the server waited too long" },
    { 429, 429, OUTCOME_AGAIN, "the server has received too many requests" },
    { 400, 499, OUTCOME_REFUSED, "the server refuses" },
    { 500, 599, OUTCOME_AGAIN, "the server has failed" },
};

enum outcome http_judge(struct job *job, const char *what, const struct http_response *response)
{
    enum outcome outcome = OUTCOME_FAILED;
    const char *text = "the server's response is invalid";
    int len = 0;

    for (size_t i = 0; i < ARRAY_LEN(meanings); i++)
        if (response->status >= meanings[i].from && response->status <= meanings[i].to) {
            outcome = meanings[i].outcome;
            text = meanings[i].text;
            break;
        }
    if (strncmp(response->type, "text/plain", 10) == 0 || strstr(response->type, "json") != NULL)
        len = response->body_len < TEXT_MAX ? (int)response->body_len : TEXT_MAX;
    while (len > 0 && isspace((unsigned char)response->body[len - 1]))
        len--;
    job->retry_after_s = response->retry_after_s;
    (outcome == OUTCOME_PENDING ? report_note : report_error)("%s: %s (HTTP status %ld%s%.*s)",
                                                              what, text, response->status,
                                                              len > 0 ? ": " : "", len,
                                                              response->body);
    return outcome;
}

bool http_url_is_good(const char *url, bool plain_too)
{
    const char *host = NULL;
    size_t len;

    if (strncasecmp(url, "https://", 8) == 0)
        host = url + 8;
    else if (plain_too && strncasecmp(url, "http://", 7) == 0)
        host = url + 7;
    if (host == NULL || strlen(url) > HTTP_URL_MAX / 2)
        return false;
    for (const char *c = url; *c != '\0'; c++)
        if (!isgraph((unsigned char)*c))
            return false;
    len = strcspn(host, "/?#");
    return len > 0 && memchr(host, '@', len) == NULL && strpbrk(host, "?#") == NULL;
}
