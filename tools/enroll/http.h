/* SPDX-License-Identifier: Apache-2.0 */
/* Requests over HTTPS with the SIM's key, by libcurl: the server is authenticated, what it
 * sends is bounded, nothing is followed elsewhere. */
#ifndef ENROLL_HTTP_H
#define ENROLL_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "job.h"

#define HTTP_URL_MAX 1024

struct http_request {
    const char *method; /* "GET", "POST", "PUT" */
    const char *url;
    const char *type, *encoding; /* of the body: headers; NULL: none */
    const char *accept;          /* or NULL */
    const void *body;
    size_t body_len;
};

/** What came back; http_clear() it. */
struct http_response {
    long status;   /* 200 and so on */
    char type[80]; /* media type in lower case, without parameters */
    char *body;    /* NUL-terminated; not NULL */
    size_t body_len;
    long retry_after_s; /* 0: not said */
};

/**
 * A client with connections of its own: trusts what the job trusts, shows the job's
 * identity, and its user name and secret if `password`.
 * @return NULL after an error was reported
 */
struct http *http_new(const struct job *job, bool password);
void http_free(struct http *http); /* NULL accepted */

/** @return OUTCOME_DONE, whatever status the server answered; else after a report:
 *  OUTCOME_AGAIN, or OUTCOME_FAILED if the server is not the one that is trusted */
enum outcome http_send(struct http *http, const struct http_request *request,
                       struct http_response *ret);
void http_clear(struct http_response *response);

/** What a status other than a success means: reported, with the beginning of the text that
 *  came with it; 202 and 429 leave their time in `job`. */
enum outcome http_judge(struct job *job, const char *what, const struct http_response *response);

/** Is it such a URL, with a host and without a user or password in it?
 *  @param schemes  "https" or "http,https" */
bool http_url_is_good(const char *url, bool plain_too);

#endif
