/* SPDX-License-Identifier: Apache-2.0 */
/* iotsafe-enroll: a certificate for a key on the SIM. What is due, attempts and pauses,
 * the files and the result; how a server is spoken to is the methods' business. */
#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "accept.h"
#include "cert_text.h"
#include "files.h"
#include "http.h"
#include "options.h"
#include "outfile.h"
#include "output.h"
#include "report.h"
#include "request.h"
#include "retry.h"
#include "tls.h"

const char *job_server(const struct job *job)
{
    const char *server = job_option(job, OPTION_SERVER);

    return server != NULL ? server : job_given(job, OPTION_ENDPOINT);
}

/* ---- the result ---- */

static const char *const status_words[] = {
    [OUTCOME_DONE] = "done",       [OUTCOME_FAILED] = "failed",   [OUTCOME_USAGE] = "failed",
    [OUTCOME_PENDING] = "pending", [OUTCOME_REFUSED] = "refused",
};

static json_t *text_or_null(const char *text)
{
    return text != NULL ? json_string(text) : json_null();
}

/* `not_due`: the certificate that is there was left alone. */
static bool print_result(const struct job *job, enum outcome outcome, bool not_due)
{
    const bool present = not_due || (outcome == OUTCOME_DONE && !job->method->issues);
    const X509 *cert = job->written ? job->certificate
                       : present    ? sk_X509_value(job->present, 0)
                                    : NULL;
    json_t *json;

    if (!job->tool->json)
        return job->hub == NULL || puts(job->hub) >= 0;
    json = json_object();
    json_object_set_new(json, "status", json_string(not_due ? "not-due" : status_words[outcome]));
    json_object_set_new(json, "certificate",
                        text_or_null(cert != NULL ? job_given(job, OPTION_CERT_OUT) : NULL));
    json_object_set_new(json, "not_after",
                        cert != NULL ? cert_time_json(X509_get0_notAfter(cert)) : json_null());
    json_object_set_new(json, "server", text_or_null(job_server(job)));
    json_object_set_new(json, "exchanges", json_integer((json_int_t)iotsafe_exchanges()));
    if (!job->method->issues)
        json_object_set_new(json, "hub", text_or_null(job->hub));
    return output_json(json);
}

static void say_written(const struct job *job)
{
    char validity[CERT_CELL_MAX];

    cert_validity_cell(job->certificate, validity);
    report_note("%s: a certificate %s has been written", job_given(job, OPTION_CERT_OUT), validity);
}

/* False after an error was reported. */
static bool run_command(const char *command)
{
    const int status = system(command);

    if (status == 0)
        return true;
    if (status == -1)
        report_error("cannot run the command: %s", strerror(errno));
    else if (WIFSIGNALED(status))
        report_error("the command was ended by signal %d: %s", WTERMSIG(status), command);
    else
        report_error("the command ended with status %d: %s", WEXITSTATUS(status), command);
    return false;
}

/* The chain first: the certificate is what shows that all is done. */
static enum outcome keep(struct job *job)
{
    const char *chain_out = job_option(job, OPTION_CHAIN_OUT);
    const char *command = job_option(job, OPTION_EXEC);
    STACK_OF(X509) *certs = sk_X509_new_null();
    bool good = certs != NULL && sk_X509_push(certs, job->certificate) > 0
                && (chain_out == NULL || job->chain == NULL
                    || files_write_certs(chain_out, job->chain))
                && files_write_certs(job_given(job, OPTION_CERT_OUT), certs);

    sk_X509_free(certs);
    if (!good)
        return OUTCOME_FAILED;
    job->written = true;
    say_written(job);
    return command == NULL || run_command(command) ? OUTCOME_DONE : OUTCOME_FAILED;
}

/* ---- attempts ---- */

static enum outcome attempt(struct job *job)
{
    enum outcome outcome = request_look(job);

    job->retry_after_s = 0;
    return outcome == OUTCOME_DONE ? job->method->run(job) : outcome;
}

static enum outcome attempts(struct job *job)
{
    struct retry retry;
    enum outcome outcome;

    retry_begin(&retry, job_option(job, OPTION_RETRY) != NULL, options_retry_max(job));
    do
        outcome = attempt(job);
    while ((outcome == OUTCOME_AGAIN || outcome == OUTCOME_PENDING)
           && retry_pause(&retry, job->retry_after_s));
    return outcome == OUTCOME_AGAIN ? OUTCOME_FAILED : outcome;
}

/* ---- the job ---- */

/* What can be known to be wrong without the SIM and the server. */
static bool prepare(struct job *job)
{
    const char *trust = job_option(job, OPTION_TRUST);
    const char *secret = job_option(job, OPTION_SECRET_FILE);
    const char *chain_out = job_option(job, OPTION_CHAIN_OUT);

    return files_read_present(job_given(job, OPTION_CERT_OUT), &job->present)
           && (!job->method->issues || outfile_is_possible(job_given(job, OPTION_CERT_OUT)))
           && (chain_out == NULL || outfile_is_possible(chain_out))
           && (trust == NULL || (job->trust = files_read_certs(trust)) != NULL)
           && (secret == NULL || (job->secret = files_read_secret(secret)) != NULL);
}

static bool is_due(const struct job *job)
{
    return job->renew_s < 0 || job->present == NULL
           || !accept_is_valid(sk_X509_value(job->present, 0), job->renew_s);
}

static enum outcome do_job(struct job *job)
{
    enum outcome outcome = OUTCOME_FAILED;
    bool due = true;

    if (!request_check(job))
        return OUTCOME_USAGE;
    if (prepare(job)) {
        due = is_due(job);
        outcome = due ? attempts(job) : OUTCOME_DONE;
        if (due && outcome == OUTCOME_DONE && job->certificate != NULL)
            outcome = keep(job);
    }
    if (outcome != OUTCOME_USAGE && !print_result(job, outcome, !due) && outcome == OUTCOME_DONE)
        outcome = OUTCOME_FAILED;
    return outcome;
}

static void clear(struct job *job)
{
    if (job->method != NULL && job->method->end != NULL)
        job->method->end(job);
    http_free(job->http);
    EVP_PKEY_free(job->identity.key);
    sk_X509_pop_free(job->identity.certs, X509_free);
    EVP_PKEY_free(job->key);
    EVP_PKEY_free(job->public_key);
    X509_REQ_free(job->request);
    iotsafe_card_free(job->card);
    X509_free(job->certificate);
    sk_X509_pop_free(job->chain, X509_free);
    sk_X509_pop_free(job->server_certs, X509_free);
    sk_X509_pop_free(job->trust, X509_free);
    sk_X509_pop_free(job->present, X509_free);
    if (job->secret != NULL)
        OPENSSL_clear_free(job->secret, strlen(job->secret));
    free(job->hub);
}

static enum outcome run(int argc, char **argv)
{
    struct tool tool = { .shared = true };
    struct job job = { .tool = &tool };
    const enum parsed parsed = options_parse(&job, argc, argv);
    enum outcome outcome = OUTCOME_FAILED;

    if (parsed != PARSED_JOB)
        return parsed == PARSED_HELP ? OUTCOME_DONE : OUTCOME_USAGE;
    job.digest = EVP_sha256(); /* what every applet signs */
    if (tls_is_shared() && tool_open(&tool) && curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
        outcome = do_job(&job);
    clear(&job);
    curl_global_cleanup();
    tool_close(&tool);
    return outcome;
}

int main(int argc, char **argv)
{
    enum outcome outcome;

    report_as("iotsafe-enroll");
    output_init();
    outcome = run(argc, argv);
    if (!output_finish() && outcome == OUTCOME_DONE)
        outcome = OUTCOME_FAILED;
    return (int)outcome;
}
