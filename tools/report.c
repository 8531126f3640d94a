/* SPDX-License-Identifier: Apache-2.0 */
/* Failures and warnings on stderr, and what OpenSSL's error queue is worth.
 * Exit statuses are the commands' business. */
#include "report.h"

#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"

static const char *program_name = "iotsafe";

void report_as(const char *program)
{
    program_name = program;
}

__attribute__((format(printf, 2, 0))) static void report_line(const char *prefix,
                                                              const char *format, va_list ap)
{
    char *text = NULL, *safe = NULL;
    int len = vasprintf(&text, format, ap);

    if (len >= 0)
        safe = text_escape(text, (size_t)len);
    fprintf(stderr, "%s: %s%s\n", program_name, prefix, safe != NULL ? safe : "out of memory");
    free(safe);
    if (len >= 0)
        free(text);
}

void report_error(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    report_line("", format, ap);
    va_end(ap);
}

void report_note(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    report_line("", format, ap);
    va_end(ap);
}

void report_warning(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    report_line("warning: ", format, ap);
    va_end(ap);
}

void report_library(const char *what, enum iotsafe_err err, const struct iotsafe_op *op)
{
    const char *text = op->text[0] != '\0' ? op->text : iotsafe_strerror(err);

    if (what != NULL)
        report_error("%s: %s", what, text);
    else
        report_error("%s", text);
}

/* ------------------------------------------------------ OpenSSL's error queue */

struct queue_entry {
    unsigned long code;
    const char *data; /* "" if there is none; valid until the queue changes */
};

static bool is_from_provider(const struct queue_entry *entry)
{
    const char *lib = ERR_lib_error_string(entry->code);

    return lib != NULL && strcmp(lib, "iotsafe") == 0;
}

/* libcrypto tries schemes, decoders and files that are not meant, and says so. */
static bool is_noise(const struct queue_entry *entry)
{
    int lib = ERR_GET_LIB(entry->code);

    return lib == ERR_LIB_OSSL_STORE || lib == ERR_LIB_OSSL_DECODER || lib == ERR_LIB_SYS
           || lib == ERR_LIB_DSO || ERR_GET_REASON(entry->code) == ERR_R_UNSUPPORTED;
}

static int entry_worth(const struct queue_entry *entry)
{
    int worth = entry->data[0] != '\0' ? 1 : 0;

    if (is_from_provider(entry))
        return 4 + worth;
    return is_noise(entry) ? worth : 2 + worth;
}

static void summarise(const struct queue_entry *entry, struct queue_summary *ret)
{
    const char *reason = ERR_reason_error_string(entry->code);

    ret->from_provider = is_from_provider(entry);
    ret->err = ret->from_provider ? (enum iotsafe_err)ERR_GET_REASON(entry->code) : IOTSAFE_OK;
    if (ret->from_provider && entry->data[0] != '\0')
        snprintf(ret->text, sizeof(ret->text), "%s", entry->data);
    else if (reason == NULL)
        ERR_error_string_n(entry->code, ret->text, sizeof(ret->text));
    else
        snprintf(ret->text, sizeof(ret->text), "%s%s%s", reason, entry->data[0] != '\0' ? ": " : "",
                 entry->data);
}

void report_drain_queue(const char *fallback, struct queue_summary *ret_summary)
{
    struct queue_summary best = { .err = IOTSAFE_OK };
    struct queue_entry entry;
    int best_worth = -1, flags;

    snprintf(best.text, sizeof(best.text), "%s", fallback);
    while ((entry.code = ERR_get_error_all(NULL, NULL, NULL, &entry.data, &flags)) != 0) {
        if (entry.data == NULL || (flags & ERR_TXT_STRING) == 0)
            entry.data = "";
        if (entry_worth(&entry) > best_worth) {
            best_worth = entry_worth(&entry);
            summarise(&entry, &best);
        }
    }
    *ret_summary = best;
}

void report_queue(const char *what, const struct queue_summary *summary)
{
    if (summary->from_provider)
        report_error("%s", summary->text);
    else
        report_error("%s: %s", what, summary->text);
}
