/* SPDX-License-Identifier: Apache-2.0 */
/* see options.h */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

#define RETRY_MAX_DEFAULT 3600
#define DURATION_MAX 315360000 /* ten years */

static const struct method *const methods[] = {
    &method_est,
    &method_cmp,
#ifdef ENROLL_CLOUDS
    &method_aws,
    &method_dps,
#endif
};

#define METHODS_REQUEST (METHODS_ALL & ~METHOD_DPS) /* they send one for a certificate */
#define METHODS_URL (METHOD_EST | METHOD_CMP)
#define METHODS_CLOUD (METHOD_AWS | METHOD_DPS)

enum { REQUIRED = 1, REPEATED = 2 };

static const struct {
    const char *name, *value, *help;
    unsigned methods; /* that know it */
    unsigned flags;
} rows[N_OPTIONS] = {
    [OPTION_KEY] = { "key", "URI", "the private key on the SIM", METHODS_ALL, REQUIRED },
    [OPTION_GENERATE] = { "generate", NULL, "generate the key first", METHODS_REQUEST, 0 },
    [OPTION_REPLACE] = { "replace", NULL, "with --generate: replace a key in use", METHODS_REQUEST,
                         0 },
    [OPTION_SUBJECT] = { "subject", "DN", "the device's name: /CN=device-1", METHODS_REQUEST,
                         REQUIRED },
    [OPTION_SAN] = { "san", "NAME", "another name: [DNS:|IP:|URI:|email:]NAME; repeatable",
                     METHODS_REQUEST, REPEATED },
    [OPTION_CERT_OUT] = { "cert-out", "FILE", "the certificate (PEM)", METHODS_ALL, REQUIRED },
    [OPTION_CHAIN_OUT] = { "chain-out", "FILE", "the certificates of its issuers (PEM)",
                           METHODS_REQUEST, 0 },
    [OPTION_TRUST] = { "trust", "FILE", "trusted CA certificates (PEM)", METHODS_ALL, 0 },
    [OPTION_BOOTSTRAP_KEY] = { "bootstrap-key", "URI", "key that authenticates the first request",
                               METHODS_REQUEST, 0 },
    [OPTION_BOOTSTRAP_CERT] = { "bootstrap-cert", "FILE|URI", "the certificate of that key",
                                METHODS_REQUEST, 0 },
    [OPTION_REF] = { "ref", "R", "user name, or reference of the secret", METHODS_URL, 0 },
    [OPTION_SECRET_FILE] = { "secret-file", "FILE", "file with the password or secret", METHODS_URL,
                             0 },
    [OPTION_RENEW] = { "renew", "BEFORE", "only if the certificate ends within that time: 30d, 12h",
                       METHODS_REQUEST, 0 },
    [OPTION_RETRY] = { "retry", NULL, "retry after temporary failures", METHODS_ALL, 0 },
    [OPTION_RETRY_MAX] = { "retry-max", "SECONDS", "give up then (3600)", METHODS_ALL, 0 },
    [OPTION_EXEC] = { "exec", "CMD", "run CMD with /bin/sh after a new certificate",
                      METHODS_REQUEST, 0 },
    [OPTION_SERVER] = { "server", "URL", "of the server", METHODS_URL, REQUIRED },
    [OPTION_REQUEST] = { "request", "ir|p10cr", "form of a first request (ir)", METHOD_CMP, 0 },
    [OPTION_ENDPOINT] = { "endpoint", "HOST[:PORT]", "of the service", METHODS_CLOUD, REQUIRED },
    [OPTION_TEMPLATE] = { "template", "NAME", "provisioning template", METHOD_AWS, REQUIRED },
    [OPTION_PARAMETER] = { "parameter", "K=V", "for the template; repeatable", METHOD_AWS,
                           REPEATED },
    [OPTION_SCOPE] = { "scope", "ID", "ID scope of the service", METHOD_DPS, REQUIRED },
    [OPTION_REGISTRATION_ID] = { "registration-id", "ID", "of the device", METHOD_DPS, REQUIRED },
};

/* ---- help ---- */

static void print_row(const char *dashes, const char *name, const char *value, const char *text)
{
    int width = printf("  %s%s%s%s", dashes, name, value != NULL ? " " : "",
                       value != NULL ? value : "");

    printf("%*s%s\n", width < 28 ? 28 - width : 2, "", text);
}

static void print_common_rows(void)
{
    print_row("--", "transport", "T",
              "how the SIM is reached: pcsc[:READER], at:DEVICE, socket:ADDRESS");
    print_row("--", "json", NULL, "print the result as JSON");
    print_row("--", "help", NULL, "print this help");
}

static void print_help(void)
{
    puts("Usage: iotsafe-enroll [--transport T] [--json] METHOD --key URI [OPTION...]\n\nObtains a "
         "certificate for a key on the SIM, which signs the request.\n\nMethods:");
    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        print_row("", methods[i]->name, NULL, methods[i]->summary);
    puts("\nOptions, before or after the method:");
    print_common_rows();
    print_row("--", "version", NULL, "print the version");
    puts("\n'iotsafe-enroll METHOD --help' tells more. See iotsafe-enroll(1).");
}

static void print_method_help(const struct method *method)
{
    printf("Usage: iotsafe-enroll %s --key URI [OPTION...]\n\n%s\n\nOptions:\n", method->name,
           method->summary);
    for (size_t i = 0; i < N_OPTIONS; i++)
        if ((rows[i].methods & method->bit) != 0)
            print_row("--", rows[i].name, rows[i].value, rows[i].help);
    print_common_rows();
    puts("\nExit status: 0 done or not due, 1 failed, 2 wrong usage, 3 pending, 4 refused.");
}

/* ---- parsing ---- */

enum { CODE_TRANSPORT = 256, CODE_JSON, CODE_HELP, CODE_VERSION };

static const struct option common[] = {
    { "transport", required_argument, NULL, CODE_TRANSPORT },
    { "json", no_argument, NULL, CODE_JSON },
    { "help", no_argument, NULL, CODE_HELP },
    { "version", no_argument, NULL, CODE_VERSION },
};

struct seen {
    bool help, version;
};

static void collect(const struct method *method,
                    struct option ret[static N_OPTIONS + ARRAY_LEN(common) + 1])
{
    size_t n = 0;

    memset(ret, 0, (N_OPTIONS + ARRAY_LEN(common) + 1) * sizeof(*ret));
    for (int i = 0; method != NULL && i < N_OPTIONS; i++)
        if ((rows[i].methods & method->bit) != 0)
            ret[n++] = (struct option){ rows[i].name,
                                        rows[i].value != NULL ? required_argument : no_argument,
                                        NULL, i };
    memcpy(ret + n, common, sizeof(common));
}

static bool take_value(struct job *job, int code)
{
    struct values *values = &job->option[code];

    if (values->n == OPTION_VALUES_MAX || (values->n != 0 && (rows[code].flags & REPEATED) == 0)) {
        report_error("--%s is given too many times", rows[code].name);
        return false;
    }
    values->value[values->n++] = optarg != NULL ? optarg : "";
    return true;
}

static bool take(struct job *job, struct seen *seen, int code)
{
    switch (code) {
    case CODE_TRANSPORT: /* before the provider reads its environment */
        if (setenv("IOTSAFE_TRANSPORT", optarg, 1) == 0)
            return true;
        report_error("cannot set the transport: out of memory");
        return false;
    case CODE_JSON:
        job->tool->json = true;
        return true;
    case CODE_HELP:
        seen->help = true;
        return true;
    case CODE_VERSION:
        seen->version = true;
        return true;
    default:
        return take_value(job, code);
    }
}

/* Options up to the first operand (`mode` "+:") or all of them (":"). */
static bool parse(struct job *job, struct seen *seen, const char *mode, int argc, char **argv)
{
    struct option known[N_OPTIONS + ARRAY_LEN(common) + 1];
    int code;

    collect(job->method, known);
    opterr = 0;
    optind = 0; /* start anew, see getopt(3) */
    while ((code = getopt_long(argc, argv, mode, known, NULL)) != -1) {
        if (code == '?' || code == ':') {
            report_error("%s '%s'; 'iotsafe-enroll%s%s --help' shows the options",
                         code == ':' ? "a value is missing after" : "unknown option",
                         argv[optind - 1], job->method != NULL ? " " : "",
                         job->method != NULL ? job->method->name : "");
            return false;
        }
        if (!take(job, seen, code))
            return false;
    }
    return true;
}

static const struct method *find_method(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        if (strcmp(methods[i]->name, name) == 0)
            return methods[i];
    report_error("unknown method '%s'; 'iotsafe-enroll --help' lists the methods of this build",
                 name);
    return NULL;
}

/* ---- checks ---- */

long options_duration(const char *text)
{
    static const struct {
        char unit;
        long seconds;
    } units[] = { { '\0', 1 }, { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
    char *end;
    long n;

    errno = 0;
    n = text[0] >= '0' && text[0] <= '9' ? strtol(text, &end, 10) : -1;
    if (n < 0 || errno != 0 || (end[0] != '\0' && end[1] != '\0'))
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (units[i].unit == end[0])
            return n <= DURATION_MAX / units[i].seconds ? n * units[i].seconds : -1;
    return -1;
}

long options_retry_max(const struct job *job)
{
    const char *text = job_option(job, OPTION_RETRY_MAX);

    return text != NULL ? options_duration(text) : RETRY_MAX_DEFAULT;
}

static bool given(const struct job *job, enum option_name name)
{
    return job->option[name].n != 0;
}

static bool check_required(const struct job *job)
{
    for (size_t i = 0; i < N_OPTIONS; i++) {
        const bool wanted = (rows[i].flags & REQUIRED) != 0
                            || (i == OPTION_TRUST && job->method->trust_needed);

        if (wanted && (rows[i].methods & job->method->bit) != 0
            && !given(job, (enum option_name)i)) {
            report_error("%s: --%s is missing", job->method->name, rows[i].name);
            return false;
        }
    }
    return true;
}

/* Options that make no sense without another. */
static const struct {
    enum option_name name, needs;
} pairs[] = {
    { OPTION_REPLACE, OPTION_GENERATE },
    { OPTION_BOOTSTRAP_KEY, OPTION_BOOTSTRAP_CERT },
    { OPTION_BOOTSTRAP_CERT, OPTION_BOOTSTRAP_KEY },
    { OPTION_REF, OPTION_SECRET_FILE },
    { OPTION_SECRET_FILE, OPTION_REF },
    { OPTION_RETRY_MAX, OPTION_RETRY },
};

static bool check_pairs(const struct job *job)
{
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
        if (given(job, pairs[i].name) && !given(job, pairs[i].needs)) {
            report_error("--%s needs --%s", rows[pairs[i].name].name, rows[pairs[i].needs].name);
            return false;
        }
    if (given(job, OPTION_BOOTSTRAP_KEY) && given(job, OPTION_REF)) {
        report_error("--bootstrap-key or --ref, not both");
        return false;
    }
    return true;
}

static bool check_duration(const struct job *job, enum option_name name)
{
    const char *text = job_option(job, name);

    if (text == NULL || options_duration(text) >= 0)
        return true;
    report_error("--%s %s: not a time such as 30d, 12h, 45m or 90s", rows[name].name, text);
    return false;
}

/* An empty value stands for a variable that is not set in a script or unit. */
static bool check_empty(const struct job *job)
{
    for (size_t i = 0; i < N_OPTIONS; i++)
        for (size_t j = 0; j < job->option[i].n; j++)
            if (rows[i].value != NULL && job->option[i].value[j][0] == '\0') {
                report_error("--%s: the value is empty", rows[i].name);
                return false;
            }
    return true;
}

static bool check(struct job *job)
{
    struct iotsafe_uri bootstrap;
    const char *key = job_option(job, OPTION_BOOTSTRAP_KEY);

    if (!check_empty(job) || !check_required(job) || !check_pairs(job)
        || !check_duration(job, OPTION_RENEW) || !check_duration(job, OPTION_RETRY_MAX))
        return false;
    job->renew_s = given(job, OPTION_RENEW) ? options_duration(job_option(job, OPTION_RENEW)) : -1;
    return key_uri_from_operand(job_given(job, OPTION_KEY), IOTSAFE_URI_PRIVATE, &job->key_uri)
           && (key == NULL || key_uri_from_operand(key, IOTSAFE_URI_PRIVATE, &bootstrap))
           && (job->method->check == NULL || job->method->check(job));
}

enum parsed options_parse(struct job *job, int argc, char **argv)
{
    struct seen seen = { .help = false };

    if (!parse(job, &seen, "+:", argc, argv))
        return PARSED_WRONG;
    if (optind < argc) {
        if ((job->method = find_method(argv[optind])) == NULL)
            return PARSED_WRONG;
        argc -= optind;
        argv += optind; /* the method's name stands where the program's did */
        if (!parse(job, &seen, ":", argc, argv))
            return PARSED_WRONG;
    }
    if (seen.version)
        printf("iotsafe-enroll %s\n%s\n", IOTSAFE_VERSION, OpenSSL_version(OPENSSL_VERSION));
    else if (seen.help && job->method != NULL)
        print_method_help(job->method);
    else if (seen.help)
        print_help();
    if (seen.version || seen.help)
        return PARSED_HELP;
    if (job->method == NULL)
        report_error("a method is missing; 'iotsafe-enroll --help' lists them");
    else if (optind < argc)
        report_error("%s: unexpected argument '%s'", job->method->name, argv[optind]);
    else if (check(job))
        return PARSED_JOB;
    return PARSED_WRONG;
}
