/* SPDX-License-Identifier: Apache-2.0 */
/* Azure Device Provisioning Service with X.509, its HTTPS interface of 2021-10-01: registers
 * with the certificate that there is, asks until the device was assigned, and tells the hub. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http.h"
#include "report.h"

#define VERSION "api-version=2021-10-01"
#define ID_MAX 128
#define OPERATION_MAX 256

struct session {
    char operation[OPERATION_MAX + 1]; /* of the registration that goes on; "": none */
};

/* Text that goes into a URL as it is. */
static bool is_plain(const char *text, size_t max)
{
    const size_t len = strlen(text);

    return len > 0 && len <= max
           && strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:._-")
                  == len;
}

static void make_url(const struct job *job, const char *operation, char ret_url[HTTP_URL_MAX])
{
    snprintf(ret_url, HTTP_URL_MAX, "https://%s/%s/registrations/%s/%s%s?" VERSION,
             job_given(job, OPTION_ENDPOINT), job_given(job, OPTION_SCOPE),
             job_given(job, OPTION_REGISTRATION_ID), operation[0] != '\0' ? "operations/" : "",
             operation[0] != '\0' ? operation : "register");
}

/* ---- answers ---- */

static enum outcome take_hub(struct job *job, const json_t *state)
{
    const char *hub = json_string_value(json_object_get(state, "assignedHub"));

    if (hub == NULL || !is_plain(hub, 253) || (job->hub = strdup(hub)) == NULL) {
        report_error("dps: the device was assigned, but the server named no hub");
        return OUTCOME_FAILED;
    }
    report_note("dps: assigned to %s as %s", hub, job_given(job, OPTION_REGISTRATION_ID));
    return OUTCOME_DONE;
}

static enum outcome take_operation(struct session *session, const json_t *answer)
{
    const char *operation = json_string_value(json_object_get(answer, "operationId"));

    if (operation == NULL || !is_plain(operation, OPERATION_MAX)) {
        report_error("dps: the server names no operation");
        return OUTCOME_FAILED;
    }
    snprintf(session->operation, sizeof(session->operation), "%s", operation);
    report_note("dps: the server is assigning the device");
    return OUTCOME_PENDING;
}

static enum outcome take_answer(struct job *job, struct session *session, const json_t *answer)
{
    const json_t *state = json_object_get(answer, "registrationState");
    const char *status = json_string_value(json_object_get(answer, "status"));
    const char *text = json_string_value(json_object_get(state, "errorMessage"));

    if (status != NULL && strcmp(status, "assigned") == 0)
        return take_hub(job, state);
    if (status != NULL && (strcmp(status, "assigning") == 0 || strcmp(status, "unassigned") == 0))
        return take_operation(session, answer);
    session->operation[0] = '\0';
    report_error("dps: the server does not assign the device (%.40s)%s%.200s",
                 status != NULL ? status : "no status", text != NULL ? ": " : "",
                 text != NULL ? text : "");
    return status != NULL ? OUTCOME_REFUSED : OUTCOME_FAILED;
}

/* ---- the request ---- */

static char *make_body(const struct job *job)
{
    json_t *json = json_pack("{ss}", "registrationId", job_given(job, OPTION_REGISTRATION_ID));
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;

    json_decref(json);
    return text;
}

static enum outcome ask(struct job *job, struct session *session)
{
    const bool first = session->operation[0] == '\0';
    char url[HTTP_URL_MAX];
    char *body = first ? make_body(job) : NULL;
    struct http_request request = { .method = first ? "PUT" : "GET",
                                    .url = url,
                                    .type = first ? "application/json" : NULL,
                                    .accept = "application/json",
                                    .body = body,
                                    .body_len = body != NULL ? strlen(body) : 0 };
    struct http_response response;
    json_t *answer = NULL;
    enum outcome outcome;

    make_url(job, session->operation, url);
    outcome = http_send(job->http, &request, &response);
    free(body);
    if (outcome != OUTCOME_DONE)
        return outcome;
    if (response.status == 200 || response.status == 202) {
        job->retry_after_s = response.retry_after_s;
        answer = json_loadb(response.body, response.body_len, JSON_REJECT_DUPLICATES, NULL);
        outcome = take_answer(job, session, answer);
        json_decref(answer);
    } else {
        outcome = http_judge(job, "dps", &response);
    }
    http_clear(&response);
    return outcome;
}

static enum outcome dps_run(struct job *job)
{
    if (job->session == NULL)
        job->session = calloc(1, sizeof(struct session));
    if (job->http == NULL)
        job->http = http_new(job, false);
    return job->session != NULL && job->http != NULL ? ask(job, job->session) : OUTCOME_FAILED;
}

static void dps_end(struct job *job)
{
    free(job->session);
}

static bool dps_check(const struct job *job)
{
    char url[HTTP_URL_MAX];
    int len = snprintf(url, sizeof(url), "https://%s/", job_given(job, OPTION_ENDPOINT));

    if (len < 0 || (size_t)len >= sizeof(url) || !http_url_is_good(url, false)
        || strchr(job_given(job, OPTION_ENDPOINT), '/') != NULL)
        report_error("--endpoint: expected HOST or HOST:PORT");
    else if (!is_plain(job_given(job, OPTION_SCOPE), ID_MAX))
        report_error("--scope: letters, digits and :._- alone");
    else if (!is_plain(job_given(job, OPTION_REGISTRATION_ID), ID_MAX))
        report_error("--registration-id: letters, digits and :._- alone, at most %d", ID_MAX);
    else
        return true;
    return false;
}

const struct method method_dps = {
    .name = "dps",
    .summary = "Azure Device Provisioning Service: tells the hub of a device with a certificate",
    .bit = METHOD_DPS,
    .check = dps_check,
    .run = dps_run,
    .end = dps_end,
};
