/* SPDX-License-Identifier: Apache-2.0 */
/* iotsafe wait-cert, iotsafe wait-file: wait for what an operator writes to the SIM,
 * and run a command when it is there or when it has changed. The SIM tells nobody that
 * it was written to, so it is asked now and then. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "file.h"
#include "output.h"
#include "report.h"
#include "store.h"
#include "tool.h"

enum { OPTION_CHANGED, OPTION_EXEC, OPTION_INTERVAL, OPTION_TIMEOUT };

static const struct command_option options[] = {
    [OPTION_CHANGED] = { "changed", NULL, "wait until the content changes" },
    [OPTION_EXEC] = { "exec", "CMD", "run CMD with /bin/sh; with --changed at every change" },
    [OPTION_INTERVAL] = { "interval", "SECONDS", "between two checks of the SIM (15)" },
    [OPTION_TIMEOUT] = { "timeout", "SECONDS", "give up then, with status 1 (never)" },
    { .name = NULL },
};

#define INTERVAL_DEFAULT 15
#define SECONDS_MAX 31536000 /* a year */
#define DIGEST_SIZE 32       /* SHA-256 */

/* What a look at the SIM shows. */
struct sight {
    enum store_result result;
    uint8_t digest[DIGEST_SIZE]; /* of the content, if STORE_FOUND */
    struct queue_summary why;    /* otherwise */
};

struct wait {
    const char *name; /* of the command */
    const char *operand;
    struct iotsafe_uri uri;
    void (*look)(const struct tool *tool, const struct iotsafe_uri *uri, struct sight *ret);
    bool changed;
    const char *exec; /* or NULL */
    long interval_s, timeout_s;
    time_t began; /* CLOCK_MONOTONIC */

    bool known;  /* what there was at the last look that told is in the next three: */
    bool filled; /* something was there */
    uint8_t digest[DIGEST_SIZE];
    char told[sizeof(((struct queue_summary *)NULL)->text)]; /* the last reason printed */
};

/* ------------------------------------------------------------------- a look */

static void look_for_cert(const struct tool *tool, const struct iotsafe_uri *uri, struct sight *ret)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    STACK_OF(X509) *certs = NULL;
    bool good = ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL);

    ret->result = store_certificates(tool, uri, &certs, &ret->why);
    for (int i = 0; ret->result == STORE_FOUND && i < sk_X509_num(certs); i++) {
        unsigned char *der = NULL;
        int len = i2d_X509(sk_X509_value(certs, i), &der);

        good = good && len > 0 && EVP_DigestUpdate(ctx, der, (size_t)len);
        OPENSSL_free(der);
    }
    if (ret->result == STORE_FOUND && (!good || !EVP_DigestFinal_ex(ctx, ret->digest, NULL))) {
        ret->result = STORE_FAILED;
        report_drain_queue("out of memory", &ret->why);
    }
    sk_X509_pop_free(certs, X509_free);
    EVP_MD_CTX_free(ctx);
}

static void look_for_file(const struct tool *tool, const struct iotsafe_uri *uri, struct sight *ret)
{
    struct iotsafe_card *card = NULL;
    struct iotsafe_op op = tool_op_begin(tool);
    uint8_t *data = NULL;
    size_t len = 0;
    enum iotsafe_err err = tool_card_new(tool, uri->sim, &card, &op);

    if (err == IOTSAFE_OK)
        err = file_read(card, uri, &data, &len, &op);
    if (err == IOTSAFE_OK && !EVP_Digest(data, len, ret->digest, NULL, EVP_sha256(), NULL))
        err = IOTSAFE_ERR_MEMORY;
    ret->result = err == IOTSAFE_OK ? STORE_FOUND
                                    : (err == IOTSAFE_ERR_NOT_FOUND ? STORE_NOTHING : STORE_FAILED);
    ret->why.err = err;
    snprintf(ret->why.text, sizeof(ret->why.text), "%s",
             op.text[0] != '\0' ? op.text : iotsafe_strerror(err));
    free(data);
    iotsafe_card_free(card);
}

/* ---------------------------------------------------------------- an event */

static bool print_event(const struct tool *tool, const struct wait *wait, const char *event)
{
    char hex[HEX_SIZE(DIGEST_SIZE)], uri[IOTSAFE_URI_MAX];
    json_t *json;

    text_hex(wait->digest, DIGEST_SIZE, hex);
    iotsafe_uri_format(&wait->uri, uri);
    if (tool->json) {
        json = json_object();
        json_object_set_new(json, "uri", json_string(uri));
        json_object_set_new(json, "event", json_string(event));
        json_object_set_new(json, "sha256", json_string(hex));
        if (!output_json(json))
            return false;
    } else if (printf("%s: %s, SHA-256 %s\n", uri, event, hex) < 0) {
        return false;
    }
    return fflush(stdout) == 0;
}

/* False after an error was reported. */
static bool run_command(const struct wait *wait)
{
    const int status = system(wait->exec);

    if (status == 0)
        return true;
    if (status == -1)
        report_error("%s: cannot run the command: %s", wait->name, strerror(errno));
    else if (WIFSIGNALED(status))
        report_error("%s: the command was ended by signal %d: %s", wait->name, WTERMSIG(status),
                     wait->exec);
    else
        report_error("%s: the command ended with status %d: %s", wait->name, WEXITSTATUS(status),
                     wait->exec);
    return false;
}

/* Takes over what was seen. True if that is what is waited for. */
static bool is_event(struct wait *wait, const struct sight *sight)
{
    const bool first = !wait->known, found = sight->result == STORE_FOUND;
    const bool other = found
                       && (!wait->filled || memcmp(wait->digest, sight->digest, DIGEST_SIZE) != 0);

    if (sight->result == STORE_FAILED)
        return false; /* nothing is known of what is there */
    wait->known = true;
    if (!found)
        return false; /* what comes back as it was has not changed */
    wait->filled = true;
    memcpy(wait->digest, sight->digest, DIGEST_SIZE);
    return wait->changed ? other && !first : true;
}

/* ---------------------------------------------------------------- the wait */

static time_t now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

/* A reason once, until another one comes. */
static void explain(struct wait *wait, const struct sight *sight)
{
    const char *text = sight->result == STORE_FOUND ? "" : sight->why.text;

    if (text[0] != '\0' && strcmp(wait->told, text) != 0)
        report_note("%s: waiting for %s: %s", wait->name, wait->operand, text);
    snprintf(wait->told, sizeof(wait->told), "%s", text);
}

/* False when the time is over. */
static bool pause_until_next(const struct wait *wait)
{
    long left = wait->timeout_s != 0 ? wait->timeout_s - (now_s() - wait->began) : wait->interval_s;

    if (left <= 0)
        return false;
    nanosleep(&(struct timespec){ .tv_sec = left < wait->interval_s ? left : wait->interval_s },
              NULL);
    return true;
}

/* An event whose command fails stays one: the server has not got the news. */
static enum tool_status keep_waiting(const struct tool *tool, struct wait *wait)
{
    bool pending = false;

    do {
        struct sight sight = { .result = STORE_FAILED };
        const bool watched = wait->known;

        wait->look(tool, &wait->uri, &sight);
        if (sight.result == STORE_FAILED && sight.why.err == IOTSAFE_ERR_CONFIG) {
            report_queue(wait->operand, &sight.why);
            return TOOL_FAILED;
        }
        explain(wait, &sight);
        if (is_event(wait, &sight)) {
            if (!print_event(tool, wait, wait->changed ? "changed" : "present"))
                return TOOL_FAILED;
            pending = true;
        } else if (wait->known && !watched && wait->changed) {
            report_note("%s: watching %s, which is %s", wait->name, wait->operand,
                        wait->filled ? "there" : "not there yet");
        }
        if (pending && (wait->exec == NULL || run_command(wait))) {
            pending = false;
            if (!wait->changed || wait->exec == NULL)
                return TOOL_OK;
        }
    } while (pause_until_next(wait));
    report_error("%s: %s: %s after %ld seconds", wait->name, wait->operand,
                 wait->changed ? "no change" : "not there", wait->timeout_s);
    return TOOL_FAILED;
}

/* ------------------------------------------------------------- the commands */

/* `ret` stays as it is without the option. False after an error was reported. */
static bool parse_seconds(const struct wait *wait, const char *name, const char *text, long *ret)
{
    char *end;
    long n;

    if (text == NULL)
        return true;
    errno = 0;
    n = strtol(text, &end, 10);
    if (errno == 0 && text[0] >= '0' && text[0] <= '9' && *end == '\0' && n >= 1
        && n <= SECONDS_MAX) {
        *ret = n;
        return true;
    }
    report_error("%s: --%s %s: not a number of seconds from 1 to %d", wait->name, name, text,
                 SECONDS_MAX);
    return false;
}

static enum tool_status wait_run(struct tool *tool, const struct args *args, struct wait *wait)
{
    wait->operand = args->operand[0];
    wait->changed = args->option[OPTION_CHANGED] != NULL;
    wait->exec = args->option[OPTION_EXEC];
    wait->interval_s = INTERVAL_DEFAULT;
    wait->began = now_s();
    if (!parse_seconds(wait, "interval", args->option[OPTION_INTERVAL], &wait->interval_s)
        || !parse_seconds(wait, "timeout", args->option[OPTION_TIMEOUT], &wait->timeout_s))
        return TOOL_USAGE;
    if (wait->exec != NULL && wait->exec[0] == '\0') {
        report_error("%s: the command of --exec is empty", wait->name);
        return TOOL_USAGE;
    }
    return keep_waiting(tool, wait);
}

static enum tool_status wait_cert_run(struct tool *tool, const struct args *args)
{
    struct wait wait = { .name = "wait-cert", .look = look_for_cert };

    if (!uri_from_operand(args->operand[0], &wait.uri))
        return TOOL_USAGE;
    if (wait.uri.name.id_len == 0 && wait.uri.name.label_len == 0) {
        report_error("wait-cert: %s names no certificate; give an id or a label", args->operand[0]);
        return TOOL_USAGE;
    }
    wait.uri.type = IOTSAFE_URI_CERT;
    return wait_run(tool, args, &wait);
}

static enum tool_status wait_file_run(struct tool *tool, const struct args *args)
{
    struct wait wait = { .name = "wait-file", .look = look_for_file };

    if (!file_from_operand("wait-file", args->operand[0], NULL, &wait.uri))
        return TOOL_USAGE;
    return wait_run(tool, args, &wait);
}

#define CHANGED_TEXT                                                                     \
    "With --changed: until its content is another than at the first look; with --exec\n" \
    "as well it goes on, and runs the command at every change (to reload a server). A\n" \
    "command that fails is run again at the next look."

const struct command command_wait_cert = {
    .name = "wait-cert",
    .operands = "URI",
    .summary = "wait for a certificate, or for another one",
    .details = "Waits until the certificate that the URI names is on the SIM: the file of that\n"
               "name, else the certificate that belongs to the key of that name.\n" CHANGED_TEXT,
    .operands_min = 1,
    .operands_max = 1,
    .options = options,
    .run = wait_cert_run,
};

const struct command command_wait_file = {
    .name = "wait-file",
    .operands = "URI|ID",
    .summary = "wait for a file, or for another content of it",
    .details = "Waits until the file that the URI or the identifier (hex digits) names is on\n"
               "the SIM.\n" CHANGED_TEXT,
    .operands_min = 1,
    .operands_max = 1,
    .options = options,
    .run = wait_file_run,
};
