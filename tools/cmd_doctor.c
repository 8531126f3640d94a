/* SPDX-License-Identifier: Apache-2.0 */
/* iotsafe doctor: the steps from openssl.cnf to TLS in their order, and the output. What is
 * looked at in each step is in doctor_*.c. */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "doctor.h"
#include "doctor_as.h"
#include "output.h"

enum { OPTION_AS, OPTION_NO_SIGN };

static const struct command_option options[] = {
    [OPTION_AS] = { "as", "NAME",
                    "as that service (user, environment, sandbox) or user; needs root" },
    [OPTION_NO_SIGN] = { "no-sign", NULL, "make no test signature" },
    { .name = NULL },
};

/* ---- findings ---- */

static const struct {
    const char *id, *next;
    enum doctor_status status;
} findings[] = {
#define DOCTOR_ROW(name, id, status, next) { id, next, DOCTOR_##status },
    DOCTOR_FINDINGS(DOCTOR_ROW)
#undef DOCTOR_ROW
};

struct doctor_line {
    const char *step, *id, *next; /* no id and no next: nothing was found */
    enum doctor_status status;
    char *cause;
};

static void add_line(struct doctor *d, const struct doctor_line *line)
{
    struct doctor_line *lines = NULL;

    if (line->cause != NULL)
        lines = reallocarray(d->lines, d->n_lines + 1, sizeof(*lines));
    if (lines == NULL) {
        d->no_memory = true;
        free(line->cause);
        return;
    }
    d->lines = lines;
    d->lines[d->n_lines++] = *line;
}

void doctor_find(struct doctor *d, enum finding finding, const char *format, ...)
{
    struct doctor_line line = { d->step, findings[finding].id, findings[finding].next,
                                findings[finding].status, NULL };
    va_list ap;

    va_start(ap, format);
    if (vasprintf(&line.cause, format, ap) < 0)
        line.cause = NULL;
    va_end(ap);
    add_line(d, &line);
}

void doctor_ok(struct doctor *d, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vsnprintf(d->ok_text, sizeof(d->ok_text), format, ap);
    va_end(ap);
}

/* ---- steps ---- */

enum step {
    STEP_USER,
    STEP_CONFIGURATION,
    STEP_MODULE,
    STEP_FILE,
    STEP_TRANSPORT,
    STEP_SANDBOX,
    STEP_APPLET,
    STEP_OBJECTS,
    STEP_CERTIFICATE,
    STEP_SIGNATURE,
    STEP_TLS,
    STEP_MAX
};

#define NEEDS(step) (1U << (step))

static const struct check {
    const char *step;
    bool (*run)(struct doctor *);
    unsigned needs; /* steps that must have been passed; else this one is left out */
} checks[STEP_MAX] = {
    [STEP_USER] = { "user", doctor_user, 0 },
    [STEP_CONFIGURATION] = { "configuration", doctor_configuration, NEEDS(STEP_USER) },
    [STEP_MODULE] = { "module", doctor_module, NEEDS(STEP_USER) },
    [STEP_FILE] = { "file", doctor_file, NEEDS(STEP_USER) },
    [STEP_TRANSPORT] = { "transport", doctor_transport, NEEDS(STEP_CONFIGURATION) },
    [STEP_SANDBOX] = { "sandbox", doctor_sandbox, NEEDS(STEP_CONFIGURATION) },
    [STEP_APPLET] = { "applet", doctor_applet, NEEDS(STEP_TRANSPORT) },
    [STEP_OBJECTS] = { "objects", doctor_objects, NEEDS(STEP_APPLET) | NEEDS(STEP_FILE) },
    [STEP_CERTIFICATE] = { "certificate", doctor_certificate, NEEDS(STEP_OBJECTS) },
    [STEP_SIGNATURE] = { "signature", doctor_signature, NEEDS(STEP_OBJECTS) },
    [STEP_TLS] = { "TLS", doctor_tls, NEEDS(STEP_CERTIFICATE) },
};

static void run_check(struct doctor *d, enum step step, unsigned *passed)
{
    const size_t before = d->n_lines;

    if ((checks[step].needs & ~*passed) != 0)
        return;
    *d->reached_step = (int)step;
    d->step = checks[step].step;
    d->ok_text[0] = '\0';
    if (checks[step].run(d))
        *passed |= NEEDS(step);
    if (d->n_lines == before && d->ok_text[0] != '\0')
        add_line(d, &(struct doctor_line){ .step = d->step, .cause = strdup(d->ok_text) });
}

bool doctor_has_failed(const struct doctor *d)
{
    for (size_t i = 0; i < d->n_lines; i++)
        if (d->lines[i].status == DOCTOR_FAIL)
            return true;
    return false;
}

/* ---- output ---- */

static const char *const status_words[] = {
    [DOCTOR_OK] = "ok", [DOCTOR_WARNING] = "warning", [DOCTOR_FAIL] = "fail"
};

static char last_character(const char *text)
{
    return text[0] != '\0' ? text[strlen(text) - 1] : ' ';
}

static void print_text(const struct doctor *d)
{
    for (size_t i = 0; i < d->n_lines; i++) {
        const struct doctor_line *line = &d->lines[i];
        char *safe = text_escape(line->cause, strlen(line->cause));

        printf("%-9s%s: %s", status_words[line->status], line->step,
               safe != NULL ? safe : "out of memory");
        if (line->next != NULL)
            printf("%s Next: %s", strchr(".?", last_character(line->cause)) != NULL ? "" : ".",
                   line->next);
        putchar('\n');
        free(safe);
    }
}

static bool print_json(const struct doctor *d)
{
    json_t *array = json_array();

    for (size_t i = 0; i < d->n_lines; i++) {
        const struct doctor_line *line = &d->lines[i];
        char *safe = text_escape(line->cause, strlen(line->cause));
        json_t *json = json_object();

        json_object_set_new(json, "step", json_string(line->step));
        json_object_set_new(json, "status", json_string(status_words[line->status]));
        json_object_set_new(json, "id", line->id != NULL ? json_string(line->id) : json_null());
        json_object_set_new(json, "cause", json_string(safe != NULL ? safe : ""));
        json_object_set_new(json, "next",
                            line->next != NULL ? json_string(line->next) : json_null());
        json_array_append_new(array, json);
        free(safe);
    }
    return output_json(array);
}

static enum tool_status print(const struct doctor *d, bool json)
{
    if (d->no_memory) {
        report_error("doctor: out of memory");
        return TOOL_FAILED;
    }
    if (!json)
        print_text(d);
    else if (!print_json(d))
        return TOOL_FAILED;
    return doctor_has_failed(d) ? TOOL_FAILED : TOOL_OK;
}

/* ---- */

const struct tool *doctor_tool(const struct doctor *d)
{
    return d->program.libctx != NULL ? &d->program : &d->own;
}

static void clear(struct doctor *d)
{
    for (size_t i = 0; i < d->n_lines; i++)
        free(d->lines[i].cause);
    free(d->lines);
    free(d->objects);
    EVP_PKEY_free(d->key);
    EVP_PKEY_free(d->file_key);
    sk_X509_pop_free(d->certs, X509_free);
    sk_X509_pop_free(d->file_certs, X509_free);
    iotsafe_card_free(d->card);
    tool_close(&d->program);
    tool_close(&d->own);
    NCONF_free(d->conf);
    OPENSSL_free(d->conf_path);
}

static enum tool_status examine(struct doctor *d, bool json)
{
    enum tool_status status = TOOL_FAILED;
    unsigned passed = 0;

    run_check(d, STEP_USER, &passed); /* before anything reads the environment */
    if (tool_open(&d->own)) {
        for (int step = STEP_USER + 1; step < STEP_MAX; step++)
            run_check(d, (enum step)step, &passed);
        status = print(d, json);
    }
    return status;
}

/* What the checks load may crash, and they may have become another user for good: a child
 * does them. `d->reached_step` is shared with it. */
static enum tool_status examine_in_child(struct doctor *d, bool json)
{
    const pid_t child = fork();
    int status = 0;

    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        return examine(d, json);
    }
    if (child < 0 || waitpid(child, &status, 0) != child) {
        report_error("doctor: cannot start a process: %s", strerror(errno));
        return TOOL_FAILED;
    }
    if (WIFEXITED(status))
        return (enum tool_status)WEXITSTATUS(status);
    d->step = checks[*d->reached_step].step;
    doctor_find(d, FINDING_CRASHED, "the program that checks this step was killed by signal %d",
                WTERMSIG(status));
    return print(d, json);
}

static enum tool_status run_with(struct doctor *d, bool json)
{
    enum tool_status status = TOOL_FAILED;
    void *shared = mmap(NULL, sizeof(*d->reached_step), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (shared == MAP_FAILED) {
        report_error("doctor: out of memory");
        return TOOL_FAILED;
    }
    d->reached_step = shared;
    status = examine_in_child(d, json);
    clear(d);
    (void)munmap(shared, sizeof(*d->reached_step));
    return status;
}

static enum tool_status doctor_run(struct tool *tool, const struct args *args)
{
    struct doctor_as as = { .user = "" };
    struct doctor d = { .operand = args->n_operands > 0 ? args->operand[0] : NULL,
                        .no_sign = args->option[OPTION_NO_SIGN] != NULL,
                        .transport = args->transport,
                        .own = { .quiet = true } };
    enum tool_status status;

    d.file_given = d.operand != NULL && !iotsafe_uri_is_ours(d.operand);
    if (d.operand != NULL && !d.file_given && !uri_from_operand(d.operand, &d.uri))
        return TOOL_USAGE;
    if (args->option[OPTION_AS] != NULL) {
        if (!doctor_as_find(args->option[OPTION_AS], &as))
            return TOOL_USAGE;
        d.as = &as;
    }
    status = run_with(&d, tool->json);
    doctor_as_clear(&as);
    return status;
}

const struct command command_doctor = {
    .name = "doctor",
    .operands = "[URI|FILE]",
    .summary = "find out why a key cannot be used",
    .details = "Goes the whole way from openssl.cnf to TLS as programs do, for that key or key\n"
               "reference, else for the first key that has a certificate, and prints one line a\n"
               "step: ok, warning or fail, the cause, and what to do next. Fails if anything\n"
               "fails that this key needs.",
    .operands_max = 1,
    .opens_itself = true,
    .options = options,
    .run = doctor_run,
};
