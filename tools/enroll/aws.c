/* SPDX-License-Identifier: Apache-2.0 */
/* AWS IoT fleet provisioning: a certificate for a request (CreateCertificateFromCsr) and the
 * registration of the device by a template (RegisterThing), over MQTT with mutual TLS. */
#include <jansson.h>
#include <mosquitto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "accept.h"
#include "report.h"
#include "request.h"
#include "tls.h"

#define PORT_DEFAULT 8883
#define KEEPALIVE_S 60
#define ANSWER_S 60        /* without any answer */
#define PAYLOAD_MAX 131072 /* bytes of an answer: AWS sends up to 128 kB */
#define HOST_MAX 255
#define TOPIC_MAX 256
#define TEMPLATE_MAX 36

#define CREATE_TOPIC "$aws/certificates/create-from-csr/json"
#define REGISTER_TOPIC "$aws/provisioning-templates/%s/provision/json"

struct connection {
    struct job *job;
    struct mosquitto *mosq;
    char host[HOST_MAX + 1];
    int port;
    bool connected, subscribed, lost;
    int refused;           /* CONNACK's reason; 0: none */
    char log[256];         /* the last error that libmosquitto told */
    char topic[TOPIC_MAX]; /* of the question that is asked */
    char *answer;          /* NULL: none yet */
    size_t answer_len;
    bool rejected; /* the answer came by that topic */
};

/* ---- what libmosquitto tells ---- */

static void on_log(struct mosquitto *mosq, void *arg, int level, const char *text)
{
    struct connection *c = arg;

    (void)mosq;
    if (level == MOSQ_LOG_ERR)
        snprintf(c->log, sizeof(c->log), "%s", text);
}

static void on_connect(struct mosquitto *mosq, void *arg, int reason)
{
    struct connection *c = arg;

    (void)mosq;
    c->connected = reason == 0;
    c->refused = reason;
}

static void on_disconnect(struct mosquitto *mosq, void *arg, int reason)
{
    struct connection *c = arg;

    (void)mosq, (void)reason;
    c->lost = true;
}

static void on_subscribe(struct mosquitto *mosq, void *arg, int id, int n, const int *granted)
{
    struct connection *c = arg;

    (void)mosq, (void)id;
    c->subscribed = n > 0;
    for (int i = 0; i < n; i++)
        if (granted[i] > 2)
            c->refused = granted[i];
}

/* Is `topic` the question's with that behind it? */
static bool is_answer(const struct connection *c, const char *topic, const char *suffix)
{
    const size_t len = strlen(c->topic);

    return len > 0 && strncmp(topic, c->topic, len) == 0 && strcmp(topic + len, suffix) == 0;
}

static void on_message(struct mosquitto *mosq, void *arg, const struct mosquitto_message *message)
{
    struct connection *c = arg;
    const bool accepted = is_answer(c, message->topic, "/accepted");

    (void)mosq;
    if (c->answer != NULL || (!accepted && !is_answer(c, message->topic, "/rejected"))
        || message->payloadlen < 0 || message->payloadlen > PAYLOAD_MAX)
        return;
    c->answer = calloc(1, (size_t)message->payloadlen + 1);
    if (c->answer == NULL)
        return;
    c->answer_len = (size_t)message->payloadlen;
    if (c->answer_len > 0)
        memcpy(c->answer, message->payload, c->answer_len);
    c->rejected = !accepted;
}

/* ---- waiting ---- */

static bool is_connected(const struct connection *c)
{
    return c->connected;
}

static bool is_subscribed(const struct connection *c)
{
    return c->subscribed;
}

static bool has_answer(const struct connection *c)
{
    return c->answer != NULL;
}

static long now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

static enum outcome wait_until(struct connection *c, bool (*done)(const struct connection *),
                               const char *what)
{
    const long end = now_s() + ANSWER_S;
    int code = MOSQ_ERR_SUCCESS;

    while (!done(c) && c->refused == 0 && !c->lost && code == MOSQ_ERR_SUCCESS && now_s() < end)
        code = mosquitto_loop(c->mosq, 1000, 1);
    if (c->refused != 0) {
        report_error("aws: %s: the server refuses (MQTT reason %d)", what, c->refused);
        return OUTCOME_REFUSED;
    }
    if (done(c))
        return OUTCOME_DONE;
    report_error("aws: %s: %s", what,
                 c->log[0] != '\0'                     ? c->log
                 : code != MOSQ_ERR_SUCCESS || c->lost ? "the connection was lost"
                                                       : "no answer in time");
    return OUTCOME_AGAIN;
}

/* ---- the connection ---- */

/* HOST, HOST:PORT, [ADDRESS], [ADDRESS]:PORT */
static bool parse_endpoint(const char *text, char ret_host[static HOST_MAX + 1], int *ret_port)
{
    const bool bracket = text[0] == '[';
    const char *host = text + bracket;
    const size_t len = strcspn(host, bracket ? "]" : ":");
    const char *rest = host + len + (bracket && host[len] == ']');
    char *end;
    long port = PORT_DEFAULT;

    if (len == 0 || len > HOST_MAX || (bracket && host[len] != ']')
        || strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:_") < len)
        return false;
    if (rest[0] == ':') {
        port = strtol(rest + 1, &end, 10);
        if (rest[1] < '0' || rest[1] > '9' || *end != '\0' || port < 1 || port > 65535)
            return false;
    } else if (rest[0] != '\0') {
        return false;
    }
    memcpy(ret_host, host, len);
    ret_host[len] = '\0';
    *ret_port = (int)port;
    return true;
}

static bool set_trust(SSL_CTX *ctx, const struct job *job)
{
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);

    if (job->trust == NULL)
        return SSL_CTX_set_default_verify_paths(ctx);
    for (int i = 0; i < sk_X509_num(job->trust); i++)
        if (!X509_STORE_add_cert(store, sk_X509_value(job->trust, i)))
            return false;
    return X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
}

/* libmosquitto checks no name in a context that is not its own. */
static bool set_host(SSL_CTX *ctx, const char *host)
{
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ctx);

    return X509_VERIFY_PARAM_set1_ip_asc(param, host)
           || X509_VERIFY_PARAM_set1_host(param, host, 0);
}

static SSL_CTX *new_tls(const struct job *job, const char *host)
{
    SSL_CTX *ctx = SSL_CTX_new_ex(job->tool->libctx, NULL, TLS_client_method());

    if (ctx != NULL && SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) && set_trust(ctx, job)
        && set_host(ctx, host) && tls_use_identity(ctx, job)) {
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
        ERR_clear_error(); /* a name is no address, and that was said */
        return ctx;
    }
    SSL_CTX_free(ctx);
    return NULL;
}

/* The name of the device, by which policies of AWS may go. */
static char *client_id(const struct job *job)
{
    X509_NAME *subject = request_subject(job);
    unsigned char *text = NULL;
    int at = subject != NULL ? X509_NAME_get_index_by_NID(subject, NID_commonName, -1) : -1;
    char *id = NULL;

    if (at >= 0
        && ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)))
               > 0)
        id = strdup((const char *)text);
    OPENSSL_free(text);
    X509_NAME_free(subject);
    return id;
}

static enum outcome connect_to(struct connection *c, SSL_CTX *tls)
{
    int code;

    mosquitto_log_callback_set(c->mosq, on_log);
    mosquitto_connect_callback_set(c->mosq, on_connect);
    mosquitto_disconnect_callback_set(c->mosq, on_disconnect);
    mosquitto_subscribe_callback_set(c->mosq, on_subscribe);
    mosquitto_message_callback_set(c->mosq, on_message);
    if (mosquitto_void_option(c->mosq, MOSQ_OPT_SSL_CTX, tls) != MOSQ_ERR_SUCCESS
        || mosquitto_int_option(c->mosq, MOSQ_OPT_SSL_CTX_WITH_DEFAULTS, 0) != MOSQ_ERR_SUCCESS) {
        report_error("aws: libmosquitto does not accept a key on a SIM");
        return OUTCOME_FAILED;
    }
    code = mosquitto_connect(c->mosq, c->host, c->port, KEEPALIVE_S);
    if (code == MOSQ_ERR_SUCCESS)
        return wait_until(c, is_connected, "connection");
    report_error("aws: connection to %s: %s%s%s", job_server(c->job), mosquitto_strerror(code),
                 c->log[0] != '\0' ? ": " : "", c->log);
    return OUTCOME_AGAIN;
}

static enum outcome subscribe(struct connection *c)
{
    const char *template = job_given(c->job, OPTION_TEMPLATE);
    char create[TOPIC_MAX], provision[TOPIC_MAX];
    char *topics[] = { create, provision };

    snprintf(create, sizeof(create), CREATE_TOPIC "/+");
    snprintf(provision, sizeof(provision), REGISTER_TOPIC "/+", template);
    for (size_t i = 0; i < ARRAY_LEN(topics); i++) {
        enum outcome outcome;

        c->subscribed = false;
        if (mosquitto_subscribe(c->mosq, NULL, topics[i], 1) != MOSQ_ERR_SUCCESS)
            return OUTCOME_AGAIN;
        outcome = wait_until(c, is_subscribed, "subscription");
        if (outcome != OUTCOME_DONE)
            return outcome;
    }
    return OUTCOME_DONE;
}

/* ---- questions ---- */

static enum outcome report_rejection(const char *what, const json_t *answer)
{
    const json_int_t status = json_integer_value(json_object_get(answer, "statusCode"));
    const char *code = json_string_value(json_object_get(answer, "errorCode"));
    const char *text = json_string_value(json_object_get(answer, "errorMessage"));

    report_error("aws: %s: the server refuses: %lld %.60s%s%.200s", what, (long long)status,
                 code != NULL ? code : "", text != NULL ? ": " : "", text != NULL ? text : "");
    return status == 429 || status >= 500 ? OUTCOME_AGAIN : OUTCOME_REFUSED;
}

/* Takes over `question`. @param ret_answer  on OUTCOME_DONE an object; json_decref() it */
static enum outcome ask(struct connection *c, const char *what, const char *topic, json_t *question,
                        json_t **ret_answer)
{
    char *text = question != NULL ? json_dumps(question, JSON_COMPACT) : NULL;
    enum outcome outcome = OUTCOME_AGAIN;
    json_t *answer;

    json_decref(question);
    snprintf(c->topic, sizeof(c->topic), "%s", topic);
    free(c->answer);
    c->answer = NULL;
    if (text != NULL
        && mosquitto_publish(c->mosq, NULL, topic, (int)strlen(text), text, 1, false)
               == MOSQ_ERR_SUCCESS)
        outcome = wait_until(c, has_answer, what);
    else
        report_error("aws: %s: the request cannot be sent", what);
    if (text != NULL)
        OPENSSL_cleanse(text, strlen(text)); /* it may hold a token */
    free(text);
    if (outcome != OUTCOME_DONE)
        return outcome;
    answer = json_loadb(c->answer, c->answer_len, JSON_REJECT_DUPLICATES, NULL);
    if (c->rejected) {
        outcome = report_rejection(what, answer);
    } else if (!json_is_object(answer)) {
        report_error("aws: %s: the response is not a JSON object", what);
        outcome = OUTCOME_FAILED;
    }
    if (outcome == OUTCOME_DONE)
        *ret_answer = answer;
    else
        json_decref(answer);
    return outcome;
}

static json_t *create_question(const struct job *job)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *pem = NULL;
    long len = bio != NULL && PEM_write_bio_X509_REQ(bio, job->request) > 0
                   ? BIO_get_mem_data(bio, &pem)
                   : 0;
    json_t *json = len > 0 ? json_pack("{ss%}", "certificateSigningRequest", pem, (size_t)len)
                           : NULL;

    BIO_free(bio);
    return json;
}

static enum outcome take_certificate(struct job *job, const json_t *answer)
{
    const char *pem = json_string_value(json_object_get(answer, "certificatePem"));
    BIO *bio = pem != NULL ? BIO_new_mem_buf(pem, -1) : NULL;
    X509 *cert = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    STACK_OF(X509) *certs = sk_X509_new_null();
    enum outcome outcome = OUTCOME_FAILED;

    if (cert == NULL)
        report_error("aws: the server's answer holds no certificate");
    else if (certs != NULL && sk_X509_push(certs, cert) > 0)
        outcome = accept_certificate(job, certs);
    sk_X509_free(certs);
    X509_free(cert);
    BIO_free(bio);
    ERR_clear_error();
    return outcome;
}

/* K=V of --parameter. */
static json_t *parameters(const struct job *job)
{
    const struct values *values = &job->option[OPTION_PARAMETER];
    json_t *json = json_object();

    for (size_t i = 0; i < values->n; i++) {
        const char *equals = strchr(values->value[i], '=');
        char *key = strndup(values->value[i], (size_t)(equals - values->value[i]));

        if (key == NULL || json_object_set_new(json, key, json_string(equals + 1)) != 0) {
            json_decref(json);
            json = NULL;
        }
        free(key);
    }
    return json;
}

static enum outcome register_thing(struct connection *c, const json_t *created)
{
    const char *token = json_string_value(json_object_get(created, "certificateOwnershipToken"));
    char topic[TOPIC_MAX];
    json_t *answer = NULL;
    enum outcome outcome;

    if (token == NULL) {
        report_error("aws: the server's answer holds no token");
        return OUTCOME_FAILED;
    }
    snprintf(topic, sizeof(topic), REGISTER_TOPIC, job_given(c->job, OPTION_TEMPLATE));
    outcome = ask(c, "registration", topic,
                  json_pack("{ss so}", "certificateOwnershipToken", token, "parameters",
                            parameters(c->job)),
                  &answer);
    if (outcome == OUTCOME_DONE) {
        const char *name = json_string_value(json_object_get(answer, "thingName"));

        report_note("aws: registered as %.128s", name != NULL ? name : "a thing without a name");
    }
    json_decref(answer);
    return outcome;
}

/* The key is made when the server was authenticated and lets this device in. A certificate
 * counts only when the device was registered with it: until then it is not active. */
static enum outcome provision(struct connection *c)
{
    enum outcome outcome = subscribe(c);
    json_t *created = NULL;

    if (outcome == OUTCOME_DONE)
        outcome = request_make(c->job);
    if (outcome == OUTCOME_DONE)
        outcome = ask(c, "certificate", CREATE_TOPIC, create_question(c->job), &created);
    if (outcome == OUTCOME_DONE)
        outcome = take_certificate(c->job, created);
    if (outcome == OUTCOME_DONE)
        outcome = register_thing(c, created);
    json_decref(created);
    return outcome;
}

static enum outcome aws_run(struct job *job)
{
    struct connection c = { .job = job };
    char *id = client_id(job);
    SSL_CTX *tls = NULL;
    enum outcome outcome = OUTCOME_FAILED;

    mosquitto_lib_init();
    if (parse_endpoint(job_given(job, OPTION_ENDPOINT), c.host, &c.port))
        tls = new_tls(job, c.host);
    if (tls == NULL)
        outcome = request_failed("aws: TLS");
    else if ((c.mosq = mosquitto_new(id, true, &c)) == NULL)
        report_error("aws: out of memory");
    else
        outcome = connect_to(&c, tls);
    if (outcome == OUTCOME_DONE)
        outcome = provision(&c);
    if (c.mosq != NULL) {
        (void)mosquitto_disconnect(c.mosq);
        mosquitto_destroy(c.mosq);
    }
    mosquitto_lib_cleanup();
    if (c.answer != NULL)
        OPENSSL_cleanse(c.answer, c.answer_len);
    free(c.answer);
    SSL_CTX_free(tls);
    free(id);
    return outcome;
}

static bool aws_check(const struct job *job)
{
    const struct values *values = &job->option[OPTION_PARAMETER];
    const char *template = job_given(job, OPTION_TEMPLATE);
    char host[HOST_MAX + 1];
    int port;

    for (size_t i = 0; i < values->n; i++)
        if (strchr(values->value[i], '=') == NULL || values->value[i][0] == '=') {
            report_error("--parameter %s: expected NAME=VALUE", values->value[i]);
            return false;
        }
    if (!parse_endpoint(job_given(job, OPTION_ENDPOINT), host, &port))
        report_error("--endpoint: expected HOST or HOST:PORT");
    else if (strlen(template) > TEMPLATE_MAX || strpbrk(template, "/+#") != NULL)
        report_error("--template: the name of a template has at most %d characters and none of /+#",
                     TEMPLATE_MAX);
    else
        return true;
    return false;
}

const struct method method_aws = {
    .name = "aws",
    .summary = "AWS IoT fleet provisioning",
    .bit = METHOD_AWS,
    .issues = true,
    .issuer_unpublished = true,
    .check = aws_check,
    .run = aws_run,
};
